"""The one transaction that stores what a night adds: a chunk of series, whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from forecaster.ledger.door import Ledger, fields, insert_new, of_backtest, parts, upsert
from forecaster.ledger.endings import counted, ending
from forecaster.ledger.knowledge import select_finished
from forecaster.ledger.records import Night, SeriesNight, Stamp
from forecaster.ledger.schema import (
    FINISHED,
    awaiting,
    decision,
    forecast,
    model_version,
    program,
    run,
    run_series,
    series,
)
from forecaster.ledger.scores import store_scores
from forecaster.logs import stage


@dataclass(frozen=True)
class Storing:
    """What every statement of the transaction shares."""

    connection: Connection
    night: Night
    run_id: int
    program_id: int
    stamp: Stamp


def commit(
    ledger: Ledger,
    night: Night,
    results: Sequence[SeriesNight],
    stamp: Stamp,
    *,
    seconds: float,
    last: bool,
    of: int | None = None,
    retry_at: datetime | None = None,
) -> int:
    """Store what a night adds for some series, and return the run's id.

    A series whose night another process has finished meanwhile, as this kind or another, is left
    as it is.

    Args:
        ledger: where to.
        night: which run.
        results: of a chunk of its series.
        stamp: time, program and machine.
        seconds: spent on these.
        last: these are the last of the night: the run's end state goes with them.
        of: how many series the night has, if other processes work the rest of them: whoever stores
            the last one stores the end state, so that no kill can come between.
        retry_at: when what is deferred is tried again; None if this was the last attempt.
    """
    with stage("commit"), ledger.writing() as connection:
        storing = Storing(
            connection,
            night,
            _claim(connection, night, stamp),
            store_program(connection, stamp),
            stamp,
        )
        finished = _finished(storing)
        fresh = [one for one in results if one.series_id not in finished]
        model_ids = _store_models(storing, fresh)
        _store_decisions(storing, fresh, model_ids)
        _store_forecasts(storing, fresh, model_ids)
        store_scores(connection, night, fresh, stamp)
        _store_outcomes(storing, fresh)
        _end(storing, seconds=seconds, last=last, of=of, retry_at=retry_at)
    return storing.run_id


def _claim(connection: Connection, night: Night, stamp: Stamp) -> int:
    row = {
        **fields(night),
        "state": "running",
        "started_at": stamp.now,
        "seconds": 0.0,
    }
    insert_new(connection, run, [row])
    found = connection.execute(
        select(run.c.id).where(
            run.c.kind == night.kind,
            run.c.calendar == night.calendar,
            run.c.session == night.session,
            of_backtest(run.c.backtest_id, night.backtest_id),
        )
    )
    return int(found.scalar_one())


def store_program(connection: Connection, stamp: Stamp) -> int:
    """Return the id of the program and its environment, stored if they are new."""
    row = {"version": stamp.version, "environment": stamp.environment}
    insert_new(connection, program, [row])
    found = connection.execute(
        select(program.c.id).where(
            program.c.version == stamp.version, program.c.environment == stamp.environment
        )
    )
    return int(found.scalar_one())


def _finished(storing: Storing) -> set[int]:
    night = storing.night
    query = select_finished(night.backtest_id).where(run.c.session == night.session)
    return set(storing.connection.execute(query).scalars())


def _store_models(storing: Storing, fresh: Sequence[SeriesNight]) -> dict[int, int]:
    """Store the new models and return the id of the one that each series used, new or not."""
    used = {one.series_id: one.model.id for one in fresh if one.model and one.model.id is not None}
    new = [(one.series_id, one.model) for one in fresh if one.model and one.model.id is None]
    rejected = [(one.series_id, one.rejected) for one in fresh if one.rejected]
    rows = [
        {
            **fields(model, "id"),
            "series_id": series_id,
            "run_id": storing.run_id,
            "backtest_id": storing.night.backtest_id,
            "program_id": storing.program_id,
            "created_at": storing.stamp.now,
        }
        for series_id, model in new + rejected
    ]
    if not rows:
        return used
    m = model_version.c
    query = insert(model_version).returning(m.series_id, m.id, m.status)
    stored = storing.connection.execute(query, rows)
    return used | {row[0]: row[1] for row in stored if row.status == "accepted"}


def _store_decisions(
    storing: Storing, fresh: Sequence[SeriesNight], model_ids: dict[int, int]
) -> None:
    rows = [
        {
            **fields(one.decision),
            "run_id": storing.run_id,
            "series_id": one.series_id,
            "model_id": model_ids.get(one.series_id),
            "decided_at": storing.stamp.now,
        }
        for one in fresh
        if one.decision and one.outcome.status in FINISHED
    ]
    insert_new(storing.connection, decision, rows)


def _store_forecasts(
    storing: Storing, fresh: Sequence[SeriesNight], model_ids: dict[int, int]
) -> None:
    rows = [
        {
            **fields(said),
            "run_id": storing.run_id,
            "series_id": one.series_id,
            "model_id": model_ids.get(one.series_id),
            "kind": storing.night.kind,
            "backtest_id": storing.night.backtest_id,
            "cutoff": storing.night.session,
            "issued_at": storing.stamp.now,
        }
        for one in fresh
        for said in one.forecasts
    ]
    if not rows:
        return
    f = forecast.c
    query = insert(forecast).returning(f.id.label("forecast_id"), f.series_id, f.target_session)
    waiting = storing.connection.execute(query, rows).mappings().fetchall()
    storing.connection.execute(insert(awaiting), [dict(row) for row in waiting])


def _store_outcomes(storing: Storing, fresh: Sequence[SeriesNight]) -> None:
    rows = [
        {
            **fields(one.outcome),
            "run_id": storing.run_id,
            "series_id": one.series_id,
            "program_id": storing.program_id,
            "stored_at": storing.stamp.now,
        }
        for one in fresh
    ]
    keys = [run_series.c.run_id, run_series.c.series_id]
    upsert(storing.connection, run_series, rows, keys=keys)
    complete = [one.series_id for one in fresh if one.completes_backfill]
    for part in parts(complete):
        storing.connection.execute(
            update(series)
            .where(series.c.id.in_(part), series.c.backfilled_at.is_(None))
            .values(backfilled_at=storing.stamp.now)
        )


def _end(
    storing: Storing, *, seconds: float, last: bool, of: int | None, retry_at: datetime | None
) -> None:
    changes: dict[Any, Any] = {"seconds": run.c.seconds + seconds}
    counts = counted(storing.connection, storing.run_id)
    if last if of is None else sum(counts.values()) >= of:
        now = storing.stamp.now
        changes |= ending(storing.connection, storing.run_id, counts, now, retry_at)
    storing.connection.execute(update(run).where(run.c.id == storing.run_id).values(changes))
