"""Store outcomes once, and with them what follows: running sums and tracker states."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, delete, insert, select, text

from forecaster.ledger.door import fields, upsert
from forecaster.ledger.records import Night, Score, SeriesNight, Stamp
from forecaster.ledger.schema import awaiting, score, tracker
from forecaster.ledger.tallies import add_scores

PART = 500  # ids in one statement; SQLite takes at most some thousand parameters


def store_scores(
    connection: Connection, night: Night, fresh: Sequence[SeriesNight], stamp: Stamp
) -> None:
    """Store the scores of forecasts that still wait, inside the caller's transaction."""
    found = [(one.series_id, known) for one in fresh for known in one.scores]
    waiting = _still_waiting(connection, [known.pending.forecast_id for _, known in found])
    scored = [pair for pair in found if pair[1].pending.forecast_id in waiting]
    if scored:
        connection.execute(insert(score), [_row(known, stamp) for _, known in scored])
        for part in _parts([known.pending.forecast_id for _, known in scored]):
            connection.execute(delete(awaiting).where(awaiting.c.forecast_id.in_(part)))
        add_scores(connection, scored, backtest_id=night.backtest_id)
    states = [
        {**fields(state), "series_id": one.series_id, "backtest_id": night.backtest_id}
        for one in fresh
        for state in one.trackers
    ]
    t = tracker.c
    keys = [t.series_id, text("coalesce(backtest_id, 0)"), t.horizon, t.level]
    upsert(connection, tracker, states, keys=keys, newer="last_cutoff")


def _row(known: Score, stamp: Stamp) -> dict[str, object]:
    return {
        "forecast_id": known.pending.forecast_id,
        "actual": known.actual,
        "error": known.error,
        "abs_error": abs(known.error),
        "baseline_abs_error": abs(known.baseline_error),
        "inside80": known.inside80,
        "inside95": known.inside95,
        "fed": known.fed,
        "scored_at": stamp.now,
    }


def _still_waiting(connection: Connection, ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for part in _parts(ids):
        query = select(awaiting.c.forecast_id).where(awaiting.c.forecast_id.in_(part))
        found.update(connection.execute(query).scalars())
    return found


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + PART] for start in range(0, len(ids), PART))
