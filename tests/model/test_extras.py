"""Extra inputs: what they are, and that none looks ahead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import ModelSettings
from forecaster.errors import DataError
from forecaster.model import (
    ACTIVATIONS,
    Beside,
    Motion,
    fields_of,
    network_from_bytes,
    network_to_bytes,
    train_network,
)
from forecaster.model.extras import Extras
from forecaster.model.scale import floored_scale

NAMES = (
    "averages", "open", "high", "low", "close", "volume", "abs_return", "range", "volatility",
    "weekday",
)  # fmt: skip


def _market(n=300, seed=0):
    """Closing prices, and the bars that they close."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(rng.normal(0.0, 0.01, n).cumsum())
    open_ = close * np.exp(rng.normal(0.0, 0.005, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.004, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.004, n)))
    volume = np.where(rng.random(n) < 0.02, 0.0, np.exp(rng.normal(14.0, 0.5, n)))
    sessions = np.arange("2020-01-06", "2024-01-01", dtype="datetime64[D]")[:n]  # a Monday
    fields = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    return close, Beside(sessions, fields)


CLOSE, BESIDE = _market()
R = np.diff(np.log(CLOSE))
SIGMA = floored_scale(R, 0.94, "price")  # SIGMA[i - 1] is known at session i
END, T = 120, 6
SEEN = slice(END - T + 1, END + 1)


def _windows(name, kind="price", values=CLOSE, beside=BESIDE):
    """The window of T steps that ends at END, (T, E)."""
    return Extras((name,), Motion(kind), 0.94).windows(values, beside, np.array([END]), T)[0]


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_field_is_read_by_its_moves(name):
    """In units of their own EWMA scale at the window's end."""
    moves = np.diff(np.log(BESIDE.fields[name]))
    scale = floored_scale(moves, 0.94, "price")[END - 1]
    np.testing.assert_allclose(_windows(name)[:, 0], moves[END - T : END] / scale)


def test_volume_is_read_by_its_moves_and_may_be_zero():
    """One is added before the logarithm."""
    moves = np.diff(np.log(1.0 + BESIDE.fields["volume"]))
    scale = floored_scale(moves, 0.94, "price")[END - 1]
    expected = np.clip(moves[END - T : END] / scale, -8, 8)
    np.testing.assert_allclose(_windows("volume")[:, 0], expected)


def test_absolute_returns_are_in_units_of_volatility():
    """|r| / sigma."""
    np.testing.assert_allclose(
        _windows("abs_return")[:, 0], np.abs(R[END - T : END]) / SIGMA[END - 1]
    )


def test_the_range_is_the_bars_height_in_units_of_volatility():
    """log(high / low) / sigma."""
    height = np.log(BESIDE.fields["high"] / BESIDE.fields["low"])
    np.testing.assert_allclose(_windows("range")[:, 0], height[SEEN] / SIGMA[END - 1])


def test_volatility_is_that_of_the_last_20_moves_against_the_present_one():
    """Log of their root mean square over sigma, at each step."""
    expected = [
        np.log(np.sqrt(np.mean(R[i - 20 : i] ** 2)) / SIGMA[END - 1])
        for i in range(END - T + 1, END + 1)
    ]
    np.testing.assert_allclose(_windows("volatility")[:, 0], expected)


def _averages(motion, values, sigma):
    """The three distances of the window that ends at END, by the recursion, (T, 3)."""
    path = motion.path(values)
    columns = []
    for k in (20, 63, 250):
        mean, away = path[0], []
        for value in path:
            mean += 2.0 / (k + 1.0) * (value - mean)
            away.append(value - mean)
        columns.append(np.array(away)[SEEN] / (np.sqrt(k / 3.0) * sigma))
    return np.clip(np.stack(columns, axis=1), -8, 8)


@pytest.mark.parametrize("kind", ["price", "difference"])
@pytest.mark.parametrize("season", [None, 5])
def test_averages_are_distances_to_slow_ones_in_units_of_volatility(kind, season):
    """(p - EMA) / (sigma sqrt(k / 3)) for k of 20, 63 and 250 sessions; values are all it takes."""
    motion = Motion(kind, season)
    sigma = floored_scale(motion.steps(CLOSE), 0.94, kind)[END - motion.lag]
    found = Extras(("averages",), motion, 0.94).windows(CLOSE, None, np.array([END]), T)[0]
    np.testing.assert_allclose(found, _averages(motion, CLOSE, sigma), rtol=1e-9)


def test_averages_of_a_random_walk_are_of_one_size():
    """About 1, so that none drowns the others."""
    values = 100.0 * np.exp(np.random.default_rng(3).normal(0.0, 0.01, 4000).cumsum())
    ends = np.arange(1000, 4000)
    found = Extras(("averages",), Motion(), 0.94).windows(values, None, ends, 1)[:, 0]
    np.testing.assert_allclose(np.sqrt(np.mean(found**2, axis=0)), 0.9, atol=0.25)


def test_with_a_season_moves_are_those_of_a_season():
    """Of the series, and of the fields beside it."""
    extras = Extras(("abs_return", "open", "volatility"), Motion("price", 5), 0.94)
    steps, opens = (np.log(p[5:] / p[:-5]) for p in (CLOSE, BESIDE.fields["open"]))
    sigma, scale = (floored_scale(each, 0.94, "price")[END - 5] for each in (steps, opens))
    rolling = [np.sqrt(np.mean(steps[i - 24 : i - 4] ** 2)) for i in range(END - T + 1, END + 1)]
    seen = slice(END - 5 - T + 1, END - 5 + 1)
    expected = [np.abs(steps[seen]) / sigma, opens[seen] / scale, np.log(rolling / sigma)]
    found = extras.windows(CLOSE, BESIDE, np.array([END]), T)[0]
    np.testing.assert_allclose(found, np.clip(np.stack(expected, axis=1), -8, 8), rtol=1e-9)


def test_the_day_of_the_week_is_a_point_on_a_circle():
    """Monday is at angle 0; a day and the same day a week later are the same."""
    found = _windows("weekday")
    angle = 2 * np.pi * (np.arange(END - T + 1, END + 1) % 7) / 7  # session 0 is a Monday
    np.testing.assert_allclose(found, np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-12)


def test_differences_are_not_logarithms():
    """Values of kind "difference" may be negative, and so may their fields."""
    fields = {name: column - 100.0 for name, column in BESIDE.fields.items()}
    beside = Beside(BESIDE.sessions, fields)
    values = CLOSE - 100.0
    sigma = floored_scale(np.diff(values), 0.94, "difference")[END - 1]
    found = _windows("range", "difference", values, beside)[:, 0]
    np.testing.assert_allclose(found, (fields["high"] - fields["low"])[SEEN] / sigma)
    assert np.isfinite(_windows("open", "difference", values, beside)).all()


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(["price", "difference"]),
    season=st.sampled_from([None, 5]),
    end=st.integers(T - 1, 298),
)
def test_nothing_after_the_windows_end_is_read(name, kind, season, end):
    """Whatever comes later, the window is the same to the last bit."""
    other, others = _market(seed=7)
    values = np.where(np.arange(300) <= end, CLOSE, other)
    fields = {
        field: np.where(np.arange(300) <= end, column, others.fields[field])
        for field, column in BESIDE.fields.items()
    }
    extras = Extras((name,), Motion(kind, season), 0.94)
    before = extras.windows(CLOSE, BESIDE, np.array([end]), T)
    after = extras.windows(values, Beside(BESIDE.sessions, fields), np.array([end]), T)
    assert np.array_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(NAMES), season=st.sampled_from([None, 5]), cutoff=st.integers(20, 299))
def test_cut_after_a_cutoff_no_window_changes(name, season, cutoff):
    """Nor does any bit of it: all windows up to there are those of the whole."""
    extras = Extras((name,), Motion("price", season), 0.94)
    ends = np.arange(T - 1, cutoff)
    whole = extras.windows(CLOSE, BESIDE, ends, T)
    cut = extras.windows(CLOSE[:cutoff], BESIDE.between(0, cutoff), ends, T)
    assert np.array_equal(cut, whole)


def _train(beside=BESIDE, **changes):
    settings = ModelSettings(**{"lookback": 8, "horizon": 3, "epochs": 6, **changes})
    return train_network(
        CLOSE, settings, motion=Motion(), activation=ACTIVATIONS["tanh"],
        rng=np.random.default_rng(0), beside=beside,
    )  # fmt: skip


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_a_network_reads_them_beside_its_series(inputs, loss_on):
    """Thirteen inputs beside the one; stored and read back it says the same."""
    network = _train(extra_inputs=list(NAMES), inputs=inputs, loss_on=loss_on)
    assert network.members[0]["W_xh"].shape == (16, 14)
    again = network_from_bytes(network_to_bytes(network))
    assert again.extras == network.extras
    assert np.array_equal(again.predict(CLOSE, BESIDE), network.predict(CLOSE, BESIDE))


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
def test_windows_of_both_kinds_of_input_end_together(inputs):
    """The close as an extra input is, in each window, the close that the series has there."""
    network = _train(extra_inputs=["close"], inputs=inputs, horizon=1)
    x = network._newest(CLOSE, BESIDE)
    if inputs == "returns":
        assert np.array_equal(x[..., 0], x[..., 1])
    else:
        np.testing.assert_allclose(np.sign(np.diff(x[0, :, 0])), np.sign(x[0, 1:, 1]))


def test_what_is_told_by_an_extra_input_is_learnt():
    """Where the next return has the sign of the volume's last move, volume makes the difference."""
    rng = np.random.default_rng(5)
    moves = rng.standard_normal(1500)
    volume = np.exp(14.0 + 0.1 * moves.cumsum())
    r = 0.01 * (0.6 * np.sign(np.roll(moves, 1)) + 0.8 * rng.standard_normal(1500))
    values = 100.0 * np.exp(r.cumsum())
    sessions = np.arange("2015-01-01", "2025-01-01", dtype="datetime64[D]")[:1500]
    summaries = [
        train_network(
            values,
            ModelSettings(horizon=1, lookback=5, learning_rate=0.01, extra_inputs=names),
            motion=Motion(), activation=ACTIVATIONS["tanh"], rng=np.random.default_rng(0),
            beside=Beside(sessions, {"volume": volume}),
        ).summary
        for names in ([], ["volume"])
    ]  # fmt: skip
    without, with_volume = (one.validation_loss / one.baseline_loss for one in summaries)
    assert with_volume < 0.75
    assert without > 0.97


def test_fields_are_those_that_the_inputs_are_made_of():
    """The range needs the high and the low."""
    assert fields_of(["range", "volume", "weekday"]) == ["high", "low", "volume"]
    assert fields_of(["abs_return", "averages", "volatility"]) == []


def test_what_is_missing_is_named():
    """A field, or everything."""
    with pytest.raises(ValueError, match="extra inputs range need high, low beside"):
        _train(Beside(BESIDE.sessions, {}), extra_inputs=["range"])
    with pytest.raises(ValueError, match="extra inputs weekday need the sessions"):
        _train(None, extra_inputs=["weekday"])
    with pytest.raises(ValueError, match="beside 250 values stand columns of \\[300\\]"):
        Extras(("weekday",), Motion(), 0.94).windows(CLOSE[:250], BESIDE, np.array([99]), T)


def test_a_price_without_a_logarithm_is_told():
    """With the field and its place."""
    fields = dict(BESIDE.fields, open=np.where(np.arange(300) == 3, 0.0, BESIDE.fields["open"]))
    with pytest.raises(DataError, match="open is 0 in bar 4 of 300") as caught:
        _train(Beside(BESIDE.sessions, fields), extra_inputs=["open"])
    assert caught.value.code == "non_positive"


def test_a_series_that_stands_still_gives_finite_inputs():
    """A quiet stretch is divided by the floor of the scale, and clipped."""
    values = np.concatenate([np.full(100, 50.0), CLOSE[:50]])
    beside = BESIDE.between(0, 150)
    for name in NAMES:
        x = Extras((name,), Motion(), 0.94).windows(values, beside, np.arange(T - 1, 150), T)
        assert np.abs(x).max() <= 8.0
