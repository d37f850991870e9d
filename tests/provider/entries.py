"""What is in the catalogue: an answer and what must come of it, and charts to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from .listings import Listing, prices
from .server import Reply, Sends

# Twelve weeks in which New York has no holiday, and changes its clocks.
LISTING = Listing("AAPL", prices(60, first=date(2024, 9, 3)))
DAYS = sorted(LISTING.bars)
ROW = 20  # the one that is changed
LAST = 59
SATURDAY = LISTING.stamp(date(2024, 9, 6)) + 86_400


@dataclass(frozen=True)
class Entry:
    """One answer of a provider.

    Attributes:
        name: of the entry.
        reply: what is sent.
        code: of the error that comes of it; blank where prices do.
        none: rows of the listing that are no bars.
        held: rows of the listing that are handed over and must not be believed.
        more: sessions beyond the listing's that are handed over and must not be believed.
        actions: how many actions are handed over that must not be believed.
        refused: so much is handed over that must not be believed that none of it may be.
    """

    name: str
    reply: Sends
    code: str = ""
    none: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    more: int = 0
    actions: int = 0
    refused: bool = False


def good() -> bytes:
    """Return a good body."""
    return json.dumps(LISTING.chart()).encode()


Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> Reply:
    """Return the good answer after a change of its result."""
    chart = LISTING.chart()
    change(chart["chart"]["result"][0])
    return Reply(body=json.dumps(chart))


def quote(result: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a result."""
    columns: dict[str, list[Any]] = result["indicators"]["quote"][0]
    return columns


def cells(row: int = ROW, **values: Any) -> Change:
    """Return the change of some values of a row."""

    def change(result: dict[str, Any]) -> None:
        for name, value in values.items():
            quote(result)[name][row] = value

    return change


def whole_row(value: Any, row: int = ROW) -> Change:
    """Return the change of the four prices of a row."""
    return cells(row, open=value, high=value, low=value, close=value)


def times(factor: float, *rows: int) -> Change:
    """Return the multiplication of the prices of rows."""

    def change(result: dict[str, Any]) -> None:
        for name in ("open", "high", "low", "close"):
            for row in rows:
                quote(result)[name][row] *= factor

    return change


def row_added(stamp: int, like: int = ROW, at: int | None = None, factor: float = 1.0) -> Change:
    """Return the addition of a row like another."""

    def change(result: dict[str, Any]) -> None:
        place = len(result["timestamp"]) if at is None else at
        for name, column in quote(result).items():
            value = column[like] if name == "volume" else column[like] * factor
            column.insert(place, value)
        adjusted = result["indicators"]["adjclose"][0]["adjclose"]
        adjusted.insert(place, adjusted[like])
        result["timestamp"].insert(place, stamp)

    return change


def stamps(change: Callable[[list[int]], list[Any] | None]) -> Change:
    """Return a change of the time stamps."""

    def apply(result: dict[str, Any]) -> None:
        result["timestamp"] = change(result["timestamp"])

    return apply


def meta(**values: Any) -> Change:
    """Return the change of what the answer says about the symbol."""
    return lambda result: result["meta"].update(values)


def without(name: str) -> Change:
    """Return the removal of something that the answer says about the symbol."""
    return lambda result: result["meta"].pop(name)


def event(kind: str, row: int, **values: Any) -> Change:
    """Return the addition of an event on the session of a row."""

    def change(result: dict[str, Any]) -> None:
        stamp = result["timestamp"][row]
        result["events"].setdefault(kind, {})[str(stamp)] = {"date": stamp, **values}

    return change


def split(numerator: Any, denominator: Any, row: int = ROW) -> Change:
    """Return the addition of a split."""
    return event("splits", row, numerator=numerator, denominator=denominator)


def dividend(amount: Any, row: int = ROW) -> Change:
    """Return the addition of a dividend."""
    return event("dividends", row, amount=amount)


def both(one: Change, other: Change) -> Change:
    """Return two changes as one."""
    return lambda result: (one(result), other(result))
