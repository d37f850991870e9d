"""How each calendar is computed: sessions and closes of a range of dates."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from forecaster.errors import ConfigError
from forecaster.market.frames import Sessions
from forecaster.market.mended import mend_offsets

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

# sessions (n,) datetime64[D] and their closes (n,) datetime64[us] in UTC, of a range of dates
Table = tuple[Sessions, Sessions]

# What prices are usually of. It takes the library as long to compute one month.
USUAL = date(1990, 1, 1), date(2040, 12, 31)
# A month within the bounds of every exchange calendar, to ask for the bounds themselves.
ANY_MONTH = date(2022, 1, 1), date(2022, 1, 31)
OWN = "ECB", "weekdays", "24/7"  # not of the library, or not by its rule
FRANKFURT = "Europe/Berlin"
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True)
class Rule:
    """How the table of one calendar is computed, and for which dates that is possible.

    `usual` are the dates for which it is computed in any case, where that is best; `zone` is
    where its clocks are.
    """

    name: str
    table: Callable[[date, date], Table]
    earliest: date = EARLIEST
    latest: date = LATEST
    usual: tuple[date, date] | None = None
    zone: str = "UTC"


@cache
def find_rule(name: str) -> Rule:
    """Return the rule of a calendar's name.

    Raises:
        ConfigError: there is no such calendar, or the library cannot build it.
    """
    if name == "24/7":
        return Rule(name, _every_day)
    if name == "weekdays":
        return Rule(name, _weekdays)
    if name == "ECB":
        return Rule(name, _ecb, earliest=date(1999, 1, 4), zone=FRANKFURT)
    return _exchange_rule(name)


@cache
def own_name(name: str) -> str:
    """Return the one name of a calendar that may be known by others.

    Raises:
        ConfigError: there is no such calendar.
    """
    if name in OWN:
        return name
    import exchange_calendars  # noqa: PLC0415 - 0.4 s that a cached rule saves

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        raise _unknown(name, [*known, *OWN])
    resolved: str = exchange_calendars.resolve_alias(name)
    return resolved


def _exchange_rule(name: str) -> Rule:
    name = own_name(name)
    try:
        # The library keeps the last one that it computed: the table costs nothing more.
        some, usual = _exchange(name, *USUAL), USUAL
    except ConfigError:
        some, usual = _exchange(name, *ANY_MONTH), None
    earliest, latest = some.bound_min(), some.bound_max()
    return Rule(
        name,
        lambda first, last: _exchange_table(name, first, last),
        earliest=earliest.date() if earliest else EARLIEST,
        latest=latest.date() if latest else LATEST,
        usual=usual,
        zone=str(some.tz),
    )


def _exchange_table(name: str, first: date, last: date) -> Table:
    found = _exchange(name, first, last)
    closes = found.closes.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return found.sessions.to_numpy().astype("datetime64[D]"), closes


def _exchange(name: str, first: date, last: date) -> ExchangeCalendar:
    import exchange_calendars  # noqa: PLC0415 - as above

    try:
        with warnings.catch_warnings():
            # The library uses pandas calls that pandas 4 will change; nothing of ours.
            warnings.simplefilter("ignore")
            mend_offsets()
            return exchange_calendars.get_calendar(name, start=str(first), end=str(last))
    # Some of its calendars break with some versions of pandas, each in its own way.
    except Exception as error:
        raise ConfigError(
            f"exchange_calendars cannot build {name}: {type(error).__name__}: {str(error)[:200]}",
            remedy='set calendar = "weekdays" and missing = "drop", or try another version of it',
            code="broken_calendar",
        ) from error


def _unknown(name: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(name.upper(), known)
    remedy = f"did you mean {' or '.join(near)}? " if near else ""
    return ConfigError(
        f"there is no calendar {name!r}",
        remedy=remedy + "use an exchange_calendars code such as XNYS, or ECB, 24/7 or weekdays",
        code="unknown_calendar",
    )


def _every_day(first: date, last: date) -> Table:
    days = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
    return days, (days + 1).astype("datetime64[us]")


def _weekdays(first: date, last: date) -> Table:
    days, closes = _every_day(first, last)
    open_days = np.is_busday(days)
    return days[open_days], closes[open_days]


def _ecb(first: date, last: date) -> Table:
    import holidays  # noqa: PLC0415 - only the euro rates need it

    closed = holidays.financial_holidays("ECB", years=range(first.year, last.year + 1))
    days, _ = _weekdays(first, last)
    days = np.setdiff1d(days, np.array(sorted(closed), dtype="datetime64[D]"))
    published = time(16, 0, tzinfo=ZoneInfo(FRANKFURT))
    moments = [datetime.combine(day, published).astimezone(UTC) for day in days.tolist()]
    closes = [moment.replace(tzinfo=None) for moment in moments]
    return days, np.array(closes, dtype="datetime64[us]")
