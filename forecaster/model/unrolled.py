"""The network of `cell`, unrolled over its steps for speed; same equations, same numbers.

What makes it fast: the state, the input and a constant one stand in one array laid out
(T + 1, D + 1 + H, B), so that with one matrix [W_xh | b_h | W_hh] a step is one product and one
activation written straight into the next state; every buffer is made once for a size of batch;
parameters and gradients are each one flat vector, which the optimiser updates in a few calls.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from forecaster.model.activations import Activation, Array
from forecaster.model.cell import LossOn, Params
from forecaster.model.losses import SQUARED, Loss


@dataclass(frozen=True, eq=False)
class Weights:
    """All parameters, or all their derivatives, in one flat vector."""

    flat: Array  # (H (D + 1 + H) + O (1 + H),)
    hidden: Array  # (H, D + 1 + H) = [W_xh | b_h | W_hh], a view of flat
    output: Array  # (O, 1 + H) = [b_y | W_hy], a view of flat

    @property
    def params(self) -> dict[str, Array]:
        """The five arrays of `cell`, as views."""
        inputs = self.hidden.shape[1] - self.hidden.shape[0] - 1
        return {
            "W_xh": self.hidden[:, :inputs],
            "W_hh": self.hidden[:, inputs + 1 :],
            "b_h": self.hidden[:, inputs],
            "W_hy": self.output[:, 1:],
            "b_y": self.output[:, 0],
        }


def empty_weights(input_size: int, hidden_size: int, output_size: int, dtype: DTypeLike) -> Weights:
    """Room for the weights of a network of these sizes."""
    split = hidden_size * (input_size + 1 + hidden_size)
    flat = np.empty(split + output_size * (1 + hidden_size), dtype=dtype)
    return Weights(
        flat=flat,
        hidden=flat[:split].reshape(hidden_size, -1),
        output=flat[split:].reshape(output_size, -1),
    )


def pack(params: Params) -> Weights:
    """The parameters, copied into one flat vector of the same dtype."""
    hidden_size, input_size = params["W_xh"].shape
    weights = empty_weights(input_size, hidden_size, len(params["b_y"]), params["W_hh"].dtype)
    for name, view in weights.params.items():
        view[...] = params[name]
    return weights


class Unrolled:
    """The network unrolled over T steps for B windows at a time, and its gradient.

    Args:
        weights: read at each call; whoever holds them may change them in between.
        activation: f.
        steps: T.
        batch: B.
        loss_on: "last" or "all".
        loss: what an error costs.
    """

    def __init__(
        self,
        weights: Weights,
        activation: Activation,
        steps: int,
        batch: int,
        loss_on: LossOn,
        loss: Loss = SQUARED,
    ) -> None:
        hidden, width = weights.hidden.shape
        inputs = width - hidden - 1
        outputs, dtype = len(weights.output), weights.flat.dtype
        counted = steps if loss_on == "all" else 1  # S, the steps whose error counts
        self.weights, self.activation, self._loss = weights, activation, loss
        self.gradient = empty_weights(inputs, hidden, outputs, dtype)

        self._states = np.zeros((steps + 1, width, batch), dtype=dtype)  # [x_t; 1; a_{t-1}]
        self._states[:, inputs] = 1.0
        self._inputs = self._states[:-1, :inputs]  # (T, D, B)
        self._a = self._states[1:, inputs + 1 :]  # (T, H, B)
        # Where the output suffices for the slope, z stands where a will: f is applied in place.
        self._z = np.empty((steps, hidden, batch), dtype) if activation.needs_input else self._a
        self._read = self._states[steps + 1 - counted :, inputs:]  # (S, 1 + H, B) = [1; a_t]
        self._error = np.empty((counted, outputs, batch), dtype=dtype)
        self._terms = counted * batch  # in the mean of the loss
        # Views are made once: at these sizes making one costs as much as a product.
        self._forward_steps = list(zip(self._states[:-1], self._z, self._a, strict=True))
        self._ready = False  # for a gradient; who only wants losses needs no room for one

    def _make_ready(self) -> None:
        steps, hidden, batch = self._z.shape
        dtype, counted = self._z.dtype, len(self._error)
        self._dz = np.empty((steps, hidden, batch), dtype=dtype)
        self._da = np.empty((hidden, batch), dtype=dtype)
        self._da_outputs = np.empty((counted, hidden, batch), dtype=dtype)
        self._w_hh_transposed = np.empty((hidden, hidden), dtype=dtype)
        params = self.weights.params
        self._w_hh, self._w_hy = params["W_hh"], params["W_hy"]  # views: they follow the weights
        self._products = np.empty((steps, *self.weights.hidden.shape), dtype=dtype)
        below = [*self._da_outputs[:-1]] if counted > 1 else [None] * (steps - 1)
        self._backward_steps = list(zip(self._dz[1:], below, self._dz[:-1], strict=True))[::-1]
        self._ready = True

    def outputs(self, x: Array) -> Array:
        """Equations (1) to (3): x (B, T, D) to the outputs that count, (S, O, B), a buffer."""
        np.copyto(self._inputs, x.transpose(1, 2, 0))
        # ndarray.dot makes the same BLAS call as np.matmul and starts it half a microsecond sooner.
        product, value = self.weights.hidden.dot, self.activation.value
        for state, z, a in self._forward_steps:
            product(state, z)  # (H, B), (1)
            value(z, a)  # (2)
        return np.matmul(self.weights.output, self._read, out=self._error)  # (3)

    def loss(self, x: Array, y: Array) -> float:
        """The loss (4) of x (B, T, D) and y (B, O) for "last", (B, T, O) for "all"."""
        error = self.outputs(x)
        error -= y.reshape(len(y), len(error), -1).transpose(1, 2, 0)  # (S, O, B)
        return self._loss.total(error) / self._terms

    def loss_and_gradient(self, x: Array, y: Array) -> float:
        """The loss; its gradient is then in `gradient`, overwritten by the next call."""
        if not self._ready:
            self._make_ready()
        loss = self.loss(x, y)
        self._loss.slope(self._error, 1.0 / self._terms)  # now dy
        self._backpropagate()
        _sum_of_products(self._dz, self._states[:-1], self._products, self.gradient.hidden)  # (7)
        _sum_of_products(self._error, self._read, None, self.gradient.output)  # (8)
        return loss

    def _backpropagate(self) -> None:
        """Equations (5) and (6), from dy in `_error` to `_dz`."""
        da, product, multiply = self._da, self._w_hh_transposed.dot, np.multiply
        self.activation.slope(self._z, self._dz)  # (T, H, B), f' of (6); the loop multiplies da in
        np.matmul(self._w_hy.T, self._error, out=self._da_outputs)  # (S, H, B)
        np.copyto(self._w_hh_transposed, self._w_hh.T)
        self._dz[-1] *= self._da_outputs[-1]
        for dz_above, da_outputs, dz in self._backward_steps:
            product(dz_above, da)  # (H, B), (5)
            if da_outputs is not None:
                da += da_outputs
            multiply(dz, da, dz)  # (6)


def _sum_of_products(left: Array, right: Array, products: Array | None, out: Array) -> None:
    """Write sum_t left_t right_t' into `out`: (T, H, B), (T, K, B) to (H, K)."""
    if left.shape[2] == 1:
        np.matmul(left[:, :, 0].T, right[:, :, 0], out=out)
    else:
        each = np.matmul(left, right.transpose(0, 2, 1), out=products)  # (T, H, K)
        # One row of ones times (T, HK): the sum over t at the speed of a product.
        np.dot(np.ones(len(each), each.dtype), each.reshape(len(each), -1), out=out.reshape(-1))
