"""The gradient is the gradient: against central differences, PyTorch and paper."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecaster.hooks import build_registry
from forecaster.model import ACTIVATIONS, forward, init_params, loss_and_gradients
from forecaster.model.fit import Recipe, Samples, fit
from forecaster.model.optimisers import SGD
from forecaster.model.unrolled import Unrolled, pack
from forecaster.testing import check_gradients

REGISTERED = [
    each.value for each in build_registry(only=["forecaster"]).provided("activation").values()
]
# At a kink there is no derivative to compare with. All that are registered have theirs at z = 0,
# and a difference, which moves one parameter by 1e-6, moves no pre-activation of these sizes by a
# thousandth. A case in which one is nearer to 0 than that, a few in a hundred, is not counted:
# hypothesis draws another.
MARGIN = 1e-3

CASES = {
    "batch": st.integers(1, 4),
    "steps": st.integers(1, 8),
    "inputs": st.integers(1, 4),
    "hidden": st.integers(1, 5),
    "outputs": st.integers(1, 4),
    "activation": st.sampled_from(REGISTERED),
    "loss_on": st.sampled_from(["last", "all"]),
    "seed": st.integers(0, 2**32 - 1),
}


def _drawn(batch, steps, inputs, hidden, outputs, activation, loss_on, seed):
    """Parameters as a training starts with, a little off; inputs and targets at random."""
    rng = np.random.default_rng(seed)
    params = init_params(rng, inputs, hidden, outputs, gain=activation.gain)
    params = {name: each + 0.1 * rng.standard_normal(each.shape) for name, each in params.items()}
    x = rng.standard_normal((batch, steps, inputs))
    y = rng.standard_normal((batch, steps, outputs))
    return params, x, y[:, -1] if loss_on == "last" else y


def _is_off_kinks(case):
    """Say whether no pre-activation is so near 0 that a difference could cross it."""
    params, x, _ = _drawn(**case)
    return np.abs(forward(params, x, case["activation"])[1].z).min() > MARGIN


def check_exact(case):
    """Compare both networks' gradients with central differences, to 1e-6 of the largest."""
    activation, loss_on = case["activation"], case["loss_on"]
    params, x, y = _drawn(**case)
    loss, grads = loss_and_gradients(params, x, y, activation, loss_on)
    check_gradients(params, x, y, activation, loss_on, gradients=grads, tolerance=1e-6)
    fast = Unrolled(pack(params), activation, case["steps"], case["batch"], loss_on)
    assert fast.loss_and_gradient(x, y) == pytest.approx(loss, rel=1e-12)
    for name, gradient in fast.gradient.params.items():
        np.testing.assert_allclose(gradient, grads[name], rtol=1e-10, atol=1e-12)


@settings(max_examples=400, deadline=None)
@given(case=st.fixed_dictionaries(CASES))
def test_gradients_are_central_differences(case):
    """All five, for any sizes, every registered activation and both losses; fast and readable."""
    assume(_is_off_kinks(case))
    check_exact(case)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(case=st.fixed_dictionaries(CASES))
def test_gradients_are_central_differences_very_often(case):
    """The same with many more examples."""
    assume(_is_off_kinks(case))
    check_exact(case)


@pytest.mark.parametrize("activation", REGISTERED, ids=lambda each: each.name)
@pytest.mark.parametrize("loss_on", ["last", "all"])
@pytest.mark.parametrize(("steps", "hidden"), [(1, 1), (12, 3), (3, 12)])
def test_gradients_of_every_activation(activation, loss_on, steps, hidden):
    """None is left to chance: each with one step and unit, with T > H and with T < H."""
    cases = (_case(activation, loss_on, steps, hidden, seed) for seed in range(100))
    check_exact(next(case for case in cases if _is_off_kinks(case)))


def _case(activation, loss_on, steps, hidden, seed):
    return {
        "batch": 2, "steps": steps, "inputs": 2, "hidden": hidden, "outputs": 3,
        "activation": activation, "loss_on": loss_on, "seed": seed,
    }  # fmt: skip


def test_the_comparison_finds_what_is_wrong():
    """A slope that is a thousandth off makes the comparison fail."""
    case = _case(ACTIVATIONS["tanh"], "last", 5, 4, 0)
    check_exact(case)

    def slope(a, out):
        np.multiply(1.001, 1.0 - a * a, out=out)

    wrong = type(ACTIVATIONS["tanh"])("wrong", ACTIVATIONS["tanh"].value, slope)
    with pytest.raises(AssertionError, match="central difference"):
        check_exact(case | {"activation": wrong})


@pytest.fixture(scope="module")
def torch():
    """PyTorch, where it is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, on import
        module = pytest.importorskip(
            "torch", reason="PyTorch is not installed: pip install 'forecaster[bench]'"
        )
    module.set_num_threads(1)
    return module


def _by_torch(torch, params, x, y, nonlinearity, loss_on):
    """y_hat, the loss and the gradients of torch.nn.RNN and Linear with the same weights."""
    hidden, inputs = params["W_xh"].shape
    rnn = torch.nn.RNN(
        inputs, hidden, nonlinearity=nonlinearity, batch_first=True, dtype=torch.float64
    )
    linear = torch.nn.Linear(hidden, len(params["b_y"]), dtype=torch.float64)
    weights = {
        "W_xh": rnn.weight_ih_l0, "W_hh": rnn.weight_hh_l0, "b_h": rnn.bias_ih_l0,
        "W_hy": linear.weight, "b_y": linear.bias,
    }  # fmt: skip
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()  # it has two biases where one does
        for name, weight in weights.items():
            weight.copy_(torch.from_numpy(params[name]))
    y_hat = linear(rnn(torch.from_numpy(x))[0])
    counted = y_hat[:, -1] if loss_on == "last" else y_hat
    loss = ((counted - torch.from_numpy(y)) ** 2).sum(dim=-1).mean()
    loss.backward()
    grads = {name: weight.grad.numpy() for name, weight in weights.items()}
    return y_hat.detach().numpy(), loss.item(), grads


@pytest.mark.parametrize("name", ["tanh", "relu"])
@pytest.mark.parametrize("loss_on", ["last", "all"])
@pytest.mark.parametrize(
    ("batch", "steps", "inputs", "hidden", "outputs"),
    [(1, 1, 1, 1, 1), (7, 20, 3, 5, 4), (5, 4, 2, 30, 1), (32, 50, 1, 50, 5)],
)
def test_pytorch_agrees(torch, name, loss_on, batch, steps, inputs, hidden, outputs):
    """Outputs, loss and all five gradients equal those of torch.nn.RNN and Linear to 1e-10."""
    activation = ACTIVATIONS[name]
    params, x, y = _drawn(batch, steps, inputs, hidden, outputs, activation, loss_on, seed=1)
    # Smaller recurrent weights: relu multiplies errors of rounding by W_hh at each of 50 steps.
    params["W_hh"] *= 0.9
    y_hat, _ = forward(params, x, activation)
    loss, grads = loss_and_gradients(params, x, y, activation, loss_on)
    expected, expected_loss, expected_grads = _by_torch(torch, params, x, y, name, loss_on)
    np.testing.assert_allclose(y_hat, expected, rtol=1e-10, atol=1e-10)
    assert loss == pytest.approx(expected_loss, rel=1e-10)
    fast = Unrolled(pack(params), activation, steps, batch, loss_on)
    fast.loss_and_gradient(x, y)
    for key, gradient in expected_grads.items():
        np.testing.assert_allclose(grads[key], gradient, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(fast.gradient.params[key], gradient, rtol=1e-10, atol=1e-10)


# One training step worked by hand. One input, one unit, one output, two steps, and
# f(z) = z / (1 + |z|), whose values and slopes f' = (1 - |a|)^2 are fractions:
#
#   W_xh = 1   W_hh = 2   b_h = 0   W_hy = 4   b_y = -1      x = 1, 2      y* = 1
#
# Forward, (1) to (3):
#   z1 = 1 * 1 + 2 * 0   + 0 = 1      a1 = 1 / 2      f'(z1) = (1 / 2)^2 = 1 / 4
#   z2 = 1 * 2 + 2 * 1/2 + 0 = 3      a2 = 3 / 4      f'(z2) = (1 / 4)^2 = 1 / 16
#   y2 = 4 * 3/4 - 1 = 2              L = (2 - 1)^2 = 1
# Backward, (5) and (6), with dy2 = 2 (y2 - y*) = 2:
#   da2 = 4 * 2   = 8                 dz2 = 8 / 16 = 1 / 2
#   da1 = 2 * 1/2 = 1                 dz1 = 1 / 4
# Gradients, (7) and (8):
#   dW_xh = dz1 x1 + dz2 x2 = 1/4 * 1 + 1/2 * 2  = 5 / 4
#   dW_hh = dz1 a0 + dz2 a1 = 1/4 * 0 + 1/2 * 1/2 = 1 / 4
#   db_h  = dz1 + dz2 = 3 / 4
#   dW_hy = dy2 a2 = 3 / 2            db_y = dy2 = 2
# The step of gradient descent at a learning rate of 1/8:
#   W_xh = 1 - 5/32 = 27/32     W_hh = 2 - 1/32 = 63/32     b_h = 0 - 3/32 = -3/32
#   W_hy = 4 - 3/16 = 61/16     b_y = -1 - 1/4 = -5/4
BEFORE = {"W_xh": [[1.0]], "W_hh": [[2.0]], "b_h": [0.0], "W_hy": [[4.0]], "b_y": [-1.0]}
GRADIENT = {"W_xh": 5 / 4, "W_hh": 1 / 4, "b_h": 3 / 4, "W_hy": 3 / 2, "b_y": 2.0}
AFTER = {"W_xh": 27 / 32, "W_hh": 63 / 32, "b_h": -3 / 32, "W_hy": 61 / 16, "b_y": -5 / 4}
X, Y = np.array([[[1.0], [2.0]]]), np.array([[1.0]])


def _before():
    return {name: np.array(value) for name, value in BEFORE.items()}


def _numbers(params):
    return {name: value.item() for name, value in params.items()}


def test_one_training_step_by_hand():
    """States, output, loss, gradient and the weights after the step, as above, to the last bit."""
    softsign = ACTIVATIONS["softsign"]
    y_hat, tape = forward(_before(), X, softsign)
    assert tape.z.ravel().tolist() == [1.0, 3.0]
    assert tape.a.ravel().tolist() == [0.0, 0.5, 0.75]
    assert y_hat.ravel().tolist() == [1.0, 2.0]
    loss, grads = loss_and_gradients(_before(), X, Y, softsign)
    assert loss == 1.0
    assert _numbers(grads) == GRADIENT
    for name, weights in (before := _before()).items():
        SGD(0.125).step(weights.reshape(-1), grads[name].reshape(-1))
        assert before[name].item() == AFTER[name]


def test_the_same_step_by_what_training_runs():
    """The fast network and a training of one epoch with one window come to the same numbers."""
    softsign = ACTIVATIONS["softsign"]
    fast = Unrolled(pack(_before()), softsign, steps=2, batch=1, loss_on="last")
    assert fast.loss_and_gradient(X, Y) == 1.0
    assert _numbers(fast.gradient.params) == GRADIENT
    SGD(0.125).step(fast.weights.flat, fast.gradient.flat)
    assert _numbers(fast.weights.params) == AFTER
    recipe = Recipe("sgd", 0.125, batch_size=1, epochs=1, patience=1, clip_norm=0.0)
    rng = np.random.default_rng(0)
    fitted = fit(_before(), Samples(X, Y), None, recipe, activation=softsign, rng=rng)
    assert _numbers(fitted.params) == AFTER
