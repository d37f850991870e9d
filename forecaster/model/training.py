"""From values to a fitted network."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecaster.errors import DataError
from forecaster.model.activations import Activation, Array
from forecaster.model.cell import init_params
from forecaster.model.extras import Beside, Extras
from forecaster.model.fit import Fitted, Progress, Recipe, Samples, fit
from forecaster.model.inputs import Encoding, make_encoding
from forecaster.model.losses import QUANTILES, Loss, get_loss
from forecaster.model.network import Network, TrainingSummary, as_series
from forecaster.model.scale import Floats, ValuesKind, constant_values
from forecaster.model.tracker import start_quantile
from forecaster.model.windows import split_windows, windows_needed

if TYPE_CHECKING:
    from forecaster.config import ModelSettings

FEWEST_WINDOWS = 50  # that a network is trained on


def bars_needed(settings: "ModelSettings") -> int:
    """The fewest values with which a network can be trained.

    lookback + h + n, where h is the horizon (1 for recursive forecasts) and n is the smallest
    number of windows that leaves 50 to train on: n - max(1, floor(validation n)) - h >= 50, or
    n = 50 without validation.
    """
    windows = windows_needed(FEWEST_WINDOWS, settings.validation, settings.targets)
    return settings.lookback + settings.targets + windows


def train_network(
    values: ArrayLike,
    settings: "ModelSettings",
    *,
    values_kind: ValuesKind,
    activation: Activation,
    rng: np.random.Generator,
    beside: Beside | None = None,
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
        beside: of the same sessions, where there are extra inputs.
        progress: called after each epoch with its number and the validation loss.

    Raises:
        DataError: "too_few_bars", "constant", "non_positive" or "not_finite".
        TrainingError: a loss or gradient was not finite (code "diverged").
    """
    given = as_series(values)
    values = given[-settings.history :]
    beside = beside and beside.between(len(given) - len(values), len(given))
    _check_enough(values, settings)
    lesson = _lesson(values, beside, settings, values_kind)
    fitted = fit(
        _first_params(rng, lesson, settings, activation),
        lesson.training,
        lesson.held_back,
        _recipe(settings),
        activation=activation,
        rng=rng,
        progress=progress,
    )
    return Network(
        params=fitted.params,
        encoding=lesson.encoding,
        extras=lesson.extras,
        horizon=settings.horizon,
        quantiles=lesson.quantiles,
        activation=activation,
        summary=_summary(lesson, fitted, _loss(settings)),
    )


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What a network is taught, and how to read it."""

    encoding: Encoding
    extras: Extras
    quantiles: tuple[float, ...]
    training: Samples
    held_back: Samples | None

    def first_outputs(self) -> Floats:
        """What the untouched network says of each target, (O,).

        Zero, the baseline; quantiles lie around it as those of returns do, in units of their scale.
        """
        reach = start_quantile(0.80)
        one = np.array([-reach, 0.0, reach]) if self.quantiles else np.zeros(1)
        return np.tile(one, self.encoding.horizon)


def _lesson(
    values: Floats, beside: Beside | None, settings: "ModelSettings", kind: ValuesKind
) -> _Lesson:
    # Every encoding but "returns", which has to difference, gets one window more.
    count = len(values) - settings.lookback - settings.targets + (settings.inputs != "returns")
    training, held_back = split_windows(count, settings.validation, settings.targets)
    encoding = make_encoding(
        settings.inputs,
        values[: len(values) - (count - training)],  # up to the last training target
        lookback=settings.lookback,
        horizon=settings.targets,
        kind=kind,
        decay=settings.decay,
    )
    extras = Extras(tuple(settings.extra_inputs), kind, settings.decay)
    quantiles = QUANTILES if settings.loss == "pinball" else ()
    samples = _samples(values, beside, encoding, extras, settings, max(1, len(quantiles)))
    newest = samples.between(count - held_back, count) if held_back else None
    return _Lesson(encoding, extras, quantiles, samples.between(0, training), newest)


def _samples(
    values: Floats,
    beside: Beside | None,
    encoding: Encoding,
    extras: Extras,
    settings: "ModelSettings",
    outputs: int,
) -> Samples:
    """All windows, with each target as often as it has outputs."""
    x, y = encoding.windows(values, every_step=settings.loss_on == "all")
    last = len(values) - encoding.horizon  # one after the end of the last window
    ends = np.arange(last - len(x), last)
    others = extras.windows(values, beside, ends, encoding.lookback)
    return Samples(np.concatenate([x, others], axis=2), np.repeat(y, outputs, axis=-1))


def _first_params(
    rng: np.random.Generator, lesson: _Lesson, settings: "ModelSettings", activation: Activation
) -> dict[str, Array]:
    start = lesson.first_outputs()
    params = init_params(
        rng,
        input_size=lesson.training.x.shape[2],
        hidden_size=settings.hidden_size,
        output_size=len(start),
        dtype=settings.dtype,
        gain=activation.gain,
        zero_output=True,
    )
    params["b_y"][:] = start
    return params


def _recipe(settings: "ModelSettings") -> Recipe:
    return Recipe(
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        patience=settings.patience,
        momentum=settings.momentum,
        clip_norm=settings.clip_norm,
        weight_decay=settings.weight_decay,
        schedule=settings.schedule,
        loss_on=settings.loss_on,
        loss=_loss(settings),
    )


def _loss(settings: "ModelSettings") -> Loss:
    return get_loss(settings.loss, delta=settings.huber_delta)


def _summary(lesson: _Lesson, fitted: Fitted, loss: Loss) -> TrainingSummary:
    return TrainingSummary(
        windows=len(lesson.training),
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        train_loss=fitted.train_loss,
        validation_loss=fitted.validation_loss,
        baseline_loss=_baseline_loss(lesson, lesson.held_back, loss) if lesson.held_back else None,
        restarts=fitted.restarts,
    )


def _baseline_loss(lesson: _Lesson, samples: Samples, loss: Loss) -> float:
    y = samples.y if samples.y.ndim == 2 else samples.y[:, -1]  # (n, O)
    baseline = lesson.encoding.baseline(samples.x[..., :1])  # (n, h)
    outputs = np.repeat(baseline, y.shape[1] // baseline.shape[1], axis=1) + lesson.first_outputs()
    return loss.total((outputs - y)[..., np.newaxis]) / len(y)


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
