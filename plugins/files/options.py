"""What may stand in the tables [plugins.csv] and [plugins.parquet]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from forecaster.errors import ConfigError
from forecaster.hooks import Options, read_options

Adjusted = Literal["none", "splits", "all"]


class CsvOptions(Options):
    """The table [plugins.csv]. Who names one price column names all: the others are not read."""

    folder: str = "."
    """Where the files are, named after their symbols; relative to the configuration's folder."""
    file: str | None = None
    """One file with the prices of all symbols, instead of a folder."""
    symbol: str | None = None
    """The column with the symbol; default: the usual names; "" where no column is one."""
    date: str | None = None
    """The column with the session; default: the usual names."""
    date_format: str | None = Field(default=None, min_length=2)
    """How dates are written, in the words of strptime, such as "%d.%m.%Y"; default: found out."""
    decimal: Literal[".", ","] | None = None
    """What stands before the decimals; default: found out."""
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
    split: str | None = None
    """The column with splits: 2 is two for one, 0, 1 or nothing is none; "" to read none."""
    dividend: str | None = None
    """The column with dividends per share; "" to read none."""
    adj_close: str | None = None
    """A column with adjusted closes, from which splits and dividends are derived."""
    adjusted: Adjusted | None = None
    """What the prices are adjusted for; it is undone with the file's own columns. Default: "none",
    and in files with yfinance's "Stock Splits" "splits" (with "Adj Close") or "all" (without)."""
    historical: bool = True
    """Whether a file's last row counts as today; false when the files are kept up to date."""


class ParquetOptions(CsvOptions):
    """The table [plugins.parquet]; the same as of CSV files."""


def read_file_options(
    model: type[CsvOptions], options: Mapping[str, Any], table: str
) -> CsvOptions:
    """Return the options of a table, raising ConfigError where they are bad or contradictory."""
    found = read_options(model, options, table)
    if found.file is not None and "folder" in found.model_fields_set:
        raise ConfigError(
            f"[{table}] has folder and file", remedy="name one of them", code="options"
        )
    if found.adj_close and (found.split or found.dividend or found.adjusted):
        raise ConfigError(
            f"[{table}] adj_close: what is derived from it cannot also be read",
            remedy="name adj_close alone, or leave it out",
            code="options",
        )
    return found
