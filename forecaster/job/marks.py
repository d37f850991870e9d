"""How a method did in each cell of a backtest: its errors, losses, scores and hits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.job.past import Floats
from forecaster.job.rivals import LEVELS
from forecaster.model import evaluate


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What happened after each cutoff of a series, and what it is measured in.

    Attributes:
        cutoffs: (n,) datetime64[D], ascending.
        actual: (n, H) in the basis of the cutoff; NaN where it is not known.
        units: (n,) what errors of different cutoffs are divided by to go together.
        shares: (n,) what interval scores are.
        scale: the naive error within the values up to the first cutoff, and `rescale` (n,) what
            carries an error from the basis of its cutoff to that of the first.
    """

    cutoffs: NDArray[np.datetime64]
    actual: Floats
    units: Floats
    shares: Floats
    scale: float
    rescale: Floats


@dataclass(frozen=True, eq=False)
class Marks:
    """How a method did in each cell of a series: all (n, H), NaN where the outcome is not known."""

    outcomes: Outcomes
    errors: Floats
    pinball: Floats
    crps: Floats
    score80: Floats
    score95: Floats
    inside80: Floats
    inside95: Floats

    @property
    def relative(self) -> Floats:
        """The errors in units that do not change from cutoff to cutoff."""
        return self.errors / self.outcomes.units[:, np.newaxis]


def mark(outcomes: Outcomes, quantiles: Floats) -> Marks:
    """Hold what a method said, (n, H, 5) at `LEVELS`, against what happened."""
    actual, shape = outcomes.actual.ravel(), outcomes.actual.shape
    said = quantiles.reshape(-1, len(LEVELS))
    lo95, lo80, point, hi80, hi95 = said.T

    def score(low: Floats, high: Floats, level: float) -> Floats:
        return evaluate.interval_score(actual, low, high, level).reshape(shape)

    def inside(low: Floats, high: Floats) -> Floats:
        hits = np.where(np.isnan(actual), np.nan, (low <= actual) & (actual <= high))
        return hits.reshape(shape)

    return Marks(
        outcomes=outcomes,
        errors=(point - actual).reshape(shape),
        pinball=evaluate.pinball(actual, said, LEVELS).mean(axis=1).reshape(shape),
        crps=evaluate.crps_of_quantiles(actual, said, LEVELS).reshape(shape),
        score80=score(lo80, hi80, 0.80),
        score95=score(lo95, hi95, 0.95),
        inside80=inside(lo80, hi80),
        inside95=inside(lo95, hi95),
    )
