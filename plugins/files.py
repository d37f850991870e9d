"""Prices from CSV files, one file per symbol."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from forecaster import hookimpl
from forecaster.errors import DataError, SourceError
from forecaster.hooks import Options, Quotes, Source, read_options

from .dates import between, read_dates

if TYPE_CHECKING:
    import pandas as pd

SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.\-=^_]*")
# The usual names, best first, compared without case. "Adj Close" is none of them: it is adjusted.
USUAL = {
    "date": ("date", "datetime", "timestamp", "time", "day", "session", "trade date", ""),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "close/last", "price", "value", "last"),
    "volume": ("volume",),
}
# What a column of another name holds is no closing price, even where it is the only one.
NO_CLOSE = frozenset({
    "open", "high", "low", "volume", "adj close", "adj_close", "adjusted close", "dividends",
})  # fmt: skip
FIELDS = ("open", "high", "low", "close", "volume")
EMPTY = frozenset({"", "-", "n/a", "na", "nan", "null", "none"})
PLAIN = re.compile(r"[0-9.eE+-]*")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)


class CsvOptions(Options):
    """The table [plugins.csv]. Who names one price column names all: the others are not read."""

    folder: str = "."
    """Where the files are, `SYMBOL.csv` each; relative to the folder of the configuration."""
    date: str | None = None
    """The column with the session; default: the usual names."""
    date_format: str | None = Field(default=None, min_length=2)
    """How dates are written, in the words of strptime, such as "%d.%m.%Y"; default: found out."""
    open: str | None = None
    """The column with the opening price."""
    high: str | None = None
    """The column with the highest price."""
    low: str | None = None
    """The column with the lowest price."""
    close: str | None = None
    """The column with the closing price."""
    volume: str | None = None
    """The column with the volume."""
    historical: bool = True
    """Whether a file's last row counts as today; false when the files are kept up to date."""


@dataclass(frozen=True)
class CsvTable:
    """The cells of one file, as text.

    Attributes:
        path: of the file, for messages.
        header: the names of the columns.
        columns: cells, one column a name.
        lines: the line in the file of each row.
        padded: whether there may be blanks around cells.
    """

    path: Path
    header: list[str]
    columns: list[tuple[str, ...]]
    lines: list[int]
    padded: bool

    def column(self, name: str) -> Sequence[str]:
        """Return the cells of one column."""
        cells = self.columns[self.header.index(name)]
        return [cell.strip() for cell in cells] if self.padded else cells

    def wrong(self, row: int, what: str, remedy: str = "") -> DataError:
        """Return the error for a cell of a row."""
        return DataError(f"{self.path}, line {self.lines[row]}: {what}", remedy=remedy, code="cell")


class CsvSource:
    """One CSV file per symbol: a header line, then one line per session in either order."""

    name: ClassVar[str] = "csv"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        self._options = read_options(CsvOptions, options, "plugins.csv")
        self._folder = folder / self._options.folder

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the bars in `SYMBOL.csv`; see Source."""
        table = _read(self._path(symbol))
        columns = _columns(table, self._options)
        frame = _frame(table, columns, self._options.date_format)
        return Quotes(between(frame, start, end), historical=self._options.historical)

    def _path(self, symbol: str) -> Path:
        if not SYMBOL.fullmatch(symbol) or ".." in symbol:
            raise SourceError(
                f"{symbol!r} cannot be a symbol",
                remedy="letters, digits and . - = ^ _ only",
                code="bad_symbol",
            )
        path = self._folder / f"{symbol}.csv"
        if not path.is_file():
            near = difflib.get_close_matches(symbol, [p.stem for p in self._folder.glob("*.csv")])
            hint = f", or did you mean {' or '.join(near)}?" if near else ""
            raise SourceError(
                f"there is no file {path}",
                remedy=f"put it there, or set [plugins.csv] folder{hint}",
                code="no_file",
            )
        return path


def _read(path: Path) -> CsvTable:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason})", code="not_text") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", code="no_file") from error
    if "\0" in text:
        raise DataError(f"{path} holds NUL bytes: it is damaged or no text", code="not_text")
    first = text.lstrip().split("\n", 1)[0]
    numbered = _numbered(text, max(",;\t|", key=first.count))
    if len(numbered) < 2:
        raise DataError(f"{path} has no rows", remedy="a header and rows are needed", code="empty")
    header, rows = [cell.strip() for cell in numbered[0][1]], numbered[1:]
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} cells under {len(header)} names", code="cell"
            )
    lines, cells = zip(*rows, strict=True)
    padded = not text.isascii() or any(each in text for each in ' "\t\v\f')
    return CsvTable(path, header, list(zip(*cells, strict=True)), list(lines), padded)


def _numbered(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that has any, with its number."""
    if '"' in text:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        return [(reader.line_num, row) for row in reader if any(row)]
    # The same without quotes to heed, in a quarter of the time.
    lines = enumerate(text.split("\n"), start=1)
    return [(number, line.split(delimiter)) for number, line in lines if line.strip(delimiter)]


def _columns(table: CsvTable, options: CsvOptions) -> dict[str, str]:
    """Return which column of the file holds the date and each field."""
    named = {field: getattr(options, field) for field in FIELDS}
    chosen = {field: name for field, name in named.items() if name is not None}
    found = {"date": _found(table, "date", options.date)}
    for field in chosen or FIELDS:
        name = _found(table, field, chosen.get(field))
        if name is not None:
            found[field] = name
    # Of two columns one is the date, and the other one the price, unless its name says otherwise.
    rest = [name for name in table.header if name != found["date"]]
    if len(rest) == 1 and not chosen and rest[0].lower() not in NO_CLOSE:
        found["close"] = rest[0]
    for needed in ("date", "close"):
        if found.get(needed) is None:
            raise DataError(
                f"{table.path} has no {needed} column; it has {', '.join(table.header)}",
                remedy=f"set [plugins.csv] {needed} to the name of one",
                code="columns",
            )
    return {field: name for field, name in found.items() if name is not None}


def _found(table: CsvTable, field: str, name: str | None) -> str | None:
    """Return the column that is called `name`, or the usual name of `field`, if there is one."""
    lower = [each.lower() for each in table.header]
    for wanted in (name.lower(),) if name is not None else USUAL[field]:
        if wanted in lower:
            if lower.count(wanted) > 1:
                raise DataError(f"{table.path} has two columns {wanted!r}", code="columns")
            return table.header[lower.index(wanted)]
    if name is not None:
        raise DataError(
            f"{table.path} has no column {name!r}; it has {', '.join(table.header)}",
            remedy=f"correct [plugins.csv] {field}",
            code="columns",
        )
    return None


def _frame(table: CsvTable, columns: dict[str, str], date_format: str | None) -> pd.DataFrame:
    import numpy as np  # noqa: PLC0415 - as below
    import pandas as pd  # noqa: PLC0415 - 0.7 s that listing the plugins does not need

    days = read_dates(table.column(columns["date"]), date_format, table.wrong)
    fields = [field for field in columns if field != "date"]
    values = np.array([_numbers(table, columns[field]) for field in fields])
    index = pd.DatetimeIndex(days, name="date")
    # Many vendors put the newest line first; duplicates stay and are refused by the validation.
    return pd.DataFrame(values.T, index=index, columns=fields).sort_index(kind="stable")


def _numbers(table: CsvTable, name: str) -> list[float]:
    cells = table.column(name)
    # Of these characters `float` reads what NUMBER allows, and nothing else.
    if PLAIN.fullmatch("".join(cells)):
        with suppress(ValueError):
            return list(map(float, cells))
    return [_number(cell, row, table, name) for row, cell in enumerate(cells)]


def _number(cell: str, row: int, table: CsvTable, name: str) -> float:
    if cell.lower() in EMPTY:
        return float("nan")
    if not NUMBER.fullmatch(cell):
        raise table.wrong(row, f"{name} is {cell!r}, no number")
    return float(cell)


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the source `csv`."""
    return [CsvSource]
