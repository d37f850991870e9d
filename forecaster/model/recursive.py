"""Several steps ahead with one output: each output is fed back as the next input."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from forecaster.model.activations import Activation, Array
from forecaster.model.cell import Params, forward

Feedback = Callable[[Array, Array], Array]


def roll_out(
    params: Params,
    x: ArrayLike,
    steps: int,
    activation: str | Activation = "tanh",
    feedback: Feedback = lambda _, output: output,
) -> Array:
    """Go on after the last input: the state is kept, and what the network says is its next input.

    With a_T the state and x_T the input after which `forward` stops, and k = 1 .. steps - 1:

        x_{T+k} = feedback(x_{T+k-1}, y_{T+k-1})
        a_{T+k} = f(W_xh x_{T+k} + W_hh a_{T+k-1} + b_h)      y_{T+k} = W_hy a_{T+k} + b_y

    Args:
        params: W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,).
        x: inputs (B, T, D).
        steps: how many outputs, at least 1.
        activation: a name in ACTIVATIONS, or an Activation.
        feedback: makes the next input (B, D) of the last input (B, D) and its output (B, O); by
            default the output is the input, for which O has to be D.

    Returns:
        y_T .. y_{T + steps - 1}, (B, steps, O).

    Raises:
        ValueError: no step, a wrong shape or an unknown activation.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}: it must be at least 1")
    y_hat, tape = forward(params, x, activation)
    given, state, said = tape.x[:, -1], tape.a[:, -1], y_hat[:, -1]
    outputs = [said]
    for _ in range(steps - 1):
        given = feedback(given, said)  # (B, D)
        if given.shape != tape.x[:, -1].shape:
            raise ValueError(f"feedback made inputs {given.shape} of {tape.x[:, -1].shape}")
        z = given @ params["W_xh"].T + state @ params["W_hh"].T + params["b_h"]  # (B, H)
        state = np.empty_like(z)
        tape.activation.value(z, state)
        said = state @ params["W_hy"].T + params["b_y"]  # (B, O)
        outputs.append(said)
    return np.stack(outputs, axis=1)
