"""Several steps ahead from one output, fed back as the next input."""

from math import exp, tanh

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.model import ACTIVATIONS, Motion, init_params, roll_out, train_network
from forecaster.model.inputs import MinMax, Returns, Window

PARAMS = {
    "W_xh": np.array([[0.5]]),
    "W_hh": np.array([[0.8]]),
    "b_h": np.array([0.1]),
    "W_hy": np.array([[2.0]]),
    "b_y": np.array([-0.3]),
}


def test_three_steps_worked_by_hand():
    """With f the identity, x = (1, 2) and each output the next input.

    a_1 = 0.5 * 1 + 0.1                  = 0.6
    a_2 = 0.5 * 2 + 0.8 * 0.6 + 0.1      = 1.58      y_2 = 2 * 1.58 - 0.3    = 2.86
    a_3 = 0.5 * 2.86 + 0.8 * 1.58 + 0.1  = 2.794     y_3 = 2 * 2.794 - 0.3   = 5.288
    a_4 = 0.5 * 5.288 + 0.8 * 2.794 + 0.1 = 4.9792   y_4 = 2 * 4.9792 - 0.3  = 9.6584
    """
    outputs = roll_out(PARAMS, np.array([[[1.0], [2.0]]]), 3, "identity")
    assert outputs.shape == (1, 3, 1)
    np.testing.assert_allclose(outputs[0, :, 0], [2.86, 5.288, 9.6584], rtol=1e-14)


def test_the_activation_is_applied_after_the_last_input_too():
    """The same with tanh, written out."""
    a1 = tanh(0.5 * 1 + 0.1)
    a2 = tanh(0.5 * 2 + 0.8 * a1 + 0.1)
    y2 = 2 * a2 - 0.3
    a3 = tanh(0.5 * y2 + 0.8 * a2 + 0.1)
    outputs = roll_out(PARAMS, np.array([[[1.0], [2.0]]]), 2, "tanh")
    np.testing.assert_allclose(outputs[0, :, 0], [y2, 2 * a3 - 0.3], rtol=1e-14)


def test_going_on_is_like_having_been_given_the_outputs():
    """Rolled out, a batch says what it says when its own outputs are put behind its inputs."""
    rng = np.random.default_rng(0)
    params = init_params(rng, 1, 6, 1)
    x = rng.standard_normal((4, 5, 1))
    outputs = roll_out(params, x, 3)
    longer = np.concatenate([x, outputs[:, :2]], axis=1)
    np.testing.assert_allclose(roll_out(params, longer, 1)[:, 0], outputs[:, 2], rtol=1e-12)


def test_an_output_that_is_no_input_needs_a_feedback():
    """Two inputs cannot be made of one output by themselves."""
    params = init_params(np.random.default_rng(0), 2, 3, 1)
    with pytest.raises(ValueError, match="feedback made inputs"):
        roll_out(params, np.zeros((1, 4, 2)), 2)
    outputs = roll_out(
        params, np.zeros((1, 4, 2)), 2, feedback=lambda x, y: np.concatenate([y, x[:, :1]], axis=1)
    )
    assert outputs.shape == (1, 2, 1)


def test_no_step_is_refused():
    """At least one output is asked for."""
    with pytest.raises(ValueError, match="steps is 0"):
        roll_out(PARAMS, np.zeros((1, 2, 1)), 0)


VALUES = np.array([100.0, 102.0, 101.0, 103.0, 104.0, 103.0, 105.0, 106.0])
SAID = np.array([0.5, -1.0, 0.25])


def test_returns_add_up():
    """Each output is a move in units of the volatility at the cutoff, and the next input."""
    encoding = Returns(3, 1, Motion(), 0.94)
    one = encoding.decode(np.array([1.0]), VALUES)[0]
    sigma = np.log(one / 106.0)
    expected = [106.0 * exp(sigma * total) for total in (0.5, -0.5, -0.25)]
    np.testing.assert_allclose(encoding.decode_path(SAID, VALUES), expected, rtol=1e-12)
    assert encoding.feedback(np.array([[9.0]]), np.array([[0.5]])) == 0.5


def test_window_outputs_move_away_from_the_last_value():
    """The next input is where the move leads, relative to the last value of the window."""
    encoding = Window(3, 1)
    spread = VALUES[-3:].std()
    expected = 106.0 + spread * np.array([0.5, -0.5, -0.25])
    np.testing.assert_allclose(encoding.decode_path(SAID, VALUES), expected, rtol=1e-12)
    assert encoding.feedback(np.array([[0.5]]), np.array([[-1.0]])) == -0.5


def test_minmax_outputs_are_values_themselves():
    """As in the article: each output is the next input."""
    encoding = MinMax(3, 1, 100.0, 110.0)
    np.testing.assert_allclose(encoding.decode_path(SAID, VALUES), [105.0, 90.0, 102.5])
    assert encoding.feedback(np.array([[0.5]]), np.array([[0.7]])) == 0.7


def _fed_back(params, encoding, given):
    """The outputs of four steps from the last input on, each fed back, one by one."""
    outputs, state = [], np.zeros(6, np.float32)
    for k in range(8 + 3):
        z = params["W_xh"][:, 0] * np.float32(given[k]) + params["W_hh"] @ state
        state = np.tanh(z + params["b_h"])
        said = float((params["W_hy"] @ state + params["b_y"])[0])
        if k >= 7:
            outputs.append(said)
            fed = encoding.feedback(np.array([[given[-1]]]), np.array([[said]]))
            given.append(float(fed[0, 0]))
    return outputs


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
def test_a_recursive_network_forecasts_every_horizon_with_one_output(inputs):
    """What it says is what its members' outputs, fed back one by one, decode to in the mean."""
    values = 100.0 * np.exp(np.random.default_rng(0).normal(0, 0.01, 300).cumsum())
    settings = ModelSettings(
        inputs=inputs, multi_step="recursive", lookback=8, horizon=4, hidden_size=6, epochs=8,
        learning_rate=0.01,
    )  # fmt: skip
    network = train_network(
        values, settings, motion=Motion(), activation=ACTIVATIONS["tanh"],
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert network.members[0]["W_hy"].shape == (1, 6)
    x = network.encoding.newest(values)
    members = [_fed_back(each, network.encoding, x[0, :, 0].tolist()) for each in network.members]
    assert len(members) == 3
    expected = network.encoding.decode_path(np.mean(members, axis=0), values)
    np.testing.assert_allclose(network.predict(values), expected, rtol=1e-6)
    assert len(expected) == 4


def test_direct_and_recursive_agree_one_step_ahead():
    """With a horizon of 1 they are the same network, to the last bit."""
    values = 100.0 * np.exp(np.random.default_rng(1).normal(0, 0.01, 300).cumsum())
    said = [
        train_network(
            values, ModelSettings(horizon=1, multi_step=way, extra_inputs=[]), motion=Motion(),
            activation=ACTIVATIONS["tanh"], rng=np.random.default_rng(0),
        ).predict(values)
        for way in ("direct", "recursive")
    ]  # fmt: skip
    assert said[0] == said[1]
