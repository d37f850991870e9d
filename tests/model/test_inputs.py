"""Encodings: what the network reads, what its outputs mean, and that neither looks ahead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.model.inputs import MinMax, Returns, Window, make_encoding
from forecaster.model.motion import Motion
from forecaster.model.scale import floored_scale

PRICES = 100.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 80)))
ENCODINGS = [
    Returns(6, 3, Motion(), 0.94),
    Returns(6, 3, Motion("difference"), 0.94),
    Window(6, 3),
    MinMax(6, 3, 90.0, 110.0),
    Returns(6, 3, Motion("price", 5), 0.94),
    Returns(6, 3, Motion("difference", 2), 0.94),
]
each = pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda e: f"{e.name}")


def test_returns_are_scaled_by_the_volatility_at_the_window_end():
    """One window and its targets, worked out from the definitions."""
    encoding = Returns(6, 3, Motion(), 0.94)
    x, y = encoding.windows(PRICES)
    assert (x.shape, y.shape) == ((80 - 6 - 3, 6, 1), (80 - 6 - 3, 3))
    end = 30  # the window that ends at value 30 is number 30 - lookback
    r = np.diff(np.log(PRICES))
    sigma = floored_scale(r, 0.94, "price")[end - 1]
    np.testing.assert_allclose(x[end - 6, :, 0], r[end - 6 : end] / sigma)
    ahead = np.log(PRICES[end + 1 : end + 4] / PRICES[end])
    np.testing.assert_allclose(y[end - 6], ahead / (sigma * np.sqrt([1, 2, 3])))


def test_window_scales_by_its_own_last_value_and_spread():
    """One window and its targets, worked out from the definitions."""
    x, y = Window(6, 3).windows(PRICES)
    assert (x.shape, y.shape) == ((80 - 6 - 3 + 1, 6, 1), (80 - 6 - 3 + 1, 3))
    seen, after = PRICES[10:16], PRICES[16:19]
    np.testing.assert_allclose(x[10, :, 0], (seen - seen[-1]) / seen.std())
    np.testing.assert_allclose(y[10], np.clip((after - seen[-1]) / seen.std(), -6, 6))


def test_minmax_scales_by_what_it_was_fitted_on():
    """And by nothing else: later values may lie outside 0 and 1."""
    x, y = MinMax(6, 3, 90.0, 110.0).windows(PRICES)
    np.testing.assert_allclose(x[10, :, 0], (PRICES[10:16] - 90.0) / 20.0)
    np.testing.assert_allclose(y[10], (PRICES[16:19] - 90.0) / 20.0)
    assert MinMax(6, 3, 90.0, 91.0).windows(PRICES)[1].max() > 6.0


@each
def test_the_newest_window_is_the_one_that_training_would_see(encoding):
    """What is forecast from is encoded like what was learnt from, to the last bit."""
    x, _ = encoding.windows(PRICES)
    assert np.array_equal(encoding.newest(PRICES[:-3]), x[-1:])


@each
def test_decoding_inverts_the_targets(encoding):
    """The targets of the last window, decoded, are the values that followed."""
    _, y = encoding.windows(PRICES)
    np.testing.assert_allclose(encoding.decode(y[-1], PRICES[:-3]), PRICES[-3:])


@each
def test_the_baseline_decodes_to_the_naive_forecast(encoding):
    """The last value or its season's; an output of zero for all but minmax."""
    outputs = encoding.baseline(encoding.newest(PRICES))
    motion = encoding.motion if encoding.name == "returns" else Motion()
    expected = motion.baselines(PRICES, 3)
    assert motion.season or set(expected) == {PRICES[-1]}
    np.testing.assert_allclose(encoding.decode(outputs[0], PRICES), expected)
    assert (encoding.name == "minmax") == bool(outputs.any())


@each
def test_every_step_has_the_targets_seen_from_there(encoding):
    """With every_step, y is (n, T, H); its last step is the y of the last step alone."""
    x, y = encoding.windows(PRICES, every_step=True)
    _, last = encoding.windows(PRICES)
    assert y.shape == (*x.shape[:2], 3)
    np.testing.assert_allclose(y[:, -1], last, rtol=1e-12)


def test_a_target_of_an_early_step_is_the_move_from_that_step():
    """For returns: from value i, in units of the scale at the window's end."""
    _, y = Returns(6, 3, Motion(), 0.94).windows(PRICES, every_step=True)
    sigma = floored_scale(np.diff(np.log(PRICES)), 0.94, "price")[29]
    # Window 24 ends at value 30; its third step is at value 27.
    move = np.log(PRICES[29] / PRICES[27])
    assert y[24, 2, 1] == pytest.approx(move / (sigma * np.sqrt(2)))


@each
@settings(max_examples=25, deadline=None)
@given(cutoff=st.integers(20, 79), seed=st.integers(0, 100))
def test_windows_up_to_a_cutoff_ignore_what_comes_later(encoding, cutoff, seed):
    """Garbage after the cutoff leaves every window with its targets before it as it was."""
    garbage = np.random.default_rng(seed).uniform(1.0, 1e6, 80 - cutoff)
    x, y = encoding.windows(PRICES[:cutoff])
    x_all, y_all = encoding.windows(np.concatenate([PRICES[:cutoff], garbage]))
    assert np.array_equal(x, x_all[: len(x)])
    assert np.array_equal(y, y_all[: len(y)])


def test_the_test_above_would_see_a_leak():
    """An encoding that did look at all values (a refitted MinMax) changes."""
    later = np.concatenate([PRICES, [1e6]])
    one, other = (
        make_encoding("minmax", values, lookback=6, horizon=3, motion=Motion(), decay=0.94).windows(
            values
        )[0]
        for values in (PRICES, later)
    )
    assert not np.array_equal(one, other[: len(one)])


@each
def test_a_flat_stretch_divides_by_no_zero(encoding):
    """A price that stands still for longer than the lookback encodes to finite numbers."""
    values = np.concatenate([PRICES[:20], np.full(20, PRICES[19]), PRICES[20:40]])
    x, y = encoding.windows(values)
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert np.isfinite(encoding.decode(np.full(3, 1.0), values[:40])).all()


@pytest.mark.parametrize("encoding", ENCODINGS[:3], ids=lambda e: e.name)
def test_extremes_are_limited(encoding):
    """Inputs to +-8, targets to +-6, and what is decoded to what targets can be."""
    values = PRICES.copy()
    values[40:] *= 50.0
    x, y = encoding.windows(values)
    assert np.abs(x).max() <= 8.0
    assert np.abs(y).max() == 6.0
    assert np.array_equal(
        encoding.decode(np.full(3, 1e9), PRICES), encoding.decode(np.full(3, 6.0), PRICES)
    )


def test_log_returns_of_non_positive_values_are_refused():
    """With the remedy; the other encodings take any value."""
    values = PRICES - 100.0
    with pytest.raises(DataError) as caught:
        Returns(6, 3, Motion(), 0.94).windows(values)
    assert caught.value.code == "non_positive"
    for encoding in (Returns(6, 3, Motion("difference"), 0.94), Window(6, 3)):
        assert np.isfinite(encoding.windows(values)[0]).all()


def test_minmax_of_a_constant_is_refused():
    """There is no scale."""
    with pytest.raises(DataError) as caught:
        make_encoding("minmax", np.ones(9), lookback=2, horizon=1, motion=Motion(), decay=0.94)
    assert caught.value.code == "constant"
