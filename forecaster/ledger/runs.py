"""The schedule's own record: which sessions are to be worked, and how their runs stand.

A row of `run` that has a `due_at` is on the schedule. It is open while something remains to be
done: it is pending, running or interrupted, or its next attempt has a time.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from forecaster.ledger.door import Ledger, insert_new, parts
from forecaster.ledger.schema import FINISHED, forecast, run, run_series

OPEN = ("pending", "running", "interrupted")

DIED = ("deadline", "killed", "memory")
"""Reasons of attempts whose process was ended, or ended itself, before they were done."""

BROKEN = (*DIED, "failed", "refused")
"""Likewise, and of those that failed as a whole: no series has had its outcome by them."""

GAPS = timedelta(days=60)
"""Before the newest session, in which sessions are looked for that are not on the schedule."""


@dataclass(frozen=True)
class Run:
    """A session of a calendar on the schedule.

    Attributes:
        id: of its row.
        kind: live, or backfill where a newer session was due already.
        calendar: whose session it is.
        session: that is worked.
        state: pending, running, done, degraded, deferred, failed, interrupted or missed.
        due_at: when it was to be worked.
        late: a newer session was due already, or nobody saw it in time.
        attempts: begun so far.
        next_attempt_at: when it is tried again; None where nothing remains, or at once.
        reason_code: why it is as it is.
        reason: likewise, in words.
        started_at: when it was first begun; None before.
    """

    id: int
    kind: str
    calendar: str
    session: date
    state: str
    due_at: datetime
    late: bool = False
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reason_code: str = ""
    reason: str = ""
    started_at: datetime | None = None

    @property
    def has_begun(self) -> bool:
        """Whether an attempt was begun whose end nobody has judged yet."""
        return self.state in ("running", "interrupted")

    @property
    def has_died(self) -> bool:
        """Whether the process of the last attempt was ended, or ended itself, at work on it."""
        return self.state == "failed" and self.reason_code in DIED

    def is_due(self, now: datetime) -> bool:
        """Return whether it is to be worked now."""
        if self.next_attempt_at is not None:
            return self.next_attempt_at <= now
        return self.state in OPEN


@dataclass(frozen=True)
class Awaited:
    """A session that has become due: when, whether late by now, and why it is not worked, if so."""

    session: date
    due_at: datetime
    late: bool = False
    missed: str = ""


COLUMNS = (
    run.c.id, run.c.kind, run.c.calendar, run.c.session, run.c.state, run.c.due_at, run.c.late,
    run.c.attempts, run.c.next_attempt_at, run.c.reason_code, run.c.reason, run.c.started_at,
)  # fmt: skip


def open_runs(ledger: Ledger) -> list[Run]:
    """Return the runs of which something remains to be done, from the oldest to the newest."""
    query = (
        select(*COLUMNS)
        .where(run.c.due_at.is_not(None))
        .where(_is_open())
        .order_by(run.c.session, run.c.calendar)
    )
    with ledger.reading() as connection:
        return [Run(*row) for row in connection.execute(query)]


def on_schedule(ledger: Ledger, upto: Mapping[str, date]) -> dict[str, set[date]]:
    """Return the sessions of each calendar, up to one, that are on the schedule.

    Those of the last two months are all there, of older ones only the newest, where there is none
    later: a clock that was ahead may have left a gap before what was forecast by it.
    """
    mine = run.c.due_at.is_not(None) & run.c.calendar.in_(upto)
    since = min(upto.values(), default=date.min + GAPS) - GAPS
    recent = datetime.combine(since, time(), UTC)
    found: dict[str, set[date]] = defaultdict(set)
    with ledger.reading() as connection:
        query = select(run.c.calendar, run.c.session).where(mine, run.c.due_at >= recent)
        for calendar, session in connection.execute(query):
            if session <= upto[calendar]:
                found[calendar].add(session)
        for calendar in upto.keys() - found.keys():
            theirs = select(func.max(run.c.session)).where(mine, run.c.calendar == calendar)
            last = connection.scalar(theirs.where(run.c.session <= upto[calendar]))
            if last is not None:
                found[calendar].add(last)
    return dict(found)


def newest_live(ledger: Ledger, series_ids: Collection[int]) -> dict[str, date]:
    """Return of each calendar the newest session that some of these series were forecast from."""
    found: dict[str, date] = {}
    query = (
        select(run.c.calendar, func.max(run.c.session))
        .join(run_series)
        .where(run.c.kind == "live", run_series.c.status.in_(FINISHED))
        .group_by(run.c.calendar)
    )
    with ledger.reading() as connection:
        for part in parts(sorted(series_ids)):
            rows = connection.execute(query.where(run_series.c.series_id.in_(part)))
            for calendar, session in rows:
                found[calendar] = max(session, found.get(calendar, session))
    return found


def put_on_schedule(
    ledger: Ledger, awaited: Mapping[str, Sequence[Awaited]], newest: Mapping[str, date]
) -> None:
    """Note sessions that have become due.

    One that was worked in part before anybody awaited it is pending: what was stored stays.

    A session older than its calendar's newest is late: what is said of it now was not said then,
    and is a backfill.

    Args:
        ledger: where to.
        awaited: the sessions of each calendar that are not on the schedule yet.
        newest: the last session of each calendar that has settled.
    """
    if not any(awaited.values()) and not any(
        _is_overtaken(one, newest) for one in open_runs(ledger)
    ):
        return
    rows = [
        _pending(calendar, one, overtaken=one.session < newest[calendar])
        for calendar, sessions in awaited.items()
        for one in sessions
    ]
    with ledger.writing() as connection:
        insert_new(connection, run, rows)
        for row in rows:  # one that was asked for by hand: of some series, perhaps
            names = ("due_at",) if row["state"] == "missed" else ("due_at", "state", "late")
            connection.execute(
                update(run)
                .where(*(run.c[name] == row[name] for name in ("kind", "calendar", "session")))
                .where(run.c.due_at.is_(None), run.c.backtest_id.is_(None))
                .values({name: row[name] for name in names})
            )
        for calendar, session in newest.items():
            _overtake(connection, calendar, session)


def _pending(calendar: str, one: Awaited, *, overtaken: bool) -> dict[str, Any]:
    return {
        "kind": "backfill" if overtaken else "live",
        "calendar": calendar,
        "session": one.session,
        "state": "missed" if one.missed else "pending",
        "seconds": 0.0,
        "due_at": one.due_at,
        "late": overtaken or one.late,
        "reason_code": "catch_up" if one.missed else "",
        "reason": one.missed,
    }


def _is_overtaken(one: Run, newest: Mapping[str, date]) -> bool:
    """Return whether a newer session is due; what is being worked was begun before that."""
    live = one.kind == "live" and one.state != "running"
    return live and one.session < newest.get(one.calendar, one.session)


def _overtake(connection: Connection, calendar: str, newest: date) -> None:
    """Make late what was not done before a newer session was due, and is not given up for good.

    What failed as a whole is not: what it failed by may be mended by then.

    Forecasts that were stored in time stay the live ones that they are: the others of such a night
    are a run of their own.
    """
    broken = (run.c.state == "failed") & run.c.reason_code.in_(BROKEN)
    undone = (
        (run.c.calendar == calendar) & (run.c.kind == "live") & (run.c.session < newest)
        & (run.c.session >= newest - GAPS) & (run.c.state != "running")
        & run.c.due_at.is_not(None) & (_is_open() | broken)
    )  # fmt: skip
    overtaken = connection.execute(select(*COLUMNS).where(undone))
    for one in [Run(*row) for row in overtaken]:
        mine = update(run).where(run.c.id == one.id)
        same_night = (run.c.calendar == calendar) & (run.c.session == one.session)
        again = select(run.c.id).where(same_night, run.c.kind == "backfill")
        spoken = select(forecast.c.id).where(forecast.c.run_id == one.id).limit(1)
        if not connection.scalar(spoken) and not connection.scalar(again):
            changes = {"kind": "backfill", "late": True, "state": "pending"}
            connection.execute(mine.values(changes | {"next_attempt_at": None}))
            continue
        closed = {
            "state": "degraded",
            "next_attempt_at": None,
            "reason_code": "overtaken",
            "reason": "the rest was not done before the next session was due, and is run late",
        }
        connection.execute(mine.values(closed))
        rest = _pending(calendar, Awaited(one.session, one.due_at), overtaken=True)
        insert_new(connection, run, [rest])


def _is_open() -> ColumnElement[bool]:
    return run.c.state.in_(OPEN) | run.c.next_attempt_at.is_not(None)
