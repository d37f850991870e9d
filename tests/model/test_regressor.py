"""RNNRegressor is a scikit-learn estimator."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from forecaster.model import ACTIVATIONS, Activation, RNNRegressor


def _asinh(z, out):
    np.arcsinh(z, out=out)


def _asinh_slope(z, out):
    np.divide(1.0, np.hypot(1.0, z), out=out)


ASINH = Activation("asinh", _asinh, _asinh_slope, needs_input=True)


@parametrize_with_checks([RNNRegressor()])
def test_scikit_learn_accepts_it(estimator, check):
    """Every check of scikit-learn's own, with none expected to fail."""
    check(estimator)


def _sine(n=200, lookback=10):
    values = np.sin(np.arange(n + lookback) * 0.3)
    rows = np.lib.stride_tricks.sliding_window_view(values, lookback + 1)
    return rows[:, :-1], rows[:, -1]


def test_the_defaults_are_those_of_the_design():
    """Names and values, in order."""
    assert RNNRegressor().get_params() == {
        "hidden_size": 50, "activation": "tanh", "optimizer": "adam", "epochs": 200,
        "batch_size": 32, "learning_rate": 1e-3, "early_stopping": False, "dtype": "float32",
        "random_state": None,
    }  # fmt: skip


def test_it_learns_a_sine():
    """On later rows than those it was fitted on; predictions are float64."""
    x, y = _sine()
    model = RNNRegressor(hidden_size=10, epochs=40, learning_rate=5e-3, random_state=0)
    assert model.fit(x[:150], y[:150]).score(x[150:], y[150:]) > 0.98
    assert model.predict(x).dtype == np.float64


def test_several_inputs_and_outputs():
    """X (n, lookback, inputs) and y (n, outputs)."""
    x, y = _sine()
    x, y = np.stack([x, x**2], axis=2), np.stack([y, -y], axis=1)
    model = RNNRegressor(hidden_size=6, epochs=3, random_state=0, activation=ACTIVATIONS["relu"])
    assert model.fit(x, y).predict(x).shape == y.shape
    assert model.params_["W_xh"].shape == (6, 2)


@pytest.mark.parametrize(
    "activation", [*ACTIVATIONS, ASINH], ids=lambda each: getattr(each, "name", each)
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation_learns(activation, dtype):
    """By name, and one of one's own as a value: better than the mean on later rows."""
    x, y = _sine()
    model = RNNRegressor(8, activation, epochs=60, learning_rate=5e-3, dtype=dtype, random_state=0)
    assert model.fit(x[:150], y[:150]).score(x[150:], y[150:]) > 0.8


def test_a_clone_has_the_parameters_and_nothing_learnt():
    """What `fit` found stays behind; what was given, values included, goes along."""
    x, y = _sine(60)
    given = {"activation": ASINH, "hidden_size": 3, "epochs": 2, "dtype": "float64"}
    fitted = RNNRegressor(**given, random_state=1).fit(x, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "params_")
    assert np.array_equal(copy.fit(x, y).predict(x), fitted.predict(x))


def test_a_pipeline_scales_before_it():
    """In a Pipeline with a scaler, inputs of any size are learnt as well as scaled ones."""
    x, y = _sine()
    model = RNNRegressor(hidden_size=8, epochs=40, learning_rate=5e-3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model)
    plain, large = (
        clone(pipeline).fit(rows[:150], y[:150]).score(rows[150:], y[150:])
        for rows in (x, 1000.0 * x + 5000.0)
    )
    assert large == pytest.approx(plain, abs=1e-3)
    assert large > 0.95


def test_targets_are_scaled_around_it():
    """TransformedTargetRegressor scales targets, for one and for several outputs."""
    x, y = _sine()
    model = RNNRegressor(hidden_size=8, epochs=40, learning_rate=5e-3, random_state=0)
    for targets in (1000.0 * y, np.stack([1000.0 * y, -y], axis=1)):
        scaled = TransformedTargetRegressor(clone(model), transformer=StandardScaler())
        assert scaled.fit(x[:150], targets[:150]).score(x[150:], targets[150:]) > 0.95
        assert scaled.predict(x).shape == targets.shape


def test_a_grid_search_over_time_tunes_it_in_a_pipeline():
    """GridSearchCV with TimeSeriesSplit over sizes and activations, by name or value."""
    x, y = _sine()
    pipeline = make_pipeline(
        StandardScaler(), RNNRegressor(epochs=20, learning_rate=5e-3, random_state=0)
    )
    grid = {
        "rnnregressor__hidden_size": [1, 8],
        "rnnregressor__activation": [*ACTIVATIONS, ASINH],
    }
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(2), error_score="raise").fit(x, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 18
    assert np.isfinite(scores).all()
    assert search.best_params_["rnnregressor__hidden_size"] == 8
    assert search.best_score_ == scores.max() > 0.8
    assert search.predict(x).shape == y.shape


def test_the_random_state_decides():
    """The same seed, the same predictions; another, others."""
    x, y = _sine(60)
    one, same, other = (
        RNNRegressor(epochs=2, random_state=seed).fit(x, y).predict(x) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_early_stopping_stops():
    """On noise it ends long before all epochs are run."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 5)), rng.standard_normal(100)
    model = RNNRegressor(epochs=500, learning_rate=1e-2, early_stopping=True, random_state=0)
    assert model.fit(x, y).n_iter_ < 100


def test_unknown_names_are_refused():
    """ValueError, as scikit-learn wants it."""
    x, y = _sine(60)
    for wrong in ({"activation": "tan"}, {"optimizer": "lion"}):
        with pytest.raises(ValueError, match="is unknown"):
            RNNRegressor(**wrong).fit(x, y)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"hidden_size": 2.5}, "hidden_size is 2.5"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
    ],
)
def test_numbers_with_which_nothing_can_be_learnt_are_refused(wrong, said):
    """ValueError with the name, what it is and what it must be."""
    x, y = _sine(60)
    with pytest.raises(ValueError, match=f"^{said}: it must be "):
        RNNRegressor(**{"epochs": 1, **wrong}).fit(x, y)


def test_inputs_of_four_axes_are_refused():
    """With their shape and what it must be."""
    with pytest.raises(ValueError, match=r"X has shape \(9, 2, 2, 2\): it must be"):
        RNNRegressor(epochs=1).fit(np.zeros((9, 2, 2, 2)), np.zeros(9))


def test_an_activation_set_later_waits_for_the_next_fit():
    """Predictions are those of the network that was fitted."""
    x, y = _sine(60)
    model = RNNRegressor(epochs=2, random_state=0).fit(x, y)
    before = model.predict(x)
    assert np.array_equal(model.set_params(activation="relu").predict(x), before)


def test_the_room_is_imported_without_scikit_learn_or_scipy():
    """Nor pandas, nor pydantic: a night that reuses its models pays for none of them."""
    code = (
        "import sys, forecaster.model; "
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
