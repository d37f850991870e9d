"""From values to a fitted network and its forecasts."""

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.errors import DataError
from forecaster.model import (
    ACTIVATIONS,
    Motion,
    bars_needed,
    floored_scale,
    forward,
    network_to_bytes,
    start_quantile,
    train_network,
)

from .trained import ONE_MEMBER, SETTINGS, prices, train

INPUTS = ["returns", "window", "minmax"]


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_a_network_forecasts_every_horizon(inputs, loss_on):
    """(H,) float64 in the unit of the values, from float32 weights."""
    values = prices()
    network = train(values, inputs=inputs, loss_on=loss_on)
    forecasts = network.predict(values)
    assert (forecasts.shape, forecasts.dtype) == ((3,), np.float64)
    assert np.all(np.abs(forecasts / values[-1] - 1.0) < 0.5)
    dtypes = {value.dtype for params in network.members for value in params.values()}
    assert dtypes == {np.dtype(np.float32)}


def test_a_direct_forecast_worked_by_hand():
    """Two outputs for two sessions, from the values 5 and 10 on a scale from 0 to 10.

    With f the identity and x = (0.5, 1):
    a_1 = 0.5 * 0.5 + 0.1                = 0.35
    a_2 = 0.5 * 1 + 0.8 * 0.35 + 0.1     = 0.88
    y_2 = (2 * 0.88 - 0.3, 0.88 + 0.1)   = (1.46, 0.98), which is 14.6 and 9.8
    """
    np.testing.assert_allclose(ONE_MEMBER.predict([7.0, 5.0, 10.0]), [14.6, 9.8], rtol=1e-14)


@pytest.mark.parametrize("inputs", ["returns", "window"])
def test_an_untrained_network_is_the_baseline(inputs):
    """Training starts at the last value for every horizon, and at the baseline's loss."""
    values = prices()
    network = train(values, inputs=inputs, learning_rate=1e-30)
    assert network.predict(values) == pytest.approx(np.full(3, values[-1]))
    assert network.summary.validation_loss == pytest.approx(network.summary.baseline_loss, rel=1e-5)


@pytest.mark.parametrize("inputs", INPUTS)
def test_the_same_seed_gives_the_same_bytes(inputs):
    """And another seed others."""
    values = prices()
    first, second = (network_to_bytes(train(values, inputs=inputs)) for _ in range(2))
    assert first == second
    assert first != network_to_bytes(train(values, inputs=inputs, seed=1))


def test_a_real_signal_is_learnt():
    """On an AR(1) of returns the one-step error over new values is well below the baseline's."""
    values = prices(1500, phi=-0.6)
    network = train(values[:1200], lookback=5, epochs=30)
    assert network.summary.validation_loss < 0.95 * network.summary.baseline_loss
    ends = range(1200, 1499)
    errors = np.array([network.predict(values[:end])[0] - values[end] for end in ends])
    naive = np.array([values[end - 1] - values[end] for end in ends])
    # The best possible ratio is sqrt(1 - 0.36) = 0.8.
    assert np.sqrt(np.mean(errors**2) / np.mean(naive**2)) < 0.86


def test_a_sine_is_learnt_from_differences():
    """Values that cross zero, of kind "difference"."""
    values = np.sin(np.arange(600) * 2 * np.pi / 25)
    network = train(values[:500], motion=Motion("difference"), lookback=10, epochs=30)
    errors = [network.predict(values[:end]) - values[end : end + 3] for end in range(500, 590)]
    naive = [values[end - 1] - values[end : end + 3] for end in range(500, 590)]
    assert np.mean(np.square(errors)) < 0.05 * np.mean(np.square(naive))


@pytest.mark.parametrize("inputs", INPUTS)
def test_forecasts_are_computed_one_window_at_a_time(inputs):
    """The forecast is exactly that of the members' mean, each for a batch of one."""
    values = prices()
    network = train(values, inputs=inputs, extra_inputs=[])
    x = network.encoding.newest(values)
    said = [forward(params, x, "tanh")[0][0, -1].astype(np.float64) for params in network.members]
    decoded = network.encoding.decode(np.mean(said, axis=0), values)
    assert len(said) == 3
    assert np.array_equal(network.predict(values), decoded)


def test_quantiles_start_around_the_baseline():
    """As far as 80 % of returns reach in units of their scale, and in the order of the levels."""
    values = prices()
    network = train(values, loss="pinball", learning_rate=1e-30)
    found = network.predict_quantiles(values)
    sigma = floored_scale(np.diff(np.log(values)), 0.94, "price")[-1]
    reach = start_quantile(0.80) * sigma * np.sqrt([1, 2, 3])
    expected = values[-1] * np.exp(np.stack([-reach, 0 * reach, reach], axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.array_equal(network.predict(values), found[:, 1])
    assert network.summary.validation_loss == pytest.approx(network.summary.baseline_loss, rel=1e-5)


def test_quantiles_learn_the_spread():
    """Where moves are three times as large on every other day, so is the distance between them."""
    rng = np.random.default_rng(0)
    moves = rng.normal(0.0, 1.0, 1600) * np.where(np.arange(1600) % 2, 0.006, 0.018)
    values = 100.0 * np.exp(moves.cumsum())
    network = train(
        values[:1300], loss="pinball", lookback=6, horizon=1, epochs=60, patience=15,
        learning_rate=0.01, extra_inputs=[],
    )  # fmt: skip
    ends = np.arange(1300, 1599)
    found = np.array([network.predict_quantiles(values[:end])[0] for end in ends])
    below = (values[ends, np.newaxis] < found).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.1)
    width = np.log(found[:, 2] / found[:, 0])
    assert width[ends % 2 == 0].mean() > 2.0 * width[ends % 2 == 1].mean()


def test_quantiles_never_cross():
    """However badly the network was trained."""
    values = prices()
    network = train(values, loss="pinball", epochs=1, learning_rate=5.0, validation=0.0)
    assert (np.diff(network.predict_quantiles(values), axis=1) >= 0).all()


def test_a_network_without_quantiles_says_so():
    """Rather than giving something else."""
    with pytest.raises(ValueError, match="not trained with pinball"):
        train(prices()).predict_quantiles(prices())


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "rmsprop"}, {"schedule": "constant"}, {"weight_decay": 0.1},
        {"loss": "huber", "huber_delta": 0.5}, {"optimizer": "sgd", "momentum": 0.9},
        {"members": 2}, {"extra_inputs": []}, {"epochs": 2}, {"validation": 0.3},
    ],
)  # fmt: skip
def test_every_setting_of_the_training_makes_a_difference(changes):
    """None is read and forgotten."""
    values = prices(phi=-0.5)
    plain = train(values, learning_rate=0.01)
    assert network_to_bytes(train(values, learning_rate=0.01, **changes)) != network_to_bytes(plain)


def test_minmax_is_fitted_on_training_rows_only():
    """Not on what is held back: other values there leave the scale as it was."""
    values = prices()
    windows = 300 - 8 - 3 + 1
    held_back = int(windows * 0.15)
    rows = 300 - held_back - 3  # all but the held-back windows and the gap of the horizon
    encoding = train(values, inputs="minmax").encoding
    assert (encoding.low, encoding.high) == (values[:rows].min(), values[:rows].max())
    changed = values.copy()
    changed[rows:] *= 3.0
    assert train(changed, inputs="minmax").encoding == encoding
    changed[rows - 1] *= 3.0
    assert train(changed, inputs="minmax").encoding != encoding


def test_minmax_is_not_refitted_to_forecast():
    """Forecasting from other values leaves the network as it is."""
    values = prices()
    network = train(values, inputs="minmax")
    before = network_to_bytes(network)
    network.predict(values * 5.0)
    assert network_to_bytes(network) == before


def test_only_the_newest_history_is_used():
    """Older values make no difference."""
    values = prices(400)
    longer = np.concatenate([values * 7.0, values])
    one, other = (train(some, history=400) for some in (values, longer))
    assert network_to_bytes(one) == network_to_bytes(other)


def test_the_summary_counts():
    """Windows trained on, epochs run, epoch kept, and the losses."""
    summary = train(prices(), epochs=4, patience=10).summary
    windows = 300 - 8 - 3
    assert summary.windows == windows - int(windows * 0.15) - 3
    assert summary.epochs == 4
    assert 0 <= summary.best_epoch <= 4
    assert summary.validation_loss <= summary.baseline_loss * (1 + 1e-6)


def test_without_validation_all_windows_and_epochs_are_used():
    """And nothing is said about a validation."""
    summary = train(prices(), validation=0.0, epochs=7).summary
    assert (summary.windows, summary.epochs, summary.best_epoch) == (300 - 8 - 3, 7, 7)
    assert summary.validation_loss is None
    assert summary.baseline_loss is None


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("validation", [0.0, 0.15, 0.4])
def test_bars_needed_are_enough_and_one_less_is_told(inputs, validation):
    """The error says how many there are and how many are needed."""
    settings = SETTINGS.model_copy(update={"validation": validation})
    needed = bars_needed(settings)
    values = prices(needed)
    assert train(values, settings, inputs=inputs).summary.windows >= 50
    with pytest.raises(DataError, match=rf"{needed - 1} bars .* needs {needed} ") as caught:
        train(values[1:], settings, inputs=inputs)
    assert caught.value.code == "too_few_bars"


def test_bars_needed_with_the_defaults():
    """Of 64 windows, 9 are held back and 5 are the gap: 50 train."""
    assert bars_needed(ModelSettings(lookback=20, horizon=5, validation=0.15)) == 20 + 5 + 64


def test_a_history_that_is_too_short_names_the_setting():
    """Waiting for more sessions would not help."""
    with pytest.raises(DataError) as caught:
        train(prices(), history=50)
    assert caught.value.remedy.startswith("set history to")


@pytest.mark.parametrize("inputs", INPUTS)
def test_constant_values_are_refused(inputs):
    """There is nothing to learn."""
    with pytest.raises(DataError) as caught:
        train(np.full(300, 7.0), inputs=inputs)
    assert caught.value.code == "constant"


def test_values_that_are_not_numbers_are_refused():
    """With their place."""
    values = prices()
    values[4] = np.nan
    with pytest.raises(DataError, match="value 5 of 300 is nan") as caught:
        train(values)
    assert caught.value.code == "not_finite"


def test_too_few_values_to_forecast_from_are_refused():
    """A lookback of 8 needs 9."""
    network = train(prices())
    with pytest.raises(DataError, match="needs 9") as caught:
        network.predict(prices(8))
    assert caught.value.code == "too_few_bars"
    assert len(network.predict(prices(9))) == 3


def test_progress_is_told_after_each_epoch():
    """Its number and the validation loss."""
    told = []
    train_network(
        prices(), SETTINGS, motion=Motion(), activation=ACTIVATIONS["relu"],
        rng=np.random.default_rng(0), progress=lambda *each: told.append(each),
    )  # fmt: skip
    assert [epoch for epoch, _ in told] == list(range(1, len(told) + 1))
    assert all(loss > 0 for _, loss in told)


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
def test_a_step_that_is_blotted_out_is_one_in_which_nothing_happened(inputs):
    """Occlusion by hand: the window with that step's inputs as at rest, decoded like any other."""
    values = prices(n=200)
    network = train(values, inputs=inputs, extra_inputs=["abs_return"], validation=0.0)
    found = network.occluded(values)
    assert found.shape == (SETTINGS.lookback, SETTINGS.horizon)
    x = np.concatenate(
        [
            network.encoding.newest(values),
            network.extras.windows(values, None, np.array([len(values) - 1]), SETTINGS.lookback),
        ],
        axis=2,
    )
    rest = x[0, -1, 0] if inputs == "minmax" else 0.0
    for step in range(SETTINGS.lookback):
        without = x.copy()
        without[0, step] = [rest, 0.0]
        outputs = np.mean(
            [forward(each, without, network.activation)[0][0, -1] for each in network.members],
            axis=0,
        )
        np.testing.assert_allclose(found[step], network.encoding.decode(outputs, values))
    assert not np.allclose(found, network.predict(values))


def test_steps_in_which_nothing_happened_add_nothing():
    """Where a price has stood still, blotting the session out changes no bit."""
    values = prices(n=200)
    values[-4:-1] = values[-5]
    network = train(values, extra_inputs=[], validation=0.0)
    found, whole = network.occluded(values), network.predict(values)
    assert (found[-4:-1] == whole).all()
    assert (found[-1] != whole).any()


def test_the_median_and_fed_back_outputs_are_blotted_out_alike():
    """Occlusion is of the very forecast that is made, whatever the outputs are."""
    values = prices(n=200)
    for changes in ({"loss": "pinball"}, {"multi_step": "recursive"}):
        network = train(values, extra_inputs=[], **changes)
        assert network.occluded(values).shape == (SETTINGS.lookback, SETTINGS.horizon)
