"""Fitting: mini-batches, early stopping on the newest windows, the best weights kept."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from forecaster.errors import TrainingError
from forecaster.model.activations import Activation, Array
from forecaster.model.cell import LossOn, Params
from forecaster.model.optimisers import Optimiser, make_optimiser
from forecaster.model.unrolled import Unrolled, Weights, pack

EVALUATION_BATCH = 256  # bounds the memory of an evaluation, whatever the number of windows


@dataclass(frozen=True)
class Recipe:
    """The settings of a training."""

    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    batch_size: int
    epochs: int
    patience: int  # epochs without a lower validation loss before stopping
    momentum: float = 0.0  # for "sgd"
    clip_norm: float = 1.0  # 0 is off
    loss_on: LossOn = "last"


@dataclass(frozen=True, eq=False)
class Samples:
    """Windows with their targets, oldest first."""

    x: Array  # (n, T, D)
    y: Array  # (n, O), or (n, T, O) for a loss on every step

    def __len__(self) -> int:
        return len(self.x)

    def astype(self, dtype: DTypeLike) -> "Samples":
        """The same samples in another precision."""
        return Samples(self.x.astype(dtype, copy=False), self.y.astype(dtype, copy=False))


@dataclass(frozen=True, eq=False)
class Fitted:
    """The weights kept and how they came about; losses are those of the last step."""

    params: dict[str, Array]
    epochs: int  # run
    best_epoch: int  # whose weights were kept; 0 for the untouched ones
    train_loss: float
    validation_loss: float | None


Progress = Callable[[int, float | None], object]  # epoch, validation loss


def split_windows(count: int, validation: float, gap: int) -> tuple[int, int]:
    """How many of `count` windows train, and how many of the newest are held back.

    Between the two lie `gap` windows that do neither. With a gap of the horizon no training
    target reaches the first session that a held-back window has to foresee.

    Returns:
        (training, validation); (count, 0) where `validation` is 0.
    """
    if validation == 0:
        return count, 0
    held_back = max(1, int(count * validation))
    return count - held_back - gap, held_back


def windows_needed(training: int, validation: float, gap: int) -> int:
    """The smallest count of which `split_windows` leaves at least `training` to train on."""
    count = training
    while split_windows(count, validation, gap)[0] < training:
        count += 1
    return count


def fit(
    params: Params,
    training: Samples,
    validation: Samples | None,
    recipe: Recipe,
    *,
    activation: Activation,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a network, in the dtype of its parameters.

    Each epoch visits the training windows once, in an order drawn from `rng`. With `validation`,
    the weights with the least validation loss are kept, the untouched ones among them, and
    training ends after `patience` epochs without a lower one. Without, all epochs are run and the
    last weights are kept.

    Args:
        params: what to start from; not changed.
        training: windows to learn from.
        validation: windows held back, or None.
        recipe: optimiser, rates, sizes.
        activation: f.
        rng: draws the order of the windows.
        progress: called after each epoch with its number, from 1, and the validation loss.

    Raises:
        TrainingError: a loss or a gradient was not finite (code "diverged").
    """
    weights = pack(params)
    dtype = weights.flat.dtype
    training = training.astype(dtype)
    validation = validation.astype(dtype) if validation else None
    unrolled = _UnrolledBySize(weights, activation, recipe.loss_on)
    judge = _UnrolledBySize(weights, activation, "last")
    optimiser = make_optimiser(
        recipe.optimizer,
        recipe.learning_rate,
        momentum=recipe.momentum,
        clip_norm=recipe.clip_norm,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # found by checks that can name the epoch
        best = _Best(weights, mean_loss(judge, validation) if validation else inf)
        epoch = 0
        for epoch in range(1, recipe.epochs + 1):
            order = rng.permutation(len(training))
            if not _run_epoch(unrolled, optimiser, training, order, recipe.batch_size):
                raise _diverged(epoch, recipe)
            loss = mean_loss(judge, validation) if validation else None
            if progress is not None:
                progress(epoch, loss)
            age = best.age_after(epoch, loss)
            if validation and age >= recipe.patience:
                break
        np.copyto(weights.flat, best.weights.flat)
        train_loss = mean_loss(judge, training)
    if not isfinite(train_loss):
        raise _diverged(epoch, recipe)
    kept = {name: value.copy() for name, value in weights.params.items()}
    return Fitted(kept, epoch, best.epoch, train_loss, best.loss if validation else None)


def mean_loss(judge: "_UnrolledBySize", samples: Samples) -> float:
    """The loss of the last step over all samples: what a forecast is judged by."""
    y = samples.y if samples.y.ndim == 2 else samples.y[:, -1]
    total = 0.0
    for start in range(0, len(y), EVALUATION_BATCH):
        some = slice(start, start + EVALUATION_BATCH)
        total += judge.of_size(samples.x[some]).loss(samples.x[some], y[some]) * len(y[some])
    return total / len(y)


def _run_epoch(
    unrolled: "_UnrolledBySize",
    optimiser: Optimiser,
    samples: Samples,
    order: NDArray[np.intp],
    batch_size: int,
) -> bool:
    """Take a step for each mini-batch in this order; False if a number was not finite."""
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        x = samples.x[batch]
        network = unrolled.of_size(x)
        loss = network.loss_and_gradient(x, samples.y[batch])
        norm = optimiser.step(network.weights.flat, network.gradient.flat)
        if not (isfinite(loss) and isfinite(norm)):
            return False
    return True


def _diverged(epoch: int, recipe: Recipe) -> TrainingError:
    return TrainingError(
        f"training diverged in epoch {epoch}: a loss or gradient is not finite "
        f"({recipe.optimizer}, learning_rate {recipe.learning_rate:g}, "
        f"clip_norm {recipe.clip_norm:g})",
        remedy="lower learning_rate or set clip_norm",
        code="diverged",
    )


class _UnrolledBySize:
    """Networks that share their weights, one for each size of batch met."""

    def __init__(self, weights: Weights, activation: Activation, loss_on: LossOn) -> None:
        self._weights, self._activation, self._loss_on = weights, activation, loss_on
        self._by_size: dict[int, Unrolled] = {}

    def of_size(self, x: Array) -> Unrolled:
        batch, steps, _ = x.shape
        if batch not in self._by_size:
            self._by_size[batch] = Unrolled(
                self._weights, self._activation, steps, batch, self._loss_on
            )
        return self._by_size[batch]


class _Best:
    """The weights with the least validation loss; without validation, the last ones."""

    def __init__(self, weights: Weights, loss: float) -> None:
        self._current, self.loss, self.epoch = weights, loss, 0
        self.weights = pack(weights.params)

    def age_after(self, epoch: int, loss: float | None) -> int:
        """Consider the weights as they now are; how many epochs old are the best?"""
        if loss is None or loss < self.loss:
            self.loss, self.epoch = inf if loss is None else loss, epoch
            np.copyto(self.weights.flat, self._current.flat)
        return epoch - self.epoch
