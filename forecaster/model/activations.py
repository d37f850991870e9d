"""Activations: an element-wise function and its slope, both written in place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Activation:
    """An activation function, as a value; also the contract for those who write their own.

    Both functions are element-wise and are called as `function(given, out)`: they write into
    `out` and what they return is ignored. Arrays are float32 or float64, `given` and `out` have
    the same dtype and shape, any shape and any strides. Neither function may keep a reference,
    write outside `out`, or change dtype on the way (write 0.5, not np.float64(0.5)).

    Args:
        name: how the configuration and a stored model call it.
        value: `value(z, out)` writes f(z). `out` may be `z` itself; otherwise z stays unchanged.
        slope: `slope(given, out)` writes f'(z). `given` is the output a = f(z), or the
            pre-activation z where `needs_input` says so; it stays unchanged, and `out` never
            overlaps it.
        needs_input: whether the slope has to be computed from z. The output suffices for
            tanh (1 - a^2) and spares the network the memory of z; gelu needs z.
        gain: what the input weights are multiplied by at the start, so that the signal keeps its
            size through f: about one over the slope at 0.

    For the functions to travel to other processes they must be importable: no lambdas.
    """

    name: str
    value: Callable[[Array, Array], object]
    slope: Callable[[Array, Array], object]
    needs_input: bool = False
    gain: float = 1.0


def _tanh(z: Array, out: Array) -> None:
    np.tanh(z, out=out)


def _tanh_slope(a: Array, out: Array) -> None:
    np.multiply(a, a, out=out)
    np.subtract(1.0, out, out=out)


def _relu(z: Array, out: Array) -> None:
    np.maximum(z, 0.0, out=out)


def _relu_slope(a: Array, out: Array) -> None:
    np.sign(a, out=out)  # a is never negative, so this is 0 or 1


def _sigmoid(z: Array, out: Array) -> None:
    np.multiply(z, 0.5, out=out)  # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2 cannot overflow
    np.tanh(out, out=out)
    np.add(out, 1.0, out=out)
    np.multiply(out, 0.5, out=out)


def _sigmoid_slope(a: Array, out: Array) -> None:
    np.subtract(1.0, a, out=out)
    np.multiply(out, a, out=out)


def _identity(z: Array, out: Array) -> None:
    np.copyto(out, z)


def _identity_slope(a: Array, out: Array) -> None:  # noqa: ARG001 - the contract hands it over
    out.fill(1.0)


TANH = Activation("tanh", _tanh, _tanh_slope)
RELU = Activation("relu", _relu, _relu_slope, gain=sqrt(2.0))  # He et al. 2015, equation 10
SIGMOID = Activation("sigmoid", _sigmoid, _sigmoid_slope, gain=4.0)  # its slope at 0 is 1/4
IDENTITY = Activation("identity", _identity, _identity_slope)

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {activation.name: activation for activation in (TANH, RELU, SIGMOID, IDENTITY)}
)


def get_activation(activation: str | Activation) -> Activation:
    """The activation itself, or the one of this name among ACTIVATIONS.

    Raises:
        ValueError: no such name.
    """
    if isinstance(activation, Activation):
        return activation
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation {activation!r} is unknown: use one of {known}")
    return ACTIVATIONS[activation]
