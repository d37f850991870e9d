"""How a series moves: steps, baselines, and the way there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.model import Motion, floored_scale

WEEKS = np.array([10.0, 20.0, 30.0, 11.0, 22.0, 33.0, 13.0, 24.0])  # seasons of 3, two of a third
MOTIONS = [Motion(kind, season) for kind in ("price", "difference") for season in (None, 3, 7)]
each = pytest.mark.parametrize("motion", MOTIONS, ids=str)


def _values(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return 100.0 * np.exp(rng.normal(0.0, 0.02, n).cumsum())


def test_steps_of_prices_are_log_returns_and_of_differences_differences():
    """And differences may be of any sign."""
    np.testing.assert_allclose(Motion().steps(np.array([1.0, np.e])), [1.0])
    np.testing.assert_allclose(Motion("difference").steps(np.array([1.0, -37.0])), [-38.0])


def test_with_a_season_steps_are_counted_from_one_season_ago():
    """Entry j is the step to value j + season."""
    np.testing.assert_allclose(Motion("difference", 3).steps(WEEKS), [1, 2, 3, 2, 2])
    np.testing.assert_allclose(Motion("price", 3).steps(WEEKS)[0], np.log(11 / 10))


def test_the_baseline_is_the_last_value():
    """For every horizon."""
    np.testing.assert_array_equal(Motion().baselines(WEEKS, 4), [24, 24, 24, 24])


def test_with_a_season_the_baseline_is_the_newest_value_of_the_same_phase():
    """v_{t + h - m ceil(h / m)}: after 13 and 24 of the third season comes 33 of the second."""
    np.testing.assert_array_equal(
        Motion("difference", 3).baselines(WEEKS, 7), [33, 13, 24, 33, 13, 24, 33]
    )
    np.testing.assert_array_equal(Motion("price", 3).baselines(WEEKS, 2), [33, 13])


def test_a_move_grows_with_the_root_of_what_lies_between():
    """Sessions, or seasons."""
    np.testing.assert_allclose(Motion().roots(4), np.sqrt([1, 2, 3, 4]))
    np.testing.assert_allclose(Motion("price", 3).roots(7), np.sqrt([1, 1, 1, 2, 2, 2, 3]))


@each
@settings(max_examples=30, deadline=None)
@given(horizon=st.integers(1, 20), end=st.integers(8, 39), seed=st.integers(0, 99))
def test_what_lies_ahead_is_counted_from_the_baselines(motion, horizon, end, seed):
    """Row j of `ahead`, applied to the baselines at value j + lag, is what happened."""
    values = _values(seed=seed)
    ahead = motion.ahead(values, horizon)
    assert ahead.shape == (len(values) - motion.lag - horizon, horizon)
    happened = values[end + 1 : end + 1 + horizon]
    baselines = motion.baselines(values[: end + 1], horizon)
    row = ahead[end - motion.lag]
    np.testing.assert_allclose(motion.apply(baselines, row), happened, rtol=1e-12)
    np.testing.assert_allclose(motion.between(baselines, happened), row, atol=1e-12)


@each
def test_the_first_thing_ahead_is_the_next_step(motion):
    """Whatever the season: one session on, the baseline is what the step is counted from."""
    values = _values()
    assert np.array_equal(motion.ahead(values, 1)[:, 0], motion.steps(values)[1:])


@each
def test_no_move_leads_nowhere(motion):
    """Applied to a value, it gives the same value to the last bit."""
    values = _values()
    assert np.array_equal(motion.apply(values, np.zeros(len(values))), values)
    assert np.array_equal(motion.between(values, values), np.zeros(len(values)))


@each
def test_what_comes_later_changes_no_step(motion):
    """Nor the scale of one: cut after any value, the bits are the same."""
    values = _values()
    steps = motion.steps(values)
    for end in (9, 20, 59):
        assert np.array_equal(motion.steps(values[:end]), steps[: end - motion.lag])
        scale = motion.scale(motion.steps(values[:end]), 0.94)
        assert np.array_equal(scale, motion.scale(steps, 0.94)[: end - motion.lag])
        assert np.array_equal(scale, floored_scale(steps, 0.94, motion.kind)[: len(scale)])


@pytest.mark.parametrize("bad", [0.0, -36.98])
def test_a_price_without_a_logarithm_is_named_with_the_remedy(bad):
    """WTI oil once closed at -36.98."""
    for read in (Motion().path, Motion().steps, lambda values: Motion().ahead(values, 1)):
        with pytest.raises(DataError) as caught:
            read(np.array([20.0, bad, 10.0]))
        assert caught.value.code == "non_positive"
        assert f"value 2 of 3 is {bad:g}" in str(caught.value)
        assert 'values = "difference"' in caught.value.remedy


@each
def test_too_few_values_make_no_step(motion):
    """As many as the lag give none, and no error."""
    assert len(motion.steps(_values(motion.lag))) == 0
    assert len(motion.steps(_values(1))) == 0
