"""Trading calendars: which dates are sessions, and when each one closes.

A calendar is a table of sessions and closes that is computed for a range of years and grows
when it is asked about a date outside. Nothing here reads the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from forecaster.errors import ConfigError, DataError
from forecaster.market.amended import amended
from forecaster.market.frames import Sessions
from forecaster.market.rules import Rule, Table, find_rule, own_name

if TYPE_CHECKING:
    from forecaster.config import Amendment

YEARS_BEFORE = 5  # what a table holds more than was asked for, so that it seldom has to grow
YEARS_AFTER = 1
LONGEST_CLOSURE = timedelta(days=31)
NEWEST = 500  # sessions that must match for a calendar to be inferred


class Calendar(Protocol):
    """The sessions of a market and their closes."""

    @property
    def name(self) -> str:
        """The name under which `get_calendar` gives this calendar."""

    def sessions(self, first: date, last: date) -> Sessions:
        """Return the sessions from `first` to `last`, both included, as (n,) datetime64[D].

        Dates before the first one that the calendar knows have none.
        """

    def after(self, session: date, count: int) -> list[date]:
        """Return the next `count` sessions after `session`."""

    def before(self, session: date, count: int) -> list[date]:
        """Return the last `count` sessions before `session`, ascending."""

    def close(self, session: date) -> datetime:
        """Return when `session` closes, aware, in UTC."""

    def last_closed(self, moment: datetime) -> date:
        """Return the last session whose close is at or before `moment`, which must be aware."""


class TableCalendar:
    """A calendar from a rule; its table grows to the years that are asked for."""

    def __init__(self, rule: Rule) -> None:
        self.name = rule.name
        self._rule = rule
        self._range: tuple[date, date] | None = None
        self._table: Table = (np.array([], "datetime64[D]"), np.array([], "datetime64[us]"))

    def sessions(self, first: date, last: date) -> Sessions:
        """See Calendar."""
        days, _ = self._covering(first, last)
        return days[np.searchsorted(days, _day(first)) : np.searchsorted(days, _day(last), "right")]

    def after(self, session: date, count: int) -> list[date]:
        """See Calendar."""
        # Two days for one, and the longest closure on top, reach far enough in every calendar.
        last = session + 2 * count * timedelta(days=1) + LONGEST_CLOSURE
        days, _ = self._covering(session, min(last, max(self._rule.latest, session)))
        start = int(np.searchsorted(days, _day(session), side="right"))
        return self._counted(days[start : start + count], count, session)

    def before(self, session: date, count: int) -> list[date]:
        """See Calendar."""
        first = session - 2 * count * timedelta(days=1) - LONGEST_CLOSURE
        days, _ = self._covering(first, session)
        stop = int(np.searchsorted(days, _day(session)))
        return self._counted(days[max(stop - count, 0) : stop], count, session)

    def close(self, session: date) -> datetime:
        """See Calendar."""
        days, closes = self._covering(session, session)
        position = int(np.searchsorted(days, _day(session)))
        if position == len(days) or days[position] != _day(session):
            raise DataError(f"{session} is no session of {self.name}", code="no_session")
        moment: datetime = closes[position : position + 1].tolist()[0]
        return moment.replace(tzinfo=UTC)

    def last_closed(self, moment: datetime) -> date:
        """See Calendar."""
        if moment.tzinfo is None:
            raise ValueError(f"the moment {moment} has no time zone")
        moment = moment.astimezone(UTC)
        latest = min(moment.date() + timedelta(days=2), max(self._rule.latest, moment.date()))
        days, closes = self._covering(moment.date() - LONGEST_CLOSURE, latest)
        closed = int(np.searchsorted(closes, np.datetime64(moment.replace(tzinfo=None)), "right"))
        return self._counted(days[closed - 1 : closed], 1, moment.date())[0]

    def _covering(self, first: date, last: date) -> Table:
        """Return the table after making sure that it covers `first` to `last`."""
        rule = self._rule
        if last > rule.latest:
            raise DataError(
                f"the calendar {self.name} knows no sessions after {rule.latest}, not {last}",
                remedy="install a newer exchange_calendars, or set another calendar",
                code="calendar_range",
            )
        first = min(max(first, rule.earliest), last)
        if self._range is None or first < self._range[0] or last > self._range[1]:
            self._grow(first, last)
        return self._table

    def _grow(self, first: date, last: date) -> None:
        start, stop = date(first.year - YEARS_BEFORE, 1, 1), date(last.year + YEARS_AFTER, 12, 31)
        if known := self._range or self._rule.usual:
            start, stop = min(start, known[0]), max(stop, known[1])
        start, stop = max(start, self._rule.earliest), min(stop, self._rule.latest)
        self._table = self._rule.table(start, stop)
        self._range = (start, stop)

    def _counted(self, days: Sessions, count: int, session: date) -> list[date]:
        if len(days) < count:
            raise DataError(
                f"the calendar {self.name} does not know {count} sessions around {session}",
                remedy="install a newer exchange_calendars, or set another calendar",
                code="calendar_range",
            )
        found: list[date] = days.tolist()
        return found


@cache
def get_calendar(name: str) -> Calendar:
    """Return the calendar of a name.

    Args:
        name: "24/7", "weekdays" (both close at midnight UTC), "ECB" (the days on which the European
            Central Bank publishes its rates, about 16:00 in Frankfurt), or an exchange's code or
            alias in exchange_calendars, such as "XNYS".

    Raises:
        ConfigError: there is no such calendar (the message has names that come near), or the
            library cannot build it.
    """
    return TableCalendar(find_rule(name))


class Calendars:
    """Every calendar by its name, with the days amended that the library has otherwise."""

    def __init__(self, amendments: Sequence[Amendment] = ()) -> None:
        self._written = amendments
        self._amended: dict[str, Calendar] = {}

    def get(self, name: str) -> Calendar:
        """Return the calendar of a name; see `get_calendar`.

        Raises:
            ConfigError: there is no such calendar, or an amendment is of one that there is not.
        """
        if not self._written:
            return get_calendar(name)
        own = own_name(name)
        if not (amendments := self._by_calendar.get(own)):
            return get_calendar(name)
        if own not in self._amended:
            self._amended[own] = TableCalendar(amended(find_rule(name), amendments))
        return self._amended[own]

    def check(self) -> None:
        """Refuse amendments of calendars that there are not.

        Raises:
            ConfigError: naming the line.
        """
        _ = self._by_calendar

    @cached_property
    def _by_calendar(self) -> dict[str, list[Amendment]]:
        found: dict[str, list[Amendment]] = {}
        for one in self._written:
            try:
                found.setdefault(own_name(one.calendar), []).append(one)
            except ConfigError as error:
                raise ConfigError(
                    f"{one.where}: {error.message}", remedy=error.remedy, code=error.code
                ) from error
        return found


LIBRARY = Calendars()


def infer_calendar(sessions: Sessions, calendars: Calendars = LIBRARY) -> str:
    """Return the calendar that (n,) datetime64[D] sessions seem to follow.

    "24/7" where one falls on a weekend, "XNYS" where the newest 500 are exactly New York's, and
    otherwise "weekdays".
    """
    if not np.is_busday(sessions).all():
        return "24/7"
    newest = sessions[-NEWEST:]
    if len(newest):
        new_york = calendars.get("XNYS").sessions(newest[0].item(), newest[-1].item())
        if np.array_equal(new_york, newest):
            return "XNYS"
    return "weekdays"


def _day(session: date) -> np.datetime64:
    return np.datetime64(session, "D")
