"""A fitted network, an ensemble of some members, and how its outputs become forecasts."""

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
from forecaster.model.spread import LinearSpread


@dataclass(frozen=True)
class TrainingSummary:
    """How a training went.

    Losses are those of the members' mean output at the last step, in the units of the encoding.
    """

    windows: int  # trained on
    epochs: int  # run by the member that ran most
    best_epoch: int  # the latest whose weights a member kept; 0 means all kept the untouched ones
    train_loss: float
    validation_loss: float | None  # None where nothing was held back
    baseline_loss: float | None  # of the baseline on the same held-back windows
    restarts: int = 0  # of all members, at a tenth of the learning rate, after they had diverged


@dataclass(frozen=True, eq=False)
class Network:
    """A fitted network with all that it takes to forecast.

    Its members differ in the weights that they started from, and in the order in which they met
    the windows. What the network says is the mean of what they say, taken before it is decoded.

    Attributes:
        members: of each, W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
        encoding: what windows and outputs mean.
        extras: what the network reads beside the series.
        horizon: sessions ahead; where that is more than the encoding's, outputs are fed back.
        quantiles: of each target that the outputs are, () for one output a target.
        activation: f.
        summary: how the training went.
        spread: how far moves reach, fitted beside it; None where there was too little to fit.
    """

    members: tuple[Mapping[str, Array], ...]
    encoding: Encoding
    extras: Extras
    horizon: int
    quantiles: tuple[float, ...]
    activation: Activation
    summary: TrainingSummary
    spread: LinearSpread | None = None

    def predict(self, values: ArrayLike, beside: Beside | None = None) -> Floats:
        """Point forecasts of the next values: the median where the outputs are quantiles.

        Computed for one window at a time, because other sizes of batch round otherwise.

        Args:
            values: (n,), oldest first, at least those that the encoding needs; a scale is taken
                from all of them, the inputs from the newest.
            beside: of the same sessions, where the network has extra inputs.

        Returns:
            (horizon,), float64, in the unit of the values.

        Raises:
            DataError: too few values, or values that cannot be encoded.
        """
        return _middle(self._forecasts(values, beside))

    def predict_quantiles(self, values: ArrayLike, beside: Beside | None = None) -> Floats:
        """As `predict`, (horizon, Q): ascending in each row, for a network that has quantiles."""
        if not self.quantiles:
            raise ValueError("this network has no quantiles: it was not trained with pinball")
        return self._forecasts(values, beside)

    def occluded(self, values: ArrayLike, beside: Beside | None = None) -> Floats:
        """Point forecasts with one step of the newest window blotted out, for each step in turn.

        How far they lie from `predict` is what the step does (occlusion: Zeiler and Fergus (2014),
        "Visualizing and Understanding Convolutional Networks", section 4.2). A step that is blotted
        out reads as one in which nothing happened: no move, on its averages; with inputs that are
        prices, the last price.

        Args:
            values: (n,), as for `predict`.
            beside: likewise.

        Returns:
            (T, horizon), the oldest step first.
        """
        values = as_series(values)
        x = self._newest(values, beside)
        still = np.zeros_like(x[:, 0])
        # The output that means the baseline is, as an input, that nothing has moved.
        still[:, 0] = self.encoding.baseline(x[..., :1])[:, 0]
        found = []
        for step in range(x.shape[1]):
            without = x.copy()
            without[:, step] = still
            found.append(_middle(self._decoded(without, values)))
        return np.array(found)

    def _forecasts(self, values: ArrayLike, beside: Beside | None) -> Floats:
        values = as_series(values)
        return self._decoded(self._newest(values, beside), values)

    def _decoded(self, x: Array, values: Floats) -> Floats:
        """What a window (1, T, D) at the end of the values says: (horizon, Q or 1)."""
        outputs = np.mean([self._outputs(each, x) for each in self.members], axis=0)
        if self.horizon > self.encoding.horizon:
            return self.encoding.decode_path(outputs, values)[:, np.newaxis]
        # Quantiles that cross are put in order: Chernozhukov, Fernandez-Val and Galichon (2010),
        # "Quantile and Probability Curves Without Crossing".
        quantiles = np.sort(outputs.reshape(self.horizon, -1), axis=1)
        return self.encoding.decode(quantiles.T, values).T

    def _outputs(self, params: Mapping[str, Array], x: Array) -> Floats:
        """What a member says of the newest window: (O,), or (horizon,) with outputs fed back."""
        if self.horizon > self.encoding.horizon:
            path = roll_out(params, x, self.horizon, self.activation, self.encoding.feedback)
            return np.asarray(path[0, :, 0], dtype=np.float64)
        y_hat, _ = forward(params, x, self.activation)
        return np.asarray(y_hat[0, -1], dtype=np.float64)

    def _newest(self, values: Floats, beside: Beside | None) -> Array:
        needed = self.encoding.needed
        if len(values) < needed:
            raise DataError(
                f"{len(values)} values are too few to forecast from: a lookback of "
                f"{self.encoding.lookback} needs {needed}",
                code="too_few_bars",
            )
        end = np.array([len(values) - 1])
        others = self.extras.windows(values, beside, end, self.encoding.lookback)
        return np.concatenate([self.encoding.newest(values), others], axis=2)


def _middle(forecasts: Floats) -> Floats:
    return forecasts[:, forecasts.shape[1] // 2]


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
