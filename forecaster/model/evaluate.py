"""What forecasts are worth: the figures of a backtest, from arrays of errors, bounds and losses.

Where an uncertainty is asked for, entries stand in the order of their cutoffs, one for each: the
mean over several series, or horizons, of the same cutoff is one entry, so that what they have in
common is not taken for evidence many times over. Forecasts over h sessions overlap, which makes h
neighbours depend on each other; variances are therefore those of a mean of dependent numbers (HAC:
heteroscedasticity and autocorrelation consistent).
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from forecaster.model.scale import Floats

QUARTER = 63  # sessions


def mae(errors: ArrayLike) -> float:
    """Mean absolute error of errors (n,)."""
    return float(np.mean(np.abs(_floats(errors))))


def rmse(errors: ArrayLike) -> float:
    """Root mean squared error of errors (n,)."""
    return float(np.sqrt(np.mean(np.square(_floats(errors)))))


def naive_scale(values: ArrayLike, season: int = 1) -> float:
    """Mean absolute error, one step ahead, of the (seasonal) naive forecast within `values` (n,).

    NaN where there are no more than `season` values.
    """
    values = _floats(values)
    if len(values) <= season:
        return float("nan")
    return mae(values[season:] - values[:-season])


def mase(errors: ArrayLike, scale: float) -> float | None:
    """Mean absolute scaled error.

    Hyndman and Koehler (2006), "Another look at measures of forecast accuracy".

    Args:
        errors: (n,).
        scale: `naive_scale` of the values before the first of these forecasts was made.

    Returns:
        None where the values did not move, so that there is nothing to scale by.
    """
    return mae(errors) / scale if scale > 0.0 else None


def pinball(actual: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> Floats:
    """The quantile loss (y - q)(level - 1{y < q}): Koenker and Bassett (1978), equation 2.2.

    Args:
        actual: y, (n,).
        quantiles: q, (n, Q).
        levels: (Q,), each between 0 and 1.

    Returns:
        (n, Q), each 0 or more, in the unit of y.
    """
    error = _floats(actual)[:, np.newaxis] - _floats(quantiles)
    return np.asarray(error * (_floats(levels) - (error < 0.0)))


def crps_of_quantiles(actual: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> Floats:
    """The continuous ranked probability score, as far as a few quantiles tell it.

    It is twice the integral of the quantile loss over all levels from 0 to 1 (Laio and Tamea
    (2007), "Verification tools for probabilistic forecasts of continuous hydrological variables"),
    taken here by trapezoids between the levels given; at 0 and 1 the loss is 0. Few levels give a
    number that compares forecasts told at the same levels, and nothing else.

    Args:
        actual: (n,).
        quantiles: (n, Q).
        levels: (Q,), ascending.

    Returns:
        (n,), in the unit of `actual`.
    """
    ends = np.concatenate([[0.0], _floats(levels), [1.0]])
    return np.asarray(pinball(actual, quantiles, levels) @ (ends[2:] - ends[:-2]))


def interval_score(actual: ArrayLike, low: ArrayLike, high: ArrayLike, level: float) -> Floats:
    """The width, and 2 / (1 - level) times what the outcome lies outside: least for quantiles.

    Gneiting and Raftery (2007), "Strictly Proper Scoring Rules, Prediction, and Estimation",
    equation 43, with alpha = 1 - level.

    Args:
        actual: (n,).
        low: (n,).
        high: (n,).
        level: nominal coverage, such as 0.8.

    Returns:
        (n,), in the unit of `actual`.
    """
    y, low, high = _floats(actual), _floats(low), _floats(high)
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return np.asarray(high - low + 2.0 / (1.0 - level) * outside)


Kernel = Literal["bartlett", "flat"]


def long_run_variance(numbers: ArrayLike, lags: int, kernel: Kernel = "bartlett") -> float:
    """The variance of a sum of dependent numbers, divided by how many they are.

    g_0 + 2 sum_k w_k g_k with the autocovariances g_k = sum_t d_t d_{t-k} / n of the deviations
    from the mean. "bartlett", w_k = 1 - k / (lags + 1), is never negative: Newey and West (1987),
    "A Simple, Positive Semi-Definite, Heteroskedasticity and Autocorrelation Consistent Covariance
    Matrix". "flat", w_k = 1, is what numbers need of which those further apart than
    `lags` are independent, and may be negative by chance.

    Args:
        numbers: (n,), in the order of time.
        lags: k up to which neighbours depend on each other; 0 for independent numbers.
        kernel: w.
    """
    numbers = _floats(numbers)
    d, n = numbers - numbers.mean(), len(numbers)
    total = float(d @ d)
    for k in range(1, min(lags, n - 1) + 1):
        weight = 1.0 if kernel == "flat" else 1.0 - k / (lags + 1.0)
        total += 2.0 * weight * float(d[k:] @ d[:-k])
    return total / n


def newey_west_lags(n: int, horizon: int) -> int:
    """Lags for the Bartlett kernel: 4 (n / 100)^(2/9), and enough for the overlap of `horizon`.

    Newey and West (1994), "Automatic Lag Selection in Covariance Matrix Estimation", as most
    programs shorten it. The kernel weighs far lags little, so it takes twice the overlap.
    """
    return max(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), 2 * (horizon - 1))


@dataclass(frozen=True)
class Coverage:
    """A share of hits, and between what it may lie in truth."""

    share: float
    low: float
    high: float


def coverage(hits: ArrayLike, horizon: int, *, confidence: float = 0.95) -> Coverage:
    """The share of outcomes inside their interval, with a confidence interval.

    The interval is that of Wilson (1927), "Probable Inference, the Law of Succession, and
    Statistical Inference", which stays within 0 and 1, for as many independent outcomes as tell as
    much: m = p (1 - p) / V, with V the long-run variance of the mean. Where no hit differs from
    another, V is unknown and only outcomes that do not overlap are counted.

    Args:
        hits: (n,), n >= 1, whether each outcome lay inside, or the share of those of its cutoff.
        horizon: h, sessions over which neighbouring outcomes overlap.
        confidence: probability that the interval contains the share that it would be in the end.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - only an evaluation pays for scipy

    hits = _floats(hits)
    n, share = len(hits), float(hits.mean())
    variance = long_run_variance(hits, newey_west_lags(n, horizon)) / n
    m = share * (1.0 - share) / variance if variance > 0.0 else n / horizon
    z = float(ndtri((1.0 + confidence) / 2.0))
    centre = (share + z * z / (2.0 * m)) / (1.0 + z * z / m)
    reach = z * sqrt(share * (1.0 - share) / m + z * z / (4.0 * m * m)) / (1.0 + z * z / m)
    return Coverage(share, max(0.0, centre - reach), min(1.0, centre + reach))


@dataclass(frozen=True)
class Comparison:
    """A test of equal accuracy: negative where the first forecast is the better one."""

    statistic: float
    p: float  # of a statistic at least as far from 0, if both are equally accurate


def diebold_mariano(loss_a: ArrayLike, loss_b: ArrayLike, horizon: int) -> Comparison | None:
    """Whether one forecast is more accurate than another, beyond chance.

    The mean difference of the losses over its standard error: Diebold and Mariano (1995),
    "Comparing Predictive Accuracy", whose variance takes the autocovariances up to lag h - 1; times
    sqrt((n + 1 - 2h + h (h - 1) / n) / n), and compared with Student's t of n - 1 degrees of
    freedom: Harvey, Leybourne and Newbold (1997), "Testing the Equality of Prediction Mean Squared
    Errors". Where that variance is not positive it is the Bartlett one.

    Args:
        loss_a: (n,), of the first forecast, such as squared errors, in the order of cutoffs.
        loss_b: (n,), of the second forecast.
        horizon: h.

    Returns:
        The statistic and its two-sided p value; None where the losses do not differ, or are fewer
        than two for each session of the horizon.
    """
    from scipy.special import stdtr  # noqa: PLC0415 - only an evaluation pays for scipy

    difference = _floats(loss_a) - _floats(loss_b)
    n = len(difference)
    if n < 2 * horizon or n < 2:
        return None
    variance = long_run_variance(difference, horizon - 1, "flat")
    if not variance > 0.0:
        variance = long_run_variance(difference, horizon - 1)
    if not variance > 0.0:
        return None
    correction = (n + 1.0 - 2.0 * horizon + horizon * (horizon - 1.0) / n) / n
    statistic = float(difference.mean()) / sqrt(variance / n) * sqrt(correction)
    return Comparison(statistic, float(2.0 * stdtr(n - 1, -abs(statistic))))


def rolling_means(numbers: ArrayLike, length: int = QUARTER) -> Floats:
    """The mean of each `length` in a row, (n - length + 1,); empty where there are fewer."""
    numbers = _floats(numbers)
    if len(numbers) < length:
        return np.empty(0)
    return np.asarray(sliding_window_view(numbers, length).mean(axis=1))


def worst_rolling(
    numbers: ArrayLike, length: int = QUARTER, *, worst: Literal["least", "most"]
) -> float | None:
    """The worst mean of `length` in a row: the least of hits, the most of losses.

    None where there are fewer numbers.
    """
    means = rolling_means(numbers, length)
    if not len(means):
        return None
    return float(means.min() if worst == "least" else means.max())


def _floats(given: ArrayLike) -> Floats:
    return np.asarray(given, dtype=np.float64)
