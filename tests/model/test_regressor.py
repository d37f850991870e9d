"""RNNRegressor is a scikit-learn estimator."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from forecaster.model import ACTIVATIONS, RNNRegressor


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


def test_it_is_cloned_and_tuned_in_a_pipeline():
    """Pipeline and GridSearchCV with TimeSeriesSplit, activations by name or value."""
    x, y = _sine()
    pipeline = make_pipeline(StandardScaler(), RNNRegressor(epochs=2, random_state=0))
    grid = {"rnnregressor__activation": ["tanh", ACTIVATIONS["sigmoid"]]}
    search = GridSearchCV(clone(pipeline), grid, cv=TimeSeriesSplit(2)).fit(x, y)
    assert search.best_score_ > -10.0


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


def test_the_room_is_imported_without_scikit_learn_or_scipy():
    """Nor pandas, nor pydantic: a night that reuses its models pays for none of them."""
    code = (
        "import sys, forecaster.model; "
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
