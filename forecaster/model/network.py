"""A fitted network, and how its outputs become forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forecaster.errors import DataError
from forecaster.model.activations import Activation, Array
from forecaster.model.cell import forward
from forecaster.model.extras import Beside, Extras
from forecaster.model.inputs import Encoding
from forecaster.model.recursive import roll_out
from forecaster.model.scale import Floats


@dataclass(frozen=True)
class TrainingSummary:
    """How a training went; losses are of the last step, in the units of the encoding."""

    windows: int  # trained on
    epochs: int  # run
    best_epoch: int  # whose weights were kept; 0 means the untouched ones
    train_loss: float
    validation_loss: float | None  # None where nothing was held back
    baseline_loss: float | None  # of the baseline on the same held-back windows
    restarts: int = 0  # at a tenth of the learning rate before, after the training had diverged


@dataclass(frozen=True, eq=False)
class Network:
    """A fitted network with all that it takes to forecast.

    Attributes:
        params: W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
        encoding: what windows and outputs mean.
        extras: what the network reads beside the series.
        horizon: sessions ahead; where that is more than the encoding's, outputs are fed back.
        quantiles: of each target that the outputs are, () for one output a target.
        activation: f.
        summary: how the training went.
    """

    params: Mapping[str, Array]
    encoding: Encoding
    extras: Extras
    horizon: int
    quantiles: tuple[float, ...]
    activation: Activation
    summary: TrainingSummary

    def predict(self, values: ArrayLike, beside: Beside | None = None) -> Floats:
        """Point forecasts of the next values: the median where the outputs are quantiles.

        Computed for one window at a time, because other sizes of batch round otherwise.

        Args:
            values: (n,), oldest first, n > lookback; a scale that the encoding needs is taken from
                all of them, the inputs from the newest.
            beside: of the same sessions, where the network has extra inputs.

        Returns:
            (horizon,), float64, in the unit of the values.

        Raises:
            DataError: too few values, or values that cannot be encoded.
        """
        forecasts = self._forecasts(values, beside)
        return forecasts[:, forecasts.shape[1] // 2]

    def predict_quantiles(self, values: ArrayLike, beside: Beside | None = None) -> Floats:
        """As `predict`, (horizon, Q): ascending in each row, for a network that has quantiles."""
        if not self.quantiles:
            raise ValueError("this network has no quantiles: it was not trained with pinball")
        return self._forecasts(values, beside)

    def _forecasts(self, values: ArrayLike, beside: Beside | None) -> Floats:
        values = as_series(values)
        x = self._newest(values, beside)
        if self.horizon > self.encoding.horizon:
            path = roll_out(self.params, x, self.horizon, self.activation, self.encoding.feedback)
            outputs = path[0, :, 0].astype(np.float64)  # (horizon,)
            return self.encoding.decode_path(outputs, values)[:, np.newaxis]
        y_hat, _ = forward(self.params, x, self.activation)
        outputs = y_hat[0, -1].astype(np.float64).reshape(self.horizon, -1)
        # Quantiles that cross are put in order: Chernozhukov, Fernandez-Val and Galichon (2010),
        # "Quantile and Probability Curves Without Crossing".
        columns = np.sort(outputs, axis=1).T
        return np.stack([self.encoding.decode(one, values) for one in columns], axis=1)

    def _newest(self, values: Floats, beside: Beside | None) -> Array:
        lookback = self.encoding.lookback
        if len(values) <= lookback:
            raise DataError(
                f"{len(values)} values are too few to forecast from: a lookback of {lookback} "
                f"needs {lookback + 1}",
                code="too_few_bars",
            )
        end = np.array([len(values) - 1])
        others = self.extras.windows(values, beside, end, lookback)
        return np.concatenate([self.encoding.newest(values), others], axis=2)


def as_series(values: ArrayLike) -> Floats:
    """The values as float64 (n,), all finite.

    Raises:
        DataError: one of them is not (code "not_finite").
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values have shape {values.shape}: they must be one series, (n,)")
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        raise DataError(
            f"value {first + 1} of {len(values)} is {values[first]}: a network needs numbers",
            remedy="fill or drop the gap before training",
            code="not_finite",
        )
    return values
