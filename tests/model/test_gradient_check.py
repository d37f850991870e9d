"""The gradient check is itself checked: it has to fail where a gradient is wrong."""

import numpy as np
import pytest

from forecaster.model import backward, forward, init_params, loss_and_gradients
from forecaster.testing import check_gradients

NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")


@pytest.fixture
def case():
    """A network with T = 7, and its exact gradients."""
    rng = np.random.default_rng(3)
    params = init_params(rng, input_size=2, hidden_size=5, output_size=3)
    x, y = rng.standard_normal((4, 7, 2)), rng.standard_normal((4, 3))
    return params, x, y, loss_and_gradients(params, x, y)[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_a_thousandth_off_is_found_and_named(case, name):
    """0.1 % in any one array is enough."""
    params, x, y, grads = case
    with pytest.raises(AssertionError, match=rf"^{name}\["):
        check_gradients(params, x, y, gradients=grads | {name: grads[name] * 1.001})


@pytest.mark.parametrize("name", NAMES)
def test_one_wrong_element_is_found(case, name):
    """So is a single element, and the place is told."""
    params, x, y, grads = case
    wrong = grads[name].copy()
    place = np.unravel_index(np.argmax(np.abs(wrong)), wrong.shape)
    wrong[place] *= 1.001
    with pytest.raises(AssertionError) as caught:
        check_gradients(params, x, y, gradients=grads | {name: wrong})
    assert f"{name}{[int(i) for i in place]}" in str(caught.value)


@pytest.mark.parametrize("reached", [1, 3, 6])
def test_backpropagation_that_stops_early_is_found(case, reached):
    """Going back only `reached` of the seven steps gives another gradient."""
    params, x, y, grads = case
    _, tape = forward(params, x)
    dz = np.zeros_like(tape.z)
    error = 2.0 / len(x) * (tape.a[:, -1] @ params["W_hy"].T + params["b_y"] - y)
    da = error @ params["W_hy"]
    for t in range(6, 6 - reached, -1):
        dz[:, t] = (1.0 - tape.a[:, t + 1] ** 2) * da
        da = dz[:, t] @ params["W_hh"]
    stopped = {
        "W_hh": np.tensordot(dz, tape.a[:, :-1], axes=((0, 1), (0, 1))),
        "b_h": dz.sum(axis=(0, 1)),
    }
    with pytest.raises(AssertionError, match=r"W_hh|b_h"):
        check_gradients(params, x, y, gradients=grads | stopped)


def test_a_transposed_recurrence_is_found(case):
    """The article multiplied by W_hh where its transpose belongs."""
    params, x, y, grads = case
    swapped = params | {"W_hh": params["W_hh"].T.copy()}
    _, tape = forward(params, x)
    dy = np.zeros((4, 7, 3))
    dy[:, -1] = 2.0 / 4 * (tape.a[:, -1] @ params["W_hy"].T + params["b_y"] - y)
    assert np.allclose(backward(params, tape, dy)["W_hh"], grads["W_hh"])
    with pytest.raises(AssertionError, match="W_xh"):
        check_gradients(params, x, y, gradients=backward(swapped, tape, dy))


def test_nan_and_wrong_shape_fail(case):
    """A gradient of NaN, or of another shape, never passes."""
    params, x, y, grads = case
    with pytest.raises(AssertionError, match="b_h"):
        check_gradients(params, x, y, gradients=grads | {"b_h": np.full(5, np.nan)})
    with pytest.raises(AssertionError, match="b_h"):
        check_gradients(params, x, y, gradients=grads | {"b_h": grads["b_h"][:, np.newaxis]})


def test_the_parameters_are_left_alone(case):
    """The check moves copies."""
    params, x, y, _ = case
    before = {name: value.copy() for name, value in params.items()}
    check_gradients(params, x, y)
    assert all(np.array_equal(before[name], params[name]) for name in NAMES)
