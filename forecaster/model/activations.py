"""Activations: an element-wise function and its slope, both written in place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import erfc, exp, pi, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

LEAK = 0.01  # the slope of leaky_relu below 0
FAR = 40.0  # where the normal density is 0 in float64


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
            size through f. For a rectifier, whose two sides have different slopes, it is
            1 / sqrt(E f(z)^2) with z normal, mean 0, variance 1: what keeps the mean square, which
            is equation 10 of He et al. (2015) for any f, and sqrt(2) for relu. For all others,
            which are near a straight line about 0, it is one over the slope there.

    For an estimator that holds one to be pickled, the functions must be importable: no lambdas.
    """

    name: str
    value: Callable[[Array, Array], object]
    slope: Callable[[Array, Array], object]
    needs_input: bool = False
    gain: float = 1.0


def _tanh_slope(a: Array, out: Array) -> None:
    np.multiply(a, a, out=out)
    np.subtract(1.0, out, out=out)


def _relu(z: Array, out: Array) -> None:
    np.maximum(z, 0.0, out=out)


def _relu_slope(a: Array, out: Array) -> None:
    np.sign(a, out=out)  # a is never negative, so this is 0 or 1


def _leaky_relu(z: Array, out: Array) -> None:
    np.maximum(z, LEAK * z, out=out)


def _leaky_relu_slope(a: Array, out: Array) -> None:
    np.sign(a, out=out)
    np.maximum(out, LEAK, out=out)


def _elu(z: Array, out: Array) -> None:
    below = np.minimum(z, 0.0)  # exponents of large positive numbers would overflow
    np.expm1(below, out=below)
    np.maximum(z, 0.0, out=out)
    np.add(out, below, out=out)


def _elu_slope(a: Array, out: Array) -> None:
    np.minimum(a, 0.0, out=out)
    np.add(out, 1.0, out=out)  # below 0, e^z is a + 1


def _gelu(z: Array, out: Array) -> None:
    from scipy.special import ndtr  # noqa: PLC0415 - only a network that uses it pays for scipy

    np.multiply(z, ndtr(z), out=out)


def _gelu_slope(z: Array, out: Array) -> None:
    from scipy.special import ndtr  # noqa: PLC0415 - as above

    np.clip(z, -FAR, FAR, out=out)  # beyond, the density is 0, and z^2 might overflow
    other = np.multiply(out, out)
    np.multiply(other, -0.5, out=other)
    np.exp(other, out=other)
    np.multiply(other, 1.0 / sqrt(2.0 * pi), out=other)  # the normal density, phi(z)
    np.multiply(out, other, out=out)
    np.add(out, ndtr(z, out=other), out=out)  # z phi(z) + Phi(z)


def _sigmoid(z: Array, out: Array) -> None:
    np.multiply(z, 0.5, out=out)  # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2 cannot overflow
    np.tanh(out, out=out)
    np.add(out, 1.0, out=out)
    np.multiply(out, 0.5, out=out)


def _sigmoid_slope(a: Array, out: Array) -> None:
    np.subtract(1.0, a, out=out)
    np.multiply(out, a, out=out)


def _softsign(z: Array, out: Array) -> None:
    np.divide(z, 1.0 + np.abs(z), out=out)


def _softsign_slope(a: Array, out: Array) -> None:
    np.abs(a, out=out)
    np.subtract(1.0, out, out=out)
    np.multiply(out, out, out=out)  # 1 / (1 + |z|)^2 = (1 - |a|)^2


def _identity(z: Array, out: Array) -> None:
    np.copyto(out, z)


def _identity_slope(a: Array, out: Array) -> None:  # noqa: ARG001 - the contract hands it over
    out.fill(1.0)


# E f(z)^2 of a standard normal z, from which the gains of the rectifiers follow.
_RELU_SQUARE = 1.0 / 2.0
_LEAKY_RELU_SQUARE = (1.0 + LEAK**2) / 2.0
_ELU_SQUARE = 1.0 + exp(2.0) * erfc(sqrt(2.0)) / 2.0 - exp(0.5) * erfc(sqrt(0.5))
_GELU_SQUARE = 1.0 / 3.0 + 1.0 / (2.0 * pi * sqrt(3.0))

TANH = Activation("tanh", np.tanh, _tanh_slope)  # itself: one call less on the way
RELU = Activation("relu", _relu, _relu_slope, gain=sqrt(1.0 / _RELU_SQUARE))
LEAKY_RELU = Activation(  # Maas et al. 2013
    "leaky_relu", _leaky_relu, _leaky_relu_slope, gain=sqrt(1.0 / _LEAKY_RELU_SQUARE)
)
SIGMOID = Activation("sigmoid", _sigmoid, _sigmoid_slope, gain=4.0)  # its slope at 0 is 1/4
SOFTSIGN = Activation("softsign", _softsign, _softsign_slope)
ELU = Activation("elu", _elu, _elu_slope, gain=sqrt(1.0 / _ELU_SQUARE))  # Clevert et al. 2016
GELU = Activation(  # z Phi(z), not its approximation by tanh: Hendrycks and Gimpel 2016
    "gelu", _gelu, _gelu_slope, needs_input=True, gain=sqrt(1.0 / _GELU_SQUARE)
)
IDENTITY = Activation("identity", _identity, _identity_slope)

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {each.name: each for each in (TANH, RELU, LEAKY_RELU, SIGMOID, SOFTSIGN, ELU, IDENTITY, GELU)}
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
