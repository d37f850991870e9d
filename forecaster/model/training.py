"""From values to a fitted network."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecaster.model.activations import Activation, Array
from forecaster.model.cell import init_params
from forecaster.model.extras import Beside
from forecaster.model.fit import (
    Fitted,
    Progress,
    Recipe,
    Samples,
    counted_from,
    fit,
    last_outputs,
)
from forecaster.model.inputs import Encoding
from forecaster.model.lesson import Lesson, make_lesson, make_samples
from forecaster.model.losses import Loss, get_loss
from forecaster.model.motion import Motion
from forecaster.model.network import Network, TrainingSummary
from forecaster.model.scale import Floats
from forecaster.model.spread import fit_linear

if TYPE_CHECKING:
    from forecaster.config import ModelSettings


def train_network(
    values: ArrayLike,
    settings: "ModelSettings",
    *,
    motion: Motion,
    activation: Activation,
    rng: np.random.Generator,
    beside: Beside | None = None,
    ranges: Floats | None = None,
    progress: Progress | None = None,
) -> Network:
    """Train a network on values up to the cutoff, and fit the spread beside it.

    Args:
        values: (n,), oldest first, the last one at the cutoff; of these the newest
            `settings.history` are used.
        settings: inputs, sizes and the training.
        motion: how the values move.
        activation: f.
        rng: draws the first weights and the order of the windows, for each member apart.
        beside: of the same sessions, where there are extra inputs.
        ranges: of the same sessions, (n,), how far highs lie from lows; None for values alone.
        progress: called after each epoch of each member with its number, which goes on from
            member to member, and the member's validation loss.

    Raises:
        DataError: "too_few_bars", "constant", "non_positive" or "not_finite".
        TrainingError: a loss or gradient was not finite (code "diverged").
    """
    lesson = make_lesson(values, beside, settings, motion)
    fitted = _fit_members(lesson, settings, activation, rng, progress)
    members = tuple(each.params for each in fitted)
    ranges = None if ranges is None else ranges[-len(lesson.values) :]
    return Network(
        members=members,
        encoding=lesson.encoding,
        extras=lesson.extras,
        horizon=settings.horizon,
        quantiles=lesson.quantiles,
        activation=activation,
        summary=_summary(lesson, fitted, _loss(settings), activation),
        spread=fit_linear(lesson.values, ranges, motion=motion, horizon=settings.horizon),
    )


def validation_loss(
    network: Network,
    values: ArrayLike,
    settings: "ModelSettings",
    beside: Beside | None = None,
    *,
    motion: Motion | None = None,
) -> float | None:
    """What a network loses on the windows that a training on these values would hold back.

    For the network that this training would give, it is the validation loss of its summary.

    Args:
        network: trained earlier.
        values: as for `train_network`.
        settings: of the training.
        beside: as for `train_network`.
        motion: of the values; None where it is known to be the network's.

    Returns:
        The loss in units of that training, or None where nothing would be held back, or where the
        network says something else than one trained with these settings would.

    Raises:
        DataError: as `train_network`.
    """
    lesson = make_lesson(values, beside, settings, motion or network.extras.motion)
    if lesson.held_back is None or not _comparable(network, lesson):
        return None
    held_back, own = len(lesson.held_back), network.encoding
    if len(lesson.values) < own.needed + own.horizon + held_back - 1:
        return None
    # Its own windows: the lookback may differ, and with "minmax" the scale does.
    every = make_samples(lesson.values, lesson.beside, own, network.extras, network.quantiles)
    newest = every.between(len(every) - held_back, len(every))
    errors = _errors(network.members, newest, network.activation)
    return _loss(settings).total(errors * (own.unit / lesson.encoding.unit)) / held_back


def _comparable(network: Network, lesson: Lesson) -> bool:
    own, other = network.encoding, lesson.encoding
    return (network.extras, network.quantiles, _target(own)) == (
        lesson.extras, lesson.quantiles, _target(other),
    )  # fmt: skip


def _target(encoding: Encoding) -> dict[str, object]:
    """What targets mean, but for a scale that is taken from the training rows."""
    others = {key: value for key, value in vars(encoding).items() if key not in _FITTED}
    return {**others, "name": encoding.name}


_FITTED = ("lookback", "low", "high")


def _fit_members(
    lesson: Lesson,
    settings: "ModelSettings",
    activation: Activation,
    rng: np.random.Generator,
    progress: Progress | None,
) -> list[Fitted]:
    recipe = _recipe(settings)
    fitted: list[Fitted] = []
    for own in rng.spawn(settings.members):
        before = sum(each.epochs for each in fitted)
        fitted.append(
            fit(
                _first_params(own, lesson, settings, activation),
                lesson.training,
                lesson.held_back,
                recipe,
                activation=activation,
                rng=own,
                progress=progress and counted_from(before, progress),
            )
        )
    return fitted


def _first_params(
    rng: np.random.Generator, lesson: Lesson, settings: "ModelSettings", activation: Activation
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


def _summary(
    lesson: Lesson, fitted: Sequence[Fitted], loss: Loss, activation: Activation
) -> TrainingSummary:
    members = [each.params for each in fitted]

    def mean_loss(samples: Samples) -> float:
        return loss.total(_errors(members, samples, activation)) / len(samples)

    held_back = lesson.held_back
    return TrainingSummary(
        windows=len(lesson.training),
        epochs=max(each.epochs for each in fitted),
        best_epoch=max(each.best_epoch for each in fitted),
        train_loss=mean_loss(lesson.training),
        validation_loss=mean_loss(held_back) if held_back else None,
        baseline_loss=_baseline_loss(lesson, held_back, loss) if held_back else None,
        restarts=sum(each.restarts for each in fitted),
    )


def _errors(
    members: Sequence[Mapping[str, Array]], samples: Samples, activation: Activation
) -> Floats:
    """How far the members' mean output lies from the targets of the last step, (O, n)."""
    outputs = [last_outputs(each, samples.x, activation) for each in members]
    return np.asarray(np.mean(outputs, axis=0, dtype=np.float64) - samples.last_targets).T


def _baseline_loss(lesson: Lesson, samples: Samples, loss: Loss) -> float:
    y = samples.last_targets
    baseline = lesson.encoding.baseline(samples.x[..., :1])  # (n, h)
    outputs = np.repeat(baseline, y.shape[1] // baseline.shape[1], axis=1) + lesson.first_outputs()
    return loss.total((outputs - y).T) / len(y)
