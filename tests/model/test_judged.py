"""A network judged on the windows that a refit holds back."""

import numpy as np
import pytest

from forecaster.model import Motion, validation_loss

from .trained import SETTINGS, prices, train

INPUTS = ["returns", "window", "minmax"]


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("loss", ["squared", "huber", "pinball"])
def test_a_network_is_judged_on_what_its_training_held_back(inputs, loss):
    """On the values of its training, the loss is the one of its summary, to the last bit."""
    if loss == "pinball" and inputs != "returns":
        return
    settings = SETTINGS.model_copy(update={"inputs": inputs, "loss": loss})
    values = prices()
    network = train(values, settings)
    assert validation_loss(network, values, settings) == network.summary.validation_loss


@pytest.mark.parametrize("inputs", INPUTS)
def test_an_incumbent_is_judged_on_the_windows_that_a_refit_holds_back(inputs):
    """Worked out from its forecasts of those windows, in the refit's units."""
    settings = SETTINGS.model_copy(update={"inputs": inputs, "history": 300, "decay": 0.9})
    values = prices(380)
    incumbent, refit = train(values[:300], settings), train(values, settings)
    values = values[80:]
    x, y = refit.encoding.windows(values)
    errors = []
    for end in range(300 - 3 - int(len(x) * 0.15), 300 - 3):
        said = incumbent.predict(values[: end + 1])
        if inputs == "returns":
            scale = refit.encoding.motion.scale(np.diff(np.log(values[: end + 1])), 0.9)[-1]
            outputs = np.log(said / values[end]) / (scale * np.sqrt([1, 2, 3]))
        elif inputs == "window":
            outputs = (said - values[end]) / values[end - 7 : end + 1].std()
        else:
            outputs = (said - refit.encoding.low) / (refit.encoding.high - refit.encoding.low)
        errors.append(outputs - y[end + 3 - 300])
    expected = np.mean(np.sum(np.square(errors), axis=1))
    found = validation_loss(incumbent, np.concatenate([values[:80] * 9.0, values]), settings)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"validation": 0.0}, {"inputs": "window"}, {"horizon": 2}, {"decay": 0.9},
        {"loss": "pinball"}, {"extra_inputs": []}, {"multi_step": "recursive", "extra_inputs": []},
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_not(changes):
    """Nothing held back, or a loss of something else."""
    values = prices()
    network = train(values)
    assert validation_loss(network, values, SETTINGS.model_copy(update=changes)) is None


def test_a_network_of_another_motion_or_too_long_a_lookback_is_not_compared():
    """Neither prices that are differences now, nor windows longer than what there is."""
    values = prices(900)
    network = train(values)
    assert validation_loss(network, values, SETTINGS, motion=Motion()) is not None
    for motion in (Motion("difference"), Motion("price", 5)):
        assert validation_loss(network, values, SETTINGS, motion=motion) is None
    differences = values - values.mean()
    assert validation_loss(network, differences, SETTINGS, motion=Motion("difference")) is None
    patient = train(values, lookback=400)
    assert validation_loss(patient, values[-300:], SETTINGS) is None
    assert validation_loss(patient, values[-420:], SETTINGS) is None
    assert validation_loss(patient, values, SETTINGS) is not None


def test_an_incumbent_with_another_lookback_can_be_compared():
    """What it is to foresee is the same."""
    values = prices()
    network = train(values, lookback=20)
    loss = validation_loss(network, values, SETTINGS)
    assert loss == pytest.approx(network.summary.baseline_loss, rel=0.2)
