"""What the panel reads: the last steps of a series, in units that mean the same for every series.

For a window that ends at t it reads, at each of its steps i,

    r_i / sigma_t    |r_i| / sigma_t - 0.8    log(sigma_i / d_t)    range_i / (1.2 sigma_t) - 1

clipped to +-8, with r the steps of `Motion`, sigma their EWMA scale of decay 0.94 and d_t their
root mean square over the last 252; 0.8 and 1.2 are about what |r| and a session's range are on
average, in units of sigma. For a range that is unknown it reads 0: as wide as is usual.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecaster.model.motion import Motion
from forecaster.model.scale import Floats
from forecaster.model.spread import DECAY, is_range
from forecaster.model.windows import INPUT_LIMIT, clipped

FEATURES = ("move", "size of the move", "volatility against a year's", "range")
INPUTS = len(FEATURES)
YEAR = 252  # steps in d_t
USUAL_STEP, USUAL_RANGE = 0.8, 1.2
SMALLEST_USUAL = 1e-3  # of sigma_t, for d_t where nothing has moved for a year


@dataclass(frozen=True, eq=False)
class PanelInputs:
    """What the panel reads of a series.

    Attributes:
        steps: (m,).
        sigma: their scale, (m,), positive.
        ranges: of the same sessions, (m,), or None.
    """

    steps: Floats
    sigma: Floats
    ranges: Floats | None

    @classmethod
    def of(cls, values: Floats, ranges: Floats | None, motion: Motion) -> "PanelInputs":
        """Of the values (n,) and ranges (n,) of all sessions."""
        steps = motion.steps(values)
        latest = None if ranges is None else ranges[motion.lag :]
        return cls(steps, motion.scale(steps, DECAY), latest)

    def windows(self, ends: NDArray[np.intp], lookback: int) -> NDArray[np.float32]:
        """The windows that end at these steps, (k, T, 4)."""
        sigma, usual = self.sigma[ends, np.newaxis], self._usual(ends)[:, np.newaxis]  # (k, 1)

        def seen(column: Floats) -> Floats:
            return sliding_window_view(column, lookback)[ends - (lookback - 1)]  # (k, T)

        moved = seen(self.steps) / sigma
        x = np.zeros((*moved.shape, INPUTS), dtype=np.float32)
        x[..., 0] = clipped(moved, INPUT_LIMIT)
        x[..., 1] = clipped(np.abs(moved) - USUAL_STEP, INPUT_LIMIT)
        x[..., 2] = clipped(np.log(seen(self.sigma) / usual), INPUT_LIMIT)
        if self.ranges is not None:
            ranges = seen(self.ranges)
            wide = clipped(ranges / (USUAL_RANGE * sigma) - 1.0, INPUT_LIMIT)
            x[..., 3] = np.where(is_range(ranges), wide, 0.0)
        return x

    def _usual(self, ends: NDArray[np.intp]) -> Floats:
        """What d is at these steps, (k,): of all so far in the first year; never 0."""
        squares = np.concatenate([np.zeros(YEAR - 1), self.steps * self.steps])
        sums = sliding_window_view(squares, YEAR)[ends].sum(axis=1)
        found = np.sqrt(sums / np.minimum(ends + 1.0, YEAR))
        return np.asarray(np.maximum(found, SMALLEST_USUAL * self.sigma[ends]))
