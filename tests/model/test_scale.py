"""Exponential means, and how large moves are at present."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model import ewma_scale, floored_scale
from forecaster.model.scale import ewma


def _recursion(r, decay):
    """The recursion, one step at a time."""
    variance = [r[0] ** 2]
    for move in r[1:]:
        variance.append(decay * variance[-1] + (1 - decay) * move**2)
    return np.sqrt(variance)


@settings(deadline=None)
@given(
    r=st.lists(st.floats(-10, 10).map(lambda x: round(x, 6)), min_size=1, max_size=700),
    decay=st.sampled_from([1e-6, 0.01, 0.5, 0.94, 0.97, 0.999]),
)
def test_the_scale_is_the_recursion(r, decay):
    """Whatever the length against the blocks in which it is computed."""
    r = np.array(r)
    np.testing.assert_allclose(ewma_scale(r, decay), _recursion(r, decay), rtol=1e-9, atol=1e-100)


@settings(deadline=None)
@given(
    x=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=700),
    decay=st.sampled_from([1e-6, 0.01, 0.5, 0.9, 0.97, 0.992, 0.999]),
)
def test_the_mean_is_the_recursion(x, decay):
    """Of numbers of either sign, to within rounding of the largest so far."""
    mean, expected = x[0], []
    for number in x:
        mean = decay * mean + (1 - decay) * number
        expected.append(mean)
    expected[0] = x[0]
    largest = np.maximum.accumulate(np.abs(x))
    assert (np.abs(ewma(np.array(x), decay) - expected) <= 1e-12 * largest).all()


def test_the_mean_knows_nothing_of_later_numbers():
    """Cut anywhere, what is left has the same bits."""
    x = np.random.default_rng(0).standard_normal(600) + 5.0
    for decay in (0.5, 0.9, 0.992):
        whole = ewma(x, decay)
        for end in range(1, 600, 7):
            assert np.array_equal(ewma(x[:end], decay), whole[:end])


def test_the_scale_knows_nothing_of_later_moves():
    """Cut after any move, what is left has the same bits."""
    r = np.random.default_rng(0).standard_normal(600)
    whole = ewma_scale(r, 0.94)
    for end in (1, 127, 128, 129, 256, 300, 599):
        assert np.array_equal(ewma_scale(r[:end], 0.94), whole[:end])
        for kind in ("price", "difference"):
            assert np.array_equal(
                floored_scale(r[:end], 0.94, kind), floored_scale(r, 0.94, kind)[:end]
            )


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    """It lies between 0 and 1."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        ewma_scale(np.ones(3), decay)


def test_nothing_has_no_scale():
    """No moves give no scales."""
    assert len(ewma_scale(np.empty(0), 0.94)) == 0


@pytest.mark.parametrize("kind", ["price", "difference"])
def test_one_can_always_divide_by_the_floored_scale(kind):
    """Where values stand still, the scale is small and not zero."""
    still = floored_scale(np.zeros(50), 0.94, kind)
    assert (still > 0).all()
    r = np.zeros(1000)
    r[0] = 1.0
    assert floored_scale(r, 0.5, kind)[-1] > 1e-8
