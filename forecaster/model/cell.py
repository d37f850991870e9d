"""The Elman network: forward pass and backpropagation through time, written to be read.

    z_t = W_xh x_t + W_hh a_{t-1} + b_h        (1)   a_0 = 0
    a_t = f(z_t)                               (2)
    y_t = W_hy a_t + b_y                       (3)
    L   = mean over the batch of |y_T - y|^2   (4)   or over batch and steps of |y_t - y_t*|^2,
                                                     or of another cost of `losses`

The equations of Elman (1990), "Finding Structure in Time"; the gradient is that of Werbos (1990),
"Backpropagation Through Time: What It Does and How to Do It", through all T steps. With
dv standing for dL/dv, and from the last step back to the first:

    da_t = W_hy' dy_t + W_hh' dz_{t+1}         (5)   dz_{T+1} = 0
    dz_t = f'(z_t) * da_t                      (6)   element by element
    dW_xh = sum_t dz_t x_t'       dW_hh = sum_t dz_t a_{t-1}'      db_h = sum_t dz_t      (7)
    dW_hy = sum_t dy_t a_t'       db_y = sum_t dy_t                                       (8)

Sizes: B windows in a batch, T steps, D inputs, H hidden units, O outputs. `unrolled` computes the
same thing faster and is tested equal to this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from forecaster.model.activations import Activation, Array, get_activation
from forecaster.model.losses import SQUARED, Loss

LossOn = Literal["last", "all"]
Params = Mapping[str, Array]


def init_params(
    rng: np.random.Generator,
    input_size: int,
    hidden_size: int,
    output_size: int,
    dtype: DTypeLike = np.float64,
    *,
    gain: float = 1.0,
    zero_output: bool = False,
) -> dict[str, Array]:
    """Weights to start from.

    W_xh and W_hy are uniform with the variance 2 / (fan in + fan out) of Glorot and Bengio (2010),
    W_xh times the activation's `gain`; W_hh is a random orthogonal matrix (Saxe et al. 2014), which
    neither shrinks nor grows a state over many steps; biases are zero. W_hh is not multiplied by
    the gain: where |f(z)| <= |z| a state then grows by no more than each step's input adds, while
    the gain of relu, applied 50 times over, can make it thousands of times as large.

    Args:
        rng: where the randomness comes from. Float32 weights are the rounded float64 ones.
        input_size: D.
        hidden_size: H.
        output_size: O.
        dtype: float32 or float64.
        gain: `Activation.gain`, for W_xh.
        zero_output: W_hy = 0, so that every output starts at 0.

    Returns:
        W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
    """
    orthogonal, triangle = np.linalg.qr(rng.standard_normal((hidden_size, hidden_size)))
    # Without the signs the factorisation favours some rotations (Mezzadri 2007).
    orthogonal *= np.sign(np.diagonal(triangle))
    params = {
        "W_xh": gain * _glorot(rng, hidden_size, input_size),
        "W_hh": orthogonal,
        "b_h": np.zeros(hidden_size),
        "W_hy": (0.0 if zero_output else 1.0) * _glorot(rng, output_size, hidden_size),
        "b_y": np.zeros(output_size),
    }
    return {name: value.astype(dtype) for name, value in params.items()}


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> Array:
    limit = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


@dataclass(frozen=True, eq=False)
class Tape:
    """What the forward pass leaves for the backward pass."""

    x: Array  # (B, T, D)
    z: Array  # (B, T, H)
    a: Array  # (B, T + 1, H), a[:, t + 1] is the state after step t, a[:, 0] = 0
    activation: Activation


def forward(
    params: Params, x: ArrayLike, activation: str | Activation = "tanh"
) -> tuple[Array, Tape]:
    """Equations (1) to (3), in the dtype of the parameters.

    Args:
        params: W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
        x: inputs (B, T, D).
        activation: a name in ACTIVATIONS, or an Activation.

    Returns:
        y_hat (B, T, O), and the tape for `backward`.

    Raises:
        ValueError: a wrong shape or an unknown activation.
    """
    f = get_activation(activation)
    x = np.asarray(x)
    check_shapes(params, x)
    x = x.astype(params["W_hh"].dtype, copy=False)
    batch, steps, _ = x.shape
    z = x @ params["W_xh"].T + params["b_h"]  # (B, T, H), equation (1) but for the recurrence
    a = np.zeros((batch, steps + 1, z.shape[2]), dtype=z.dtype)
    for t in range(steps):
        z[:, t] += a[:, t] @ params["W_hh"].T  # (B, H)
        f.value(z[:, t], a[:, t + 1])  # (2)
    y_hat = a[:, 1:] @ params["W_hy"].T + params["b_y"]  # (3)
    return y_hat, Tape(x, z, a, f)


def backward(params: Params, tape: Tape, dy: Array) -> dict[str, Array]:
    """Equations (5) to (8): the exact gradient, through all T steps, unclipped.

    Args:
        params: the parameters that `forward` had.
        tape: what `forward` returned.
        dy: derivative of the loss by each output, (B, T, O).

    Returns:
        The derivative of the loss by each parameter, same names and shapes.
    """
    dz = np.empty_like(tape.z)  # (B, T, H)
    tape.activation.slope(tape.z if tape.activation.needs_input else tape.a[:, 1:], dz)
    da = dy @ params["W_hy"]  # (B, T, H), the output's part of (5)
    for t in reversed(range(dz.shape[1])):
        dz[:, t] *= da[:, t]  # (6)
        if t > 0:
            da[:, t - 1] += dz[:, t] @ params["W_hh"]  # the recurrent part of (5)
    return {
        "W_xh": np.tensordot(dz, tape.x, axes=((0, 1), (0, 1))),  # (7)
        "W_hh": np.tensordot(dz, tape.a[:, :-1], axes=((0, 1), (0, 1))),
        "b_h": dz.sum(axis=(0, 1)),
        "W_hy": np.tensordot(dy, tape.a[:, 1:], axes=((0, 1), (0, 1))),  # (8)
        "b_y": dy.sum(axis=(0, 1)),
    }


def loss_and_gradients(
    params: Params,
    x: ArrayLike,
    y: ArrayLike,
    activation: str | Activation = "tanh",
    loss_on: LossOn = "last",
    *,
    loss: Loss = SQUARED,
) -> tuple[float, dict[str, Array]]:
    """The loss (4) and its exact gradient.

    Args:
        params: W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
        x: inputs (B, T, D).
        y: targets, (B, O) for "last", (B, T, O) for "all".
        activation: a name in ACTIVATIONS, or an Activation.
        loss_on: "last", the error of the last step counts; "all", that of every step.
        loss: what an error costs.

    Returns:
        The mean over the batch (and the steps, for "all") of the squared error, or other cost,
        summed over the outputs; and its derivative by each parameter, same names and shapes as
        `params`.

    Raises:
        ValueError: a wrong shape or an unknown name.
    """
    y_hat, tape = forward(params, x, activation)
    counted = _counted_outputs(y_hat, loss_on)  # (B, O) or (B, T, O), a view of y_hat
    y = np.asarray(y, dtype=y_hat.dtype)
    if y.shape != counted.shape:
        raise ValueError(f"y has shape {y.shape}: loss_on={loss_on!r} needs {counted.shape}")
    error = counted - y
    terms = error.size // error.shape[-1]  # B, or B T
    cost = loss.total(error[..., np.newaxis]) / terms
    loss.slope(error[..., np.newaxis], 1.0 / terms)  # the error is now its slope
    dy = np.zeros_like(y_hat)
    _counted_outputs(dy, loss_on)[...] = error
    return cost, backward(params, tape, dy)


def _counted_outputs(outputs: Array, loss_on: LossOn) -> Array:
    if loss_on == "last":
        return outputs[:, -1]
    if loss_on == "all":
        return outputs
    raise ValueError(f"loss_on is {loss_on!r}: use 'last' or 'all'")


def check_shapes(params: Params, x: Array) -> None:
    """Refuse parameters and inputs that do not fit together.

    Raises:
        ValueError: naming the first array that is missing or has a wrong shape or type.
    """
    missing = [name for name in ("W_xh", "W_hh", "b_h", "W_hy", "b_y") if name not in params]
    if missing:
        raise ValueError(f"params lack {', '.join(missing)}")
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(
            f"x has shape {x.shape}: it must be (batch, steps, inputs), none of them 0"
        )
    dtype = params["W_hh"].dtype
    if dtype.kind != "f":  # whole numbers would round the inputs
        raise ValueError(f"W_hh is of type {dtype}: weights must be float32 or float64")
    hidden, outputs = params["b_h"].size, params["b_y"].size
    expected = {
        "b_h": (hidden,),
        "b_y": (outputs,),
        "W_hh": (hidden, hidden),
        "W_xh": (hidden, x.shape[2]),
        "W_hy": (outputs, hidden),
    }
    for name, shape in expected.items():
        if params[name].shape != shape:
            raise ValueError(f"{name} has shape {params[name].shape}: here it must be {shape}")
