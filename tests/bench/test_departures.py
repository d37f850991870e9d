"""The article's code as rewritten for measurements: exact without its faults, wrong with each."""

import importlib
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from forecaster.model import loss_and_gradients

BENCH = Path(__file__).parents[2] / "bench"
VECTORS = ("b_h", "b_y")


def module(name: str) -> ModuleType:
    """Import a module of bench/, whose modules import each other as siblings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        return importlib.import_module(name)


article, together = module("article"), module("together")
departures = module("departures")
FAULTS = [each.name for each in fields(article.Faults) if each.name != "test_scaler_refitted"]


def point(steps: int = 7, hidden: int = 7, seed: int = 0):
    """Random weights as columns, and a window."""
    rng = np.random.default_rng(seed)
    params = article.first_params(rng, 1, hidden)
    params = {name: 0.4 * rng.standard_normal(value.shape) for name, value in params.items()}
    return params, rng.standard_normal((steps, 1)), rng.standard_normal((1, 1))


def flat(params):
    """The five arrays as `forecaster.model` has them."""
    return {name: value[:, 0] if name in VECTORS else value for name, value in params.items()}


def gradients(params, x, y, faults, seed=1):
    """Gradients with these faults, and reproducible noise."""
    passed = article.forward(params, x)
    return article.gradients(params, x, y, *passed, faults, np.random.default_rng(seed))


@pytest.mark.parametrize(("steps", "hidden"), [(7, 7), (9, 4), (3, 8), (1, 1)])
def test_without_its_faults_the_articles_gradient_is_ours(steps, hidden):
    """The rewritten loop with every fault corrected equals `loss_and_gradients`."""
    params, x, y = point(steps, hidden)
    _, ours = loss_and_gradients(flat(params), x[np.newaxis], y)
    theirs = flat(gradients(params, x, y, article.CORRECT))
    for name, expected in ours.items():
        np.testing.assert_allclose(theirs[name], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_makes_the_gradient_wrong(fault):
    """Each alone; the loop over the hidden size only where that is not the number of steps."""
    params, x, y = point(hidden=5)
    right, wrong = (
        gradients(params, x, y, each) for each in (article.CORRECT, departures.ALONE[fault])
    )
    assert max(np.abs(right[name] - wrong[name]).max() for name in right) > 1e-3


def test_more_hidden_units_than_steps_stop_the_published_loop():
    """As published the loop begins at step H - 1, which need not exist."""
    params, x, y = point(steps=4, hidden=5)
    with pytest.raises(IndexError):
        gradients(params, x, y, article.PUBLISHED)


def test_networks_trained_together_are_those_trained_alone():
    """Three steps of training, side by side and alone: with each fault, none and all."""
    faults = [article.CORRECT, article.PUBLISHED, *departures.ALONE.values()]
    without_noise = {"noise_in_output_gradient": False, "noise_in_input_gradient": False}
    faults += [replace(article.PUBLISHED, **without_noise)]
    _, x, y = point(steps=9)
    side_by_side = together.start_together(faults, hidden=6)
    for name in side_by_side.params:
        side_by_side.params[name] *= 40.0
    for _ in range(3):
        side_by_side.train_on(x, y)
    for network, (kind, seed) in enumerate((k, s) for k in faults for s in range(together.SEEDS)):
        rng = np.random.default_rng(seed)
        alone = {name: 40.0 * value for name, value in article.first_params(rng, 1, 6).items()}
        for _ in range(3):
            article.train_on(alone, x, y, kind, rng)
        for name, value in alone.items():
            np.testing.assert_allclose(side_by_side.params[name][network], value, atol=1e-13)


def test_the_experiment_has_the_articles_windows():
    """605 of 756 prices train: 555 windows; 101 test windows lie wholly in the rest."""
    prices = 100.0 + np.random.default_rng(0).standard_normal(756).cumsum()
    fair, peeking = (article.prepare(prices, each) for each in (article.CORRECT, article.PUBLISHED))
    assert fair.x.shape == (555, 50, 1)
    assert fair.x_test.shape == (101, 50, 1)
    np.testing.assert_array_equal(fair.dollars, prices[655:])
    np.testing.assert_array_equal(fair.x[1:, -1, 0], fair.y[:-1, 0, 0])
    assert (fair.low, fair.high) == (prices[:605].min(), prices[:605].max())
    assert (peeking.low, peeking.high) == (prices[605:].min(), prices[605:].max())
    naive = np.sqrt(np.mean(np.diff(prices[654:]) ** 2))
    assert fair.naive_rmse == pytest.approx(naive, rel=1e-12)
    assert peeking.naive_rmse == pytest.approx(naive, rel=1e-12)


def test_a_network_that_says_zero_is_judged_in_dollars():
    """The test error is taken after undoing the scale: an output of 0 means the lowest price."""
    experiment = article.prepare(np.arange(756.0), article.CORRECT)
    params = article.first_params(np.random.default_rng(0))
    params["W_hy"] *= 0.0
    expected = np.sqrt(np.mean(np.arange(655.0, 756.0) ** 2))
    assert article.test_rmse(params, experiment) == pytest.approx(expected)
