"""Parquet files, through pandas and pyarrow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecaster.errors import DataError, SourceError

from .columns import Header
from .options import CsvOptions
from .tables import Table, damaged

if TYPE_CHECKING:
    import pandas as pd

INSTALL = "pip install 'forecaster[parquet]'"


@dataclass(frozen=True, eq=False)
class ParquetBook:
    """A Parquet file.

    Attributes:
        path: of the file.
        frame: its rows, the index among the columns.
        at: where the symbol stands, if anywhere.
    """

    path: Path
    frame: pd.DataFrame
    at: int | None

    @property
    def symbols(self) -> Collection[str] | None:
        """Whose prices it has; None if it does not say."""
        if self.frame.columns.nlevels == 2:
            return dict.fromkeys(_level(self.frame, 1)[1:])
        return None if self.at is None else self._rows.keys()

    def table(self, symbol: str | None) -> Table:
        """Return the rows of one symbol, or all where the file does not say whose they are."""
        lines: Any
        frame, lines = self.frame, range(1, len(self.frame) + 1)
        names = _level(frame, 0)
        if frame.columns.nlevels == 2:
            at = [k for k, ticker in enumerate(_level(frame, 1)) if k == 0 or ticker == symbol]
            frame, names = frame.iloc[:, at], [names[k] for k in at]
        elif symbol is not None:
            frame, lines = frame.iloc[self._rows[symbol]], self._rows[symbol] + 1
        columns = [_cells(frame.iloc[:, k]) for k in range(frame.shape[1])]
        return Table(self.path, names, columns, lines, unit="row")

    @cached_property
    def _rows(self) -> dict[str, Any]:
        """The places of each symbol's rows."""
        column = self.frame.iloc[:, self.at or 0]
        if column.isna().any():
            row = int(column.isna().to_numpy().argmax()) + 1
            raise DataError(
                f"{self.path}, row {row}: {column.name} is empty",
                remedy="every row of a file with symbols needs one",
                code="cell",
            )
        groups = column.reset_index(drop=True).groupby(column.to_numpy(), sort=False).indices
        return {str(symbol).strip(): rows for symbol, rows in groups.items()}


def read_parquet(path: Path, options: CsvOptions, section: str) -> ParquetBook:
    """Read a Parquet file.

    Raises:
        DataError: it is no such file, or has no rows.
        SourceError: it cannot be read, or pyarrow is missing.
    """
    import pandas as pd  # noqa: PLC0415 - 0.7 s that listing the plugins does not need

    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SourceError(
            f"{path} needs pyarrow, which is not installed", remedy=INSTALL, code="no_pyarrow"
        ) from error
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except OSError as error:
        if isinstance(error, pa.ArrowException) or error.strerror is None:
            raise damaged(path, "is no whole Parquet file", "fetch the file again") from error
        raise SourceError(f"{path} cannot be read: {error.strerror}", code="no_file") from error
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise damaged(path, "is no whole Parquet file", "fetch the file again") from error
    if frame.empty:
        raise DataError(f"{path} has no rows", code="empty")
    frame = _with_index(frame)
    if frame.columns.nlevels > 1:
        return ParquetBook(path, frame, None)
    return ParquetBook(path, frame, Header(path, _level(frame, 0), options, section).symbol())


def _level(frame: pd.DataFrame, level: int) -> list[str]:
    return [str(name) for name in frame.columns.get_level_values(level)]


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its index as the first columns, if that is more than a count."""
    import pandas as pd  # noqa: PLC0415 - loaded

    if frame.columns.nlevels > 2:
        frame = frame.droplevel(list(range(2, frame.columns.nlevels)), axis=1)
    if frame.columns.nlevels == 2:
        if "Ticker" in frame.columns.names and frame.columns.names[0] == "Ticker":
            frame = frame.swaplevel(axis=1)
        return frame.rename_axis("Date").reset_index()
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    plain = isinstance(frame.index, pd.MultiIndex) or frame.index.name is not None
    return frame.reset_index() if plain else frame.rename_axis("date").reset_index()


def _cells(column: pd.Series) -> Any:
    """Return a column as cells of text where that is what it holds, and as it is otherwise."""
    import pandas as pd  # noqa: PLC0415 - loaded

    if pd.api.types.is_string_dtype(column.dtype):
        cells = column.astype(object).where(column.notna(), "").tolist()
        if all(isinstance(cell, str) for cell in cells):
            return tuple(map(str.strip, cells))
    return column
