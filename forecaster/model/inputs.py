"""Inputs: how values become windows for the network, and its outputs become values again.

A window ends at a value v_t, reads `lookback` steps up to it and has `horizon` targets, one for
each of v_{t+1} .. v_{t+H}. An encoding is a frozen value that cuts the windows to train on and the
newest one to forecast from, and decodes what the network makes of that.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.model.activations import Array
from forecaster.model.motion import Motion
from forecaster.model.scale import Floats, constant_values
from forecaster.model.windows import (
    INPUT_LIMIT,
    TARGET_LIMIT,
    ahead_of,
    clipped,
    per_window,
    relative,
    seen_from,
    spread_of,
)

InputsName = Literal["returns", "window", "minmax"]


class Encoding(Protocol):
    """What the network reads and what its outputs mean."""

    name: ClassVar[InputsName]

    @property
    def needed(self) -> int:
        """The fewest values that a forecast can be made from."""
        ...

    @property
    def unit(self) -> float:
        """What an output of 1 is in units that a refit would have too."""
        ...

    @property
    def lookback(self) -> int:
        """Steps that a window reads, T."""
        ...

    @property
    def horizon(self) -> int:
        """Steps ahead, H."""
        ...

    def windows(self, values: Floats, *, every_step: bool = False) -> tuple[Floats, Floats]:
        """All windows whose targets are among the values: x (n, T, 1), y (n, H).

        With `every_step`, y is (n, T, H): at each step the targets as seen from that step.
        """
        ...

    def newest(self, values: Floats) -> Floats:
        """The window that ends at the last value, (1, T, 1)."""
        ...

    def decode(self, outputs: Floats, values: Floats) -> Floats:
        """Outputs (..., H) of the newest window as point forecasts, in the unit of the values."""
        ...

    def baseline(self, x: Array) -> Floats:
        """The outputs (n, H) for windows x (n, T, 1) that mean the naive forecast."""
        ...

    def feedback(self, x: Array, output: Array) -> Array:
        """The next input (B, 1) that follows from the last one and an output of one step ahead."""
        ...

    def decode_path(self, outputs: Floats, values: Floats) -> Floats:
        """Outputs (K,) of one step ahead, one after the other, as point forecasts (K,)."""
        ...


@dataclass(frozen=True)
class Returns:
    """Steps in units of their own current size.

    Inputs are r_i / sigma_t over the lookback, clipped to +-8, with r_i the steps of the series'
    motion, log returns (or differences) of a session or of a season, and sigma_t their EWMA scale
    at the end of the window. Targets are the moves from the baselines b_h to what happened,
    z_h = move(b_h, v_{t+h}) / (sigma_t root_h), clipped to +-6. An output of zero is the baseline.
    """

    lookback: int
    horizon: int
    motion: Motion
    decay: float
    name: ClassVar[InputsName] = "returns"
    unit: ClassVar[float] = 1.0

    @property
    def needed(self) -> int:
        """Values that give `lookback` steps."""
        return self.lookback + self.motion.lag

    def windows(self, values: Floats, *, every_step: bool = False) -> tuple[Floats, Floats]:
        """Inputs (n, T, 1), targets; n = len(values) - lookback - horizon - lag + 1."""
        steps = self.motion.steps(values)
        scale = self.motion.scale(steps, self.decay)
        # Window k reads steps k .. k + lookback - 1 and is scaled as known at the last of them.
        x = sliding_window_view(steps, self.lookback)[: -self.horizon]  # (n, T)
        scale = scale[self.lookback - 1 : -self.horizon]  # (n,)
        ahead = seen_from(self.motion.ahead(values, self.horizon), self.lookback, every_step)
        y = per_window(ahead, scale) / self.motion.roots(self.horizon)
        x = clipped(per_window(x, scale), INPUT_LIMIT)
        return x[..., np.newaxis], clipped(y, TARGET_LIMIT)

    def newest(self, values: Floats) -> Floats:
        """(1, T, 1); the scale is that of all the values given."""
        steps, scale = self._steps_and_scale(values)
        return clipped(steps[-self.lookback :] / scale, INPUT_LIMIT).reshape(1, -1, 1)

    def decode(self, outputs: Floats, values: Floats) -> Floats:
        """b_h exp(z_h sigma_t root_h), or b_h + z_h sigma_t root_h; z_h limited like targets."""
        _, scale = self._steps_and_scale(values)
        move = clipped(outputs, TARGET_LIMIT) * scale * self.motion.roots(self.horizon)
        return self.motion.apply(self.motion.baselines(values, self.horizon), move)

    def baseline(self, x: Array) -> Floats:
        """Zeros (n, H)."""
        return np.zeros((len(x), self.horizon))

    def feedback(self, x: Array, output: Array) -> Array:  # noqa: ARG002 - the contract
        """The move itself."""
        return np.clip(output, -TARGET_LIMIT, TARGET_LIMIT)

    def decode_path(self, outputs: Floats, values: Floats) -> Floats:
        """As `decode` from the last value, with the sum of the moves so far, each limited."""
        _, scale = self._steps_and_scale(values)
        move = np.cumsum(clipped(outputs, TARGET_LIMIT)) * scale
        return self.motion.apply(float(values[-1]), move)

    def _steps_and_scale(self, values: Floats) -> tuple[Floats, float]:
        steps = self.motion.steps(values)
        return steps, float(self.motion.scale(steps, self.decay)[-1])


@dataclass(frozen=True)
class Window:
    """Values relative to the window's last one, in units of the window's own spread.

    Inputs are (v_i - v_t) / s_t over the lookback, with s_t the standard deviation of the window's
    values, and targets (v_{t+h} - v_t) / s_t, clipped to +-6. An output of zero is the baseline. A
    flat window has an s_t of 1e-5 |v_t|. Seen from an earlier step the inputs tell where the window
    ends, so that a loss on every step teaches little here.
    """

    lookback: int
    horizon: int
    name: ClassVar[InputsName] = "window"
    unit: ClassVar[float] = 1.0

    @property
    def needed(self) -> int:
        """One more than the window: a move of each of its values."""
        return self.lookback + 1

    def windows(self, values: Floats, *, every_step: bool = False) -> tuple[Floats, Floats]:
        """Inputs (n, T, 1), targets; n = len(values) - lookback - horizon + 1."""
        seen = sliding_window_view(values, self.lookback)[: -self.horizon]  # (n, T)
        spread = spread_of(seen)  # (n,)
        ahead = seen_from(ahead_of(values, self.horizon), self.lookback, every_step)
        y = per_window(ahead, spread)
        return relative(seen, spread), clipped(y, TARGET_LIMIT)

    def newest(self, values: Floats) -> Floats:
        """(1, T, 1)."""
        seen = values[np.newaxis, -self.lookback :]
        return relative(seen, spread_of(seen))

    def decode(self, outputs: Floats, values: Floats) -> Floats:
        """v_t + y_h s_t, with y_h limited like targets."""
        spread = float(spread_of(values[np.newaxis, -self.lookback :])[0])
        return np.asarray(values[-1] + clipped(outputs, TARGET_LIMIT) * spread, dtype=np.float64)

    def baseline(self, x: Array) -> Floats:
        """Zeros (n, H)."""
        return np.zeros((len(x), self.horizon))

    def feedback(self, x: Array, output: Array) -> Array:
        """Where the move leads, still relative to the last value of the window."""
        return x + np.clip(output, -TARGET_LIMIT, TARGET_LIMIT)

    def decode_path(self, outputs: Floats, values: Floats) -> Floats:
        """As `decode`, with the sum of the moves so far, each limited like targets."""
        spread = float(spread_of(values[np.newaxis, -self.lookback :])[0])
        return np.asarray(values[-1] + np.cumsum(clipped(outputs, TARGET_LIMIT)) * spread)


@dataclass(frozen=True)
class MinMax:
    """Values on a scale from 0 to 1, fitted once on training rows and never again.

    Inputs and targets are (v - low) / (high - low), as in the article. Later values may lie outside
    0 and 1. An output of zero means the lowest training value, so that training does not start at
    the baseline and has to learn even the level.
    """

    lookback: int
    horizon: int
    low: float
    high: float
    name: ClassVar[InputsName] = "minmax"

    @property
    def needed(self) -> int:
        """One more than the window: a move of each of its values."""
        return self.lookback + 1

    @property
    def unit(self) -> float:
        """The range of the training rows."""
        return self.high - self.low

    def windows(self, values: Floats, *, every_step: bool = False) -> tuple[Floats, Floats]:
        """Inputs (n, T, 1), targets; n = len(values) - lookback - horizon + 1."""
        scaled = self._scaled(values)
        x = sliding_window_view(scaled, self.lookback)[: -self.horizon]  # (n, T)
        ahead = seen_from(ahead_of(scaled, self.horizon), self.lookback, every_step)
        now = x if every_step else x[:, -1]
        return x[..., np.newaxis], now[..., np.newaxis] + ahead

    def newest(self, values: Floats) -> Floats:
        """(1, T, 1)."""
        return self._scaled(values[-self.lookback :]).reshape(1, -1, 1)

    def decode(self, outputs: Floats, values: Floats) -> Floats:  # noqa: ARG002 - the contract
        """Low + y_h (high - low)."""
        return np.asarray(self.low + outputs * (self.high - self.low), dtype=np.float64)

    def baseline(self, x: Array) -> Floats:
        """The last input, for each horizon, (n, H)."""
        return np.repeat(x[:, -1].astype(np.float64), self.horizon, axis=1)

    def feedback(self, x: Array, output: Array) -> Array:  # noqa: ARG002 - the contract
        """The output: it is the next value on the same scale."""
        return output

    def decode_path(self, outputs: Floats, values: Floats) -> Floats:
        """As `decode`: each output is a value."""
        return self.decode(outputs, values)

    def _scaled(self, values: Floats) -> Floats:
        return np.asarray((values - self.low) / (self.high - self.low))


def make_encoding(
    name: InputsName,
    training_values: Floats,
    *,
    lookback: int,
    horizon: int,
    motion: Motion,
    decay: float,
) -> Encoding:
    """The encoding of this name, fitted on `training_values` alone where it has to be fitted.

    Raises:
        DataError: the training values are all the same (code "constant"), for "minmax".
    """
    if name == "returns":
        return Returns(lookback, horizon, motion, decay)
    if name == "window":
        return Window(lookback, horizon)
    low, high = float(training_values.min()), float(training_values.max())
    if low == high:
        raise constant_values(training_values)
    return MinMax(lookback, horizon, low, high)
