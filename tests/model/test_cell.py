"""The readable network: shapes, exact gradients, and the article's faults."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model import ACTIVATIONS, Activation, forward, init_params, loss_and_gradients
from forecaster.model.cell import backward
from forecaster.testing import check_gradients

NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")


def _case(*, batch=3, steps=5, inputs=2, hidden=4, outputs=6, loss_on="last", seed=0):
    """Random parameters (biases too), inputs and targets."""
    rng = np.random.default_rng(seed)
    params = init_params(rng, input_size=inputs, hidden_size=hidden, output_size=outputs)
    params = {
        name: value + 0.1 * rng.standard_normal(value.shape) for name, value in params.items()
    }
    x = rng.standard_normal((batch, steps, inputs))
    shape = (batch, outputs) if loss_on == "last" else (batch, steps, outputs)
    return params, x, rng.standard_normal(shape)


def test_init_params_has_the_promised_names_shapes_and_dtype():
    """W_xh (H, D), W_hh (H, H), b_h (H,), W_hy (O, H), b_y (O,), in the dtype asked for."""
    params = init_params(
        np.random.default_rng(0), input_size=2, hidden_size=4, output_size=3, dtype=np.float32
    )
    assert {name: value.shape for name, value in params.items()} == {
        "W_xh": (4, 2), "W_hh": (4, 4), "b_h": (4,), "W_hy": (3, 4), "b_y": (3,),
    }  # fmt: skip
    assert {value.dtype for value in params.values()} == {np.dtype(np.float32)}


def test_init_params_keeps_the_length_of_a_state():
    """W_hh starts orthogonal; biases start at zero."""
    params = init_params(np.random.default_rng(1), input_size=1, hidden_size=7, output_size=1)
    np.testing.assert_allclose(params["W_hh"] @ params["W_hh"].T, np.eye(7), atol=1e-14)
    assert not params["b_h"].any()
    assert not params["b_y"].any()


def test_a_zero_output_start_answers_zero():
    """With zero_output every output is 0, whatever the input."""
    params = init_params(
        np.random.default_rng(0), input_size=1, hidden_size=4, output_size=3, zero_output=True
    )
    y_hat, _ = forward(params, np.random.default_rng(1).standard_normal((2, 5, 1)))
    assert not y_hat.any()


def test_forward_is_the_equations_step_by_step():
    """y_hat and the states equal a recurrence written out for one window."""
    params, x, _ = _case()
    y_hat, tape = forward(params, x)
    assert y_hat.shape == (3, 5, 6)
    state = np.zeros(4)
    for t in range(5):
        state = np.tanh(params["W_xh"] @ x[1, t] + params["W_hh"] @ state + params["b_h"])
        np.testing.assert_allclose(tape.a[1, t + 1], state, atol=1e-14)
        np.testing.assert_allclose(y_hat[1, t], params["W_hy"] @ state + params["b_y"], atol=1e-14)


def test_one_training_step_worked_by_hand():
    """Loss and gradients of a one-unit network over two steps equal those on paper."""
    params = {
        "W_xh": np.array([[0.5]]), "W_hh": np.array([[2.0]]), "b_h": np.array([0.25]),
        "W_hy": np.array([[3.0]]), "b_y": np.array([-1.0]),
    }  # fmt: skip
    x = np.array([[[1.0], [-1.0]]])
    y = np.array([[1.0]])
    # With f(z) = z, steps t = 1, 2:
    #   z1 = 0.5 * 1 + 2 * 0 + 0.25    = 0.75 = a1
    #   z2 = 0.5 * -1 + 2 * 0.75 + 0.25 = 1.25 = a2
    #   y2 = 3 * 1.25 - 1 = 2.75, error 1.75, L = 1.75^2 = 3.0625
    # Backwards:
    #   dy2 = 2 * 1.75 = 3.5
    #   dW_hy = dy2 * a2 = 4.375       db_y = 3.5
    #   dz2 = W_hy dy2 = 10.5          dz1 = W_hh dz2 = 21
    #   dW_xh = dz1 * 1 + dz2 * -1 = 10.5
    #   dW_hh = dz1 * 0 + dz2 * a1 = 7.875
    #   db_h  = dz1 + dz2 = 31.5
    loss, grads = loss_and_gradients(params, x, y, activation="identity")
    assert loss == 3.0625
    assert {name: value.item() for name, value in grads.items()} == {
        "W_xh": 10.5, "W_hh": 7.875, "b_h": 31.5, "W_hy": 4.375, "b_y": 3.5,
    }  # fmt: skip


@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_the_loss_is_the_mean_of_squared_errors_summed_over_outputs(loss_on):
    """Mean over the batch, and the steps for "all"; sum over outputs."""
    params, x, y = _case(loss_on=loss_on)
    y_hat, _ = forward(params, x)
    counted = y_hat[:, -1] if loss_on == "last" else y_hat
    loss, grads = loss_and_gradients(params, x, y, loss_on=loss_on)
    assert loss == pytest.approx(np.mean(np.sum((counted - y) ** 2, axis=-1)), rel=1e-14)
    assert {name: value.shape for name, value in grads.items()} == {
        name: params[name].shape for name in NAMES
    }


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("loss_on", ["last", "all"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"batch": 3, "steps": 5, "inputs": 2, "hidden": 4, "outputs": 6},
        {"batch": 2, "steps": 9, "inputs": 1, "hidden": 5, "outputs": 3},  # T > H
        {"batch": 1, "steps": 3, "inputs": 4, "hidden": 7, "outputs": 2},  # T < H
    ],
)
def test_gradients_are_exact(activation, loss_on, sizes):
    """Every derivative equals its central difference."""
    check_gradients(*_case(**sizes, loss_on=loss_on), activation=activation, loss_on=loss_on)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 5),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    loss_on=st.sampled_from(["last", "all"]),
    seed=st.integers(0, 1000),
)
def test_gradients_are_exact_for_any_sizes(sizes, activation, loss_on, seed):
    """Also where any of B, T, D, H, O is 1."""
    names = ("batch", "steps", "inputs", "hidden", "outputs")
    case = _case(**dict(zip(names, sizes, strict=True)), loss_on=loss_on, seed=seed)
    check_gradients(*case, activation=activation, loss_on=loss_on)


def _softplus(z, out):
    np.logaddexp(0.0, z, out=out)


def _softplus_slope(z, out):
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)


@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_an_activation_whose_slope_needs_the_input_is_exact_too(loss_on):
    """A function of one's own, given as a value, is differentiated at the pre-activation."""
    softplus = Activation("softplus", _softplus, _softplus_slope, needs_input=True)
    check_gradients(*_case(loss_on=loss_on), activation=softplus, loss_on=loss_on)


@pytest.mark.parametrize(("steps", "hidden"), [(9, 3), (3, 9)])
def test_the_gradient_flows_to_the_first_step(steps, hidden):
    """With x zero but for the first step, W_xh still gets a gradient: for T > H and T < H."""
    params, x, y = _case(steps=steps, hidden=hidden)
    x[:, 1:] = 0.0
    _, grads = loss_and_gradients(params, x, y)
    assert np.abs(grads["W_xh"]).max() > 1e-6


def test_the_gradient_depends_on_nothing_random():
    """Computed twice, the same bits."""
    case = _case()
    first, second = (loss_and_gradients(*case)[1] for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in NAMES)


def test_backward_takes_any_derivative_of_the_outputs():
    """`backward` is linear in dy: one step alone gives that step's share."""
    params, x, _ = _case()
    y_hat, tape = forward(params, x)
    dy = np.random.default_rng(5).standard_normal(y_hat.shape)
    whole = backward(params, tape, dy)
    parts = []
    for t in range(dy.shape[1]):
        only = np.zeros_like(dy)
        only[:, t] = dy[:, t]
        parts.append(backward(params, tape, only))
    for name in NAMES:
        np.testing.assert_allclose(whole[name], sum(part[name] for part in parts), atol=1e-12)


def test_float32_parameters_give_float32_gradients():
    """The dtype is that of the parameters."""
    params, x, y = _case()
    params = {name: value.astype(np.float32) for name, value in params.items()}
    y_hat, _ = forward(params, x)
    _, grads = loss_and_gradients(params, x, y)
    assert {y_hat.dtype, *(value.dtype for value in grads.values())} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_xh": np.ones((4, 3))}, "W_xh has shape (4, 3): here it must be (4, 2)"),
        ({"W_hh": np.ones((3, 4))}, "W_hh has shape (3, 4): here it must be (4, 4)"),
        ({"W_hy": np.ones((6, 1))}, "W_hy has shape (6, 1): here it must be (6, 4)"),
        ({"b_h": np.ones((4, 1))}, "b_h has shape (4, 1): here it must be (4,)"),
        ({"b_h": np.float64(0.0)}, "b_h has shape (): here it must be (1,)"),
        (
            {"W_hh": np.eye(4, dtype=int)},
            "W_hh is of type int64: weights must be float32 or float64",
        ),
        ({"x": np.ones((3, 5))}, "x has shape (3, 5): it must be (batch, steps, inputs)"),
        ({"x": np.ones((0, 5, 2))}, "x has shape (0, 5, 2)"),
        ({"y": np.ones((3, 1))}, "y has shape (3, 1): loss_on='last' needs (3, 6)"),
        ({"loss_on": "first"}, "loss_on is 'first': use 'last' or 'all'"),
        ({"activation": "tan"}, "activation 'tan' is unknown: use one of tanh, relu"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, message):
    """A wrong shape or name is a ValueError that says which and what is allowed."""
    params, x, y = _case()
    given = {"x": x, "y": y, "activation": "tanh", "loss_on": "last"}
    given |= {key: value for key, value in change.items() if key in given}
    params |= {key: value for key, value in change.items() if key in NAMES}
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        loss_and_gradients(params, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_missing_parameters_are_named(name):
    """A mapping without one of the five arrays is refused by its name."""
    params, x, y = _case()
    del params[name]
    with pytest.raises(ValueError, match=f"params lack {name}"):
        loss_and_gradients(params, x, y)
