"""Optimisers: they clip the gradient by its norm and update one flat vector in place."""

from math import sqrt
from typing import Literal, Protocol

import numpy as np

from forecaster.model.activations import Array


class Optimiser(Protocol):
    """What updates the weights."""

    def step(self, weights: Array, gradient: Array) -> float:
        """Update `weights` in place and return the gradient's norm before clipping.

        `gradient` is used as working space.
        """
        ...


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


class SGD:
    """Gradient descent with momentum: v <- momentum v + g, w <- w - learning_rate v.

    Args:
        learning_rate: the step.
        momentum: 0 for plain gradient descent.
        clip_norm: largest norm of a gradient; 0 for no limit.
    """

    def __init__(
        self, learning_rate: float, *, momentum: float = 0.0, clip_norm: float = 0.0
    ) -> None:
        self.learning_rate, self.momentum, self.clip_norm = learning_rate, momentum, clip_norm
        self._velocity: Array | None = None

    def step(self, weights: Array, gradient: Array) -> float:
        """Update `weights` in place and return the gradient's norm before clipping."""
        norm = clip_by_norm(gradient, self.clip_norm)
        if self.momentum:
            if self._velocity is None:
                self._velocity = np.zeros_like(weights)
            self._velocity *= self.momentum
            self._velocity += gradient
            np.copyto(gradient, self._velocity)
        gradient *= self.learning_rate
        weights -= gradient
        return norm


class Adam:
    """Adam, in the order of the last lines of section 2 of Kingma and Ba (2015), arXiv:1412.6980.

    Args:
        learning_rate: the step.
        clip_norm: largest norm of a gradient; 0 for no limit.
        beta1: how much of the mean of past gradients is kept.
        beta2: how much of the mean of their squares is kept.
        epsilon: added to the root of the latter.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        clip_norm: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate, self.clip_norm = learning_rate, clip_norm
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self._steps = 0
        self._moments: Array | None = None  # (3, n): mean, mean of squares, working space

    def step(self, weights: Array, gradient: Array) -> float:
        """Update `weights` in place and return the gradient's norm before clipping."""
        norm = clip_by_norm(gradient, self.clip_norm)
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
        return norm


def make_optimiser(
    name: Literal["adam", "sgd"],
    learning_rate: float,
    *,
    momentum: float = 0.0,
    clip_norm: float = 0.0,
) -> Optimiser:
    """The optimiser of this name, with no steps taken.

    Raises:
        ValueError: no such name.
    """
    if name == "adam":
        return Adam(learning_rate, clip_norm=clip_norm)
    if name == "sgd":
        return SGD(learning_rate, momentum=momentum, clip_norm=clip_norm)
    raise ValueError(f"optimizer {name!r} is unknown: use 'adam' or 'sgd'")
