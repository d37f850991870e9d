"""The embedded prices: four American shares and four euro rates to try everything with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from forecaster import hookimpl
from forecaster.errors import SourceError
from forecaster.hooks import Options, Quotes, Source, read_options

from .dates import between

if TYPE_CHECKING:
    import pandas as pd

SHARES = ("AAPL", "GOOG", "IBM", "MSFT")
RATES = ("EURCHF", "EURGBP", "EURJPY", "EURUSD")
FIELDS = ("open", "high", "low", "close", "volume")


class SampleSource:
    """Daily prices that are part of the program; they end in 2013 (shares) and 2026 (rates)."""

    name: ClassVar[str] = "sample"
    local: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:  # noqa: ARG002 - contract
        read_options(Options, options, "plugins.sample")

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the embedded prices of one of the eight symbols; see Source."""
        if symbol not in SHARES + RATES:
            raise SourceError(
                f"the sample has no symbol {symbol!r}",
                remedy=f"it has {', '.join(SHARES + RATES)}",
                code="unknown_symbol",
            )
        table = between(_read(symbol), start, end)
        if symbol in RATES:
            return Quotes(
                table[["close"]],
                calendar="ECB",
                currency=symbol[3:],
                historical=True,
                attribution="Source: ECB statistics",
            )
        actions = table[["split", "dividend"]].fillna({"split": 1.0, "dividend": 0.0})
        return Quotes(
            table[list(FIELDS)],
            actions=actions[(actions["split"] != 1.0) | (actions["dividend"] != 0.0)],
            calendar="XNYS",
            currency="USD",
            historical=True,
            attribution="Quandl WIKI Prices, public domain",
        )


def _read(symbol: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.7 s that listing the plugins does not need

    file = resources.files("forecaster.plugins") / "sample_prices" / f"{symbol}.csv.gz"
    with file.open("rb") as stream:
        return pd.read_csv(stream, compression="gzip", index_col="date", parse_dates=["date"])


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the source `sample`."""
    return [SampleSource]
