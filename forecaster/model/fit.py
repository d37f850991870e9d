"""Fitting: mini-batches, early stopping on the newest windows, the best weights kept."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np
from numpy.typing import DTypeLike, NDArray

from forecaster.errors import TrainingError
from forecaster.model.activations import Activation, Array
from forecaster.model.cell import LossOn, Params
from forecaster.model.losses import SQUARED, Loss
from forecaster.model.optimisers import (
    OptimizerName,
    Schedule,
    make_optimiser,
    scheduled,
)
from forecaster.model.unrolled import Unrolled, Weights, pack

EVALUATION_BATCH = 256  # bounds the memory of an evaluation, whatever the number of windows
RESTARTS = 3  # after a training that diverged, each at a tenth of the learning rate before


@dataclass(frozen=True)
class Recipe:
    """The settings of a training."""

    optimizer: OptimizerName
    learning_rate: float
    batch_size: int
    epochs: int
    patience: int  # epochs without a lower validation loss before stopping
    momentum: float = 0.0  # for "sgd"
    clip_norm: float = 1.0  # 0 is off
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    loss_on: LossOn = "last"
    loss: Loss = SQUARED


@dataclass(frozen=True, eq=False)
class Samples:
    """Windows with their targets, oldest first."""

    x: Array  # (n, T, D)
    y: Array  # (n, O), or (n, T, O) for a loss on every step

    def __len__(self) -> int:
        return len(self.x)

    @property
    def last_targets(self) -> Array:
        """The targets of the last step, (n, O)."""
        return self.y if self.y.ndim == 2 else self.y[:, -1]

    def between(self, start: int, stop: int) -> "Samples":
        """The windows from place `start` to before `stop`."""
        return Samples(self.x[start:stop], self.y[start:stop])

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
    restarts: int = 0  # after the training had diverged


Progress = Callable[[int, float | None], object]  # epoch, validation loss


def counted_from(before: int, progress: Progress) -> Progress:
    """What tells `progress` of epochs that come after so many others."""
    return lambda epoch, loss: progress(before + epoch, loss)


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

    A training in which a loss or a gradient is not finite begins again from the first weights at a
    tenth of the learning rate, up to three times.

    Args:
        params: what to start from; not changed.
        training: windows to learn from.
        validation: windows held back, or None.
        recipe: optimiser, rates, sizes.
        activation: f.
        rng: draws the order of the windows.
        progress: called after each epoch with its number, from 1, and the validation loss.

    Raises:
        TrainingError: every attempt met a number that is not finite (code "diverged").
    """
    dtype = params["W_hh"].dtype
    with np.errstate(over="ignore"):  # what is then infinite is found in the losses
        training = training.astype(dtype)
        validation = validation.astype(dtype) if validation else None
    for restarts in range(RESTARTS + 1):
        slower = replace(recipe, learning_rate=recipe.learning_rate / 10.0**restarts)
        attempt = _Attempt(params, slower, activation)
        with np.errstate(over="ignore", invalid="ignore"):  # found by checks that name the epoch
            fitted = attempt.run(training, validation, rng, progress)
        if fitted is not None:
            return replace(fitted, restarts=restarts)
    raise TrainingError(
        f"training diverged in epoch {attempt.epoch} at learning_rate {slower.learning_rate:g}, as "
        f"at {RESTARTS} higher ones from {recipe.learning_rate:g}: a loss or gradient is not "
        f"finite ({recipe.optimizer}, clip_norm {recipe.clip_norm:g})",
        remedy="lower learning_rate, or in a configuration set clip_norm",
        code="diverged",
    )


class _Attempt:
    """One training, from the first weights to those kept."""

    def __init__(self, params: Params, recipe: Recipe, activation: Activation) -> None:
        self.recipe, self.epoch = recipe, 0
        self._weights = pack(params)
        self._unrolled = _UnrolledBySize(self._weights, activation, recipe.loss_on, recipe.loss)
        self._judge = _UnrolledBySize(self._weights, activation, "last", recipe.loss)
        self._optimiser = make_optimiser(
            recipe.optimizer,
            recipe.learning_rate,
            momentum=recipe.momentum,
            clip_norm=recipe.clip_norm,
            weight_decay=recipe.weight_decay,
        )

    def run(
        self,
        training: Samples,
        validation: Samples | None,
        rng: np.random.Generator,
        progress: Progress | None,
    ) -> Fitted | None:
        """Train; None if a number was not finite."""
        weights, recipe = self._weights, self.recipe
        best = _Best(weights, mean_loss(self._judge, validation) if validation else inf)
        if validation and not isfinite(best.loss):
            return None
        for self.epoch in range(1, recipe.epochs + 1):
            self._optimiser.learning_rate = scheduled(
                recipe.learning_rate, recipe.schedule, self.epoch, recipe.epochs
            )
            if not self._visit(training, rng.permutation(len(training))):
                return None
            loss = mean_loss(self._judge, validation) if validation else None
            if loss is not None and not isfinite(loss):
                return None
            if progress is not None:
                progress(self.epoch, loss)
            age = best.age_after(self.epoch, loss)
            if validation and age >= recipe.patience:
                break
        np.copyto(weights.flat, best.weights.flat)
        train_loss = mean_loss(self._judge, training)
        if not isfinite(train_loss):
            return None
        kept = {name: value.copy() for name, value in weights.params.items()}
        return Fitted(kept, self.epoch, best.epoch, train_loss, best.loss if validation else None)

    def _visit(self, samples: Samples, order: NDArray[np.intp]) -> bool:
        """Take a step for each mini-batch in this order; False if a number was not finite."""
        for start in range(0, len(order), self.recipe.batch_size):
            batch = order[start : start + self.recipe.batch_size]
            x = samples.x[batch]
            network = self._unrolled.of_size(x)
            loss = network.loss_and_gradient(x, samples.y[batch])
            norm = self._optimiser.step(network.weights.flat, network.gradient.flat)
            if not (isfinite(loss) and isfinite(norm)):
                return False
        return True


def mean_loss(judge: "_UnrolledBySize", samples: Samples) -> float:
    """The loss of the last step over all samples: what a forecast is judged by."""
    y = samples.last_targets
    total = 0.0
    for start in range(0, len(y), EVALUATION_BATCH):
        some = slice(start, start + EVALUATION_BATCH)
        total += judge.of_size(samples.x[some]).loss(samples.x[some], y[some]) * len(y[some])
    return total / len(y)


def last_outputs(params: Params, x: Array, activation: Activation) -> Array:
    """What the network says at the last step of windows (n, T, D), (n, O), in its own dtype."""
    judge = _UnrolledBySize(pack(params), activation, "last", SQUARED)
    with np.errstate(over="ignore", invalid="ignore"):  # seen in the loss
        x = x.astype(params["W_hh"].dtype, copy=False)
        parts = [
            judge.of_size(some).outputs(some)[0].T.copy()
            for some in (x[k : k + EVALUATION_BATCH] for k in range(0, len(x), EVALUATION_BATCH))
        ]
    return np.concatenate(parts)


class _UnrolledBySize:
    """Networks that share their weights, one for each size of batch met."""

    def __init__(
        self, weights: Weights, activation: Activation, loss_on: LossOn, loss: Loss
    ) -> None:
        self._weights, self._activation = weights, activation
        self._loss_on, self._loss = loss_on, loss
        self._by_size: dict[int, Unrolled] = {}

    def of_size(self, x: Array) -> Unrolled:
        batch, steps, _ = x.shape
        if batch not in self._by_size:
            self._by_size[batch] = Unrolled(
                self._weights, self._activation, steps, batch, self._loss_on, self._loss
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
