"""Files with many symbols, as CSV and as Parquet."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from forecaster.plugins.files import CsvSource, ParquetSource

from forecaster.errors import DataError, ForecasterError, SourceError

LONG = """\
Ticker;Date;Close;Volume
MSFT;2024-01-03;370,60;23.083.500
AAPL;2024-01-03;184,25;58.414.500
MSFT;2024-01-02;370,87;25.258.600
AAPL;2024-01-02;185,64;82.488.700
"""
DAYS = pd.DatetimeIndex(["2024-01-02", "2024-01-03"], name="Date")


def long_file(folder: Path, text: str = LONG, **options: Any) -> CsvSource:
    """Return the source of one long file."""
    (folder / "prices.csv").write_text(text, encoding="utf-8", newline="")
    return CsvSource({"file": "prices.csv", **options}, folder)


def closes(source: CsvSource | ParquetSource, symbol: str) -> list[float]:
    """Return the closes of a symbol."""
    found: list[float] = source.fetch(symbol, None, None).bars["close"].tolist()
    return found


class TestLongFiles:
    def test_each_symbol_has_its_rows(self, tmp_path: Path) -> None:
        """Rows of the symbols may stand in any order."""
        source = long_file(tmp_path)
        assert closes(source, "AAPL") == [185.64, 184.25]
        assert closes(source, "MSFT") == [370.87, 370.60]
        volumes = source.fetch("MSFT", date(2024, 1, 3), None).bars["volume"]
        assert volumes.to_dict() == {pd.Timestamp("2024-01-03"): 23083500.0}

    def test_an_unknown_symbol(self, tmp_path: Path) -> None:
        """The error names those that there are, and what comes near; no other's are given."""
        source = long_file(tmp_path)
        with pytest.raises(SourceError, match=r"no symbol 'APPL'; it has MSFT, AAPL.*mean AAPL"):
            source.fetch("APPL", None, None)
        with pytest.raises(SourceError, match="no symbol 'aapl'") as caught:
            source.fetch("aapl", None, None)
        assert caught.value.code == "unknown_symbol"

    @pytest.mark.parametrize("symbol", ["", "../x", "a'b", "\0", "=1+1", "<b>", "x\ny"])
    def test_hostile_symbols_are_no_symbols(self, tmp_path: Path, symbol: str) -> None:
        """What is asked for is only ever compared."""
        with pytest.raises(SourceError) as caught:
            long_file(tmp_path).fetch(symbol, None, None)
        assert caught.value.code == "unknown_symbol"
        assert str(caught.value).isprintable()

    def test_quotes_and_line_numbers(self, tmp_path: Path) -> None:
        """Separators in quotes are none, and errors have the line of the file."""
        text = 'symbol,date,name,close\nA,2024-01-02,"x, y",1\n\n"B",2024-01-02,z,"2"\n'
        source = long_file(tmp_path, text)
        assert (closes(source, "A"), closes(source, "B")) == ([1.0], [2.0])
        source = long_file(tmp_path, f"{text}B,2024-01-03,z,x2\n")
        assert closes(source, "A") == [1.0]
        with pytest.raises(DataError, match=r"prices\.csv, line 5: close is 'x2', no number"):
            source.fetch("B", None, None)

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            (";2024-01-04;1;1", "line 6: Ticker is empty"),
            ("AAPL;2024-01-04;1", "line 6: 3 cells under 4 names"),
        ],
    )
    def test_a_line_that_belongs_to_nobody(self, tmp_path: Path, line: str, what: str) -> None:
        """It is not left out in silence."""
        with pytest.raises(DataError, match=what):
            long_file(tmp_path, f"{LONG}{line}\n").fetch("AAPL", None, None)

    def test_the_column_may_be_named(self, tmp_path: Path) -> None:
        """Any column may hold the symbol; "" says that none does."""
        text = "Name,Date,Close\nA,2024-01-02,1\nB,2024-01-02,2\n"
        assert closes(long_file(tmp_path, text, symbol="name"), "B") == [2.0]
        assert closes(long_file(tmp_path, LONG, symbol=""), "B")[0] in (370.87, 185.64)
        with pytest.raises(DataError, match=r"no column 'Who'; it has Name.*symbol"):
            long_file(tmp_path, text, symbol="Who").fetch("B", None, None)

    def test_it_is_read_once_until_it_changes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Five hundred symbols do not read it five hundred times."""
        source = long_file(tmp_path)
        opened: list[Path] = []
        read = Path.read_bytes
        monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or read(path))
        for symbol in ("AAPL", "MSFT", "AAPL"):
            source.fetch(symbol, None, None)
        assert len(opened) == 1
        (tmp_path / "prices.csv").write_text(LONG + "AAPL;2024-01-04;181,91;1\n")
        assert closes(source, "AAPL") == [185.64, 184.25, 181.91]
        assert len(opened) == 2

    def test_many_symbols_by_date(self, tmp_path: Path) -> None:
        """Lines of a symbol that lie far apart are all found, whatever is read at a time."""
        days = [str(day.date()) for day in pd.bdate_range("2020-01-01", periods=1100)]
        lines = [f"{day},S{k},{k}.5" for day in days for k in range(60)]
        source = long_file(tmp_path, "date,code,close\n" + "\n".join(lines))
        assert closes(source, "S59") == [59.5] * 1100

    def test_a_table_of_yfinance_s_download(self, tmp_path: Path) -> None:
        """Its two or three header lines say whose each column is, in either order."""
        fields, tickers = "Price,Close,Close,Open,Open", "Ticker,A,B,A,B"
        rows = "2024-01-02,1,2,3,4\n2024-01-03,5,6,7,8\n"
        for head in (
            f"{fields}\n{tickers}\nDate,,,,\n", f"{fields}\n{tickers}\n", f"{tickers}\n{fields}\n",
        ):  # fmt: skip
            source = long_file(tmp_path, head + rows)
            assert closes(source, "B") == [2.0, 6.0]
            assert source.fetch("A", None, None).bars["open"].tolist() == [3.0, 7.0]
            with pytest.raises(SourceError, match="no symbol 'C'; it has A, B"):
                source.fetch("C", None, None)


class TestOneSymbol:
    def test_a_file_of_any_name(self, tmp_path: Path) -> None:
        """Without a column of symbols, every row counts as the symbol that is asked for first."""
        (tmp_path / "any name.csv").write_text("Date,Close\n2024-01-02,1\n")
        source = CsvSource({"file": str(tmp_path / "any name.csv")}, Path("elsewhere"))
        assert closes(source, "AAPL") == [1.0]
        assert closes(source, "AAPL") == [1.0]
        with pytest.raises(SourceError, match=r"read for 'AAPL'.*no 'MSFT'.*symbol") as caught:
            source.fetch("MSFT", None, None)
        assert caught.value.code == "unknown_symbol"

    def test_no_such_file(self, tmp_path: Path) -> None:
        """The error has the path and the option; a folder is no file."""
        for file in ("none.csv", "."):
            with pytest.raises(SourceError, match=r"there is no file .*plugins\.csv\] file"):
                CsvSource({"file": file}, tmp_path).fetch("A", None, None)

    def test_a_file_of_another_symbol(self, tmp_path: Path) -> None:
        """AAPL.csv with prices of MSFT is a mistake that somebody made."""
        (tmp_path / "AAPL.csv").write_text("Date,Ticker,Close\n2024-01-02,MSFT,1\n")
        (tmp_path / "BRK-B.csv").write_text("Date,Ticker,Close\n2024-01-02,brk.b,1\n")
        with pytest.raises(SourceError, match=r"AAPL\.csv has prices of MSFT and none of AAPL"):
            CsvSource({}, tmp_path).fetch("AAPL", None, None)
        assert closes(CsvSource({"symbol": ""}, tmp_path), "AAPL") == [1.0]
        assert closes(CsvSource({}, tmp_path), "BRK-B") == [1.0]


class TestParquet:
    def test_a_file_for_each_symbol(self, tmp_path: Path) -> None:
        """SYMBOL.parquet, with its sessions as index or as column, zones dropped."""
        frame = pd.DataFrame({"Close": [1.0, 2.0], "Volume": [5, None]}, index=DAYS)
        frame.to_parquet(tmp_path / "A.parquet")
        frame.tz_localize("America/New_York").reset_index().to_parquet(tmp_path / "B.parquet")
        frame.set_axis(DAYS.date).to_parquet(tmp_path / "C.parquet")
        frame.set_axis(DAYS.astype(str)).rename_axis("day").to_parquet(tmp_path / "D.parquet")
        source = ParquetSource({}, tmp_path)
        for symbol in "ABCD":
            bars = source.fetch(symbol, None, None).bars
            assert bars.index.equals(DAYS)
            assert bars.index.name == "date"
            assert bars["close"].tolist() == [1.0, 2.0]
            assert bars["volume"].isna().tolist() == [False, True]

    def test_one_file_for_all_symbols(self, tmp_path: Path) -> None:
        """Rows are told apart by a column; numbers may be text too."""
        frame = pd.DataFrame({
            "symbol": ["B", "A", "B"], "date": ["2024-01-03", "2024-01-02", "2024-01-02"],
            "close": ["2,5", "1", "2"],
        })  # fmt: skip
        frame.to_parquet(tmp_path / "all.parquet")
        source = ParquetSource({"file": "all.parquet"}, tmp_path)
        assert (closes(source, "A"), closes(source, "B")) == ([1.0], [2.0, 2.5])
        with pytest.raises(SourceError, match="no symbol 'C'; it has B, A"):
            source.fetch("C", None, None)

    def test_what_yfinance_s_download_writes(self, tmp_path: Path) -> None:
        """Two levels of columns, in either order."""
        columns = pd.MultiIndex.from_product([["Close", "Open"], ["A", "B"]])
        columns.names = ["Price", "Ticker"]
        frame = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], index=DAYS[:1], columns=columns)
        for each in (frame, frame.swaplevel(axis=1)):
            each.to_parquet(tmp_path / "all.parquet")
            source = ParquetSource({"file": "all.parquet"}, tmp_path)
            assert closes(source, "B") == [2.0]
            assert source.fetch("A", None, None).bars["open"].tolist() == [3.0]

    @pytest.mark.parametrize(
        ("column", "what"),
        [
            (["1", "x"], "row 2: Close is 'x', no number"),
            ([True, False], "row 1: Close is 'True', no number"),
        ],
    )
    def test_errors_have_their_row(self, tmp_path: Path, column: list[Any], what: str) -> None:
        """The error names file, row, column and what stands there."""
        pd.DataFrame({"Close": column}, index=DAYS).to_parquet(tmp_path / "A.parquet")
        with pytest.raises(DataError, match=rf"A\.parquet, {what}"):
            ParquetSource({}, tmp_path).fetch("A", None, None)

    def test_a_missing_date_or_symbol_has_its_row(self, tmp_path: Path) -> None:
        """Nothing is left out in silence."""
        frame = pd.DataFrame({"date": [DAYS[0], None], "ticker": ["A", "A"], "close": [1.0, 2.0]})
        frame.to_parquet(tmp_path / "A.parquet")
        with pytest.raises(DataError, match="row 2: date is empty"):
            ParquetSource({}, tmp_path).fetch("A", None, None)
        frame.assign(date=DAYS, ticker=["A", None]).to_parquet(tmp_path / "A.parquet")
        with pytest.raises(DataError, match="row 2: ticker is empty"):
            ParquetSource({}, tmp_path).fetch("A", None, None)

    @pytest.mark.parametrize("keep", [0, 3, 200, -4])
    def test_a_damaged_file(self, tmp_path: Path, keep: int) -> None:
        """Half a file is one line of error."""
        path = tmp_path / "A.parquet"
        pd.DataFrame({"Close": [1.0, 2.0]}, index=DAYS).to_parquet(path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DataError, match=r"A\.parquet is no whole Parquet file"):
            ParquetSource({}, tmp_path).fetch("A", None, None)

    def test_no_rows(self, tmp_path: Path) -> None:
        """A file without rows says so."""
        pd.DataFrame({"Close": []}, index=DAYS[:0]).to_parquet(tmp_path / "A.parquet")
        with pytest.raises(DataError, match="has no rows"):
            ParquetSource({}, tmp_path).fetch("A", None, None)

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error has the command that installs it."""
        (tmp_path / "A.parquet").write_bytes(b"PAR1")
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(SourceError, match=r"pip install 'forecaster\[parquet\]'") as caught:
            ParquetSource({}, tmp_path).fetch("A", None, None)
        assert caught.value.code == "no_pyarrow"


JUNK = (
    "\0", "\ufeff", '"', ",", ";", "\n", "\r", "\x1f", "$", "€", "-", "NaN", "1e999", "9" * 400,
    "\u202e", "0000-00-00", "9999-12-31", " ", "'", "\t", "Price", "Ticker", "Date", "K", ".",
)  # fmt: skip
TEXTS = (
    LONG,
    "Date,Close,Dividends,Stock Splits\n2024-01-02,1.5,0.1,0\n2024-01-03,1.6,0,2\n",
    "Price,Close,Close\nTicker,AAPL,B\nDate,,\n2024-01-02,1,2\n2024-01-03,1,2\n",
    'date;close;"adj close"\n31.12.2024;"1.234,5";1\n02.01.2025;"12,5";2\n',
)


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.soak)])
def test_damaged_files_are_errors_of_one_line(tmp_path: Path, count: int) -> None:
    """Whatever a file holds, it is read, or refused in one line that can be printed."""
    rng = random.Random(count)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        text = rng.choice(TEXTS)
        for _ in range(rng.randint(1, 3)):
            at, until = sorted(rng.randrange(len(text) + 1) for _ in range(2))
            kept = text[until if rng.random() < 0.2 else at :]
            text = text[:at] + rng.choice((*JUNK, text[at:until])) + kept
        options = rng.choice(({}, {}, {"decimal": ","}, {"adj_close": "adj close"}))
        source = long_file(tmp_path, text, **options)
        try:
            found = source.fetch("AAPL", None, None)
        except ForecasterError as error:
            outcomes[error.code if str(error).isprintable() else "unprintable"] += 1
        else:
            assert found.bars.index.is_monotonic_increasing
            outcomes["read"] += 1
    assert outcomes["unprintable"] == 0
    assert min(outcomes[each] for each in ("read", "cell", "columns", "unknown_symbol")) > 5


def test_the_sources_cost_nothing_until_they_are_used() -> None:
    """Listing plugins loads neither NumPy nor pandas nor pyarrow; both read this machine."""
    code = (
        "import sys; from forecaster.plugins import files; files.CsvSource({}, None or __import__("
        "'pathlib').Path()); print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert CsvSource.local
    assert ParquetSource.local
