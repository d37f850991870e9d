"""The tracker: one number per series, horizon and level that keeps an interval's coverage honest.

A score is the distance from forecast to outcome in units of the spread. The interval reaches
q spreads to each side, and q follows the score's quantile: it grows a little after each miss and
shrinks a very little after each hit. This is the quantile tracker, or "P control", of
Angelopoulos, Candes and Tibshirani (2023), "Conformal PID Control for Time Series Prediction",
section 2.1.

Whatever the outcomes: those of horizon h come h sessions late, so that h more misses may follow
once q is wide enough. As long as no score exceeds s, and q starts no higher, q stays at or under
s + h eta. Over any n outcomes in a row, q moves by eta times the misses beyond their nominal
number, or by more where it is cut off at 0; therefore the share of misses exceeds 1 - level by at
most (s + h eta) / (eta n). It falls short of it by no more than that either, as long as q never has
to be cut off, which scores of at least h eta (1 - level) guarantee. Nothing else is asked of the
scores: they may be chosen by an adversary who sees every q.
"""

from collections.abc import Mapping
from types import MappingProxyType

# What a Student t with 5 degrees of freedom, scaled to variance 1 (by sqrt(3 / 5)), exceeds on
# either side together with probability 1 - level: scipy.stats.t.ppf((1 + level) / 2, 5) * 0.6**0.5.
START_QUANTILES: Mapping[float, float] = MappingProxyType(
    {0.80: 1.1432148684060783, 0.95: 1.9911641278965477}
)

REMEMBERED = 126  # outcomes in a discounted coverage


def start_quantile(level: float) -> float:
    """Where a tracker starts: returns in units of their volatility are about Student t(5).

    Args:
        level: 0.80 or 0.95.

    Raises:
        ValueError: no such level.
    """
    if level not in START_QUANTILES:
        raise ValueError(f"level {level} is unknown: use 0.80 or 0.95")
    return START_QUANTILES[level]


def next_quantile(q: float, inside: bool, level: float, eta: float) -> float:
    """The quantile after an outcome: q + eta (miss - (1 - level)), never below 0.

    Args:
        q: the quantile before it, in spreads.
        inside: whether the outcome lay inside the interval, which an earlier q may have given.
        level: the nominal coverage.
        eta: the step; 0.02 is slow and sharp, 0.05 adapts faster.
    """
    return max(0.0, q + eta * ((not inside) - (1.0 - level)))


def next_coverage(coverage: float, inside: bool) -> float:
    """The discounted share of outcomes inside the interval, after one more.

    What it remembers are about the last 126 outcomes, half a year of sessions. It starts at the
    level; it is what people are shown, and nothing is steered by it.

    Args:
        coverage: the share before it.
        inside: whether the outcome lay inside.
    """
    return coverage + (inside - coverage) / REMEMBERED
