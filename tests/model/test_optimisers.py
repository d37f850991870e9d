"""Optimisers take the steps that their papers describe."""

import numpy as np
import pytest

from forecaster.model.optimisers import SGD, Adam, clip_by_norm, make_optimiser


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


def test_an_unknown_optimiser_is_refused():
    """Naming those there are."""
    with pytest.raises(ValueError, match="'lion' is unknown: use 'adam' or 'sgd'"):
        make_optimiser("lion", 0.1)
