"""The fast network gives the numbers of the readable one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model import ACTIVATIONS, Activation, forward, init_params, loss_and_gradients
from forecaster.model.unrolled import Unrolled, pack

LATE_TANH = Activation(
    "late_tanh",
    lambda z, out: np.tanh(z, out=out),
    lambda z, out: np.copyto(out, 1.0 - np.tanh(z) ** 2),
    needs_input=True,
)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 6)] * 5),
    activation=st.sampled_from([*ACTIVATIONS.values(), LATE_TANH]),
    loss_on=st.sampled_from(["last", "all"]),
    seed=st.integers(0, 1000),
)
def test_loss_outputs_and_gradient_equal_the_readable_cell(sizes, activation, loss_on, seed):
    """To 1e-12 in float64, for any sizes, and again when the buffers are used a second time."""
    batch, steps, inputs, hidden, outputs = sizes
    rng = np.random.default_rng(seed)
    params = init_params(rng, input_size=inputs, hidden_size=hidden, output_size=outputs)
    params = {
        name: value + 0.1 * rng.standard_normal(value.shape) for name, value in params.items()
    }
    fast = Unrolled(pack(params), activation, steps, batch, loss_on)
    for _ in range(2):
        x = rng.standard_normal((batch, steps, inputs))
        y = rng.standard_normal((batch, steps, outputs))
        y = y[:, -1] if loss_on == "last" else y
        loss, grads = loss_and_gradients(params, x, y, activation, loss_on)
        assert fast.loss_and_gradient(x, y) == pytest.approx(loss, rel=1e-12)
        for name, gradient in fast.gradient.params.items():
            np.testing.assert_allclose(gradient, grads[name], rtol=1e-12, atol=1e-12)
        y_hat, _ = forward(params, x, activation)
        np.testing.assert_allclose(
            fast.outputs(x).transpose(2, 0, 1), y_hat[:, -len(fast.outputs(x)) :], atol=1e-12
        )


def test_packed_parameters_are_one_vector_seen_as_five_arrays():
    """What is written through the vector is read through the arrays, and the other way round."""
    params = init_params(np.random.default_rng(0), input_size=2, hidden_size=3, output_size=4)
    weights = pack(params)
    assert weights.flat.size == sum(value.size for value in params.values())
    assert all(np.array_equal(weights.params[name], params[name]) for name in params)
    weights.flat[...] += 1.0
    assert all(np.array_equal(weights.params[name], params[name] + 1.0) for name in params)


def test_float32_stays_float32():
    """No operation on the way widens the numbers."""
    params = init_params(np.random.default_rng(0), 2, 3, 4, np.float32)
    fast = Unrolled(pack(params), ACTIVATIONS["sigmoid"], 5, 6, "all")
    fast.loss_and_gradient(np.ones((6, 5, 2), np.float32), np.ones((6, 5, 4), np.float32))
    assert fast.gradient.flat.dtype == np.float32
    assert fast.outputs(np.ones((6, 5, 2), np.float32)).dtype == np.float32
