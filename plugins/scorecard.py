"""What reporters say about forecasts made so far: pooled scores, and a verdict in words.

Everything here is plain Python: a reporter that prints a few tables should not import numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from forecaster.hooks import SeriesReport

from .wording import count, significant

Row = dict[str, Any]

KINDS: Final = ("live", "backfill", "backtest")
LEVELS: Final = (0.80, 0.95)
ENOUGH_CUTOFFS: Final = 30
# One-sided 5 %: of many series without any skill, one in twenty passes.
ENOUGH_T: Final = 1.645
CHANCE: Final = 0.05

NO_OUTCOME: Final = "no outcome yet"
TOO_FEW: Final = "too few outcomes to tell"
SAME: Final = "the same as the last price"
NOT_BETTER: Final = "not better than the last price"
WITHIN_CHANCE: Final = "ahead of the last price, but within chance"
BETTER: Final = "better than the last price"
VERDICTS: Final = (BETTER, WITHIN_CHANCE, SAME, NOT_BETTER, TOO_FEW, NO_OUTCOME)


@dataclass(frozen=True)
class Score:
    """How one series' forecasts of one kind did, all horizons pooled.

    Attributes:
        n: scored outcomes.
        cutoffs: sessions they were made from; the unit of evidence, as the horizons of one
            cutoff share their outcomes.
        mae, rmse: of the forecasts, in units of price.
        baseline_mae, baseline_rmse: of the last price on the same cells.
        coverage: share of outcomes inside the interval, by level.
        t: of the mean gain over the baseline per cutoff; None where it cannot be computed.
    """

    series: str
    kind: str
    n: int
    cutoffs: int
    mae: float
    baseline_mae: float
    rmse: float
    baseline_rmse: float
    coverage: dict[float, float | None]
    t: float | None

    @property
    def skill(self) -> float | None:
        """1 - MAE / baseline MAE; None where the baseline made no error."""
        return 1 - self.mae / self.baseline_mae if self.baseline_mae else None

    @property
    def rmse_ratio(self) -> float | None:
        """RMSE / baseline RMSE; None where the baseline made no error."""
        return self.rmse / self.baseline_rmse if self.baseline_rmse else None

    @property
    def verdict(self) -> str:
        """One of VERDICTS."""
        if not self.n:
            return NO_OUTCOME
        if self.cutoffs < ENOUGH_CUTOFFS:
            return TOO_FEW
        if math.isclose(self.mae, self.baseline_mae, rel_tol=1e-12):
            return SAME
        if self.mae > self.baseline_mae:
            return NOT_BETTER
        return BETTER if self.t is not None and self.t > ENOUGH_T else WITHIN_CHANCE


def score(series: SeriesReport, kind: str) -> Score | None:
    """Pool the horizons of one kind; None where nothing of that kind has been scored."""
    rows = [row for row in series.accuracy if row["kind"] == kind and row["n"]]
    if not rows:
        return None
    n = sum(row["n"] for row in rows)
    cells = rows_of(series, kind)
    gains = gains_by_cutoff(cells)
    return Score(
        series=series.name,
        kind=kind,
        n=n,
        cutoffs=len(gains) or max(row["n"] for row in rows),
        mae=sum(row["n"] * row["mae"] for row in rows) / n,
        baseline_mae=sum(row["n"] * row["baseline_mae"] for row in rows) / n,
        rmse=math.sqrt(sum(row["n"] * row["rmse"] ** 2 for row in rows) / n),
        baseline_rmse=math.sqrt(sum(row["n"] * row["baseline_rmse"] ** 2 for row in rows) / n),
        coverage={level: coverage(series, kind, level) for level in LEVELS},
        t=t_value(gains, lag=max(row["horizon"] for row in rows) - 1),
    )


def scores(series: SeriesReport) -> list[Score]:
    """One Score for each kind that has outcomes; kinds are never mixed."""
    found = (score(series, kind) for kind in KINDS)
    return [one for one in found if one is not None]


def main_score(series: SeriesReport) -> Score | None:
    """The kind to speak of first: live or backfill, whichever has more outcomes."""
    found = [one for one in scores(series) if one.kind != "backtest"]
    return max(found, key=lambda one: one.n, default=None)


def rows_of(series: SeriesReport, kind: str) -> list[Row]:
    """The scored `forecast_history` rows of one kind."""
    rows = series.backtest if kind == "backtest" else series.past
    return [row for row in rows if row["kind"] == kind and row["abs_error"] is not None]


def coverage(series: SeriesReport, kind: str, level: float) -> float | None:
    """Share of outcomes inside the interval of one level, all horizons pooled."""
    rows = [
        row
        for row in series.calibration
        if row["kind"] == kind and math.isclose(row["level"], level, abs_tol=1e-6)
    ]
    n = sum(row["n"] for row in rows)
    return float(sum(row["covered"] for row in rows) / n) if n else None


def gain(row: Row) -> float:
    """How much smaller the forecast's absolute error was than the last price's."""
    return float(row["baseline_abs_error"] - row["abs_error"])


def gains_by_cutoff(rows: Iterable[Row]) -> list[float]:
    """Mean gain over the horizons of each cutoff, in the order of cutoffs."""
    by_cutoff: dict[str, list[float]] = {}
    for row in rows:
        by_cutoff.setdefault(row["cutoff"], []).append(gain(row))
    return [sum(gains) / len(gains) for _, gains in sorted(by_cutoff.items())]


def standard_error(gains: Sequence[float], lag: int) -> float:
    """Standard error of a mean whose terms overlap by `lag` steps.

    Newey and West (1987), Bartlett weights: never negative.
    """
    n = len(gains)
    mean = sum(gains) / n
    off = [value - mean for value in gains]
    variance = sum(value * value for value in off) / n
    for step in range(1, min(lag, n - 1) + 1):
        both = sum(a * b for a, b in zip(off[step:], off[:-step], strict=True)) / n
        variance += 2 * (1 - step / (lag + 1)) * both
    return math.sqrt(max(variance, 0.0) / n)


def t_value(gains: Sequence[float], lag: int) -> float | None:
    """Mean gain over its standard error; None for fewer than two or for equal gains."""
    if len(gains) < 2:
        return None
    error = standard_error(gains, lag)
    return sum(gains) / len(gains) / error if error > 0 else None


@lru_cache(maxsize=4096)
def sampling_range(n: int, level: float) -> tuple[float, float]:
    """Central 95 % range of the share covered of `n` independent outcomes (binomial).

    Returns:
        The lowest and highest share that noise alone would readily give.
    """
    low, high, below = 0, n, 0.0
    for hits in range(n + 1):
        ways = math.lgamma(n + 1) - math.lgamma(hits + 1) - math.lgamma(n - hits + 1)
        below += math.exp(ways + hits * math.log(level) + (n - hits) * math.log1p(-level))
        if below < 0.025:
            low = hits + 1
        if below >= 0.975:
            high = hits
            break
    return low / n, high / n


def sentence(one: Score) -> str:
    """The verdict in words, for readers who do not want a table."""
    over = f"Over {count(one.n, 'outcome')} ({one.kind}) the mean absolute error was "
    if one.skill is None:
        return f"{over}{significant(one.mae)}; the last price made no error at all."
    side = "above" if one.skill < 0 else "below"
    size = f"{abs(one.skill) * 100:.1f} % {side} the last price's"
    made = count(one.cutoffs, "session")
    return {
        TOO_FEW: f"{over}{size}: forecasts made on {made} are too few to tell anything.",
        SAME: f"{over}the last price's: the forecasts are the last price.",
        NOT_BETTER: f"{over}{size}: not better than doing nothing.",
        WITHIN_CHANCE: f"{over}{size}, which chance alone readily gives: "
        "no evidence of being better than doing nothing.",
        BETTER: f"{over}{size}, more than chance readily gives.",
    }[one.verdict]


def chance_note(found: Sequence[Score]) -> str:
    """How many series are better beyond chance, next to how many chance alone would make so."""
    judged = [one for one in found if one.verdict not in (TOO_FEW, NO_OUTCOME)]
    if not judged:
        return "No series has enough outcomes to be judged against the last price yet."
    better = sum(one.verdict == BETTER for one in judged)
    return (
        f"{better} of {len(judged)} series {'is' if better == 1 else 'are'} better than the last "
        f"price beyond chance; chance alone would make it about {len(judged) * CHANCE:.1f}."
    )
