"""The spread: how wide the moves of the next sessions will be, learnt from a series' own past.

What moves will do next is hardly to be foreseen, how large they will be is: large moves follow
large ones, for some days and for some months, and falls more than rises. The linear head reads how
volatilities of several memories stand to each other, how wide the sessions' ranges were, and how
much of the volatility was downwards. For a forecast made at t and each horizon h

    log s_h = b_h + w_h . x_t                  in units of sigma_t roots_h
    x_t = log(v_t / sigma_t), clipped to +-2   v: EWMA scales of moves, of ranges / 1.67,
                                               and of the moves that led downwards

with sigma_t the EWMA scale of decay 0.94. It regresses on volatilities of several lengths at once,
as Corsi (2009), "A Simple Approximate Long-Memory Model of Realized Volatility", does, with EWMAs
for his averages and a likelihood for his squares; that a fall is followed by more than a rise of
the same size is what Glosten, Jagannathan and Runkle (1993), "On the Relation between the Expected
Value and the Volatility of the Nominal Excess Return on Stocks", added to GARCH. The columns were
chosen on 36 series that no test of the program uses. `fit_linear` makes

    mean over t of -log t5(z_h; scale s_h) + 0.003 |w_h|^2,    z_h = move / (sigma_t roots_h)

least, where t5 is Student's density with 5 degrees of freedom. As a function of u = log s one term
is u + 3 log(1 + z^2 e^(-2u) / 5), but for a constant. With a = z^2 e^(-2u) / 5 its slope is
1 - 6 a / (1 + a) and its curvature 12 a / (1 + a)^2, which is never negative: the term is convex
in u, and so in (b, w), of which u is a linear function. The sum is strictly convex, because |z| is
kept from 0 and |w|^2 counts: it has one minimum, which Newton's method finds from anywhere and with
no seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import DataError
from forecaster.model.activations import Array
from forecaster.model.losses import StudentT
from forecaster.model.motion import Motion
from forecaster.model.scale import Floats, ewma, ewma_scale
from forecaster.model.windows import TARGET_LIMIT

DECAY = 0.94  # of sigma_t
DECAYS = (0.70, 0.85, 0.97)
LONG_DECAY = 0.998  # half of it is older than a year: what is usual for the series
RANGE_DECAY = 0.70
DOWNSIDE_DECAY = 0.85
# Root mean square of the range of a random walk with moves of 1, sqrt(4 log 2): Parkinson (1980),
# "The Extreme Value Method for Estimating the Variance of the Rate of Return".
RANGE_OF_ONE = 1.67
FEATURES = (
    *(f"moves, decay {decay:.2f}" for decay in DECAYS),
    f"moves, decay {LONG_DECAY}",
    f"ranges, decay {RANGE_DECAY:.2f}",
    f"falls, decay {DOWNSIDE_DECAY:.2f}",
)
RATIO_LIMIT = 2.0  # of x
LEAST_TARGET = 0.01  # of |z|: a move of nothing has no logarithm, and would pull the scale to 0
RIDGE = 3e-3
FEWEST = 250  # sessions with known outcomes to fit on
WARM = 20  # first sessions, whose EWMAs mean little yet

T5 = StudentT(5.0)
DEVIATION = (5.0 / 3.0) ** 0.5  # standard deviation of Student's t(5) of scale 1


@dataclass(frozen=True, eq=False)
class LinearSpread:
    """A fitted linear head.

    Attributes:
        bias: b, (H,).
        weights: w, (H, 6).
        ranged: whether it was fitted with ranges; without, it reads none.
    """

    bias: Floats
    weights: Floats
    ranged: bool

    def scales(self, values: Floats, ranges: Floats | None, motion: Motion) -> Floats:
        """Standard deviations of the moves from the last session to each of the H next.

        Args:
            values: (n,), oldest first, at least two (with a season, one more than it is long).
            ranges: (n,), log(high / low), or high - low of differences; NaN where unknown.
            motion: how the series moves.

        Returns:
            (H,), positive, in the unit of the moves.

        Raises:
            DataError: too few values (code "too_few_bars").
        """
        sigma, parts = self._parts(values, ranges, motion)
        return deviations(self.bias + parts.sum(axis=1), sigma, motion)

    def contributions(self, values: Floats, ranges: Floats | None, motion: Motion) -> Floats:
        """What each feature adds to the log of the scales, (H, 6) in the order of FEATURES.

        Args:
            values: (n,), as for `scales`.
            ranges: likewise.
            motion: likewise.
        """
        return self._parts(values, ranges, motion)[1]

    def _parts(self, values: Floats, ranges: Floats | None, motion: Motion) -> tuple[float, Floats]:
        """Return sigma, and w x by feature, (H, 6)."""
        steps = _steps(values, motion)
        seen = volatilities(steps, ranges if self.ranged else None, motion)
        # Not a product by BLAS, which adds in an order of its own on every machine.
        return float(seen[0, -1]), self.weights * log_ratios(seen[:, -1:])[0]


def fit_linear(
    values: Floats, ranges: Floats | None, *, motion: Motion, horizon: int
) -> LinearSpread | None:
    """Fit the linear head on all that the values tell.

    Args:
        values: (n,), oldest first: the history, up to the cutoff.
        ranges: (n,), as `LinearSpread.scales` takes them, or None.
        motion: how the series moves.
        horizon: H.

    Returns:
        The head, or None where there are fewer than 250 sessions to learn from.
    """
    known = len(values) - motion.lag - horizon  # sessions with a step and all outcomes
    if known - WARM < FEWEST:
        return None
    ranged = ranges is not None and bool(is_range(ranges).any())
    seen = volatilities(motion.steps(values), ranges if ranged else None, motion)
    x = log_ratios(seen[:, :known])[WARM:]  # (k, 6)
    y = log_sizes(values, seen[0], motion, horizon)[WARM:]  # (k, H)
    found = _newton(np.hstack([np.ones((len(x), 1)), x]), y)  # (7, H)
    return LinearSpread(found[0].copy(), np.ascontiguousarray(found[1:].T), ranged)


def ewma_scales(values: Floats, decay: float, *, motion: Motion, horizon: int) -> Floats:
    """Standard deviations by the EWMA scale alone: sigma roots_h, (H,).

    Raises:
        DataError: too few values (code "too_few_bars").
    """
    sigma = motion.scale(_steps(values, motion), decay)[-1]
    return np.asarray(sigma * motion.roots(horizon))


def volatilities(steps: Floats, ranges: Floats | None, motion: Motion) -> Floats:
    """Sigma and the six that are measured against it, after each step, (7, m).

    A range that is not known counts as 1.67 |step|, which has the same mean square: without any it
    repeats the first feature. Squares of falls are doubled, because half of all steps are none.
    Entry t depends on nothing later, to the last bit.

    Args:
        steps: (m,).
        ranges: (m + lag,), of all sessions, or None.
        motion: how the series moves.
    """
    sizes = np.abs(steps)
    if ranges is not None:
        latest = ranges[len(ranges) - len(steps) :]
        sizes = np.where(is_range(latest), latest / RANGE_OF_ONE, sizes)
    return np.stack([
        motion.scale(steps, DECAY),
        *(ewma_scale(steps, decay) for decay in DECAYS),
        _long_scale(steps),
        ewma_scale(sizes, RANGE_DECAY),
        np.sqrt(2.0) * ewma_scale(np.minimum(steps, 0.0), DOWNSIDE_DECAY),
    ])  # fmt: skip


def _long_scale(steps: Floats) -> Floats:
    """The EWMA scale of the longest memory, with weights that sum to 1 over what there is.

    Started at one square it would be a matter of that square for years.
    """
    squares = steps * steps
    unseen = LONG_DECAY ** np.arange(1.0, len(steps) + 1.0)
    mean = (ewma(squares, LONG_DECAY) - unseen * squares[0]) / (1.0 - unseen)
    return np.asarray(np.sqrt(np.maximum(mean, 0.0)))


def is_range(ranges: Floats) -> NDArray[np.bool_]:
    """Which of them are known: neither NaN nor anything else that no range can be."""
    return np.asarray((ranges >= 0.0) & (ranges < np.inf))


def log_ratios(seen: Floats) -> Floats:
    """The features x (k, 6) of `volatilities` (7, k)."""
    limit = np.exp(RATIO_LIMIT)
    return np.asarray(np.log(np.clip(seen[1:] / seen[0], 1.0 / limit, limit)).T)


def log_sizes(values: Floats, sigma: Floats, motion: Motion, horizon: int) -> Floats:
    """What log scales are fitted to: log |z|, with |z| kept between 0.01 and 6, (m - H, H).

    Row t is that of the session of step t, whose scale is `sigma[t]` (m,).
    """
    known = len(sigma) - horizon
    ahead = motion.ahead(values, horizon)[-known:]
    z = ahead / (sigma[:known, np.newaxis] * motion.roots(horizon))
    return np.asarray(np.log(np.clip(np.abs(z), LEAST_TARGET, TARGET_LIMIT)))


def deviations(log_scale: Floats, sigma: float, motion: Motion) -> Floats:
    """Standard deviations (H,) of moves whose t(5) log scale is given in units of sigma roots_h.

    The log scale is limited as what it was fitted to.
    """
    limited = np.clip(log_scale, np.log(LEAST_TARGET), np.log(TARGET_LIMIT))
    return np.asarray(DEVIATION * np.exp(limited) * sigma * motion.roots(len(log_scale)))


def _steps(values: Floats, motion: Motion) -> Floats:
    if len(values) <= motion.lag:
        raise DataError(
            f"{len(values)} values are too few to measure how they move: it takes {motion.lag + 1}",
            remedy="wait for more sessions, or start earlier",
            code="too_few_bars",
        )
    return motion.steps(values)


def _newton(x: Floats, y: Floats) -> Floats:
    """The coefficients (7, H) that cost least for each column of y (n, H); x is (n, 7).

    Newton's method; a step that is too long is halved until it pays (Boyd and Vandenberghe (2004),
    "Convex Optimization", section 9.5).
    """
    ridge = np.array([0.0] + [RIDGE] * (x.shape[1] - 1))[:, np.newaxis]  # (7, 1)

    def costs(at: Array) -> Array:
        return np.asarray(T5.costs(x @ at - y).mean(axis=0) + (ridge * at * at).sum(axis=0))

    at: Array = np.zeros((x.shape[1], y.shape[1]))
    cost = costs(at)
    for _ in range(100):  # five to eight do
        move, gain = _newton_step(x, x @ at - y, at, ridge)
        if gain.max() < 1e-16:  # twice what is still to be gained
            break
        length = np.ones(y.shape[1])
        for _ in range(40):
            tried = costs(at - length * move)
            too_long = tried > cost - 1e-4 * length * gain + 1e-14
            if not too_long.any():
                break
            length[too_long] /= 2.0
        at, cost = at - length * move, tried
    return at.astype(np.float64, copy=False)


def _newton_step(x: Floats, error: Array, at: Array, ridge: Array) -> tuple[Array, Array]:
    """Hessian^-1 gradient (7, H), and the gradient times that (H,), for each column by itself."""
    slopes, curvatures = error.copy(), T5.curvatures(error)
    T5.slope(slopes, 1.0 / len(x))
    gradient = x.T @ slopes + 2.0 * ridge * at  # (7, H)
    hessian = (x.T * curvatures.T[:, np.newaxis, :]) @ x / len(x)  # (H, 7, 7)
    hessian += 2.0 * np.diag(ridge[:, 0])
    move = np.linalg.solve(hessian, gradient.T[..., np.newaxis])[..., 0].T
    return move, np.sum(gradient * move, axis=0)
