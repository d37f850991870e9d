"""Bars: what one instrument was traded for, session by session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from forecaster.errors import DataError
from forecaster.market.calendars import Calendar
from forecaster.market.frames import Floats, Mask, Sessions

FIELDS = ("open", "high", "low", "close", "volume")
PRICES = FIELDS[:-1]

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

    def where(self, wanted: Mask) -> Bars:
        """Return the bars for which `wanted`, (n,), holds."""
        return Bars(self.sessions[wanted], *(self.field(name)[wanted] for name in FIELDS))

    def upto(self, session: date | np.datetime64) -> Bars:
        """Return the bars of `session` and before."""
        n = int(np.searchsorted(self.sessions, np.array(session, "datetime64[D]"), side="right"))
        return Bars(self.sessions[:n], *(self.field(name)[:n] for name in FIELDS))


def no_bars() -> Bars:
    """Return no bars."""
    return Bars(np.zeros(0, "datetime64[D]"), *(np.zeros(0) for _ in FIELDS))


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
