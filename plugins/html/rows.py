"""Which rows of the views each figure of the HTML report, and its caption, is about."""

from __future__ import annotations

import math
from typing import Final

from forecaster.hooks import SeriesReport

from .. import scorecard
from ..scorecard import Row

RECENT: Final = 120
Z95: Final = 1.96


def one_step(series: SeriesReport) -> list[Row]:
    """Scored one-session-ahead rows of the recent sessions, a live one before a backfilled one."""
    recent = {session for session, _ in series.prices[-RECENT:]}
    by_target = {
        row["target_session"]: row
        for kind in ("backfill", "live")
        for row in scorecard.rows_of(series, kind)
        if row["horizon"] == 1 and row["target_session"] in recent
    }
    return [row for _, row in sorted(by_target.items())]


def skill_points(series: SeriesReport, kind: str) -> list[tuple[int, float, float]]:
    """(horizon, skill, reach of its 95 % range to either side) where there are outcomes."""
    cells = scorecard.rows_of(series, kind)
    found = []
    for row in sorted(series.accuracy, key=lambda row: int(row["horizon"])):
        if row["kind"] != kind or not row["n"] or not row["baseline_mae"]:
            continue
        horizon = row["horizon"]
        gains = [scorecard.gain(cell) for cell in cells if cell["horizon"] == horizon]
        error = scorecard.standard_error(gains, lag=horizon - 1) if gains else 0.0
        skill = 1 - row["mae"] / row["baseline_mae"]
        found.append((horizon, skill, Z95 * error / row["baseline_mae"]))
    return found


def calibration_rows(series: SeriesReport, kind: str, level: float) -> list[Row]:
    """The rows of one kind and level that have outcomes, by horizon."""
    rows = [
        row
        for row in series.calibration
        if row["kind"] == kind and row["n"] and math.isclose(row["level"], level, abs_tol=1e-6)
    ]
    return sorted(rows, key=lambda row: int(row["horizon"]))


def backtest_rows(series: SeriesReport) -> list[Row]:
    """The scored one-session-ahead rows of the newest backtest, by target session."""
    rows = scorecard.rows_of(series, "backtest")
    return sorted(
        (row for row in rows if row["horizon"] == 1), key=lambda row: str(row["target_session"])
    )
