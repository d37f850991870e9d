"""Running sums over scores, kept as scores are written, so that accuracy costs a few reads."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, func, select, text

from forecaster.ledger.door import of_backtest, parts, upsert
from forecaster.ledger.records import Score
from forecaster.ledger.schema import forecast, score, tally
from forecaster.ledger.types import Whole

SUMS = (
    "n", "sum_error", "sum_abs_error", "sum_squared_error", "sum_baseline_abs_error",
    "sum_baseline_squared_error", "covered80", "covered95", "sum_width80", "sum_width95",
    "sum_gain", "sum_gain_squared",
)  # fmt: skip

LARGEST_GAIN = 1e100
"""Of an interval that was almost nothing: its square can still be stored."""

Cell = tuple[int, str, int | None, int]
"""(series id, kind, backtest id, horizon)"""


def add_scores(
    connection: Connection, scored: Sequence[tuple[int, Score]], *, backtest_id: int | None
) -> None:
    """Add newly stored scores to the sums of their cells."""
    added: dict[Cell, dict[str, float]] = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for series_id, known in scored:
        cell = (series_id, known.pending.kind, backtest_id, known.pending.horizon)
        for name, value in _terms(known).items():
            added[cell][name] += value
    before = _read(connection, {series_id for series_id, _ in scored}, backtest_id)
    rows = [
        _row(cell, {name: before.get(cell, {}).get(name, 0) + sums[name] for name in SUMS})
        for cell, sums in added.items()
    ]
    keys = [tally.c.series_id, tally.c.kind, text("coalesce(backtest_id, 0)"), tally.c.horizon]
    upsert(connection, tally, rows, keys=keys)


def _terms(known: Score) -> dict[str, float]:
    said, gain = known.pending, _gain(known)
    return {
        "n": 1,
        "sum_error": known.error,
        "sum_abs_error": abs(known.error),
        "sum_squared_error": known.error**2,
        "sum_baseline_abs_error": abs(known.baseline_error),
        "sum_baseline_squared_error": known.baseline_error**2,
        "covered80": int(known.inside80),
        "covered95": int(known.inside95),
        "sum_width80": said.hi80 - said.lo80,
        "sum_width95": said.hi95 - said.lo95,
        "sum_gain": gain,
        "sum_gain_squared": gain * gain,
    }


def _gain(known: Score) -> float:
    """Return what the squared error gained on the baseline's, in squared widths of 80 %.

    So that calm and wild times count alike. Nothing is gained where the interval has no width.
    """
    width = known.pending.hi80 - known.pending.lo80
    gained = known.baseline_error * known.baseline_error - known.error * known.error
    squared = width * width
    return min(max(gained / squared, -LARGEST_GAIN), LARGEST_GAIN) if squared else 0.0


def _row(cell: Cell, sums: Mapping[str, float]) -> dict[str, Any]:
    series_id, kind, backtest_id, horizon = cell
    n = sums["n"]
    return {
        "series_id": series_id,
        "kind": kind,
        "backtest_id": backtest_id,
        "horizon": horizon,
        **sums,
        "rmse": math.sqrt(sums["sum_squared_error"] / n),
        "baseline_rmse": math.sqrt(sums["sum_baseline_squared_error"] / n),
        "gain_t": gain_t(sums["sum_gain"], sums["sum_gain_squared"], horizon),
    }


def gain_t(gain: float, squared: float, horizon: int) -> float:
    """Return the t value of a sum of gains, outcomes of neighbouring cutoffs being one story.

    Those of horizon h overlap in h - 1 sessions: in the worst case the variance is h times as big.
    """
    return gain / math.sqrt(horizon * squared) if squared else 0.0


def _read(
    connection: Connection, series_ids: Iterable[int], backtest_id: int | None
) -> dict[Cell, dict[str, float]]:
    t = tally.c
    mine = select(tally).where(of_backtest(t.backtest_id, backtest_id))
    return {
        (row.series_id, row.kind, row.backtest_id, row.horizon): {
            name: getattr(row, name) for name in SUMS
        }
        for part in parts(list(series_ids))
        for row in connection.execute(mine.where(t.series_id.in_(part)))
    }


def disagreements(connection: Connection) -> list[str]:
    """Return the cells whose sums differ from a recomputation over all scores."""
    f, o = forecast.c, score.c
    squared_baseline = o.baseline_abs_error * o.baseline_abs_error
    width = f.hi80 - f.lo80
    gained = (squared_baseline - o.error * o.error) / func.nullif(width * width, 0)
    gain = func.coalesce(
        case(
            (gained > LARGEST_GAIN, LARGEST_GAIN),
            (gained < -LARGEST_GAIN, -LARGEST_GAIN),
            else_=gained,
        ),
        0.0,
    )
    recomputed = connection.execute(
        select(f.series_id, f.kind, f.backtest_id, f.horizon, func.count(), func.sum(o.error),
               func.sum(o.abs_error), func.sum(o.error * o.error), func.sum(o.baseline_abs_error),
               func.sum(squared_baseline), func.sum(o.inside80, type_=Whole),
               func.sum(o.inside95, type_=Whole),
               func.sum(width), func.sum(f.hi95 - f.lo95), func.sum(gain),
               func.sum(gain * gain))
        .join(score, o.forecast_id == f.id)
        .group_by(f.series_id, f.kind, f.backtest_id, f.horizon)
    )  # fmt: skip
    expected = {tuple(row[:4]): dict(zip(SUMS, row[4:], strict=True)) for row in recomputed}
    kept = {
        (row.series_id, row.kind, row.backtest_id, row.horizon): row
        for row in connection.execute(select(tally))
    }
    return [
        f"series {cell[0]}, {cell[1]}, horizon {cell[3]}"
        for cell in sorted(expected.keys() | kept.keys(), key=str)
        if not _same(expected.get(cell), kept.get(cell))
    ]


def _same(expected: Mapping[str, Any] | None, kept: Any) -> bool:
    if expected is None or kept is None:
        return False
    # The order of additions differs; nothing else may.
    near = {
        "sum_error": math.sqrt(expected["n"] * expected["sum_squared_error"]),
        "sum_gain": math.sqrt(expected["n"] * expected["sum_gain_squared"]),
    }
    return all(
        math.isclose(
            float(expected[name]),
            getattr(kept, name),
            rel_tol=1e-9,
            abs_tol=1e-9 * max(1.0, near.get(name, 0.0)),
        )
        for name in SUMS
    )
