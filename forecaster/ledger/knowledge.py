"""What a night needs to know of its series, read in one go and never past its session."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.records import Hit, Knowledge, ModelVersion, Night, Pending, Tracker
from forecaster.ledger.schema import (
    FINISHED,
    awaiting,
    forecast,
    model_version,
    run,
    run_series,
    score,
    tracker,
)

CARRIED = "carried"
"""Why a night was done in spite of a problem: its session had no bar, and got an older value."""


def finished_nights(
    ledger: Ledger, series_ids: Sequence[int], *, since: date, backtest_id: int | None = None
) -> set[tuple[int, date]]:
    """Return the (series id, session) pairs from `since` on whose night is stored."""
    query = select_finished(backtest_id).where(run.c.session >= since)
    with ledger.reading() as connection:
        return {
            (row[0], row[1])
            for part in parts(series_ids)
            for row in connection.execute(query.where(run_series.c.series_id.in_(part)))
        }


def select_finished(backtest_id: int | None) -> Select[int, date]:
    """Return the query for (series id, session) of stored nights, of whichever kind they are."""
    return (
        select(run_series.c.series_id, run.c.session)
        .join(run)
        .where(of_backtest(run.c.backtest_id, backtest_id), run_series.c.status.in_(FINISHED))
    )


def read_knowledge(ledger: Ledger, series_ids: Sequence[int], night: Night) -> dict[int, Knowledge]:
    """Return what the ledger knows of each series up to the night's session, and nothing later."""
    with ledger.reading() as connection:
        pending = _pending(connection, series_ids, night)
        models = _models(connection, series_ids, night)
        trackers = _trackers(connection, series_ids, night)
        hits = _hits(connection, series_ids, night)
    return {
        one: Knowledge(
            pending=tuple(pending.get(one, ())),
            trackers=tuple(trackers.get(one, ())),
            model=models.get(one),
            hits_by_then=hits.get(one),
        )
        for one in series_ids
    }


def of_backtest(column: ColumnElement[Any], backtest_id: int | None) -> ColumnElement[bool]:
    """Return the condition that keeps a backtest's rows, or those of no backtest."""
    return column.is_(None) if backtest_id is None else column == backtest_id


def _pending(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, list[Pending]]:
    f, night_of = forecast.c, run_series.c
    rows = connection.execute(
        select(f.series_id, f.id, f.kind, f.cutoff, f.horizon, f.target_session, f.mean, f.lo80,
               f.hi80, f.lo95, f.hi95, f.baseline,
               case((night_of.reason_code == CARRIED, f.basis)))
        .join(awaiting, awaiting.c.forecast_id == f.id)
        .outerjoin(run_series, (night_of.run_id == f.run_id)
                   & (night_of.series_id == f.series_id))
        .where(
            awaiting.c.series_id.in_(series_ids),
            awaiting.c.target_session <= night.session,
            of_backtest(f.backtest_id, night.backtest_id),
        )
        .order_by(f.series_id, f.cutoff, f.horizon)
    )  # fmt: skip
    found: dict[int, list[Pending]] = defaultdict(list)
    for row in rows:
        series_id, *facts = row
        found[series_id].append(Pending(*facts))
    return found


def _models(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, ModelVersion]:
    m = model_version.c
    newest = (
        select(
            m.id,
            func.row_number()
            .over(partition_by=m.series_id, order_by=(m.cutoff.desc(), m.id.desc()))
            .label("place"),
        )
        .where(
            m.series_id.in_(series_ids),
            m.cutoff <= night.session,
            of_backtest(m.backtest_id, night.backtest_id),
        )
        .subquery()
    )
    rows = connection.execute(
        select(m.series_id, m.id, m.cutoff, m.fingerprint, m.settings, m.seed, m.bars, m.windows,
               m.epochs, m.best_epoch, m.train_loss, m.validation_loss, m.baseline_loss, m.seconds,
               m.parameters, m.sha256, m.restarts)
        .join(newest, newest.c.id == m.id)
        .where(newest.c.place == 1)
    )  # fmt: skip
    return {series_id: ModelVersion(*facts) for series_id, *facts in rows}


def _trackers(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, list[Tracker]]:
    t = tracker.c
    rows = connection.execute(
        select(t.series_id, t.horizon, t.level, t.quantile, t.outcomes, t.last_cutoff)
        .where(t.series_id.in_(series_ids), of_backtest(t.backtest_id, night.backtest_id))
        .order_by(t.series_id, t.horizon, t.level)
    )  # fmt: skip
    found: dict[int, list[Tracker]] = defaultdict(list)
    for row in rows:
        series_id, *facts = row
        found[series_id].append(Tracker(*facts))
    return found


def _hits(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, tuple[Hit, ...]]:
    """Return the outcomes by this night, for series whose later outcomes are stored already."""
    f, o = forecast.c, score.c
    mine = of_backtest(f.backtest_id, night.backtest_id)
    late = connection.execute(
        select(f.series_id)
        .distinct()
        .join(score, o.forecast_id == f.id)
        .where(f.series_id.in_(series_ids), f.target_session > night.session, mine)
    )
    found: dict[int, list[Hit]] = {one: [] for one in late.scalars()}
    if not found:
        return {}
    rows = connection.execute(
        select(f.series_id, f.horizon, f.cutoff, o.inside80, o.inside95)
        .join(score, o.forecast_id == f.id)
        .where(f.series_id.in_(list(found)), f.target_session <= night.session, mine)
        .order_by(f.cutoff, f.horizon)
    )
    for row in rows:
        found[row[0]].append((row[1], row[2], row[3], row[4]))
    return {one: tuple(hits) for one, hits in found.items()}
