"""The CSV source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecaster.plugins.files import CsvSource

from forecaster.errors import ConfigError, DataError, SourceError
from forecaster.hooks import Quotes
from forecaster.market import bars_from_frame
from forecaster.market.border import admit

Read = Callable[..., Quotes]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return what the source makes of a text that stands in X.csv."""

    def read_text(text: str | bytes, **options: Any) -> Quotes:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "X.csv").write_bytes(content)
        return CsvSource(options, tmp_path).fetch("X", None, None)

    return read_text


def sessions(quotes: Quotes) -> list[str]:
    """Return the sessions of an answer as text."""
    return [str(day.date()) for day in quotes.bars.index]


class TestColumns:
    def test_usual_names_in_any_case_and_order(self, read: Read) -> None:
        """Columns are found by their usual names; others, Adj Close too, are left out."""
        quotes = read("Date,Adj Close,VOLUME,close,High,low,Open\n2024-01-02,9,100,1.5,2,1,1.25\n")
        assert set(quotes.bars.columns) == {"open", "high", "low", "close", "volume"}
        row = quotes.bars.iloc[0]
        assert [row["open"], row["high"], row["low"], row["close"]] == [1.25, 2.0, 1.0, 1.5]
        assert row["volume"] == 100

    def test_quoted_cells_are_those_without_quotes(self, read: Read) -> None:
        """Quotes, spaces around cells and empty lines make no difference."""
        plain = read("date,close,volume\n2024-01-02,1.5,\n\n,,\n2024-01-03,-2e1,7\n").bars
        quoted = '"date","close",volume\n"2024-01-02", 1.5 ,\n\n,,\n2024-01-03,"-2e1" , 7\n'
        assert plain.equals(read(quoted).bars)
        assert plain["close"].tolist() == [1.5, -20.0]
        broken = 'date,close,volume\n"2024-01-02\n",1.5,\n2024-01-03,"\n-2e1",7\n'
        assert plain.equals(read(broken).bars)

    @pytest.mark.parametrize("name", ["Close", "Close/Last", "price", "VALUE"])
    def test_names_of_a_single_price(self, read: Read, name: str) -> None:
        """A price by another name is the close."""
        assert read(f"date,note,{name}\n2024-01-02,x,1.5\n").bars["close"].tolist() == [1.5]

    def test_the_only_other_column_is_the_close(self, read: Read) -> None:
        """Of two columns one is the date, the other the price, if its name does not deny it."""
        assert read(",Megawatts\n2024-01-02,1.5\n").bars["close"].tolist() == [1.5]

    @pytest.mark.parametrize("name", ["Volume", "Adj Close", "open"])
    def test_the_only_other_column_may_be_no_close(self, read: Read, name: str) -> None:
        """A volume or an adjusted price is never taken for the close."""
        with pytest.raises(DataError, match="no close column"):
            read(f"date,{name}\n2024-01-02,1.5\n")

    def test_adjusted_close_is_no_close(self, read: Read) -> None:
        """A file with adjusted prices only is refused, with the columns it has."""
        with pytest.raises(DataError, match=r"no close column.*Adj Close.*close") as caught:
            read("Date,Open,Adj Close\n2024-01-02,1,2\n")
        assert caught.value.code == "columns"

    def test_naming_one_price_column_names_all(self, read: Read) -> None:
        """Who asks for the adjusted close gets it alone, not mixed with raw highs and lows."""
        quotes = read("Date,High,Adj Close\n2024-01-02,9,2\n", close="Adj Close")
        assert list(quotes.bars.columns) == ["close"]
        assert quotes.bars["close"].tolist() == [2.0]

    def test_named_column_that_is_not_there(self, read: Read) -> None:
        """The error names the file, the column and those that there are."""
        with pytest.raises(DataError, match=r"X\.csv has no column 'Settle'; it has Date, Close"):
            read("Date,Close\n2024-01-02,2\n", close="Settle")

    def test_two_columns_of_one_name(self, read: Read) -> None:
        """Which of two closes is meant is not guessed."""
        with pytest.raises(DataError, match="two columns 'close'"):
            read("Date,Close,close\n2024-01-02,1,2\n")

    @pytest.mark.parametrize("mark", [";", "\t", "|"])
    def test_other_separators(self, read: Read, mark: str) -> None:
        """The separator is what the header uses most."""
        text = "Date,Open,Close\n2024-01-02,1,2\n".replace(",", mark)
        assert read(text).bars["close"].tolist() == [2.0]


class TestDates:
    def test_newest_first_is_turned_around(self, read: Read) -> None:
        """Rows are put in ascending order."""
        quotes = read("Date,Close\n2024-01-03,2\n2024-01-02,1\n")
        assert sessions(quotes) == ["2024-01-02", "2024-01-03"]
        assert quotes.bars["close"].tolist() == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("cells", "found"),
        [
            (["2024-01-02", "2024-01-31"], "2024-01-31"),
            (["2024-01-02 00:00:00-05:00", "2024-01-31 00:00:00-05:00"], "2024-01-31"),
            (["01/02/2024", "01/31/2024"], "2024-01-31"),
            (["02/01/2024", "31/01/2024"], "2024-01-31"),
            (["2.1.2024", "31.1.2024"], "2024-01-31"),
            (["1/2/2024 16:00:00", "1/31/2024 16:00:00"], "2024-01-31"),
            (["20240102", "20240131"], "2024-01-31"),
            (["2024.01.02", "2024.01.31 00:00"], "2024-01-31"),
            (["02-Jan-2024", "31-JAN-2024"], "2024-01-31"),
            (['"Jan 02, 2024"', '"Jan 31, 2024"'], "2024-01-31"),
        ],
    )
    def test_usual_formats_are_found_out(self, read: Read, cells: list[str], found: str) -> None:
        """The whole column tells day from month; a time of day and its zone are dropped."""
        quotes = read("Date,Close\n" + "".join(f"{cell},1\n" for cell in cells))
        assert sessions(quotes) == ["2024-01-02", found]

    def test_what_can_be_read_in_two_ways_is_not_guessed(self, read: Read) -> None:
        """Without a day above 12 the format must be named."""
        text = "Date,Close\n01/02/2024,1\n03/02/2024,2\n"
        with pytest.raises(DataError, match=r"line 2.*two ways.*date_format"):
            read(text)
        quotes = read(text, date_format="%d/%m/%Y")
        assert sessions(quotes) == ["2024-02-01", "2024-02-03"]

    def test_a_missing_date_has_its_line(self, read: Read) -> None:
        """A row without a date is no row of a table: it is not dropped in silence."""
        with pytest.raises(DataError, match=r"X\.csv, line 3: the date is empty; .*remove it"):
            read("Date,Close\n2024-01-02,1\n,2\n")

    @pytest.mark.parametrize("options", [{}, {"date_format": "%Y-%m-%d"}])
    def test_unreadable_date_has_its_line(self, read: Read, options: dict[str, str]) -> None:
        """Blank lines count, as in an editor."""
        with pytest.raises(DataError, match=r"X\.csv, line 4: '2024-13-01' is no date"):
            read("Date,Close\n2024-01-02,1\n\n2024-13-01,1\n", **options)


class TestCells:
    def test_unreadable_number_has_its_line(self, read: Read) -> None:
        """The error names file, line, column and what stands there."""
        with pytest.raises(DataError, match=r"X\.csv, line 3: Close is '1_000', no number"):
            read("Date,Close\n2024-01-02,1\n2024-01-03,1_000\n")

    def test_empty_cells_stay_empty(self, read: Read) -> None:
        """What vendors write for nothing is nothing."""
        quotes = read("Date,Open,High,Low,Close\n2024-01-02,null,,N/A,1\n2024-01-03,-,NaN,,2\n")
        bars = bars_from_frame(quotes.bars)
        assert np.isnan([bars.open, bars.high, bars.low]).all()

    def test_row_with_too_few_cells_has_its_line(self, read: Read) -> None:
        """A damaged row is not filled up."""
        with pytest.raises(DataError, match=r"line 3: 1 cells under 2 names"):
            read("Date,Close\n2024-01-02,1\n2024-01-03\n")

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "no rows"),
            (b"Date,Close\n", "no rows"),
            (b"\0" * 100, "NUL bytes"),
            (b"Date,Close\n2024-01-02,\xff\xfe\n", "not UTF-8"),
        ],
    )
    def test_what_is_no_table(self, read: Read, content: bytes, what: str) -> None:
        """An empty or damaged file is one line of error."""
        with pytest.raises(DataError, match=what):
            read(content)

    def test_rows_that_cannot_be_prices_are_handed_over(self, read: Read) -> None:
        """Whether a row can be a bar is judged where all sources are judged: nothing is lost."""
        quotes = read("Date,High,Low,Close\n2024-01-06,1,2,inf\n2024-01-02,,,\n2024-01-02,3,1,-2\n")
        assert sessions(quotes) == ["2024-01-02", "2024-01-02", "2024-01-06"]
        assert quotes.bars["close"].tolist()[1:] == [-2.0, float("inf")]
        assert [held.session.day for held in admit(quotes.bars).held] == [2, 6]

    def test_a_separator_at_the_end_of_each_line(self, read: Read) -> None:
        """Empty cells beyond the header are none; others are an error."""
        assert read("Date,Close\n2024-01-02,1,\n").bars["close"].tolist() == [1.0]
        with pytest.raises(DataError, match="line 2: 3 cells under 2 names"):
            read("Date,Close\n2024-01-02,1,234\n")

    def test_what_spreadsheets_call_unicode_text(self, read: Read) -> None:
        """UTF-16 is told by its first bytes; half of it is refused."""
        text = "Date\tClose\r\n2024-01-02\t1\r\n".encode("utf-16")
        assert read(text).bars["close"].tolist() == [1.0]
        with pytest.raises(DataError, match="not UTF-16"):
            read(text[:-1])

    def test_byte_order_mark_is_no_part_of_the_first_name(self, read: Read) -> None:
        """Files saved by spreadsheets are read."""
        assert len(read(b"\xef\xbb\xbfDate,Close\n2024-01-02,1\n").bars) == 1


class TestNumbers:
    @pytest.mark.parametrize(
        ("cells", "values"),
        [
            (["$1,234.50", "$987.00"], [1234.5, 987.0]),
            (["1,234", "12.5"], [1234.0, 12.5]),
            (["1.234,50 €", "€ 987,1"], [1234.5, 987.1]),
            (["0,123", "1.234"], [0.123, 1234.0]),
            (["1.234.567", "12,5"], [1234567.0, 12.5]),
            (["1.234.567", "12.345"], [1234567.0, 12345.0]),
            (["12,34,567.5", "-1,000.25"], [1234567.5, -1000.25]),
            (["1 234,5", "1'234,5"], [1234.5, 1234.5]),
            (["1.234", "2.345"], [1.234, 2.345]),
            (["-$5", "$-5"], [-5.0, -5.0]),
        ],
    )
    def test_marks_that_can_be_read_in_one_way(
        self, read: Read, cells: list[str], values: list[float]
    ) -> None:
        """Thousands, a decimal comma and the sign of a currency are understood."""
        one, two = cells
        quotes = read(f"Date;Close\n2024-01-02;{one}\n2024-01-03;{two}\n")
        assert quotes.bars["close"].tolist() == values

    def test_all_columns_are_written_alike(self, read: Read) -> None:
        """What one column proves holds for the others: 12.345 is twelve thousand beside 1,5."""
        quotes = read("Date;Volume;Close\n2024-01-02;12.345;1,5\n")
        assert quotes.bars.iloc[0].to_dict() == {"close": 1.5, "volume": 12345.0}

    def test_volumes_may_be_in_millions(self, read: Read) -> None:
        """K, M and B are units of volumes, and of nothing else."""
        quotes = read("Date,Price,Vol.\n2024-01-02,1.5,2.5M\n2024-01-03,1,3K\n2024-01-04,1,-\n")
        assert quotes.bars["volume"].tolist()[:2] == [2.5e6, 3e3]
        with pytest.raises(DataError, match=r"line 2: Close is '2\.5M', no number"):
            read("Date,Close\n2024-01-02,2.5M\n")

    def test_what_can_be_read_in_two_ways_is_not_guessed(self, read: Read) -> None:
        """1,234 alone is one thousand or one: the option decides."""
        text = "Date;Close\n2024-01-02;1,234\n2024-01-03;2,345\n"
        with pytest.raises(DataError, match=r"line 2: Close is '1,234'.*two ways.*decimal"):
            read(text)
        assert read(text, decimal=",").bars["close"].tolist() == [1.234, 2.345]
        assert read(text, decimal=".").bars["close"].tolist() == [1234.0, 2345.0]
        plain = "Date;Close\n2024-01-02;1.234\n"
        assert read(plain, decimal=",").bars["close"].tolist() == [1234.0]

    @pytest.mark.parametrize(
        ("one", "two", "what"),
        [
            ("1.5", "1,5", r"line 3: Close is '1,5' where Close is '1\.5': .*two ways"),
            ("1,5", "1,50,00", r"line 3: Close is '1,50,00'.*two ways"),
            ("$1", "€1", r"line 3: Close is '€1' in another currency"),
            ("1", "$1$", r"line 3: Close is '\$1\$', no number"),
            ("1", "(1)", "line 3: Close is '\\(1\\)', no number"),
            ("1.5", "+-2", "line 3: Close is '\\+-2', no number"),
            ("1.5", "12,34", "two ways"),
            ("1.5", "1,2345.5", "no number"),
        ],
    )
    def test_marks_that_contradict_each_other(
        self, read: Read, one: str, two: str, what: str
    ) -> None:
        """The line that does not fit the others is named."""
        with pytest.raises(DataError, match=what):
            read(f"Date;Close\n2024-01-02;{one}\n2024-01-03;{two}\n")


class TestFiles:
    def test_folder_is_relative_to_the_configuration(self, tmp_path: Path) -> None:
        """The option names a folder as seen from the configuration's."""
        (tmp_path / "prices").mkdir()
        (tmp_path / "prices" / "A.csv").write_text("Date,Close\n2024-01-02,1\n2024-01-03,2\n")
        source = CsvSource({"folder": "prices"}, tmp_path)
        assert len(source.fetch("A", date(2024, 1, 3), None).bars) == 1
        assert len(source.fetch("A", None, date(2024, 1, 2)).bars) == 1

    def test_the_last_row_counts_as_today_unless_said_otherwise(self, read: Read) -> None:
        """A file is historical by default."""
        text = "Date,Close\n2024-01-02,1\n"
        assert read(text).historical
        assert not read(text, historical=False).historical

    def test_missing_file(self, read: Read, tmp_path: Path) -> None:
        """The error says which path, what to do, and what comes near."""
        (tmp_path / "GOOGL.csv").write_text("")
        with pytest.raises(SourceError, match=r"no file .*/GOOG\.csv.*folder.*GOOGL") as caught:
            CsvSource({}, tmp_path).fetch("GOOG", None, None)
        assert caught.value.code == "no_file"

    @pytest.mark.parametrize(
        "symbol", ["", "..", "../X", "/etc/passwd", "a/b", "X\n", ".X", "a..b"]
    )
    def test_symbols_lead_nowhere_else(self, tmp_path: Path, symbol: str) -> None:
        """A symbol that could be a path is refused."""
        with pytest.raises(SourceError) as caught:
            CsvSource({}, tmp_path).fetch(symbol, None, None)
        assert caught.value.code == "bad_symbol"

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"foldr": "x"}, r"plugins\.csv.*foldr.*folder"),
            ({"folder": 3}, r"plugins\.csv.*folder.*3"),
            ({"historical": "yes"}, r"plugins\.csv.*historical.*yes"),
            ({"folder": ".", "file": "x"}, r"plugins\.csv.*folder and file"),
            ({"adj_close": "a", "split": "b"}, r"plugins\.csv.*adj_close"),
            ({"adjusted": "both"}, r"plugins\.csv.*adjusted.*both.*none.*splits.*all"),
            ({"decimal": ";"}, r"plugins\.csv.*decimal.*;"),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], what: str) -> None:
        """An error names the table, the key and the value."""
        with pytest.raises(ConfigError, match=what):
            CsvSource(options, Path())
