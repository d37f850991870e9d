"""CSV files, read once and kept as the lines of each symbol until somebody asks for them."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

from forecaster.errors import DataError, SourceError

from .columns import Header
from .options import CsvOptions
from .tables import Table, damaged, printable

# Between cells that stood in quotes, once these are off.
UNIT = "\x1f"
PIECE = 1 << 22  # characters that are split into lines at a time: not all lines are in memory
HEAVY = 50_000  # lines that are joined again
Numbered = tuple[int, str]


@dataclass(eq=False)
class Lines:
    """The lines of one symbol, as pieces of text, and their numbers in the file."""

    pieces: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("L"))

    def text(self) -> str:
        """Return the lines as one text."""
        return "\n".join(self.pieces)


@dataclass(frozen=True, eq=False)
class TextBook:
    """A CSV file.

    Attributes:
        path: of the file.
        names: of the columns.
        tickers: whose each column is, where the file has some columns for each symbol.
        mark: between cells.
        lines: by symbol; by "" where no column holds one.
        told: whether a column holds the symbol.
    """

    path: Path
    names: Sequence[str]
    tickers: Sequence[str] | None
    mark: str
    lines: dict[str, Lines]
    told: bool

    @property
    def symbols(self) -> Collection[str] | None:
        """Whose prices it has; None if it does not say."""
        if self.tickers is not None:
            return dict.fromkeys(self.tickers[1:])
        return self.lines.keys() if self.told else None

    def table(self, symbol: str | None) -> Table:
        """Return the rows of one symbol, or all where the file does not say whose they are."""
        if self.tickers is None:
            return self._table(self.lines[symbol or ""])
        whole = self._whole
        at = [0, *(k for k, ticker in enumerate(self.tickers) if k and ticker == symbol)]
        names, columns = [whole.names[k] for k in at], [whole.columns[k] for k in at]
        return Table(self.path, names, columns, whole.lines, padded=whole.padded)

    @cached_property
    def _whole(self) -> Table:
        return self._table(self.lines[""])

    def _table(self, lines: Lines) -> Table:
        text, names = lines.text(), list(self.names)
        rows = [line.split(self.mark) for line in text.split("\n")]
        for row, number in zip(rows, lines.numbers, strict=True):
            if len(row) != len(names):
                while len(row) > len(names) and not row[-1].strip():
                    row.pop()  # some programs end each line with a separator
                if len(row) != len(names):
                    raise _uneven(self.path, number, row, names)
        padded = not text.isascii() or any(each in text for each in " \t\v\f")
        columns = list(zip(*rows, strict=True))
        return Table(self.path, names, columns, lines.numbers, padded=padded)


def read_text(path: Path, options: CsvOptions, section: str) -> TextBook:
    """Read a CSV file.

    Raises:
        DataError: it is no text, has no rows, or lines without a symbol.
        SourceError: it cannot be read.
    """
    text = _decoded(path)
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    mark = UNIT if '"' in text else delimiter
    numbered = _numbered(text, delimiter, mark)
    try:
        names, tickers, begun = _header(numbered, mark)
        rows = chain(begun, numbered)
        at = None if tickers else Header(path, names, options, section).symbol()
        lines = {"": _all(rows)} if at is None else _by_symbol(rows, path, mark, at, names)
    except csv.Error as error:
        raise damaged(path, f"is no table of text ({error})") from error
    if not any(each.pieces for each in lines.values()):
        raise DataError(f"{path} has no rows", remedy="a header and rows are needed", code="empty")
    return TextBook(path, names, tickers, mark, lines, told=at is not None)


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", code="no_file") from error
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))  # as spreadsheets save "Unicode text"
    if not wide and b"\0" in raw:
        raise damaged(path, "holds NUL bytes: it is damaged or no text", "fetch the file again")
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        coding = "UTF-16" if wide else "UTF-8"
        raise damaged(path, f"is not {coding} text ({error.reason})", "save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _numbered(text: str, delimiter: str, mark: str) -> Iterator[Numbered]:
    """Yield each line that has any cell, with its number; quotes are off."""
    if mark == delimiter:
        blank = f"{delimiter} \t"
        for number, line in enumerate(_split(text), start=1):
            if line.strip(blank):
                yield number, line
        return
    reader = csv.reader(_split(text), delimiter=delimiter)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, mark.join(row)


def _split(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE)
        end = len(text) if end < 0 else end
        yield from text[start:end].split("\n")
        start = end + 1


def _header(
    numbered: Iterator[Numbered], mark: str
) -> tuple[list[str], list[str] | None, list[Numbered]]:
    """Return names, tickers if each column has one, and what was read beyond the header.

    yfinance's `download` writes two or three lines: Price and fields, Ticker and symbols, and
    Date with nothing; in either order.
    """
    begun = list(islice(numbered, 3))
    cells = [[cell.strip() for cell in line.split(mark)] for _, line in begun]
    if not cells:
        return [], None, []
    if len(cells) < 2 or {cells[0][0], cells[1][0]} != {"Price", "Ticker"}:
        return [printable(name) for name in cells[0]], None, begun[1:]
    names, tickers = cells[:2] if cells[0][0] == "Price" else cells[1::-1]
    named = len(cells) > 2 and not any(cells[2][1:])
    return ["Date", *map(printable, names[1:])], tickers, begun[3:] if named else begun[2:]


def _all(rows: Iterator[Numbered]) -> Lines:
    there = list(rows)
    return Lines([line for _, line in there], array("L", [number for number, _ in there]))


def _by_symbol(
    rows: Iterator[Numbered], path: Path, mark: str, at: int, names: Sequence[str]
) -> dict[str, Lines]:
    found: dict[str, Lines] = {}
    while heavy := list(islice(rows, HEAVY)):
        pending: dict[str, list[str]] = {}
        for number, line in heavy:
            cells = line.split(mark, at + 1)
            if len(cells) <= at:
                raise _uneven(path, number, cells, names)
            symbol = cells[at].strip()
            if not symbol:
                raise DataError(
                    f"{path}, line {number}: {names[at]} is empty",
                    remedy="every line of a file with symbols needs one",
                    code="cell",
                )
            if symbol not in pending:
                pending[symbol] = []
                found.setdefault(symbol, Lines())
            pending[symbol].append(line)
            found[symbol].numbers.append(number)
        for symbol, lines in pending.items():
            found[symbol].pieces.append("\n".join(lines))
    return found


def _uneven(path: Path, number: int, row: Sequence[str], names: Sequence[str]) -> DataError:
    return DataError(
        f"{path}, line {number}: {len(row)} cells under {len(names)} names",
        remedy="correct the line, or put cells with separators in quotes",
        code="cell",
    )
