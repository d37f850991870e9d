"""What reporters say about forecasts made so far: pooled scores, and a verdict in words.

Everything here is plain Python: a reporter that prints a few tables should not import numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from forecaster.hooks import SeriesReport

from .wording import count, significant

Row = dict[str, Any]

KINDS: Final = ("live", "backfill", "backtest")
LEVELS: Final = (0.80, 0.95)
# One-sided 5 %: of many cells without any skill, one in twenty passes.
ENOUGH_T: Final = 1.645
CHANCE: Final = 0.05
# The view `skill` judges from so many outcomes on.
ENOUGH_OUTCOMES: Final = 40

NO_OUTCOME: Final = "no outcome yet"
NOT_BETTER: Final = "not better than the last price"
BETTER: Final = "better than the last price"
WORSE: Final = "worse than the last price"


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
        verdict: of the view `skill`, over all horizons.
        judged: horizons with enough outcomes whose forecasts have left the last price.
        better: of these, those that are better beyond chance.
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
    verdict: str
    judged: int
    better: int

    @property
    def skill(self) -> float | None:
        """1 - MAE / baseline MAE; None where the baseline made no error."""
        return 1 - self.mae / self.baseline_mae if self.baseline_mae else None

    @property
    def rmse_ratio(self) -> float | None:
        """RMSE / baseline RMSE; None where the baseline made no error."""
        return self.rmse / self.baseline_rmse if self.baseline_rmse else None

    def off_target(self, level: float) -> float | None:
        """By how much coverage differs from its level beyond noise; None where it does not.

        The horizons of one cutoff share their outcomes, so that cutoffs are what noise averages.
        """
        share = self.coverage[level]
        if share is None:
            return None
        low, high = sampling_range(self.cutoffs, level)
        return None if low <= share <= high else share - level


def score(series: SeriesReport, kind: str) -> Score | None:
    """Pool the horizons of one kind; None where nothing of that kind has been scored."""
    rows = [row for row in series.accuracy if row["kind"] == kind and row["n"]]
    if not rows:
        return None
    n = sum(row["n"] for row in rows)
    cutoffs = {row["cutoff"] for row in rows_of(series, kind)}
    said = [row for row in series.skill if row["kind"] == kind and row["n"]]
    return Score(
        series=series.name,
        kind=kind,
        n=n,
        cutoffs=max(len(cutoffs), *(row["n"] for row in rows)),
        mae=sum(row["n"] * row["mae"] for row in rows) / n,
        baseline_mae=sum(row["n"] * row["baseline_mae"] for row in rows) / n,
        rmse=math.sqrt(sum(row["n"] * row["rmse"] ** 2 for row in rows) / n),
        baseline_rmse=math.sqrt(sum(row["n"] * row["baseline_rmse"] ** 2 for row in rows) / n),
        coverage={level: coverage(series, kind, level) for level in LEVELS},
        verdict=verdict(said),
        judged=sum(row["n"] >= ENOUGH_OUTCOMES and row["t"] != 0 for row in said),
        better=sum(row["verdict"] == BETTER for row in said),
    )


def verdict(rows: Sequence[Row]) -> str:
    """What the view `skill` says of the horizons of one series and kind, in one line.

    "not better than the last price", unless some horizon is better or worse beyond chance: then
    that, with the horizons where it does not hold for all of them.
    """
    found = []
    for words in (BETTER, WORSE):
        horizons = [row["horizon"] for row in rows if row["verdict"] == words]
        if horizons and len(horizons) == len(rows):
            return words
        if horizons:
            where = f"{'horizon' if len(horizons) == 1 else 'horizons'} {_listed(horizons)}"
            found.append(f"{words} at {where}")
    return " and ".join(found) or NOT_BETTER


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


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
    over = f"{one.verdict[0].upper()}{one.verdict[1:]}, over {count(one.n, 'outcome')} ({one.kind})"
    if one.skill is None:
        return f"{over}: the mean absolute error was {significant(one.mae)}, the last price's 0."
    if math.isclose(one.mae, one.baseline_mae, rel_tol=1e-12):
        return f"{over}: the forecasts were the last price itself, with an interval around it."
    side = "above" if one.skill < 0 else "below"
    few = "" if one.judged else ", which are too few to tell anything"
    size = f"{abs(one.skill) * 100:.1f} % {side} the last price's"
    return f"{over}{few}: the mean absolute error was {size}."


def coverage_words(one: Score) -> str:
    """Whether the intervals hold what they promise, such as "95 % intervals on target (94.1 %)"."""
    words = []
    for level in LEVELS:
        share, off = one.coverage[level], one.off_target(level)
        if share is None:
            continue
        where = "on target" if off is None else f"{abs(off) * 100:.1f} points too {_side(off)}"
        words.append(f"{level * 100:.0f} % intervals {where} ({share * 100:.1f} %)")
    return ", ".join(words)


def _side(off: float) -> str:
    return "narrow" if off < 0 else "wide"


def chance_note(found: Sequence[Score]) -> str:
    """How many cells are better beyond chance, next to how many chance alone would make so."""
    judged, better = sum(one.judged for one in found), sum(one.better for one in found)
    if judged:
        where = f"{count(judged, 'horizon')} of all series"
        verb = "is" if better == 1 else "are"
        return (
            f"Forecasts have left the last price at {where}; {better} of these {verb} better "
            f"beyond chance, and chance alone would make it about {judged * CHANCE:.1f}."
        )
    if any(one.cutoffs >= ENOUGH_OUTCOMES for one in found):
        return "No forecast is judged better or worse: all of them are the last price itself."
    return "No series has enough outcomes to be judged against the last price yet."
