"""Store outcomes once, and with them what follows: running sums, trackers and gates."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select, text

from forecaster.ledger.door import fields, of_backtest, parts, upsert
from forecaster.ledger.records import Night, Score, SeriesNight, Stamp
from forecaster.ledger.schema import awaiting, gate, score, tracker
from forecaster.ledger.tallies import add_scores

Cell = tuple[int, int]
"""(series id, horizon): what trackers and gates belong to. They learn together, or not at all."""


def store_scores(
    connection: Connection, night: Night, fresh: Sequence[SeriesNight], stamp: Stamp
) -> None:
    """Store the scores of forecasts that still wait, inside the caller's transaction.

    States that another program has taught since this night's work began stay as they are, and the
    outcomes that they did not learn from say so.
    """
    found = [(one.series_id, known) for one in fresh for known in one.scores]
    waiting = _still_waiting(connection, [known.pending.forecast_id for _, known in found])
    overtaken = _overtaken(connection, night, fresh, waiting)
    scored = [pair for pair in found if pair[1].pending.forecast_id in waiting]
    if scored:
        rows = [
            _row(known, stamp, overtaken=(series_id, known.pending.horizon) in overtaken)
            for series_id, known in scored
        ]
        connection.execute(insert(score), rows)
        for part in parts([known.pending.forecast_id for _, known in scored]):
            connection.execute(delete(awaiting).where(awaiting.c.forecast_id.in_(part)))
        add_scores(connection, scored, backtest_id=night.backtest_id)
    for table, key in ((tracker, "level"), (gate, "head")):
        rows = [
            {**fields(state), "series_id": one.series_id, "backtest_id": night.backtest_id}
            for one in fresh
            for state in (one.trackers if table is tracker else one.gates)
            if (one.series_id, state.horizon) not in overtaken
        ]
        c = table.c
        keys = [c.series_id, text("coalesce(backtest_id, 0)"), c.horizon, c[key]]
        upsert(connection, table, rows, keys=keys)


def _overtaken(
    connection: Connection, night: Night, fresh: Sequence[SeriesNight], waiting: set[int]
) -> set[Cell]:
    """Return the cells whose states are not those that the night's work began with.

    The trackers tell: they have learned from every outcome that a gate has learned from.
    """
    stored = _outcomes(connection, night, [one.series_id for one in fresh])
    found: set[Cell] = set()
    for one in fresh:
        fed = [known.pending for known in one.scores if known.eta is not None]
        learnt = Counter(said.horizon for said in fed)
        found |= {
            (one.series_id, state.horizon)
            for state in one.trackers
            if stored.get((one.series_id, state.horizon), 0)
            != state.outcomes - learnt[state.horizon]
        }
        found |= {(one.series_id, said.horizon) for said in fed if said.forecast_id not in waiting}
    return found


def _outcomes(connection: Connection, night: Night, series_ids: Iterable[int]) -> dict[Cell, int]:
    t = tracker.c
    query = select(t.series_id, t.horizon, t.outcomes)
    mine = query.where(of_backtest(t.backtest_id, night.backtest_id))
    return {
        (row[0], row[1]): row[2]
        for part in parts(list(series_ids))
        for row in connection.execute(mine.where(t.series_id.in_(part)))
    }


def _row(known: Score, stamp: Stamp, *, overtaken: bool) -> dict[str, object]:
    return {
        "forecast_id": known.pending.forecast_id,
        "actual": known.actual,
        "error": known.error,
        "abs_error": abs(known.error),
        "baseline_abs_error": abs(known.baseline_error),
        "inside80": known.inside80,
        "inside95": known.inside95,
        "eta": None if overtaken else known.eta,
        "actual_move": known.actual_move,
        "scored_at": stamp.now,
    }


def _still_waiting(connection: Connection, ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for part in parts(ids):
        query = select(awaiting.c.forecast_id).where(awaiting.c.forecast_id.in_(part))
        found.update(connection.execute(query).scalars())
    return found
