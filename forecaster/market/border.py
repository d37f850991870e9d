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
from forecaster.market.bars import FIELDS, Bars, foreign_sessions
from forecaster.market.calendars import Calendar
from forecaster.market.frames import (
    Floats,
    Mask,
    Sessions,
    counted,
    frame_columns,
    frame_sessions,
    refuse,
)

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")
# Vendors compute and round each of the four prices on their own.
ROUNDING = 1e-9
# No price or volume comes near it, and returns beyond it would overflow.
LARGEST = 1e30
# No exchange is older, and no calendar reaches further.
YEARS = np.array(["1600", "2200"], "datetime64[D]")
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


@dataclass(frozen=True, eq=False)
class Fault:
    """What is wrong with the rows where `wrong`, (n,), holds; `shown` are the values to tell."""

    code: str
    what: str
    wrong: Mask
    shown: dict[str, Floats] = field(default_factory=dict)

    def reason(self, row: int) -> str:
        """Return what is wrong with one row."""
        shown = ", ".join(f"{name} {values[row]:g}" for name, values in self.shown.items())
        return self.what + (f" ({shown})" if shown else "")


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
    if not len(bars) or _is_clean(bars, calendar, positive=positive):
        return Admitted(bars)
    faults = list(_faults(bars, calendar, positive=positive))
    wrong = np.logical_or.reduce([fault.wrong for fault in faults])
    if not wrong.any():
        return Admitted(bars)
    if wrong.sum() > max(FEW, SHARE * len(bars)):
        raise _all_of(faults, bars.sessions)
    return Admitted(bars.where(~wrong), tuple(_held(bars, faults, np.flatnonzero(wrong).tolist())))


def admit_actions(frame: pd.DataFrame | None) -> tuple[Actions, tuple[Held, ...]]:
    """Turn the actions that a source returned into Actions, holding those that are none.

    Raises:
        DataError: the frame as a whole is no table of actions.
    """
    if frame is None or frame.empty:
        return no_actions(), ()
    days = _days(frame)
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
    faults = list(_faults(bars, None, positive=False)) if len(bars) else []
    if any(fault.wrong.any() for fault in faults):
        raise _all_of(faults, bars.sessions)
    return bars


def _is_clean(bars: Bars, calendar: Calendar | None, *, positive: bool) -> bool:
    """Return whether there is certainly no fault, at a tenth of the cost of looking for each.

    Comparisons with NaN are false, so that what is left empty is not compared.
    """
    prices = np.stack([bars.field(name) for name in PRICES])
    opened, high, low, close = prices
    wrong = (
        ~np.isfinite(close)
        | (np.abs(prices) > LARGEST).any(axis=0)
        | ((low > high) | (opened < low) | (opened > high) | (close < low) | (close > high))
        | ((bars.volume < 0) | (bars.volume > LARGEST))
    )
    if wrong.any() or (positive and (prices <= 0).any()):
        return False
    if (bars.sessions[1:] == bars.sessions[:-1]).any():
        return False
    return calendar is None or not len(foreign_sessions(bars, calendar))


def _read(frame: pd.DataFrame) -> Bars:
    """Return the rows that have any price; the sessions ascend, and there may be two alike."""
    if frame.empty:
        raise DataError("there are no bars", code="empty")
    if "close" not in frame.columns:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"there is no close among the columns ({found})", code="columns")
    columns = frame_columns(frame, **dict.fromkeys(FIELDS, np.nan))
    bars = Bars(_days(frame, unique=False), *columns)
    absent = np.isnan(bars.close)
    if absent.any():
        absent &= np.logical_and.reduce([np.isnan(bars.field(name)) for name in PRICES])
    unwanted = absent | _said_again(bars)
    return bars.where(~unwanted) if unwanted.any() else bars


def _days(frame: pd.DataFrame, *, unique: bool = True) -> Sessions:
    days = frame_sessions(frame, unique=unique)
    wrong = (days < YEARS[0]) | (days >= YEARS[1])
    refuse(wrong, days, "are of an impossible year", code="not_sessions")
    return days


def _said_again(bars: Bars) -> Mask:
    """Return the rows that the next one repeats."""
    again = np.append(bars.sessions[1:] == bars.sessions[:-1], False)
    if again.any():
        for name in FIELDS:
            one, next_ = bars.field(name), np.append(bars.field(name)[1:], np.nan)
            again &= (one == next_) | (np.isnan(one) & np.isnan(next_))
    return again


def _faults(bars: Bars, calendar: Calendar | None, *, positive: bool) -> Iterator[Fault]:
    days, close, volume = bars.sessions, bars.close, bars.volume
    twice = days[1:] == days[:-1]
    yield Fault("duplicate", "two bars that differ", _either(twice))
    yield Fault("not_finite", "no finite close", ~np.isfinite(close), {"close": close})
    for name in FIELDS:
        values = bars.field(name)
        yield Fault("not_finite", f"an infinite {name}", np.isinf(values))
        yield Fault("too_large", f"an impossible {name}", np.abs(values) > LARGEST, {name: values})
    yield Fault("negative_volume", "a negative volume", volume < 0, {"volume": volume})
    yield from _range_faults(bars)
    if positive:
        for name in PRICES:
            values = bars.field(name)
            yield Fault("non_positive", f"no positive {name}", values <= 0, {name: values})
    if calendar is not None:
        foreign = np.isin(days, foreign_sessions(bars, calendar))
        what = f"a date that calendar {calendar.name} does not trade"
        yield Fault("foreign_session", what, foreign)


def _either(pair: Mask) -> Mask:
    """Return both rows of each pair of neighbours."""
    either: Mask = np.append(pair, False) | np.append(False, pair)
    return either


def _range_faults(bars: Bars) -> Iterator[Fault]:
    # Comparisons with NaN are false, so that what is left empty is not compared.
    low, high = bars.low, bars.high
    yield Fault(
        "high_below_low", "a high below the low", _above(low, high), {"high": high, "low": low}
    )
    for name in ("open", "close"):
        price = bars.field(name)
        outside = _above(low, price) | _above(price, high)
        shown = {name: price, "low": low, "high": high}
        yield Fault("outside_range", f"the {name} outside low and high", outside, shown)


def _above(upper: Floats, lower: Floats) -> Mask:
    """Return where `upper` is above `lower` by more than rounding."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are a fault of their own
        room = ROUNDING * np.maximum(np.abs(upper), np.abs(lower))
        above: Mask = upper > lower + room
    return above


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


def _all_of(faults: list[Fault], days: Sessions) -> DataError:
    """Return the error that names the first kind of fault, with its count and first session."""
    for fault in faults:
        if fault.wrong.any():
            remedy = ""
            if fault.code == "foreign_session":
                remedy = "name the calendar these prices follow (`calendar` of the series)"
            what = f"have {fault.what}"
            return counted(
                fault.wrong, days, what, code=fault.code, shown=fault.shown, remedy=remedy
            )
    raise ValueError("there is no fault")
