"""Files as tables of cells, whatever they were written in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from forecaster.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Text, or what Parquet stores with a type.
Column: TypeAlias = "Sequence[str] | pd.Series"


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one symbol.

    Attributes:
        path: of the file, for messages.
        names: of the columns.
        columns: cells, one column a name.
        lines: the line in the file of each row.
        unit: what `lines` count.
        padded: whether there may be blanks around cells.
    """

    path: Path
    names: list[str]
    columns: Sequence[Column]
    lines: Sequence[int]
    unit: str = "line"
    padded: bool = False

    def column(self, at: int) -> Column:
        """Return the cells of one column."""
        cells = self.columns[at]
        if self.padded and isinstance(cells, tuple):
            return [cell.strip() for cell in cells]
        return cells

    def wrong(self, row: int, what: str, remedy: str = "") -> DataError:
        """Return the error for a cell of a row."""
        place = f"{self.path}, {self.unit} {self.lines[row]}"
        return DataError(f"{place}: {what}", remedy=remedy, code="cell")


class Book(Protocol):
    """A file that was read, of one symbol or of many."""

    @property
    def symbols(self) -> Collection[str] | None:
        """Whose prices it has; None if it does not say."""
        ...

    def table(self, symbol: str | None) -> Table:
        """Return the rows of one of its symbols, or all where it does not say whose they are."""
        ...


def damaged(path: Path, what: str, remedy: str = "") -> DataError:
    """Return the error for a file that is not what its name says."""
    return DataError(f"{path} {what}", remedy=remedy, code="not_text")


def printable(text: str) -> str:
    """Return what a file says for a message: without characters that do not print."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
