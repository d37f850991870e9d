"""When the job is due: decided by the calendars and the ledger, by no clock string.

A session is due when it has closed and settled. It stays on the schedule until it is done, given
up or, where the configuration says so, missed; so neither sleep nor a step of the clock nor
daylight saving can skip or double one.
"""

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from forecaster.config import SeriesSettings, Settings
from forecaster.errors import DataError, ForecasterError
from forecaster.ledger import Ledger, Series
from forecaster.ledger.ahead import take_back
from forecaster.ledger.instruments import read_series
from forecaster.ledger.runs import (
    Awaited,
    Run,
    newest_live,
    on_schedule,
    open_runs,
    put_on_schedule,
)
from forecaster.market import Calendar, Calendars

LATE = timedelta(hours=1)
"""After which a session is late that a daemon should have seen: whoever runs the job by hand or by
a clock of their own chooses the hour."""

LADDER = tuple(timedelta(seconds=each) for each in (30, 120, 480, 1800, 3600))
"""From one attempt to the next; the last one again and again."""

FEWEST = len(LADDER)
"""Attempts before a session is given up, however late they begin."""

STALE = 10
"""Sessions for which what is late is tried again with each newer one: a bar may come by then."""

JITTER = 0.3
"""Share by which a wait differs, so that a source's many users do not come back together."""


@dataclass(frozen=True)
class Arrivals:
    """Sessions that have become due and are not on the schedule yet.

    Attributes:
        awaited: of each calendar, ascending.
        newest: the last settled session of each calendar in use.
        unknown: why the sessions of a calendar in use cannot be told; it is in none of the others.
    """

    awaited: Mapping[str, Sequence[Awaited]]
    newest: Mapping[str, date]
    unknown: Mapping[str, ForecasterError]


def active_series(ledger: Ledger, settings: Settings) -> list[Series]:
    """Return the configured series that new sessions are awaited of."""
    known = read_series(ledger)
    found = [known[one.name] for one in settings.each_series() if _is_known(one, known)]
    return [one for one in found if not one.paused and not one.instrument.historical]


def unknown_series(ledger: Ledger, settings: Settings) -> list[str]:
    """Return the names of the configured series that never had a bar."""
    known = read_series(ledger)
    return [one.name for one in settings.each_series() if not _is_known(one, known)]


def on_calendars(
    ledger: Ledger, wanted: Iterable[SeriesSettings], calendars: Collection[str] | None
) -> list[SeriesSettings]:
    """Return the series of some calendars, and those of which it is not known; None: all."""
    if calendars is None:
        return list(wanted)
    known = read_series(ledger)
    return [
        one
        for one in wanted
        if not _is_known(one, known) or known[one.name].instrument.calendar in calendars
    ]


def _is_known(one: SeriesSettings, known: Mapping[str, Series]) -> bool:
    """Return whether the ledger has a series of that name, and of the same instrument."""
    found = known.get(one.name)
    address = (one.source, one.symbol)
    return found is not None and (found.instrument.source, found.instrument.symbol) == address


def sessions_due(
    ledger: Ledger,
    settings: Settings,
    calendars: Calendars,
    now: datetime,
    *,
    late_after: timedelta = timedelta.max,
) -> Arrivals:
    """Return the sessions that have become due since the schedule was last looked at.

    A calendar that is new begins with its newest session: what was before is the initial
    backfill's. Where its series were forecast before there was a schedule, it begins behind that.
    """
    delay = timedelta(minutes=settings.schedule.settle_delay)
    active = active_series(ledger, settings)
    newest, unknown = _newest(active, calendars, now, delay)
    known = on_schedule(ledger, newest)
    if newest.keys() - known.keys():
        worked = newest_live(ledger, [one.id for one in active])
        older = {name: last for name, last in worked.items() if last < newest.get(name, last)}
        known = {name: {last} for name, last in older.items()} | known
    awaited: dict[str, list[Awaited]] = {}
    for name in newest:
        if name not in known:
            awaited[name] = [Awaited(newest[name], now)]
            continue
        calendar = calendars.get(name)
        sessions: list[date] = calendar.sessions(min(known[name]), newest[name]).tolist()
        fresh = [session for session in sessions if session not in known[name]]
        due = [(session, calendar.close(session) + delay) for session in fresh]
        awaited[name] = [
            Awaited(session, moment, late=now - moment > late_after, missed=missed)
            for (session, moment), missed in zip(due, _missed(settings, len(due)), strict=True)
        ]
    found = {name: sessions for name, sessions in awaited.items() if sessions}
    return Arrivals(found, newest, unknown)


def _newest(
    active: Iterable[Series], calendars: Calendars, now: datetime, delay: timedelta
) -> tuple[dict[str, date], dict[str, ForecasterError]]:
    """Return the last session of each calendar that has settled; or why it is not known.

    The library knows some calendars for a year ahead only: one that has ended stops no other.
    """
    newest, unknown = {}, {}
    for name in sorted({one.instrument.calendar for one in active}):
        try:
            newest[name] = calendars.get(name).last_closed(now - delay)
        except ForecasterError as error:
            unknown[name] = error
    return newest, unknown


def _missed(settings: Settings, count: int) -> list[str]:
    """Return for so many sessions, from the oldest, why each is not worked; nothing where it is."""
    wish = settings.schedule.catch_up
    worked = {"all": count, "latest": 1}.get(str(wish), wish)
    left_out = max(0, count - int(worked))
    why = f"nothing ran when it was due, and catch_up = {wish!r} leaves it out"
    return [why] * left_out + [""] * (count - left_out)


def scheduled(ledger: Ledger, settings: Settings, calendars: Calendars, now: datetime) -> list[Run]:
    """Put what has become due on the schedule, and return what is open on it and can be worked."""
    take_off(ledger, calendars, now)
    due = sessions_due(ledger, settings, calendars, now)
    put_on_schedule(ledger, due.awaited, due.newest)
    return workable(ledger, due)


def workable(ledger: Ledger, arrivals: Arrivals) -> list[Run]:
    """Return the open runs of calendars in use, less those not settled by the present delay."""
    newest = arrivals.newest
    return [one for one in open_runs(ledger) if one.session <= newest.get(one.calendar, date.min)]


def take_off(ledger: Ledger, calendars: Calendars, now: datetime) -> list[Run]:
    """Take off the schedule, and return, what is not due yet and what is no session after all."""
    unreal = [one.id for one in open_runs(ledger) if not _is_session(one, calendars)]
    return take_back(ledger, now, unreal)


def _is_session(one: Run, calendars: Calendars) -> bool:
    try:
        return bool(len(calendars.get(one.calendar).sessions(one.session, one.session)))
    except ForecasterError:  # the calendar is not known, which says nothing of the session
        return True


def next_attempt(
    run: Run, settings: Settings, calendar: Calendar, now: datetime, *, not_before: datetime
) -> datetime | None:
    """Return when a run is tried again if this attempt fails too, None if this is the last one.

    Args:
        run: before this attempt.
        settings: how long to go on.
        calendar: of the run.
        now: when this attempt is made.
        not_before: until when a source is to be left alone.
    """
    count = run.attempts + 1
    wait = LADDER[min(count, len(LADDER)) - 1]
    # The same for the same attempt: a simulation repeats.
    chance = random.Random(f"{run.calendar} {run.session} {count}").uniform(-JITTER, JITTER)  # noqa: S311  no secret
    moment = max(now + wait * (1 + chance), not_before)
    patience = timedelta(minutes=settings.schedule.give_up)
    if run.kind == "live":
        overtaken = _next_close(calendar, run.session)
        if overtaken is not None and moment >= overtaken:
            return None
        return None if count >= FEWEST and moment > run.due_at + patience else moment
    if count < FEWEST or moment <= (run.started_at or now) + patience:
        return moment
    delay = timedelta(minutes=settings.schedule.settle_delay)
    newest = calendar.last_closed(now - delay)
    overtaken = _next_close(calendar, newest)
    if overtaken is None or len(calendar.sessions(run.session, newest)) > STALE:
        return None
    return max(overtaken + delay, not_before)


def _next_close(calendar: Calendar, session: date) -> datetime | None:
    """Return when the next session closes; None where the calendar ends with this one."""
    try:
        return calendar.close(calendar.after(session, 1)[0])
    except DataError:
        return None
