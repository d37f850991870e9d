"""What the answer of a source promises; see `forecaster.hooks.Quotes`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.errors import ConfigError, DataError
from forecaster.hooks import Quotes
from forecaster.market import FIELDS, Actions, actions_from_frame, foreign_sessions, get_calendar
from forecaster.market.border import admit

if TYPE_CHECKING:
    import pandas as pd

CURRENCY = re.compile(r"[A-Za-z]{3}")
SHARE = 0.05  # of sessions that a calendar may lack: closures that the library does not know
CLEAR = 0.4  # log ratio of a split that no day's move hides


def check_quotes(quotes: Quotes, who: str) -> None:
    """Try out what a single answer promises.

    Args:
        quotes: all that a source has of a symbol.
        who: what to call it in messages.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    frame = _frame(quotes.bars, f"{who}: bars")
    _check_sessions(frame, f"{who}: bars")
    _check_columns(frame, FIELDS, f"{who}: bars")
    if "close" not in frame.columns:
        raise AssertionError(f"{who}: bars have no column close")
    try:
        admitted = admit(frame)
    except DataError as error:
        raise AssertionError(f"{who}: bars are refused: {error}") from error
    if not len(admitted.bars):
        raise AssertionError(f"{who}: no bar could be used")
    if quotes.actions is not None:
        actions = _actions(quotes.actions, f"{who}: actions")
        _check_traded(frame, actions, who)
    _check_labels(quotes, who)
    if quotes.calendar is not None:
        _check_calendar(quotes.calendar, admitted.bars, who)


def _frame(frame: object, who: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - whoever hands a frame over has loaded it

    if not isinstance(frame, pd.DataFrame):
        raise AssertionError(f"{who} are a {type(frame).__name__} and no DataFrame")  # noqa: TRY004
    return frame


def _check_sessions(frame: pd.DataFrame, who: str) -> None:
    """The index holds dates: no zone, no time of day, ascending, each once."""
    import pandas as pd  # noqa: PLC0415 - loaded

    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise AssertionError(f"{who} have an index of {index.dtype} and no DatetimeIndex")  # noqa: TRY004
    if index.tz is not None:
        raise AssertionError(f"{who} have sessions with the zone {index.tz}")
    if index.hasnans:
        raise AssertionError(f"{who} have a row without a session")
    late = index != index.normalize()
    if late.any():
        raise AssertionError(f"{who} have a time of day: {index[late][0]}")
    steps = np.diff(index.to_numpy().astype("datetime64[D]").astype(np.int64))
    for wrong, what in ((steps < 0, "do not ascend"), (steps == 0, "have a session twice")):
        if wrong.any():
            raise AssertionError(f"{who} {what}: {index[1:][wrong][0].date()}")


def _check_columns(frame: pd.DataFrame, allowed: tuple[str, ...], who: str) -> None:
    names = list(frame.columns)
    strange = [name for name in names if name not in allowed]
    if strange or len(set(names)) < len(names):
        raise AssertionError(
            f"{who} have the columns {', '.join(map(str, names))}; they may be "
            f"{', '.join(allowed)}, each once at most"
        )
    for name, kind in frame.dtypes.items():
        if getattr(kind, "kind", "O") not in "iuf":
            raise AssertionError(f"{who} have a column {name} of {kind} and not of numbers")


def _actions(given: object, who: str) -> Actions:
    frame = _frame(given, who)
    if not frame.empty:
        _check_sessions(frame, who)
        _check_columns(frame, ("split", "dividend"), who)
    try:
        return actions_from_frame(frame)
    except DataError as error:
        raise AssertionError(f"{who} are refused: {error}") from error


def _check_traded(frame: pd.DataFrame, actions: Actions, who: str) -> None:
    """At a split the price as traded falls by its ratio; one that was adjusted does not."""
    closes = frame["close"].to_numpy(dtype=np.float64, na_value=np.nan)
    days = frame.index.to_numpy().astype("datetime64[D]")
    for day, ratio in zip(actions.sessions, actions.splits, strict=True):
        at = int(np.searchsorted(days, day))
        if not 0 < at < len(days) or days[at] != day or abs(np.log(ratio)) < CLEAR:
            continue
        before, after = closes[at - 1], closes[at]
        if not (before > 0 and after > 0):
            continue
        move = float(np.log(after / before))
        if abs(move) < abs(move + np.log(ratio)):
            raise AssertionError(
                f"{who}: prices are not as traded: the close goes from {before:g} to {after:g} at "
                f"the split of {ratio:g} on {day}"
            )


def _check_labels(quotes: Quotes, who: str) -> None:
    currency: Any = quotes.currency
    if currency is not None and not (isinstance(currency, str) and CURRENCY.fullmatch(currency)):
        raise AssertionError(f"{who}: the currency is {currency!r} and no ISO code")
    for name, kind in (("historical", bool), ("attribution", str)):
        value: Any = getattr(quotes, name)
        if not isinstance(value, kind):
            raise AssertionError(f"{who}: {name} is {value!r} and no {kind.__name__}")  # noqa: TRY004


def _check_calendar(name: object, bars: Any, who: str) -> None:
    """The calendar is one that the program knows, and the sessions are its own."""
    try:
        calendar = get_calendar(name)
    except (ConfigError, AttributeError, TypeError) as error:
        raise AssertionError(f"{who}: the calendar is {name!r}: {error}") from error
    foreign = foreign_sessions(bars, calendar)
    if len(foreign) > SHARE * len(bars):
        raise AssertionError(
            f"{who}: the calendar {name} lacks {len(foreign)} of {len(bars)} sessions, first "
            f"{foreign[0]}"
        )
