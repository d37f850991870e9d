"""How the ledger stands as a whole: what was last done, how much there is, and how good it was.

Each costs little however long the history is: sums that are kept, the ends of indexes, and what
came since it was last counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, case, func, select

from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.files import size_of
from forecaster.ledger.locks import sqlite_file
from forecaster.ledger.pulls import REFUSED
from forecaster.ledger.schema import (
    FINISHED,
    bar,
    forecast,
    instrument,
    pull,
    run,
    run_series,
    series,
    tally,
)
from forecaster.ledger.types import Whole

NEAR = 5
"""Newest nights of a calendar, in which most series have something; of the others all are read."""


@dataclass(frozen=True)
class Size:
    """What the database takes on its disk, in bytes.

    Attributes:
        database: without its log.
        wal: SQLite's write-ahead log; 0 elsewhere.
    """

    database: int
    wal: int

    @property
    def whole(self) -> int:
        """Both together."""
        return self.database + self.wal


@dataclass(frozen=True)
class Ended:
    """A calendar's newest night of which nothing remains to be done."""

    session: date
    state: str
    finished_at: datetime | None
    reason: str


@dataclass(frozen=True)
class Behind:
    """A series for which the newest ended night of its calendar has nothing."""

    series: str
    calendar: str
    session: date
    status: str
    reason: str


@dataclass(frozen=True)
class Pooled:
    """How good the live forecasts of all series were at a horizon; of `n` outcomes.

    `skill` is the mean over the series of 1 - error / baseline error, each weighing as much as it
    has outcomes: prices of different sizes cannot be added up.
    """

    horizon: int
    n: int
    skill: float | None
    coverage80: float
    coverage95: float


def measure(ledger: Ledger) -> Size:
    """Return what the database takes."""
    if ledger.engine.dialect.name == "sqlite":
        file = sqlite_file(ledger.url)
        if file is None:  # in memory
            return Size(0, 0)
        return Size(size_of(file), size_of(file.with_name(f"{file.name}-wal")))
    with ledger.reading() as connection:
        found = connection.scalar(select(func.pg_database_size(func.current_database())))
    return Size(int(found or 0), 0)


def quick_check(ledger: Ledger) -> list[str]:
    """Return what is wrong with the structure of SQLite's file; it is read as a whole."""
    if ledger.engine.dialect.name != "sqlite":
        return []
    with ledger.reading() as connection:
        rows = connection.exec_driver_sql("PRAGMA quick_check(10)").scalars().all()
    return [str(row) for row in rows if row != "ok"]


def last_done(ledger: Ledger) -> dict[str, Ended]:
    """Return each calendar's newest night that ended with results."""
    return _newest(ledger, run.c.state.in_(("done", "degraded")))


def last_ended(ledger: Ledger) -> dict[str, Ended]:
    """Return each calendar's newest night of which nothing remains to be done, well or not."""
    over = run.c.state.not_in(("pending", "running", "interrupted", "missed"))
    return _newest(ledger, over & run.c.next_attempt_at.is_(None))


def _newest(ledger: Ledger, condition: ColumnElement[bool]) -> dict[str, Ended]:
    r = run.c
    mine = condition & (r.kind != "backtest")
    newest = select(r.calendar, func.max(r.session).label("session")).where(mine)
    last = newest.group_by(r.calendar).subquery()
    query = (
        select(r.calendar, r.session, r.state, r.finished_at, r.reason)
        .join(last, (last.c.calendar == r.calendar) & (last.c.session == r.session))
        .where(mine)
        .order_by(r.id)
    )
    with ledger.reading() as connection:
        return {row[0]: Ended(*row[1:]) for row in connection.execute(query)}


def last_finished(ledger: Ledger) -> dict[str, tuple[str, date | None]]:
    """Return the calendar of each current series, and its newest night with a result, if any."""
    s, o = series.c, run_series.c
    finished = select(o.series_id, func.max(run.c.session)).join(run).group_by(o.series_id)
    finished = finished.where(o.status.in_(FINISHED), run.c.kind != "backtest")
    current = select(s.id, s.name, instrument.c.calendar).join(instrument)
    with ledger.reading() as connection:
        known = connection.execute(current.where(s.replaced_at.is_(None)).order_by(s.name)).all()
        near: list[int] = []
        for calendar in {row.calendar for row in known}:
            nights = select(run.c.id).where(run.c.calendar == calendar, run.c.kind != "backtest")
            near += connection.scalars(nights.order_by(run.c.session.desc()).limit(NEAR))
        found = {row[0]: row[1] for row in connection.execute(finished.where(run.c.id.in_(near)))}
        for part in parts([row.id for row in known if row.id not in found]):
            found |= {
                row[0]: row[1] for row in connection.execute(finished.where(o.series_id.in_(part)))
            }
    return {row.name: (row.calendar, found.get(row.id)) for row in known}


def behind(ledger: Ledger) -> list[Behind]:
    """Return the series that are not paused and for which their calendar's last night failed."""
    s, o = series.c, run_series.c
    found: list[Behind] = []
    for calendar, ended in last_ended(ledger).items():
        query = (
            select(s.id, s.name, o.status, o.reason)
            .join(run_series, o.series_id == s.id)
            .join(run, o.run_id == run.c.id)
            .where(run.c.calendar == calendar, run.c.session == ended.session)
            .where(run.c.kind != "backtest", s.replaced_at.is_(None), s.paused == 0)
            .order_by(s.name)
        )
        with ledger.reading() as connection:
            rows = connection.execute(query).all()
        fine = {row.id for row in rows if row.status in FINISHED}  # live, or late
        wrong = {row.name: row for row in rows if row.id not in fine}
        found += [
            Behind(name, calendar, ended.session, row.status, row.reason)
            for name, row in wrong.items()
        ]
    return found


def runs_by_state(ledger: Ledger) -> dict[str, int]:
    """Return how many nights are in each state, backtests aside."""
    query = select(run.c.state, func.count()).where(run.c.kind != "backtest")
    with ledger.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query.group_by(run.c.state))}


def count_bars(ledger: Ledger) -> int:
    """Return how many bars there are, revisions included; each is counted."""
    with ledger.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(bar)) or 0)


def forecasts_since(ledger: Ledger, last: int) -> tuple[int, dict[str, int]]:
    """Return the newest forecast's id, and how many of each kind came after `last`."""
    f = forecast.c
    query = select(f.kind, func.max(f.id), func.count()).where(f.id > last).group_by(f.kind)
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    return max((row[1] for row in rows), default=last), {row[0]: row[2] for row in rows}


def requests_since(ledger: Ledger, last: int) -> tuple[int, Mapping[str, tuple[int, int]]]:
    """Return the newest pull's id, and of each source the requests after `last`: sent, refused."""
    p = pull.c
    refused = case(((p.outcome == REFUSED) & (p.requests > 0), 1), else_=0)
    query = (
        select(p.source, func.max(p.id), func.sum(p.requests, type_=Whole),
               func.sum(refused, type_=Whole))
        .where(p.id > last)
        .group_by(p.source)
    )  # fmt: skip
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    newest = max((row[1] for row in rows), default=last)
    return newest, {row[0]: (int(row[2]), int(row[3])) for row in rows}


def pooled_accuracy(ledger: Ledger) -> list[Pooled]:
    """Return how good the live forecasts were, by horizon, over the current series."""
    t = tally.c
    skill = t.n * (1 - t.sum_abs_error / func.nullif(t.sum_baseline_abs_error, 0))
    weight = case((t.sum_baseline_abs_error > 0, t.n), else_=0)
    query = (
        select(t.horizon, func.sum(t.n, type_=Whole), func.sum(skill),
               func.sum(weight, type_=Whole), func.sum(t.covered80, type_=Whole),
               func.sum(t.covered95, type_=Whole))
        .join(series, series.c.id == t.series_id)
        .where(t.kind == "live", t.n > 0, series.c.replaced_at.is_(None))
        .group_by(t.horizon)
        .order_by(t.horizon)
    )  # fmt: skip
    with ledger.reading() as connection:
        return [
            Pooled(
                horizon, int(n), float(gained) / int(of) if of else None,
                int(in80) / int(n), int(in95) / int(n),
            )
            for horizon, n, gained, of, in80, in95 in connection.execute(query)
        ]  # fmt: skip
