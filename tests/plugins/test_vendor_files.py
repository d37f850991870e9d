"""Prices, splits and dividends as vendors write them: what is undone and what is derived."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from forecaster.plugins.files import CsvSource
from forecaster.plugins.files.quotes import undo_dividends
from forecaster.plugins.splits import actions_of, undo_splits

from forecaster.errors import DataError
from forecaster.hooks import Quotes
from forecaster.market import actions_from_frame, adjust, bars_from_frame
from forecaster.market.border import admit

DATA = Path(os.environ.get("FORECASTER_TEST_DATA", "nowhere"))
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="FORECASTER_TEST_DATA names no folder with files of vendors"
)
DAYS = pd.date_range("2024-01-01", periods=6, name="date")
RAW = pd.DataFrame(
    {"open": [9.0, 21, 10, 11, 5, 6], "close": [20.0, 22, 11, 10.5, 5.5, 5], "volume": [1.0] * 6},
    index=DAYS,
)
SPLITS = pd.Series([1.0, 1, 2, 1, 2, 1], DAYS)
DIVIDENDS = pd.Series([0.0, 0.4, 0, 0.5, 0.25, 0], DAYS)


def read(name: str, **options: Any) -> Quotes:
    """Return what is made of a vendor's file."""
    symbol = "SPY" if "SPY" in name else "GOOGL"
    path = str(DATA / "raw_formats" / f"{name}.csv")
    return CsvSource({"file": path, **options}, Path()).fetch(symbol, None, None)


def adjusted(*, dividends: bool) -> tuple[pd.DataFrame, pd.Series]:
    """Return RAW and DIVIDENDS as a vendor adjusts them, by the definition."""
    sessions = DAYS.to_numpy().astype("datetime64[D]")
    last = DAYS[-1].date()
    split_only = actions_from_frame(pd.DataFrame({"split": SPLITS}))
    both = actions_from_frame(pd.DataFrame({"split": SPLITS, "dividend": DIVIDENDS}))
    bars = RAW.copy()
    for name in ("open", "close"):
        actions = both if dividends else split_only
        bars[name] = adjust(
            RAW[name].to_numpy(), sessions, RAW["close"].to_numpy(), actions, cutoff=last
        )
    later = np.array([4.0, 4, 2, 2, 1, 1])  # splits after the session
    from_here = np.array([4.0, 4, 4, 2, 2, 1])  # a dividend is per share held the day before
    bars["volume"] = RAW["volume"] * later
    return bars, DIVIDENDS / from_here


class TestUndoing:
    def test_splits(self) -> None:
        """Prices, volumes and dividends are those of their day again."""
        bars, dividends = adjusted(dividends=False)
        traded, paid = undo_splits(bars, SPLITS, dividends)
        assert_same(traded, RAW)
        pd.testing.assert_series_equal(paid, DIVIDENDS)

    def test_dividends(self) -> None:
        """What is adjusted for both is undone for dividends first, exactly."""
        bars, dividends = adjusted(dividends=True)
        traded, _ = undo_splits(undo_dividends(bars, dividends), SPLITS, dividends)
        assert_same(traded, RAW)

    def test_a_session_that_is_there_twice(self) -> None:
        """Its split and its dividend count once, and its action is handed over once."""
        bars, dividends = adjusted(dividends=True)
        order = [0, 1, 2, 2, 3, 3, 4, 5]
        twice = [each.iloc[order] for each in (bars, SPLITS, dividends)]
        traded, paid = undo_splits(undo_dividends(twice[0], twice[2]), twice[1], twice[2])
        assert_same(traded, RAW.iloc[order])
        assert len(actions_of(twice[1], paid)) == 4

    @pytest.mark.parametrize("ratio", [0.0, -2.0, np.inf, np.nan])
    def test_what_is_no_ratio_is_told_and_not_undone(self, ratio: float) -> None:
        """The border judges actions; prices stay finite."""
        splits = pd.Series([1.0, 1, ratio, 1, 1, 1], DAYS)
        traded, _ = undo_splits(RAW, splits, DIVIDENDS)
        assert_same(traded, RAW)
        assert len(actions_of(splits, DIVIDENDS)) == 4


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Demand the same rows, whatever the resolution of the index."""
    pd.testing.assert_frame_equal(found, expected, check_index_type=False, check_freq=False)


def written(folder: Path, frame: pd.DataFrame, **options: Any) -> Quotes:
    """Return what is read of a frame that was written as X.csv."""
    frame.to_csv(folder / "X.csv")
    return CsvSource(options, folder).fetch("X", None, None)


def actions(quotes: Quotes) -> dict[str, tuple[float, float]]:
    """Return split and dividend by session."""
    assert quotes.actions is not None
    return {
        str(pd.Timestamp(str(day)).date()): (row["split"], row["dividend"])
        for day, row in quotes.actions.iterrows()
    }


PAID = {
    "2024-01-02": (1.0, 0.4), "2024-01-03": (2.0, 0.0), "2024-01-04": (1.0, 0.5),
    "2024-01-05": (2.0, 0.25),
}  # fmt: skip


class TestActions:
    def test_columns_of_actions(self, tmp_path: Path) -> None:
        """By any usual name; what a file without yfinance's names holds counts as traded."""
        for split, dividend in [
            ("split", "dividend"), ("Split Ratio", "Ex-Dividend"), ("splitFactor", "divCash"),
        ]:  # fmt: skip
            quotes = written(tmp_path, RAW.assign(**{split: SPLITS, dividend: DIVIDENDS}))
            assert_same(quotes.bars, RAW)
            assert actions(quotes) == PAID

    def test_what_yfinance_writes_by_default(self, tmp_path: Path) -> None:
        """`Stock Splits` without `Adj Close`: adjusted for both, and undone."""
        bars, dividends = adjusted(dividends=True)
        told = SPLITS.replace(1.0, 0.0)
        frame = bars.assign(**{"Dividends": dividends, "Stock Splits": told})
        quotes = written(tmp_path, frame)
        assert_same(quotes.bars, RAW)
        assert actions(quotes) == PAID
        plain = written(tmp_path, frame, adjusted="none")
        assert_same(plain.bars, bars)

    def test_what_yfinance_writes_without_auto_adjust(self, tmp_path: Path) -> None:
        """`Stock Splits` with `Adj Close`: adjusted for splits only, and undone."""
        bars, dividends = adjusted(dividends=False)
        extra = {"Adj Close": bars["close"], "Dividends": dividends, "Stock Splits": SPLITS}
        quotes = written(tmp_path, bars.assign(**extra))
        assert_same(quotes.bars, RAW)
        assert actions(quotes) == PAID

    def test_what_cannot_be_undone(self, tmp_path: Path) -> None:
        """Without the columns to undo it with, an adjustment is no option."""
        for adjustment in ("splits", "all"):
            with pytest.raises(DataError, match=rf'no split column.*adjusted = "{adjustment}"'):
                written(tmp_path, RAW, adjusted=adjustment)
        with pytest.raises(DataError, match=r'no dividend column.*adjusted = "all"'):
            written(tmp_path, RAW.assign(split=SPLITS), adjusted="all")

    def test_actions_may_be_left_unread(self, tmp_path: Path) -> None:
        """By an empty name, or by naming prices and not them."""
        frame = RAW.assign(split=SPLITS, dividend=DIVIDENDS)
        assert written(tmp_path, frame, split="", dividend="").actions is None
        assert written(tmp_path, frame, close="close").actions is None
        assert len(actions(written(tmp_path, frame, close="close", split="split"))) == 2

    def test_actions_from_adjusted_closes(self, tmp_path: Path) -> None:
        """A column of adjusted closes beside closes as traded tells splits and dividends."""
        both = DIVIDENDS.where(SPLITS == 1.0, 0.0)
        sessions = DAYS.to_numpy().astype("datetime64[D]")
        told = actions_from_frame(pd.DataFrame({"split": SPLITS, "dividend": both}))
        closes = RAW["close"].to_numpy()
        theirs = adjust(closes, sessions, closes, told, cutoff=DAYS[-1].date())
        quotes = written(tmp_path, RAW.assign(**{"Adj Close": theirs}), adj_close="adj close")
        assert {day: tuple(np.round(row, 9)) for day, row in actions(quotes).items()} == {
            **PAID, "2024-01-05": (2.0, 0.0),
        }  # fmt: skip
        assert_same(quotes.bars, RAW)
        with pytest.raises(DataError, match=r"X\.csv.*no action explains"):
            written(tmp_path, RAW.assign(adj=[2.0, 1, 2, 1, 2, 1]), adj_close="adj")
        with pytest.raises(DataError, match="no row with close and adj_close"):
            written(tmp_path, RAW.assign(adj=np.nan), adj_close="adj")

    def test_no_actions_are_none(self, tmp_path: Path) -> None:
        """A file without such columns knows of no actions; one with empty columns has none."""
        assert written(tmp_path, RAW).actions is None
        assert actions(written(tmp_path, RAW.assign(split=0.0, dividend=np.nan))) == {}


@needs_data
class TestVendors:
    @pytest.mark.parametrize(
        ("name", "count", "first", "last", "close"),
        [
            # A time of day, 13:00 on half days; no line end after the last row.
            ("Microsoft_Stock", 1511, "2015-04-01", "2021-03-31", 235.77),
            # Newest first; commas in a quoted column; closes adjusted for splits.
            ("fmp_newest_first_label_with_comma_GOOGL", 4990, "2004-08-19", "2024-06-14", 176.79),
            # Newest first, month first, Close/Last, three decimals.
            ("nasdaqcom_newest_first_GOOGL", 2518, "2012-01-17", "2022-01-14", 2789.61),
            # Midnight in UTC; Adj Close before Close.
            ("yahoo_tz_suffix_reordered_GOOGL", 1258, "2020-01-02", "2024-12-31", 189.3000031),
            ("yahoo_website_GOOGL", 4735, "2004-08-19", "2023-06-09", 122.230003),
            # Two offsets, summer and winter.
            ("yfinance_history_tz_dividends_GOOGL", 4951, "2004-08-19", "2024-04-19",
             154.08999633789062),
            ("yfinance_multiindex_3line_header_SPY", 2679, "2015-01-02", "2025-08-27",
             646.6300048828125),
            ("yfinance_with_ticker_column_GOOGL", 5273, "2004-08-19", "2025-08-04",
             195.0399932861328),
        ],
    )  # fmt: skip
    def test_files_need_no_option(
        self, name: str, count: int, first: str, last: str, close: float
    ) -> None:
        """Every row is a bar that passes the validation, and the last close is the file's."""
        quotes = read(name)
        bars = bars_from_frame(quotes.bars)
        assert (len(bars), str(bars.sessions[0]), str(bars.sessions[-1])) == (count, first, last)
        assert bars.close[-1] == close
        assert np.isfinite([bars.open, bars.high, bars.low, bars.close, bars.volume]).all()

    def test_yfinance_s_prices_are_as_traded_again(self) -> None:
        """Google's first day: it closed at 100.34 dollars, and 22 million shares were traded."""
        quotes = read("yfinance_history_tz_dividends_GOOGL")
        first = quotes.bars.iloc[0]
        assert round(first["close"], 2) == 100.34
        assert round(first["volume"]) == 22_351_900
        assert actions(quotes) == {"2014-04-03": (1.998, 0.0), "2022-07-18": (20.0, 0.0)}
        before, after = quotes.bars["close"].loc["2022-07-15":"2022-07-18"]  # type: ignore[misc]
        assert 20 < before / after < 21

    def test_dividends_from_the_website_s_adjusted_closes(self) -> None:
        """Alphabet's first three dividends, of 20 cents each."""
        quotes = read("yahoo_tz_suffix_reordered_GOOGL", adj_close="Adj Close")
        found = {day: (split, round(paid, 4)) for day, (split, paid) in actions(quotes).items()}
        assert found == dict.fromkeys(["2024-06-10", "2024-09-09", "2024-12-09"], (1.0, 0.2))

    def test_repeated_weekends_are_handed_over(self) -> None:
        """A vendor that fills weekends with Fridays: the calendar knows better, not the reader."""
        bars = read("yahoo_stock").bars
        assert len(bars) == 1825
        assert (bars.index.day_of_week >= 5).sum() == 520
        assert not bars.index.duplicated().any()

    def test_blocks_in_disorder_are_sorted(self) -> None:
        """A file of shuffled blocks, one date a year off: nothing is lost, the border judges."""
        bars = read("Mismatch").bars
        assert (len(bars), bars.index.is_monotonic_increasing) == (502, True)
        assert str(bars.index[0].date()) == "2016-01-18"
        assert len(admit(bars).bars) == 502

    def test_rows_without_a_date(self) -> None:
        """The first of fifty such rows is named; none of them is left out."""
        with pytest.raises(DataError, match=r"Bad\.csv, line 202: the date is empty") as caught:
            read("Bad")
        assert caught.value.code == "cell"

    def test_bad_prices_with_dates_are_handed_over(self, tmp_path: Path) -> None:
        """The same file without them: zeros, negatives, nothing and nonsense are not judged."""
        lines = (DATA / "raw_formats" / "Bad.csv").read_text().splitlines()
        (tmp_path / "SPY.csv").write_text("\n".join(x for x in lines if "no date" not in x))
        quotes = CsvSource({}, tmp_path).fetch("SPY", None, None)
        assert len(quotes.bars) == 452
        assert quotes.bars["close"].isna().sum() == 51
        assert (quotes.bars["close"] == 0).sum() == 51
        assert (quotes.bars[["open", "high", "low", "close"]] < 0).sum().sum() == 4

    def test_a_file_of_zero_bytes(self) -> None:
        """A file that a crash left full of NUL is refused in one line."""
        with pytest.raises(DataError, match=r"NUL_GOOGL\.csv holds NUL bytes") as caught:
            read("corrupted_all_NUL_GOOGL")
        assert caught.value.code == "not_text"
