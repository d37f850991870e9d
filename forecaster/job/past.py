"""The prices a series may know on one night: nothing after the cutoff gets past this module."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SeriesSettings
from forecaster.errors import DataError
from forecaster.ledger import Instrument, Ledger
from forecaster.ledger.prices import read_bars
from forecaster.market import (
    FIELDS,
    Actions,
    Bars,
    adjust,
    adjust_volume,
    basis,
    get_calendar,
    missing_sessions,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Past:
    """A series up to a cutoff.

    Attributes:
        sessions: (n,) datetime64[D]; the last one is the cutoff.
        quoted: (n,) values as traded.
        values: (n,) adjusted as of the cutoff, in the basis of the last quoted value.
        actions: splits and dividends up to the cutoff.
    """

    sessions: NDArray[np.datetime64]
    quoted: Floats
    values: Floats
    actions: Actions

    def count_upto(self, session: date) -> int:
        """Return how many values there are up to a session."""
        return int(np.searchsorted(self.sessions, np.datetime64(session), side="right"))

    def quoted_at(self, session: date) -> float | None:
        """Return the value as traded on a session, None where there is none."""
        place = self.count_upto(session) - 1
        if place < 0 or self.sessions[place] != np.datetime64(session):
            return None
        return float(self.quoted[place])

    def basis(self, session: date) -> float:
        """Return the product of the splits up to a session."""
        return basis(self.actions, session)


class Prices:
    """Bars read once for a walk over many nights; each night sees those up to its cutoff."""

    def __init__(self, ledger: Ledger, *, upto: date, nights: int) -> None:
        self._ledger = ledger
        self._upto = upto
        self._nights = nights
        self._read: dict[int, tuple[int, Bars, Actions, bool]] = {}

    def past(
        self, wanted: SeriesSettings, instrument: Instrument, cutoff: date, *, then: bool
    ) -> Past:
        """Return a series' prices up to the cutoff.

        Args:
            wanted: the series.
            instrument: whose bars these are.
            cutoff: the last session that may be seen.
            then: give revised bars the value that was known when the cutoff had settled.

        Raises:
            DataError: there is no bar at the cutoff (code "no_bar"), the field is empty
                somewhere, a session is missing, or a price has no logarithm.
        """
        bars, actions = self._bars(instrument, wanted.model.history, cutoff, then=then)
        return _past(wanted, instrument, cutoff, bars, actions)

    def _bars(
        self, instrument: Instrument, history: int, cutoff: date, *, then: bool
    ) -> tuple[Bars, Actions]:
        known = self._read.get(instrument.id)
        if known is None or known[0] < history:
            count = history + self._nights
            bars, actions, revised = read_bars(
                self._ledger, instrument.id, upto=self._upto, count=count
            )
            known = self._read[instrument.id] = (history, bars, actions, revised)
        _, bars, actions, revised = known
        if revised and then:
            moment = settled_by(instrument, cutoff)
            bars, actions, _ = read_bars(
                self._ledger, instrument.id, upto=cutoff, count=history, as_of=moment
            )
        return bars, actions


def settled_by(instrument: Instrument, session: date) -> datetime:
    """Return a moment at which everything of that session was known and nothing of the next."""
    return get_calendar(instrument.calendar).close(session) + timedelta(hours=6)


def _past(
    wanted: SeriesSettings, instrument: Instrument, cutoff: date, bars: Bars, actions: Actions
) -> Past:
    bars = bars.upto(cutoff)
    if not len(bars) or bars.sessions[-1] != np.datetime64(cutoff):
        newest = f"the newest is of {bars.sessions[-1]}" if len(bars) else "there is none before it"
        raise DataError(
            f"there is no bar for session {cutoff} yet, {newest}",
            remedy="run again when the source has it",
            code="no_bar",
        )
    bars = _newest(bars, wanted.model.history)
    actions = _upto(actions, cutoff)
    quoted = bars.field(wanted.field)
    _refuse_unusable(wanted, instrument, bars, quoted)
    if wanted.field == "volume":
        values = adjust_volume(quoted, bars.sessions, actions, cutoff=cutoff)
    else:
        values = adjust(quoted, bars.sessions, bars.close, actions, cutoff=cutoff)
    return Past(bars.sessions, quoted, values, actions)


def _newest(bars: Bars, count: int) -> Bars:
    return Bars(bars.sessions[-count:], *(bars.field(name)[-count:] for name in FIELDS))


def _upto(actions: Actions, cutoff: date) -> Actions:
    known = actions.sessions <= np.datetime64(cutoff)
    return Actions(actions.sessions[known], actions.splits[known], actions.dividends[known])


def _refuse_unusable(
    wanted: SeriesSettings, instrument: Instrument, bars: Bars, quoted: Floats
) -> None:
    empty = np.flatnonzero(np.isnan(quoted))
    if len(empty):
        raise DataError(
            f"{len(empty)} of {len(quoted)} bars have no {wanted.field}, "
            f"first {bars.sessions[empty[0]]}",
            remedy="forecast another field, or use a source that has it",
            code="empty_field",
        )
    if wanted.missing == "refuse":
        _refuse_gaps(instrument, bars)
    bad = np.flatnonzero(quoted <= 0)
    if len(bad) and wanted.values == "price":
        raise DataError(
            f"{wanted.field} is {quoted[bad[0]]:g} on {bars.sessions[bad[0]]}: log returns need "
            "positive prices",
            remedy='set values = "difference" for the series, or correct the prices',
            code="non_positive",
        )


def _refuse_gaps(instrument: Instrument, bars: Bars) -> None:
    gaps = missing_sessions(bars, get_calendar(instrument.calendar))
    if len(gaps):
        raise DataError(
            f"{len(gaps)} sessions of calendar {instrument.calendar} have no bar, first {gaps[0]}",
            remedy='fill them, name the right `calendar`, or set missing = "drop" for the series',
            code="gaps",
        )
