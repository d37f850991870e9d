"""The border: the one validation that every source's prices pass, row by row.

What is wrong with a frame as a whole is raised; a row that is wrong is held, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np

from forecaster.errors import DataError
from forecaster.market.actions import Actions, no_actions
from forecaster.market.bars import FIELDS, PRICES, Bars
from forecaster.market.calendars import Calendar
from forecaster.market.faults import Fault, all_of, find_faults, is_clean
from forecaster.market.frames import (
    Mask,
    frame_columns,
    frame_sessions,
)

if TYPE_CHECKING:
    import pandas as pd

# Of a frame with more bad rows than both, something is wrong as a whole.
FEW, SHARE = 10, 0.05


@dataclass(frozen=True)
class Held:
    """Something that a source said and that is not believed.

    Attributes:
        session: whose bar or action it is; None for a whole answer.
        what: a bar, an action or an answer.
        code: a stable word for the reason.
        reason: what is wrong, with the values that show it.
        values: what was said: fields of a bar, or split and dividend.
    """

    session: date | None
    what: Literal["bar", "action", "answer"]
    code: str
    reason: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Admitted:
    """The bars of a frame that may be used, and those that may not."""

    bars: Bars
    held: tuple[Held, ...] = ()


def admit(
    frame: pd.DataFrame, calendar: Calendar | None = None, *, positive: bool = False
) -> Admitted:
    """Turn what a source returned into bars, holding the rows that cannot be.

    A row without any price is no bar, and two rows that say the same are one.

    Args:
        frame: indexed by session (no zone, no time of day, ascending); columns: close and any of
            open, high, low, volume, as traded. NaN is allowed everywhere but in close.
        calendar: hold the sessions that it lacks; None knows all.
        positive: hold prices that have no logarithm. Oil once closed at -36.98.

    Raises:
        DataError: the frame as a whole is no table of bars, or most likely wrong: more than 10 rows
            and more than 5 % of them would be held.
    """
    bars = _read(frame)
    if not len(bars) or is_clean(bars, calendar, positive=positive):
        return Admitted(bars)
    faults = list(find_faults(bars, calendar, positive=positive))
    wrong = np.logical_or.reduce([fault.wrong for fault in faults])
    if not wrong.any():
        return Admitted(bars)
    if wrong.sum() > max(FEW, SHARE * len(bars)):
        raise all_of(faults, bars.sessions)
    return Admitted(bars.where(~wrong), tuple(_held(bars, faults, np.flatnonzero(wrong).tolist())))


def admit_actions(frame: pd.DataFrame | None) -> tuple[Actions, tuple[Held, ...]]:
    """Turn the actions that a source returned into Actions, holding those that are none.

    Raises:
        DataError: the frame as a whole is no table of actions.
    """
    if frame is None or frame.empty:
        return no_actions(), ()
    days = frame_sessions(frame)
    splits, dividends = frame_columns(frame, split=1.0, dividend=0.0)
    ratio = np.isfinite(splits) & (splits > 0)
    amount = np.isfinite(dividends) & (dividends >= 0)
    held = tuple(
        held_action(days[row].item(), splits[row], dividends[row], code, what)
        for code, what, right in (
            ("split", "a split that is no ratio", ratio),
            ("dividend", "a negative or endless dividend", amount | ~ratio),
        )
        for row in np.flatnonzero(~right).tolist()
    )
    wanted = ratio & amount & ((splits != 1.0) | (dividends != 0.0))
    return Actions(days, splits, dividends).where(wanted), held


def bars_from_frame(frame: pd.DataFrame) -> Bars:
    """Turn a frame into bars, or refuse it as a whole where a single row would be held.

    Raises:
        DataError: naming the first offending session and how many there are.
    """
    bars = _read(frame)
    faults = list(find_faults(bars, None, positive=False)) if len(bars) else []
    if any(fault.wrong.any() for fault in faults):
        raise all_of(faults, bars.sessions)
    return bars


def _read(frame: pd.DataFrame) -> Bars:
    """Return the rows that have any price; the sessions ascend, and there may be two alike."""
    if frame.empty:
        raise DataError("there are no bars", code="empty")
    if "close" not in frame.columns:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"there is no close among the columns ({found})", code="columns")
    columns = frame_columns(frame, **dict.fromkeys(FIELDS, np.nan))
    bars = Bars(frame_sessions(frame, unique=False), *columns)
    absent = np.isnan(bars.close)
    if absent.any():
        absent &= np.logical_and.reduce([np.isnan(bars.field(name)) for name in PRICES])
    unwanted = absent | _said_again(bars)
    return bars.where(~unwanted) if unwanted.any() else bars


def _said_again(bars: Bars) -> Mask:
    """Return the rows that the next one repeats."""
    again = np.append(bars.sessions[1:] == bars.sessions[:-1], False)
    if again.any():
        for name in FIELDS:
            one, next_ = bars.field(name), np.append(bars.field(name)[1:], np.nan)
            again &= (one == next_) | (np.isnan(one) & np.isnan(next_))
    return again


def _held(bars: Bars, faults: list[Fault], rows: list[int]) -> Iterator[Held]:
    for row in rows:
        found = next(fault for fault in faults if fault.wrong[row])
        yield held_bar(bars, row, found.code, found.reason(row))


def held_bar(bars: Bars, row: int, code: str, reason: str) -> Held:
    """Return one bar as held for a reason."""
    values = {name: float(bars.field(name)[row]) for name in FIELDS}
    return Held(bars.sessions[row].item(), "bar", code, reason, values)


def held_action(session: date, split: float, dividend: float, code: str, reason: str) -> Held:
    """Return an action as held for a reason."""
    values = {"split": float(split), "dividend": float(dividend)}
    shown = f"split {split:g}, dividend {dividend:g}"
    return Held(session, "action", code, f"{reason} ({shown})", values)
