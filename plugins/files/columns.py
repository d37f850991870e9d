"""Which column holds what: by the names that vendors use, or by those that the options give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forecaster.errors import DataError

from .options import Adjusted, CsvOptions

FIELDS = ("open", "high", "low", "close", "volume")
# The usual names, best first, without case, blanks and signs. "Adj Close" is none of them.
USUAL = {
    "date": (
        "date", "datetime", "timestamp", "time", "day", "session", "tradedate", "tradingday", "",
    ),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "closelast", "price", "value", "last"),
    "volume": ("volume", "vol"),
    "split": (
        "stocksplits", "stocksplit", "splits", "split", "splitratio", "splitfactor",
        "splitcoefficient",
    ),
    "dividend": ("dividends", "dividend", "divcash", "dividendamount", "exdividend"),
    "symbol": ("symbol", "ticker", "tickersymbol", "code", "instrument"),
}  # fmt: skip
YFINANCE_SPLITS = "stocksplits"
ADJUSTED_CLOSE = ("adjclose", "adjustedclose")
# What a column of another name holds is no closing price, even where it is the only one.
NO_CLOSE = frozenset({
    *ADJUSTED_CLOSE,
    *(name for field, names in USUAL.items() if field != "close" for name in names if name),
})  # fmt: skip


@dataclass(frozen=True)
class Header:
    """The names of a file's columns, and the options that may choose among them.

    Attributes:
        path: of the file, for messages.
        names: of the columns.
        options: of the source.
        section: where the options stand, such as "[plugins.csv]".
    """

    path: Path
    names: Sequence[str]
    options: CsvOptions
    section: str

    def symbol(self) -> int | None:
        """Return where the symbol stands, if anywhere."""
        return self._found("symbol", self.options.symbol)

    def columns(self) -> dict[str, int]:
        """Return where the date, each field and each action stand; date and close always do."""
        options = self.options
        named = {field: getattr(options, field) for field in FIELDS}
        chosen = {field: name for field, name in named.items() if name is not None}
        found = {"date": self._found("date", options.date)}
        for field in chosen or FIELDS:
            found[field] = self._found(field, chosen.get(field))
        if options.adj_close is not None:
            found["adj_close"] = self._found("adj_close", options.adj_close)
        else:
            for action in ("split", "dividend"):
                name = getattr(options, action)
                if name is not None or not chosen:
                    found[action] = self._found(action, name)
        if found.get("close") is None and not chosen:
            found["close"] = self._only_other(found["date"])
        for needed in ("date", "close"):
            if found.get(needed) is None:
                raise self._lacks(f"no {needed} column", f"set {self.section} {needed} to one")
        return {field: at for field, at in found.items() if at is not None}

    def adjusted(self, columns: dict[str, int]) -> Adjusted:
        """Return what the prices are adjusted for, and demand the columns to undo it with."""
        adjusted = self.options.adjusted or self._usual_adjustment(columns)
        for needed in {"none": [], "splits": ["split"], "all": ["split", "dividend"]}[adjusted]:
            if needed not in columns:
                raise self._lacks(
                    f'no {needed} column, without which adjusted = "{adjusted}" cannot be undone',
                    f"set {self.section} {needed} to one",
                )
        return adjusted

    def _usual_adjustment(self, columns: dict[str, int]) -> Adjusted:
        """Return what yfinance adjusts for: always splits, and dividends unless it is told not to.

        It keeps the adjusted closes apart, as "Adj Close", where it was told so.
        """
        if "split" not in columns or _key(self.names[columns["split"]]) != YFINANCE_SPLITS:
            return "none"
        apart = any(_key(name) in ADJUSTED_CLOSE for name in self.names)
        return "splits" if apart or "dividend" not in columns else "all"

    def _only_other(self, date: int | None) -> int | None:
        """Of two columns one is the date, and the other one the price, unless its name denies."""
        rest = [at for at in range(len(self.names)) if at not in (date, self.symbol())]
        return rest[0] if len(rest) == 1 and _key(self.names[rest[0]]) not in NO_CLOSE else None

    def _found(self, field: str, name: str | None) -> int | None:
        """Return the column that is called `name`, or by the usual name of `field`, if any."""
        if name == "" and field in ("symbol", "split", "dividend"):
            return None
        if name is None:
            keys, wanted = [_key(each) for each in self.names], USUAL[field]
        else:
            keys, wanted = [each.strip().lower() for each in self.names], (name.strip().lower(),)
        for key in wanted:
            if keys.count(key) > 1:
                raise DataError(f"{self.path} has two columns {key!r}", code="columns")
            if key in keys:
                return keys.index(key)
        if name is not None:
            raise self._lacks(f"no column {name!r}", f"correct {self.section} {field}")
        return None

    def _lacks(self, what: str, remedy: str) -> DataError:
        there = ", ".join(self.names)
        there = there if len(there) <= 200 else f"{there[:200]}..."
        return DataError(f"{self.path} has {what}; it has {there}", remedy=remedy, code="columns")


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
