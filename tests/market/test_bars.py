"""Bars and the validation that every source passes."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DataError
from forecaster.market import (
    FIELDS,
    bars_from_frame,
    foreign_sessions,
    get_calendar,
    missing_sessions,
)

DAYS = ["2024-03-01", "2024-03-04", "2024-03-05"]


def frame(**changes: Any) -> pd.DataFrame:
    """Return a good frame of three sessions with some columns changed; None drops one."""
    columns = {
        "open": [1.0, 2.0, 3.0],
        "high": [1.5, 2.5, 3.5],
        "low": [0.5, 1.5, 2.5],
        "close": [1.25, 2.25, 3.25],
        "volume": [10, 20, 30],
        **changes,
    }
    kept = {name: values for name, values in columns.items() if values is not None}
    return pd.DataFrame(kept, index=pd.DatetimeIndex(DAYS))


def refusal(bad: pd.DataFrame) -> DataError:
    """Return the error that the validation raises."""
    with pytest.raises(DataError) as caught:
        bars_from_frame(bad)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_good_frame_becomes_bars() -> None:
    """Every column arrives as float64 under its session."""
    bars = bars_from_frame(frame())
    assert len(bars) == 3
    assert bars.sessions.tolist() == [date(2024, 3, 1), date(2024, 3, 4), date(2024, 3, 5)]
    assert bars.volume.tolist() == [10.0, 20.0, 30.0]
    assert all(bars.field(name).dtype == np.float64 for name in FIELDS)


def test_a_close_is_enough() -> None:
    """What a source leaves empty is NaN."""
    bars = bars_from_frame(frame(open=None, high=None, low=None, volume=None))
    assert bars.close.tolist() == [1.25, 2.25, 3.25]
    assert np.isnan([bars.open, bars.high, bars.low, bars.volume]).all()


def test_negative_and_zero_prices_pass() -> None:
    """Oil closed at -36.98: whoever takes logarithms refuses it, not the border."""
    only = {"open": None, "high": None, "low": None}
    assert bars_from_frame(frame(close=[10.0, -36.98, 0.0], **only)).close[1] == -36.98


def test_upto_includes_the_session() -> None:
    """Bars up to a date end with its session, or with the one before a date without any."""
    bars = bars_from_frame(frame())
    assert len(bars.upto(date(2024, 3, 4))) == 2
    assert len(bars.upto(date(2024, 3, 3))) == 1
    assert len(bars.upto(np.datetime64("2024-02-01"))) == 0
    assert bars.upto(date(2024, 3, 4)).close.tolist() == [1.25, 2.25]


def test_unknown_field() -> None:
    """A field that no bar has is an error naming those it has."""
    with pytest.raises(DataError, match=r"'adj_close'.*open, high, low, close, volume"):
        bars_from_frame(frame()).field("adj_close")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"close": [1.25, np.nan, np.nan]}, "not_finite", "2 of 3 .*2024-03-04"),
        ({"close": [1.25, 2.25, -np.inf]}, "not_finite", "1 of 3 .*2024-03-05"),
        ({"volume": [10, np.inf, 1]}, "not_finite", "infinite volume.*2024-03-04"),
        ({"volume": [10, 5, -1]}, "negative_volume", "1 of 3 .*2024-03-05 .volume -1"),
        ({"high": [1.5, 1.0, 3.5]}, "high_below_low", "2024-03-04 .high 1, low 1.5"),
        ({"open": [0.4, 9.0, 3.0]}, "outside_range", "2 of 3 .*open outside.*2024-03-01"),
        ({"close": [1.25, 2.25, 3.51]}, "outside_range", "1 of 3 .*close outside.*2024-03-05"),
        ({"close": ["a", "b", "c"]}, "not_numbers", "close"),
        ({"close": None}, "columns", "no close"),
        ({"adj_close": [1.0, 2.0, 3.0]}, "columns", "adj_close"),
    ],
)
def test_values_that_cannot_be(changes: dict[str, Any], code: str, words: str) -> None:
    """Each defect is named with its count and its first session."""
    error = refusal(frame(**changes))
    assert error.code == code
    assert pd.Series([str(error)]).str.contains(words, regex=True).all(), str(error)


def test_a_rounding_outside_the_range_passes() -> None:
    """Prices that are equal but for the last digit of a float are not refused."""
    assert len(bars_from_frame(frame(open=[1.0, 2.0, 3.5 * (1 + 1e-12)]))) == 3


@pytest.mark.parametrize(
    ("index", "code"),
    [
        (pd.Index([1, 2, 3]), "not_sessions"),
        (pd.DatetimeIndex(DAYS, tz="America/New_York"), "not_sessions"),
        (pd.DatetimeIndex(["2024-03-01", "2024-03-04 16:00", "2024-03-05"]), "not_sessions"),
        (pd.DatetimeIndex(["2024-03-01", None, "2024-03-05"]), "not_sessions"),
        (pd.DatetimeIndex(DAYS[::-1]), "unsorted"),
        (pd.DatetimeIndex(["2024-03-01", "2024-03-04", "2024-03-04"]), "duplicate"),
    ],
)
def test_indexes_that_hold_no_sessions(index: pd.Index, code: str) -> None:
    """Times, zones, gaps, disorder and duplicates are refused, never repaired silently."""
    assert refusal(frame().set_axis(index)).code == code


def test_no_bars() -> None:
    """An empty frame is an error of its own."""
    assert refusal(frame().iloc[:0]).code == "empty"
    assert refusal(pd.DataFrame()).code == "empty"


def test_missing_and_foreign_sessions() -> None:
    """Bars are compared with the calendar between the first and the last one."""
    days = pd.DatetimeIndex(["2001-09-10", "2001-09-11", "2001-09-19"])
    bars = bars_from_frame(frame().set_axis(days))
    calendar = get_calendar("XNYS")
    assert missing_sessions(bars, calendar).tolist() == [date(2001, 9, 17), date(2001, 9, 18)]
    assert foreign_sessions(bars, calendar).tolist() == [date(2001, 9, 11)]


def test_a_foreign_first_session_is_seen() -> None:
    """A bar on a holiday is foreign even where it is the first."""
    days = pd.DatetimeIndex(["2001-01-01", "2001-01-02", "2001-01-03"])
    found = foreign_sessions(bars_from_frame(frame().set_axis(days)), get_calendar("XNYS"))
    assert found.tolist() == [date(2001, 1, 1)]


def test_bars_older_than_the_calendar_are_not_foreign() -> None:
    """The Tokyo calendar begins in 1997: older bars are neither missing nor foreign."""
    days = pd.DatetimeIndex(["1996-12-30", "1997-01-06", "1997-01-08"])
    bars = bars_from_frame(frame().set_axis(days))
    calendar = get_calendar("XTKS")
    assert missing_sessions(bars, calendar).tolist() == [date(1997, 1, 7)]
    assert foreign_sessions(bars, calendar).tolist() == []
