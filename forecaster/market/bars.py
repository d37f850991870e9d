"""Bars, and the one validation that every source's prices pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from forecaster.errors import DataError
from forecaster.market.calendars import Calendar
from forecaster.market.frames import (
    Floats,
    Mask,
    Sessions,
    frame_columns,
    frame_sessions,
    refuse,
)

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("open", "high", "low", "close", "volume")

# Vendors compute and round each of the four prices on their own.
ROUNDING = 1e-9
# No price or volume comes near it, and returns beyond it would overflow.
LARGEST = 1e30
# Longer than any exchange has been closed in a row since 1914.
LONGEST_CLOSURE = np.timedelta64(31, "D")


@dataclass(frozen=True, eq=False)
class Bars:
    """The bars of one instrument, oldest first.

    Attributes:
        sessions: (n,) datetime64[D], strictly increasing.
        open: (n,) float64 as traded, NaN where the source leaves it empty; the others alike.
        high: (n,) float64.
        low: (n,) float64.
        close: (n,) float64, finite everywhere.
        volume: (n,) float64, in shares or contracts.
    """

    sessions: Sessions
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.sessions)

    def field(self, name: str) -> Floats:
        """Return the (n,) values of "open", "high", "low", "close" or "volume"."""
        if name not in FIELDS:
            raise DataError(f"a bar has no {name!r}", remedy=f"choose one of {', '.join(FIELDS)}")
        values: Floats = getattr(self, name)
        return values

    def upto(self, session: date | np.datetime64) -> Bars:
        """Return the bars of `session` and before."""
        n = int(np.searchsorted(self.sessions, np.array(session, "datetime64[D]"), side="right"))
        return Bars(self.sessions[:n], *(self.field(name)[:n] for name in FIELDS))


def bars_from_frame(frame: pd.DataFrame) -> Bars:
    """Turn what a source returned into Bars, or say what is wrong with it.

    Zero and negative prices pass: oil once closed at -36.98. Who takes logarithms refuses them.

    Args:
        frame: indexed by session (no zone, no time of day, ascending, unique); columns: close and
            any of open, high, low, volume, as traded. NaN is allowed everywhere but in close.

    Raises:
        DataError: naming the first offending session and how many there are.
    """
    if frame.empty:
        raise DataError("there are no bars", code="empty")
    if "close" not in frame.columns:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"there is no close among the columns ({found})", code="columns")
    columns = frame_columns(frame, **dict.fromkeys(FIELDS, np.nan))
    bars = Bars(frame_sessions(frame), *columns)
    _check_values(bars)
    return bars


def missing_sessions(bars: Bars, calendar: Calendar) -> Sessions:
    """Return the sessions between the first and the last bar that the bars lack."""
    known = calendar.sessions(bars.sessions[0].item(), bars.sessions[-1].item())
    return _lacking(known, bars.sessions)


def foreign_sessions(bars: Bars, calendar: Calendar) -> Sessions:
    """Return the sessions of the bars that the calendar lacks.

    Bars older than anything the calendar knows are not held against them.
    """
    first = (bars.sessions[0] - LONGEST_CLOSURE).item()
    known = calendar.sessions(first, bars.sessions[-1].item())
    foreign = _lacking(bars.sessions, known)
    return foreign[foreign >= known[0]] if len(known) else foreign


def _lacking(sessions: Sessions, known: Sessions) -> Sessions:
    """Return those of `sessions` that are not among the known ones; both ascend."""
    if not len(known):
        return sessions
    at = np.minimum(np.searchsorted(known, sessions), len(known) - 1)
    lacking: Sessions = sessions[known[at] != sessions]
    return lacking


def _check_values(bars: Bars) -> None:
    close, volume = bars.close, bars.volume
    days = bars.sessions
    refuse(~np.isfinite(close), days, "have no finite close", code="not_finite", close=close)
    for name in FIELDS:
        values = bars.field(name)
        refuse(np.isinf(values), days, f"have an infinite {name}", code="not_finite")
        impossible = np.abs(values) > LARGEST
        refuse(impossible, days, f"have an impossible {name}", code="too_large", value=values)
    refuse(volume < 0, days, "have a negative volume", code="negative_volume", volume=volume)
    _check_ranges(bars)


def _check_ranges(bars: Bars) -> None:
    # Comparisons with NaN are false, so that what is left empty is not compared.
    low, high = bars.low, bars.high
    refuse(
        _above(low, high),
        bars.sessions,
        "have a high below their low",
        code="high_below_low",
        high=high,
        low=low,
    )
    for name in ("open", "close"):
        price = bars.field(name)
        refuse(
            _above(low, price) | _above(price, high),
            bars.sessions,
            f"have the {name} outside low and high",
            code="outside_range",
            **{name: price, "low": low, "high": high},
        )


def _above(upper: Floats, lower: Floats) -> Mask:
    """Return where `upper` is above `lower` by more than rounding."""
    room = ROUNDING * np.maximum(np.abs(upper), np.abs(lower))
    above: Mask = upper > lower + room
    return above
