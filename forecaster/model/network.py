"""From values to a fitted network, and from a network to point forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecaster.errors import DataError
from forecaster.model.activations import Activation, Array
from forecaster.model.cell import forward, init_params
from forecaster.model.fit import (
    Fitted,
    Progress,
    Recipe,
    Samples,
    fit,
    split_windows,
    windows_needed,
)
from forecaster.model.inputs import Encoding, constant_values, make_encoding
from forecaster.model.scale import Floats, ValuesKind

if TYPE_CHECKING:
    from forecaster.config import ModelSettings

FEWEST_WINDOWS = 50  # that a network is trained on


@dataclass(frozen=True)
class TrainingSummary:
    """How a training went; losses are of the last step, in the units of the encoding."""

    windows: int  # trained on
    epochs: int  # run
    best_epoch: int  # whose weights were kept; 0 means the untouched ones
    train_loss: float
    validation_loss: float | None  # None where nothing was held back
    baseline_loss: float | None  # of the baseline on the same held-back windows


@dataclass(frozen=True, eq=False)
class Network:
    """A fitted network with all that it takes to forecast."""

    params: Mapping[str, Array]
    encoding: Encoding
    activation: Activation
    summary: TrainingSummary

    def predict(self, values: ArrayLike) -> Floats:
        """Point forecasts of the next values.

        Computed for one window at a time, because other sizes of batch round otherwise.

        Args:
            values: (n,), oldest first, n > lookback; a scale that the encoding needs is taken from
                all of them, the inputs from the newest.

        Returns:
            (H,), float64, in the unit of the values.

        Raises:
            DataError: too few values, or values that cannot be encoded.
        """
        values = _checked(values)
        if len(values) <= self.encoding.lookback:
            raise DataError(
                f"{len(values)} values are too few to forecast from: a lookback of "
                f"{self.encoding.lookback} needs {self.encoding.lookback + 1}",
                code="too_few_bars",
            )
        y_hat, _ = forward(self.params, self.encoding.newest(values), self.activation)
        return self.encoding.decode(y_hat[0, -1].astype(np.float64), values)


def bars_needed(settings: "ModelSettings") -> int:
    """The fewest values with which a network can be trained.

    lookback + horizon + n, where n is the smallest number of windows that leaves 50 to train on:
    n - max(1, floor(validation n)) - horizon >= 50, or n = 50 without validation.
    """
    windows = windows_needed(FEWEST_WINDOWS, settings.validation, settings.horizon)
    return settings.lookback + settings.horizon + windows


def train_network(
    values: ArrayLike,
    settings: "ModelSettings",
    *,
    values_kind: ValuesKind,
    activation: Activation,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Network:
    """Train a network on values up to the cutoff.

    Args:
        values: (n,), oldest first, the last one at the cutoff; of these the newest
            `settings.history` are used.
        settings: inputs, sizes and the training.
        values_kind: "price" or "difference".
        activation: f.
        rng: draws the first weights and the order of the windows.
        progress: called after each epoch with its number and the validation loss.

    Raises:
        DataError: "too_few_bars", "constant", "non_positive" or "not_finite".
        TrainingError: a loss or gradient was not finite (code "diverged").
    """
    values = _checked(values)[-settings.history :]
    _check_enough(values, settings)
    # Every encoding but "returns", which has to difference, gets one window more.
    count = len(values) - settings.lookback - settings.horizon + (settings.inputs != "returns")
    training, held_back = split_windows(count, settings.validation, settings.horizon)
    encoding = make_encoding(
        settings.inputs,
        values[: len(values) - (count - training)],  # up to the last training target
        lookback=settings.lookback,
        horizon=settings.horizon,
        kind=values_kind,
        decay=settings.decay,
    )
    x, y = encoding.windows(values, every_step=settings.loss_on == "all")
    newest = Samples(x[count - held_back :], y[count - held_back :]) if held_back else None
    params = init_params(
        rng,
        input_size=x.shape[2],
        hidden_size=settings.hidden_size,
        output_size=settings.horizon,
        dtype=settings.dtype,
        gain=activation.gain,
        zero_output=True,
    )
    fitted = fit(
        params,
        Samples(x[:training], y[:training]),
        newest,
        _recipe(settings),
        activation=activation,
        rng=rng,
        progress=progress,
    )
    baseline_loss = _baseline_loss(encoding, newest) if newest else None
    summary = _summary(training, fitted, baseline_loss)
    return Network(fitted.params, encoding, activation, summary)


def _summary(windows: int, fitted: Fitted, baseline_loss: float | None) -> TrainingSummary:
    return TrainingSummary(
        windows=windows,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        train_loss=fitted.train_loss,
        validation_loss=fitted.validation_loss,
        baseline_loss=baseline_loss,
    )


def _recipe(settings: "ModelSettings") -> Recipe:
    return Recipe(
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        patience=settings.patience,
        momentum=settings.momentum,
        clip_norm=settings.clip_norm,
        loss_on=settings.loss_on,
    )


def _baseline_loss(encoding: Encoding, samples: Samples) -> float:
    y = samples.y if samples.y.ndim == 2 else samples.y[:, -1]
    error = encoding.baseline(samples.x) - y  # (n, H)
    return float(np.mean(np.sum(error * error, axis=1)))


def _checked(values: ArrayLike) -> Floats:
    """The values as float64 (n,), all finite."""
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


def _check_enough(values: Floats, settings: "ModelSettings") -> None:
    needed = bars_needed(settings)
    if len(values) < needed:
        limited = settings.history < needed
        raise DataError(
            f"{len(values)} bars are too few: training needs {needed} (lookback "
            f"{settings.lookback}, horizon {settings.horizon}, validation {settings.validation:g})",
            remedy=f"set history to {needed} or more"
            if limited
            else "wait for more sessions, start earlier, or lower lookback or horizon",
            code="too_few_bars",
        )
    if values.min() == values.max():
        raise constant_values(values)
