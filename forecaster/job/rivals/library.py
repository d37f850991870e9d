"""Rivals of statsforecast: its automatic models, and GARCH for the spread.

All read logarithms of prices, or the values themselves where those may be negative. Their means on
logarithms become medians of prices.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from forecaster.errors import DataError
from forecaster.job.past import Floats
from forecaster.job.rivals.telling import LEVELS
from forecaster.model import Motion

AUTOMATIC_BARS = 756
GARCH_BARS = 1000
"""Newest values that are learnt from: three and four years of sessions."""

PARTS = ("lo-95", "lo-80", "mean", "hi-80", "hi-95")
"""Of a forecast by statsforecast, in the order of `LEVELS`."""


class Automatic:
    """AutoETS, AutoTheta or AutoARIMA: fitted, and between fits moved forward over newer values."""

    def __init__(self, name: str, motion: Motion, horizon: int) -> None:
        self._name = name
        self._motion = motion
        self._horizon = horizon
        self._model: Any = None

    def fit(self, values: Floats) -> None:
        """Choose and fit the model on the newest values."""
        with _quiet():
            from statsforecast import models  # noqa: PLC0415 - only who asks for it pays

            self._model = getattr(models, self._name)(season_length=self._motion.lag)
            self._model.fit(y=self._seen(values))

    def say(self, values: Floats) -> Floats:
        """Return quantiles (H, 5) of what follows the values."""
        seen = self._seen(values)
        with _quiet():
            told = self._model.forward(y=seen, h=self._horizon, level=[80, 95])
        path = np.column_stack([np.asarray(told[part], dtype=np.float64) for part in PARTS])
        return self._motion.apply(float(values[-1]), path - seen[-1])

    def _seen(self, values: Floats) -> Floats:
        return np.ascontiguousarray(self._motion.path(values)[-AUTOMATIC_BARS:])


class Garch:
    """GARCH(1, 1) with normal innovations around the last value.

    The coefficients are fitted by statsforecast; the variance is moved forward over newer values by
    s2_t = w + a r_{t-1}^2 + b s2_{t-1}, and forecast by E s2_{t+1} = w + (a + b) E s2_t, summed
    over the sessions of the horizon: Bollerslev (1986), "Generalized Autoregressive Conditional
    Heteroskedasticity". What the library itself says is one random path.
    """

    def __init__(self, motion: Motion, horizon: int) -> None:
        self._motion = Motion(motion.kind)  # a season is nothing that it knows
        self._horizon = horizon
        self._unit = 1.0
        self._coefficients = (0.0, 0.0, 0.0)

    def fit(self, values: Floats) -> None:
        """Fit the coefficients on the newest steps, in units of their own size.

        Raises:
            DataError: there are none but zeros (code "motionless").
        """
        steps = self._steps(values)
        self._unit = float(np.sqrt(np.mean(steps**2))) if len(steps) else 0.0
        if not self._unit > 0.0:
            raise DataError("the values do not move", remedy="", code="motionless")
        with _quiet():
            from statsforecast.models import GARCH  # noqa: PLC0415 - only who asks for it pays

            w, a, b = GARCH(1, 1).fit(steps / self._unit).model_["coeff"]
        self._coefficients = (float(w), float(a), float(b))

    def say(self, values: Floats) -> Floats:
        """Return quantiles (H, 5) of what follows the values."""
        from scipy.special import ndtri  # noqa: PLC0415 - only an evaluation pays for scipy

        w, a, b = self._coefficients
        squares = (self._steps(values) / self._unit) ** 2
        variance = float(squares.mean())
        for square in squares.tolist():
            variance = w + a * square + b * variance
        ahead = [variance]  # of the next session
        while len(ahead) < self._horizon:
            ahead.append(w + (a + b) * ahead[-1])
        deviations = self._unit * np.sqrt(np.cumsum(ahead))
        return self._motion.apply(float(values[-1]), np.outer(deviations, ndtri(LEVELS)))

    def _steps(self, values: Floats) -> Floats:
        return self._motion.steps(values)[-GARCH_BARS:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what libraries have to say about each other off standard error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
