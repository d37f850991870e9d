"""Rivals that need no fitting: what they say is a line, and their own errors of late around it.

A bound of level p is the forecast moved by the p-quantile of the h-step moves that led, over the
newest 252 ends, from what the rival would have said to what happened. Moves are log returns of
prices, or differences of values.
"""

from dataclasses import dataclass

import numpy as np

from forecaster.errors import DataError
from forecaster.job.past import Floats
from forecaster.job.rivals.telling import LEVELS
from forecaster.model import Motion

RECENT = 252
"""Ends of moves that the quantiles are taken of."""

MEDIAN = LEVELS.index(0.5)


@dataclass(frozen=True)
class Simple:
    """The last value, or with a season the newest one of the same phase; or a line through it.

    Attributes:
        motion: how the series moves, with the season if there is one.
        horizon: H.
        drift: whether the forecast goes on as the values did on average, each session by
            (path_n - path_1) / (n - 1): Hyndman and Athanasopoulos (2021), "Forecasting:
            Principles and Practice", section 5.2.
    """

    motion: Motion
    horizon: int
    drift: bool = False

    def fit(self, values: Floats) -> None:
        """Learn nothing."""

    def say(self, values: Floats) -> Floats:
        """Return quantiles (H, 5) of what follows the values (n,).

        Raises:
            DataError: there is no move over so many sessions (code "too_few_bars").
        """
        path = self.motion.path(values)
        if len(path) < self.motion.lag + self.horizon:
            raise DataError(
                f"{len(path)} values have no move of {self.horizon} sessions",
                remedy="pull more bars",
                code="too_few_bars",
            )
        step = (path[-1] - path[0]) / (len(path) - 1) if self.drift else 0.0
        baselines = self.motion.baselines(values, self.horizon)
        said = np.empty((self.horizon, len(LEVELS)))
        for h in range(1, self.horizon + 1):
            lead = h * step
            errors = self._moves(path, h) - lead
            reaches = lead + np.quantile(errors, LEVELS)
            reaches[MEDIAN] = lead
            said[h - 1] = self.motion.apply(float(baselines[h - 1]), reaches)
        return said

    def _moves(self, path: Floats, h: int) -> Floats:
        """Return the newest moves over h sessions, counted as `Motion.baselines` does."""
        lag = self.motion.lag
        seen = np.arange(lag - 1, len(path) - h)[-RECENT:]
        moves: Floats = path[seen + h] - path[seen - lag + 1 + (h - 1) % lag]
        return moves
