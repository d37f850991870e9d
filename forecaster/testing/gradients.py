"""A numerical check of gradients."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from forecaster.model.activations import Activation, Array
from forecaster.model.cell import LossOn, loss_and_gradients
from forecaster.model.losses import SQUARED, Loss

EPSILON = 1e-6
SMALLEST_SHARE = 1e-3  # below this share of the largest derivative, rounding would be compared


def check_gradients(
    params: Mapping[str, Array],
    x: ArrayLike,
    y: ArrayLike,
    activation: str | Activation = "tanh",
    loss_on: LossOn = "last",
    *,
    loss: Loss = SQUARED,
    gradients: Mapping[str, Array] | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Compare every derivative with a central difference, in float64.

    The error of an array is the largest difference in it, relative to the largest derivative in
    it (or to a thousandth of the largest in any array, where that is more). What the rounding of
    the loss alone can make of a difference is never held against it.

    Args:
        params: the five arrays of the network; not changed.
        x: inputs (B, T, D).
        y: targets, (B, O) for "last", (B, T, O) for "all".
        activation: a name or an Activation.
        loss_on: "last" or "all".
        loss: what an error costs.
        gradients: what to check; by default what `loss_and_gradients` gives.
        tolerance: largest relative error; float64 reaches about 1e-8.

    Raises:
        AssertionError: naming the array that is wrong, where, and by how much.
    """
    params = {name: np.array(value, dtype=np.float64) for name, value in params.items()}
    if gradients is None:
        _, gradients = loss_and_gradients(params, x, y, activation, loss_on, loss=loss)

    def cost(moved: Mapping[str, Array]) -> float:
        return loss_and_gradients(moved, x, y, activation, loss_on, loss=loss)[0]

    numeric = {name: _central_differences(cost, params, name) for name in params}
    rounding = 4.0 * float(np.finfo(np.float64).eps) * abs(cost(params)) / EPSILON
    overall = max(float(np.abs(value).max()) for value in numeric.values())
    for name, expected in numeric.items():
        given = np.asarray(gradients[name])
        if given.shape != expected.shape:
            raise AssertionError(f"{name}: gradient {given.shape} for a {expected.shape} array")
        difference = np.abs(given - expected)
        worst = np.unravel_index(np.argmax(difference), difference.shape)
        scale = max(float(np.abs(expected).max()), SMALLEST_SHARE * overall, EPSILON)
        scale = max(scale, rounding / tolerance)
        if not difference[worst] / scale <= tolerance:  # a NaN fails too
            place = [int(i) for i in worst]
            raise AssertionError(
                f"{name}{place}: gradient {given[worst]:.9g}, central difference "
                f"{expected[worst]:.9g}, relative error {difference[worst] / scale:.2g}"
            )


def _central_differences(
    cost: Callable[[Mapping[str, Array]], float], params: Mapping[str, Array], name: str
) -> Array:
    """(L(w + epsilon) - L(w - epsilon)) / (2 epsilon) for each element w of one array."""
    numeric = np.empty_like(params[name])
    moved = {**params, name: params[name].copy()}
    for place, value in np.ndenumerate(params[name]):
        moved[name][place] = value + EPSILON
        above = cost(moved)
        moved[name][place] = value - EPSILON
        numeric[place] = (above - cost(moved)) / (2.0 * EPSILON)
        moved[name][place] = value
    return numeric
