"""Losses: what the errors of the outputs cost, and the slope of that.

An error is e = y_hat - y. A loss is a frozen value with two methods over an array of errors; the
outputs stand on the axis before the last, so that a loss may treat each output in its own way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np

from forecaster.model.activations import Array

LossName = Literal["squared", "huber", "pinball"]

QUANTILES = (0.1, 0.5, 0.9)
"""What a network trained with "pinball" says of each target: the median, and 80 % around it."""


class Loss(Protocol):
    """What training makes small."""

    def total(self, error: Array) -> float:
        """Sum the cost of errors (..., O, n)."""
        ...

    def slope(self, error: Array, factor: float) -> None:
        """Overwrite errors (..., O, n) by `factor` times the derivative of their cost."""
        ...


@dataclass(frozen=True)
class Squared:
    """e^2."""

    def total(self, error: Array) -> float:
        """Sum the squares."""
        flat = error.ravel()
        return float(flat @ flat)

    def slope(self, error: Array, factor: float) -> None:
        """2 e."""
        error *= 2.0 * factor


@dataclass(frozen=True)
class Huber:
    """e^2 up to `delta` and 2 delta |e| - delta^2 beyond: one outlier pulls no harder than delta.

    Twice the loss of Huber (1964), "Robust Estimation of a Location Parameter", so that small
    errors cost what they cost with the squared error.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a delta with which nothing costs anything."""
        if not self.delta > 0.0:
            raise ValueError(f"delta is {self.delta:g}: it must be above 0")

    def total(self, error: Array) -> float:
        """Sum c (2 e - c), with c the error clipped to +-delta."""
        clipped = np.clip(error, -self.delta, self.delta)
        return float(np.sum(clipped * (2.0 * error - clipped)))

    def slope(self, error: Array, factor: float) -> None:
        """2 e, clipped to +-2 delta."""
        np.clip(error, -self.delta, self.delta, out=error)
        error *= 2.0 * factor


@dataclass(frozen=True)
class Pinball:
    """(1 - q) e above the target and -q e below it: least where the output is the q-quantile.

    Koenker and Bassett (1978), "Regression Quantiles", equation 2.2. Outputs are the quantiles of
    one target after the other: with Q levels, output k is level k mod Q of target k div Q.
    """

    levels: tuple[float, ...] = QUANTILES

    def __post_init__(self) -> None:
        """Refuse levels that are no quantiles."""
        if not all(0.0 < level < 1.0 for level in self.levels):
            raise ValueError(f"levels are {self._text}: each must lie between 0 and 1")

    def total(self, error: Array) -> float:
        """Sum max((1 - q) e, -q e)."""
        levels = self._levels(error)
        return float(np.sum(np.maximum((1.0 - levels) * error, -levels * error)))

    def slope(self, error: Array, factor: float) -> None:
        """1 - q above the target, -q below it and on it; what is not a number stays so."""
        unknown = np.isnan(error)
        np.subtract(error > 0.0, self._levels(error), out=error)
        error *= factor
        error[unknown] = np.nan

    def _levels(self, error: Array) -> Array:
        targets, beyond = divmod(error.shape[-2], len(self.levels))
        if beyond:
            raise ValueError(
                f"{error.shape[-2]} outputs for quantiles {self._text}: each target needs "
                f"{len(self.levels)}"
            )
        return np.tile(np.array(self.levels, dtype=error.dtype), targets)[:, np.newaxis]

    @property
    def _text(self) -> str:
        return ", ".join(f"{level:g}" for level in self.levels)


@dataclass(frozen=True)
class StudentT:
    """For outputs u that are the logarithm of a scale, and targets y = log |z| of what happened.

    The negative log likelihood of z under Student's t with nu degrees of freedom (`freedom`) and
    scale exp(u) is, but for a constant, u + (nu + 1)/2 log(1 + z^2 exp(-2u) / nu). With e = u - y,
    for which z^2 exp(-2u) = exp(-2e), that is

        y + e + (nu + 1)/2 log(1 + a),    a = exp(-2e) / nu

    where y is no affair of the output: what is left is the cost of the error e. It is convex and
    least at e = 0; a scale too wide costs 1 for each unit of its logarithm, one too narrow nu.
    """

    freedom: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what is no Student t."""
        if not 0.0 < self.freedom < float("inf"):
            raise ValueError(f"freedom is {self.freedom:g}: it must be above 0")

    def costs(self, error: Array) -> Array:
        """E + (nu + 1)/2 log(1 + a), for each."""
        log_a = -2.0 * error - log(self.freedom)
        costs: Array = np.log1p(np.exp(-np.abs(log_a)))  # with what is next added, log(1 + a)
        costs += np.maximum(log_a, 0.0)
        costs *= (self.freedom + 1.0) / 2.0
        costs += error
        return costs

    def total(self, error: Array) -> float:
        """Sum the costs."""
        return float(np.sum(self.costs(error)))

    def slope(self, error: Array, factor: float) -> None:
        """1 - (nu + 1) a / (1 + a)."""
        error[...] = self._share(error)
        error *= -(self.freedom + 1.0) * factor
        error += factor

    def curvatures(self, error: Array) -> Array:
        """2 (nu + 1) a / (1 + a)^2, the second derivative, for each."""
        share = self._share(error)
        return 2.0 * (self.freedom + 1.0) * share * (1.0 - share)

    def _share(self, error: Array) -> Array:
        """Of nu + 1, what the slope takes: a / (1 + a) = (1 + tanh(log(a) / 2)) / 2."""
        share: Array = np.tanh(-error - log(self.freedom) / 2.0)
        share += 1.0
        share *= 0.5
        return share


SQUARED = Squared()

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"squared": SQUARED, "huber": Huber(), "pinball": Pinball()}
)


def get_loss(name: str, *, delta: float = 1.0) -> Loss:
    """Return the loss of this name.

    Args:
        name: squared, huber or pinball.
        delta: of huber.

    Raises:
        ValueError: no such name.
    """
    if name == "huber":
        return Huber(delta)
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is unknown: use one of {', '.join(LOSSES)}")
    return LOSSES[name]
