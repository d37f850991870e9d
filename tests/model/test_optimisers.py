"""Optimisers take the steps that their papers describe."""

import numpy as np
import pytest

from forecaster.model.optimisers import (
    SGD,
    Adam,
    RMSprop,
    clip_by_norm,
    make_optimiser,
    scheduled,
)


def test_a_long_gradient_is_cut_to_the_limit_and_keeps_its_direction():
    """[3, 4] has norm 5; cut to 1 it is [0.6, 0.8]."""
    gradient = np.array([3.0, 4.0])
    assert clip_by_norm(gradient, 1.0) == 5.0
    np.testing.assert_allclose(gradient, [0.6, 0.8])


@pytest.mark.parametrize("limit", [0.0, 5.0, 6.0])
def test_a_short_gradient_or_no_limit_changes_nothing(limit):
    """Zero is off."""
    gradient = np.array([3.0, 4.0])
    clip_by_norm(gradient, limit)
    assert gradient.tolist() == [3.0, 4.0]


def test_a_gradient_that_is_not_finite_is_told_by_its_norm():
    """The norm is then not finite either."""
    with np.errstate(over="ignore"):
        assert clip_by_norm(np.array([np.inf, 1.0]), 1.0) == np.inf
        assert np.isnan(clip_by_norm(np.array([np.nan, 1.0]), 1.0))


def test_gradient_descent_goes_down_the_gradient():
    """By learning_rate times the gradient, in place."""
    weights = np.array([1.0, 2.0])
    assert SGD(0.1).step(weights, np.array([3.0, -4.0])) == 5.0
    np.testing.assert_allclose(weights, [0.7, 2.4])


def test_momentum_carries_on():
    """Two steps with g = 1: v = 1, then 0.5 + 1 = 1.5; w = 0 - 0.1 - 0.15."""
    weights, optimiser = np.zeros(1), SGD(0.1, momentum=0.5)
    for _ in range(2):
        optimiser.step(weights, np.ones(1))
    assert weights[0] == pytest.approx(-0.25)


def test_adam_follows_algorithm_1():
    """Compared, over several steps, with the algorithm as the paper first states it."""
    rng = np.random.default_rng(0)
    weights, expected = np.ones(4), np.ones(4)
    mean, square = np.zeros(4), np.zeros(4)
    optimiser = Adam(0.01)
    for t in range(1, 6):
        g = rng.standard_normal(4)
        optimiser.step(weights, g.copy())
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g**2
        expected -= 0.01 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_adam_clips_before_it_averages():
    """A gradient of norm 5 clipped to 1 moves the moments as one of norm 1 would."""
    clipped, short = np.zeros(2), np.zeros(2)
    one, other = Adam(0.01, clip_norm=1.0), Adam(0.01)
    for first, second in [((3.0, 4.0), (0.6, 0.8)), ((0.1, 0.2), (0.1, 0.2))]:
        one.step(clipped, np.array(first))
        other.step(short, np.array(second))
    np.testing.assert_allclose(clipped, short, rtol=1e-12)


def test_rmsprop_worked_by_hand():
    """G = 2, then 1: s = 0.4, then 0.46; w = -0.1 * 2 / sqrt(0.4), then -0.1 / sqrt(0.46) more."""
    weights, optimiser = np.zeros(1), RMSprop(0.1)
    optimiser.step(weights, np.array([2.0]))
    assert weights[0] == pytest.approx(-0.1 * 2.0 / 0.4**0.5)
    optimiser.step(weights, np.array([1.0]))
    assert weights[0] == pytest.approx(-0.1 * 2.0 / 0.4**0.5 - 0.1 / 0.46**0.5)


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_weight_decay_stands_apart_from_the_gradient(name):
    """Without a gradient a step takes learning_rate * weight_decay of every parameter off."""
    weights = np.array([1.0, -2.0])
    make_optimiser(name, 0.5, weight_decay=0.1).step(weights, np.zeros(2))
    np.testing.assert_allclose(weights, [0.95, -1.9])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_weights_are_updated_in_place_and_keep_their_dtype(name, dtype):
    """With everything switched on."""
    weights = np.ones(3, dtype)
    optimiser = make_optimiser(name, 0.1, momentum=0.9, clip_norm=1.0, weight_decay=0.1)
    for _ in range(2):
        assert optimiser.step(weights, np.full(3, 3.0, dtype)) == pytest.approx(27.0**0.5)
    assert weights.dtype == dtype
    assert (weights < 1.0).all()


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_a_valley_is_found(name):
    """From (3, -2) down to the least of x^2 + 10 y^2."""
    weights = np.array([3.0, -2.0])
    optimiser = make_optimiser(name, 0.02, momentum=0.5)
    for _ in range(600):
        optimiser.step(weights, np.array([2.0, 20.0]) * weights)
    assert np.abs(weights).max() < 0.05


def test_the_constant_schedule_stays():
    """Whatever the epoch."""
    assert {scheduled(0.1, "constant", epoch, 10) for epoch in range(1, 11)} == {0.1}


def test_the_cosine_schedule_falls_from_the_rate_towards_zero():
    """Whole in the first epoch, half in the middle, nearly nothing in the last."""
    rates = [scheduled(0.1, "cosine", epoch, 10) for epoch in range(1, 11)]
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert rates[9] == pytest.approx(0.1 * (1 - np.cos(np.pi / 10)) / 2)
    assert sorted(rates, reverse=True) == rates


def test_an_unknown_optimiser_is_refused():
    """Naming those there are."""
    with pytest.raises(ValueError, match="'lion' is unknown: use one of adam, sgd, rmsprop"):
        make_optimiser("lion", 0.1)
