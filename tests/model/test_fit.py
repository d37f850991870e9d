"""Fitting: the split, early stopping, the best weights, failure."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.errors import TrainingError
from forecaster.model import ACTIVATIONS, Huber, Squared, init_params, loss_and_gradients
from forecaster.model.fit import Recipe, Samples, fit
from forecaster.model.windows import split_windows, windows_needed

RECIPE = Recipe("adam", learning_rate=3e-3, batch_size=16, epochs=5, patience=3)
TANH = ACTIVATIONS["tanh"]


def _samples(n=100, outputs=2, seed=0, noise=0.0):
    """Windows whose targets are linear in their last two steps."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6, 1))
    y = np.stack([x[:, -1, 0], x[:, -2, 0]], axis=1)[:, :outputs]
    return Samples(x, y + noise * rng.standard_normal(y.shape))


def _params(outputs=2, dtype=np.float64, seed=1):
    return init_params(np.random.default_rng(seed), 1, 8, outputs, dtype, zero_output=True)


def _fit(training, validation=None, recipe=RECIPE, params=None, **changes):
    return fit(
        params or _params(),
        training,
        validation,
        replace(recipe, **changes),
        activation=TANH,
        rng=np.random.default_rng(2),
    )


@given(n=st.integers(60, 3000), validation=st.floats(0.01, 0.5), horizon=st.integers(1, 20))
def test_no_training_target_reaches_what_is_held_back(n, validation, horizon):
    """The newest windows are held back; the last training target comes before their first."""
    training, held_back = split_windows(n, validation, horizon)
    assert held_back >= 1
    last_training_target = training - 1 + horizon  # window k ends at value k, say
    first_held_back_end = n - held_back
    assert last_training_target < first_held_back_end
    assert training + horizon + held_back == n


def test_without_validation_all_windows_train():
    """Nothing is held back and there is no gap."""
    assert split_windows(100, 0.0, 5) == (100, 0)


@given(validation=st.floats(0.0, 0.9), horizon=st.integers(1, 60), training=st.integers(1, 100))
def test_windows_needed_is_enough_and_one_less_is_not(validation, horizon, training):
    """The smallest count that leaves so many to train on."""
    n = windows_needed(training, validation, horizon)
    assert split_windows(n, validation, horizon)[0] >= training
    assert split_windows(n - 1, validation, horizon)[0] < training


def test_an_epoch_of_one_batch_is_one_step_down_the_gradient():
    """Plain gradient descent on the whole batch, as computed by the readable network."""
    samples, params = _samples(), _params()
    fitted = _fit(samples, params=params, optimizer="sgd", clip_norm=0.0, batch_size=100, epochs=1)
    _, grads = loss_and_gradients(params, samples.x, samples.y)
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            fitted.params[name], params[name] - 3e-3 * gradient, rtol=1e-9, atol=1e-14
        )


def test_the_train_loss_is_that_of_the_weights_kept():
    """As the readable network computes it, over more windows than one evaluation takes."""
    samples = _samples(n=600)
    fitted = _fit(samples)
    loss, _ = loss_and_gradients(fitted.params, samples.x, samples.y)
    assert fitted.train_loss == pytest.approx(loss, rel=1e-12)
    assert fitted.validation_loss is None
    assert (fitted.epochs, fitted.best_epoch) == (5, 5)


def test_it_learns_what_there_is_to_learn():
    """A linear rule is found: the loss falls to a small part of that of zero."""
    training, validation = _samples(400), _samples(100, seed=9)
    fitted = _fit(training, validation, epochs=60, patience=60)
    assert fitted.validation_loss < 0.05 * np.mean(np.sum(validation.y**2, axis=1))


def test_noise_leaves_the_untouched_weights_in_place():
    """Where every epoch makes it worse, epoch 0 is kept and training stops after `patience`."""
    training, validation = _samples(50), _samples(50, seed=9)
    misleading = Samples(validation.x, -3.0 * validation.y)
    fitted = _fit(training, misleading, epochs=50)
    assert (fitted.best_epoch, fitted.epochs) == (0, 3)
    assert fitted.validation_loss == pytest.approx(np.mean(np.sum(misleading.y**2, axis=1)))
    assert all(np.array_equal(fitted.params[name], value) for name, value in _params().items())


def test_the_best_weights_are_kept_and_not_the_last():
    """The validation loss told is the least of all epochs, and that of the weights returned."""
    losses = []
    training, validation = _samples(40, noise=1.0), _samples(200, seed=9, noise=1.0)
    fitted = fit(
        _params(), training, validation, replace(RECIPE, epochs=80, patience=10),
        activation=TANH, rng=np.random.default_rng(2),
        progress=lambda epoch, loss: losses.append(loss),
    )  # fmt: skip
    assert fitted.validation_loss == min(losses)
    assert fitted.epochs == len(losses) == fitted.best_epoch + 10
    loss, _ = loss_and_gradients(fitted.params, validation.x, validation.y)
    assert loss == pytest.approx(fitted.validation_loss, rel=1e-12)


def test_validation_judges_but_does_not_teach():
    """Other validation windows choose another epoch at most: the weights of an epoch are the same.

    With patience and epochs of 1 and a validation that improves, both runs end after epoch 1.
    """
    training = _samples()
    one, other = (
        _fit(training, Samples(some.x, 1.5 * some.y), epochs=1)
        for some in (_samples(seed=8), _samples(seed=9))
    )
    assert one.best_epoch == other.best_epoch == 1
    assert all(np.array_equal(one.params[name], other.params[name]) for name in one.params)


def test_the_start_is_not_changed():
    """Parameters given are copied."""
    params = _params()
    _fit(_samples(), params=params)
    assert not params["W_hy"].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_keeps_the_dtype_of_the_parameters(dtype):
    """Samples are converted, weights are not."""
    fitted = _fit(_samples(), _samples(seed=9), params=_params(dtype=dtype))
    assert {value.dtype for value in fitted.params.values()} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate": 1e6, "clip_norm": 0.0, "optimizer": "sgd"}, {"learning_rate": 1e38}],
)
@pytest.mark.parametrize("held_back", [None, _samples(seed=9)])
def test_a_training_that_blows_up_is_a_typed_error(changes, held_back):
    """One line with the epoch, the cause and the remedy; no warning, no NaN weights."""
    with pytest.raises(TrainingError) as caught:
        fit(
            _params(dtype=np.float32) | {"W_hh": 3 * np.eye(8, dtype=np.float32)},
            _samples(), held_back, replace(RECIPE, epochs=40, patience=40, **changes),
            activation=ACTIVATIONS["identity"], rng=np.random.default_rng(2),
        )  # fmt: skip
    assert caught.value.code == "diverged"
    assert "epoch" in caught.value.message
    assert "learning_rate" in caught.value.remedy


def test_a_training_that_diverged_begins_again_at_a_tenth_of_the_rate():
    """Until it does not: the result is that of the lower rate, and says how often it began."""
    slope = _samples()
    stable = {"optimizer": "sgd", "clip_norm": 0.0, "epochs": 20, "patience": 20}
    with pytest.raises(TrainingError, match=r"at learning_rate 1e\+07, as at 3 higher ones from"):
        _fit(slope, **stable, learning_rate=1e10)
    fitted = _fit(slope, **stable, learning_rate=20.0)
    assert 1 <= fitted.restarts <= 3
    alone = fit(
        _params(), slope, None, replace(RECIPE, **stable, learning_rate=20.0 / 10**fitted.restarts),
        activation=TANH, rng=np.random.default_rng(5),
    )  # fmt: skip
    assert alone.restarts == 0
    assert fitted.train_loss == pytest.approx(alone.train_loss, rel=0.5)
    assert fitted.train_loss < 1.0


def test_a_restart_begins_from_the_first_weights():
    """Not from those that ran away: one epoch of one batch is one step from the start."""
    samples, params = _samples(), _params()
    fitted = _fit(
        samples, params=params, optimizer="sgd", learning_rate=1e155, clip_norm=0.0, batch_size=100,
        epochs=1,
    )  # fmt: skip
    rate = 1e155 / 10**fitted.restarts
    _, grads = loss_and_gradients(params, samples.x, samples.y)
    assert fitted.restarts >= 1
    np.testing.assert_allclose(fitted.params["W_hy"], -rate * grads["W_hy"], rtol=1e-9)


def test_a_validation_loss_that_is_not_finite_is_a_divergence():
    """Else the untouched weights would be kept as if nothing had done better."""
    wild = _samples(seed=9)
    wild.y[3] = 1e200
    with pytest.raises(TrainingError) as caught:
        _fit(_samples(), wild)
    assert caught.value.code == "diverged"
    with pytest.raises(TrainingError):
        _fit(_samples(), wild, params=_params(dtype=np.float32))


def test_the_schedule_reaches_the_optimiser():
    """With a cosine over two epochs the second step is half as long."""
    samples = _samples()
    recipe = {"optimizer": "sgd", "clip_norm": 0.0, "batch_size": 100, "schedule": "cosine"}
    start = _params()
    first = _fit(samples, params=start, epochs=1, **recipe).params
    second = _fit(samples, params=start, epochs=2, **recipe).params
    _, grads = loss_and_gradients(first, samples.x, samples.y)
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            second[name], first[name] - 1.5e-3 * gradient, rtol=1e-9, atol=1e-14
        )


def test_weight_decay_keeps_weights_smaller():
    """After the same epochs, on the same windows."""
    free, decayed = (_fit(_samples(), epochs=50, weight_decay=decay).params for decay in (0.0, 0.5))
    assert np.linalg.norm(decayed["W_hh"]) < 0.9 * np.linalg.norm(free["W_hh"])


def test_huber_is_not_pulled_by_outliers():
    """Where one target in ten is far off, it finds the others better than the squared error."""
    clean = _samples(300)
    wild = Samples(clean.x, clean.y + 30.0 * (np.arange(300) % 10 == 0)[:, np.newaxis])
    errors = []
    for loss in (Squared(), Huber(0.5)):
        fitted = _fit(wild, epochs=60, loss=loss)
        error, _ = loss_and_gradients(fitted.params, clean.x, clean.y)
        errors.append(error)
    assert errors[1] < 0.2 * errors[0]


def test_a_loss_on_every_step_is_trained_and_judged_on_the_last():
    """The validation loss is what a forecast is judged by, whichever steps teach."""
    x = _samples(200).x
    every = Samples(x, np.concatenate([x, np.roll(x, 1, axis=1)], axis=2))
    fitted = _fit(every, every, epochs=30, loss_on="all")
    loss, _ = loss_and_gradients(fitted.params, x, every.y[:, -1])
    assert fitted.validation_loss == pytest.approx(loss, rel=1e-12)
    assert loss < 0.5
