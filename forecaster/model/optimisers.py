"""Optimisers: they clip the gradient by its norm and update one flat vector in place."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import cos, pi, sqrt
from types import MappingProxyType
from typing import Literal

import numpy as np

from forecaster.model.activations import Array

OptimizerName = Literal["adam", "sgd", "rmsprop"]
Schedule = Literal["constant", "cosine"]


def clip_by_norm(gradient: Array, limit: float) -> float:
    """Scale a gradient (n,) down in place so that its Euclidean norm is at most `limit`; 0 is off.

    Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks",
    algorithm 1.

    Returns:
        The norm before clipping; the gradient is left alone where that is not finite.
    """
    norm = sqrt(float(gradient @ gradient))
    if 0.0 < limit < norm < float("inf"):
        gradient *= limit / norm
    return norm


def scheduled(learning_rate: float, schedule: Schedule, epoch: int, epochs: int) -> float:
    """The learning rate of an epoch, counted from 1.

    "cosine" falls from `learning_rate` towards 0 along half a cosine over all epochs: Loshchilov
    and Hutter (2017), "SGDR", equation 5, with no restart.
    """
    if schedule == "constant":
        return learning_rate
    return learning_rate * (1.0 + cos(pi * (epoch - 1) / epochs)) / 2.0


@dataclass
class Optimiser(ABC):
    """What updates the weights; a kind of optimiser says how a gradient becomes a move.

    Args:
        learning_rate: the step; a schedule may change it from one step to the next.
        clip_norm: largest norm of a gradient; 0 for no limit.
        weight_decay: a step also takes learning_rate * weight_decay of every parameter off, apart
            from the gradient: Loshchilov and Hutter (2019), "Decoupled Weight Decay
            Regularization", algorithm 2.
    """

    learning_rate: float
    clip_norm: float = field(default=0.0, kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)

    def step(self, weights: Array, gradient: Array) -> float:
        """Update `weights` in place and return the gradient's norm before clipping.

        `gradient` is used as working space.
        """
        norm = clip_by_norm(gradient, self.clip_norm)
        if self.weight_decay:
            weights *= 1.0 - self.learning_rate * self.weight_decay
        self._move(weights, gradient)
        return norm

    @abstractmethod
    def _move(self, weights: Array, gradient: Array) -> None:
        """Update `weights` by a clipped gradient."""


@dataclass
class SGD(Optimiser):
    """Gradient descent: v <- momentum v + g, w <- w - learning_rate v; momentum 0 is the plain one.

    Polyak (1964), in the form of Sutskever et al. (2013), "On the importance of initialization and
    momentum in deep learning", with the learning rate outside v.
    """

    momentum: float = field(default=0.0, kw_only=True)
    _velocity: Array | None = field(default=None, init=False, repr=False)

    def _move(self, weights: Array, gradient: Array) -> None:
        if self.momentum:
            if self._velocity is None:
                self._velocity = np.zeros_like(weights)
            self._velocity *= self.momentum
            self._velocity += gradient
            np.copyto(gradient, self._velocity)
        gradient *= self.learning_rate
        weights -= gradient


@dataclass
class RMSprop(Optimiser):
    """s <- 0.9 s + 0.1 g^2, w <- w - learning_rate g / (sqrt(s) + epsilon).

    Tieleman and Hinton (2012), "Neural Networks for Machine Learning", lecture 6.5.
    """

    keep: float = field(default=0.9, kw_only=True)
    epsilon: float = field(default=1e-8, kw_only=True)
    _square: Array | None = field(default=None, init=False, repr=False)

    def _move(self, weights: Array, gradient: Array) -> None:
        if self._square is None:
            self._square = np.zeros_like(weights)
        self._square *= self.keep
        self._square += (1.0 - self.keep) * gradient * gradient
        gradient *= self.learning_rate
        gradient /= np.sqrt(self._square) + self.epsilon
        weights -= gradient


@dataclass
class Adam(Optimiser):
    """Adam, in the order of the last lines of section 2 of Kingma and Ba (2015), arXiv:1412.6980.

    With weight decay it is the AdamW of Loshchilov and Hutter.
    """

    beta1: float = field(default=0.9, kw_only=True)
    beta2: float = field(default=0.999, kw_only=True)
    epsilon: float = field(default=1e-8, kw_only=True)
    _steps: int = field(default=0, init=False, repr=False)
    # (3, n): mean of gradients, mean of their squares, working space.
    _moments: Array | None = field(default=None, init=False, repr=False)

    def _move(self, weights: Array, gradient: Array) -> None:
        if self._moments is None:
            self._moments = np.zeros((3, len(weights)), dtype=weights.dtype)
        mean, square, root = self._moments
        self._steps += 1
        unbias = sqrt(1.0 - self.beta2**self._steps)
        rate = self.learning_rate * unbias / (1.0 - self.beta1**self._steps)
        np.multiply(gradient, gradient, out=root)
        root *= 1.0 - self.beta2
        square *= self.beta2
        square += root
        gradient *= 1.0 - self.beta1
        mean *= self.beta1
        mean += gradient
        np.sqrt(square, out=root)
        root += self.epsilon * unbias
        np.divide(mean, root, out=root)
        root *= rate
        weights -= root


OPTIMISERS: Mapping[str, type[Optimiser]] = MappingProxyType(
    {"adam": Adam, "sgd": SGD, "rmsprop": RMSprop}
)


def make_optimiser(
    name: str,
    learning_rate: float,
    *,
    momentum: float = 0.0,
    clip_norm: float = 0.0,
    weight_decay: float = 0.0,
) -> Optimiser:
    """The optimiser of this name, with no steps taken; only sgd uses `momentum`.

    Raises:
        ValueError: no such name.
    """
    if name not in OPTIMISERS:
        raise ValueError(f"optimizer {name!r} is unknown: use one of {', '.join(OPTIMISERS)}")
    optimiser = OPTIMISERS[name](learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)
    if isinstance(optimiser, SGD):
        optimiser.momentum = momentum
    return optimiser
