"""Prices from CSV and Parquet files: one file for each symbol, or one with all of them."""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from forecaster import hookimpl
from forecaster.errors import SourceError
from forecaster.hooks import Quotes, Source

from ..dates import between
from .options import CsvOptions, ParquetOptions, read_file_options
from .tables import Book, Table, printable

__all__ = ["CsvOptions", "CsvSource", "ParquetOptions", "ParquetSource"]

SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.\-=^_]*")
# When it was written, and how long it is.
State = tuple[int, int]


class FileSource(ABC):
    """What both kinds of files have in common.

    A file with many symbols is read once for all of them, and again when it has changed.
    """

    name: ClassVar[str]
    local: ClassVar[bool] = True
    model: ClassVar[type[CsvOptions]]

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        self._section = f"[plugins.{self.name}]"
        self._options = read_file_options(self.model, options, self._section.strip("[]"))
        file = self._options.file
        self._file = None if file is None else folder / Path(file).expanduser()
        self._folder = folder / Path(self._options.folder).expanduser()
        self._book: tuple[State, Book] | None = None
        self._taken_for: str | None = None

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the bars of a symbol and, where the file has them, its actions; see Source."""
        from .quotes import read_bars  # noqa: PLC0415 - only a fetch needs it

        bars, actions = read_bars(self._table(symbol), self._options, self._section)
        return Quotes(
            between(bars, start, end),
            actions=None if actions is None else between(actions, start, end),
            historical=self._options.historical,
        )

    @abstractmethod
    def _read(self, path: Path) -> Book:
        """Return what a file of this format holds."""

    def _table(self, symbol: str) -> Table:
        if self._file is None:
            path = self._path(symbol)
            return _of_own_file(self._read(path), symbol, path, self._section)
        book = self._opened(self._file)
        if book.symbols is None:
            return self._of_one(book, symbol, self._file)
        if symbol not in book.symbols:
            raise _unknown(symbol, book, self._file)
        return book.table(symbol)

    def _opened(self, path: Path) -> Book:
        if not path.is_file():
            raise SourceError(
                f"there is no file {path}", remedy=f"correct {self._section} file", code="no_file"
            )
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        if self._book is None or self._book[0] != state:
            self._book = (state, self._read(path))
        return self._book[1]

    def _of_one(self, book: Book, symbol: str, path: Path) -> Table:
        """Return all rows of a file that does not say whose they are: one symbol's."""
        if self._taken_for not in (None, symbol):
            raise SourceError(
                f"{path} has no column with symbols and was read for {self._taken_for!r}, so that "
                f"it has no {symbol!r}",
                remedy=f"name the column: {self._section} symbol; or use a folder of files",
                code="unknown_symbol",
            )
        self._taken_for = symbol
        return book.table(None)

    def _path(self, symbol: str) -> Path:
        if not SYMBOL.fullmatch(symbol) or ".." in symbol:
            raise SourceError(
                f"{symbol!r} cannot be a symbol",
                remedy="letters, digits and . - = ^ _ only",
                code="bad_symbol",
            )
        path = self._folder / f"{symbol}.{self.name}"
        if not path.is_file():
            there = [each.stem for each in self._folder.glob(f"*.{self.name}")]
            raise SourceError(
                f"there is no file {path}",
                remedy=f"put it there, or set {self._section} folder{_or_near(symbol, there)}",
                code="no_file",
            )
        return path


class CsvSource(FileSource):
    """CSV files: a header line, then one line per session (and symbol), in any order."""

    name = "csv"
    model = CsvOptions

    def _read(self, path: Path) -> Book:
        from .text import read_text  # noqa: PLC0415 - only a fetch needs it

        return read_text(path, self._options, self._section)


class ParquetSource(FileSource):
    """Parquet files, with the same columns as CSV files."""

    name = "parquet"
    model = ParquetOptions

    def _read(self, path: Path) -> Book:
        from .parquet import read_parquet  # noqa: PLC0415 - only a fetch needs it

        return read_parquet(path, self._options, self._section)


def _of_own_file(book: Book, symbol: str, path: Path, section: str) -> Table:
    """Return the rows of a symbol from the file that is named after it."""
    if book.symbols is None:
        return book.table(None)
    if symbol in book.symbols:
        return book.table(symbol)
    # BRK.B and BRK-B are one share, as long as they are alone in a file of that name.
    if len(book.symbols) == 1 and _letters(found := next(iter(book.symbols))) == _letters(symbol):
        return book.table(found)
    some = printable(", ".join(list(book.symbols)[:3]))
    raise SourceError(
        f"{path} has prices of {some} and none of {symbol}",
        remedy=f'rename it, or set {section} symbol = "" if the column holds something else',
        code="unknown_symbol",
    )


def _unknown(symbol: str, book: Book, path: Path) -> SourceError:
    there = list(book.symbols or ())
    return SourceError(
        f"{path} has no symbol {symbol!r}",
        remedy=f"it has {printable(', '.join(there[:8]))}{' and others' if len(there) > 8 else ''}"
        + _or_near(symbol, there),
        code="unknown_symbol",
    )


def _or_near(symbol: str, there: list[str]) -> str:
    near = difflib.get_close_matches(symbol, there)
    return f", or did you mean {printable(' or '.join(near))}?" if near else ""


def _letters(symbol: str) -> str:
    letters: Callable[[str], bool] = str.isalnum
    return "".join(filter(letters, symbol.casefold()))


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the sources `csv` and `parquet`."""
    return [CsvSource, ParquetSource]
