"""The prices a series may know on one night: nothing after the cutoff gets past this module."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SeriesSettings
from forecaster.errors import DataError
from forecaster.ledger import Instrument, Ledger
from forecaster.ledger.prices import read_bars, read_many
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
from forecaster.model import Beside, fields_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Past:
    """A series up to a cutoff.

    Attributes:
        sessions: (n,) datetime64[D]; the last one is the cutoff.
        quoted: (n,) values as traded.
        values: (n,) adjusted as of the cutoff, in the basis of the last quoted value.
        beside: the fields that extra inputs are made of, adjusted likewise; None without any.
        actions: splits and dividends up to the cutoff.
        outcomes: values as traded on the awaited sessions, those without a value left out.
    """

    sessions: NDArray[np.datetime64]
    quoted: Floats
    values: Floats
    beside: Beside | None
    actions: Actions
    outcomes: Mapping[date, float]

    def count_upto(self, session: date) -> int:
        """Return how many values there are up to a session."""
        return int(np.searchsorted(self.sessions, np.datetime64(session), side="right"))

    def basis(self, session: date) -> float:
        """Return the product of the splits up to a session."""
        return basis(self.actions, session)


class Prices:
    """Bars read once for a walk over many nights; each night sees those up to its cutoff."""

    def __init__(
        self, ledger: Ledger, *, first: date, last: date, delay: timedelta = timedelta(0)
    ) -> None:
        self._ledger = ledger
        self._delay = delay
        self._first = first
        self._last = last
        self._read: dict[int, _Read] = {}

    def read_ahead(
        self, cutoff: date, coming: Iterable[tuple[SeriesSettings, Instrument, Sequence[date]]]
    ) -> None:
        """Read what `past` will be asked for with few statements.

        Args:
            cutoff: of the night; on the last one nobody comes back to what was read before.
            coming: series, instrument and awaited sessions of each.
        """
        lacking: dict[tuple[int, date], set[int]] = defaultdict(set)
        named = set()
        for wanted, instrument, awaited in coming:
            named.add(instrument.id)
            if instrument.id not in self._read:
                lacking[wanted.model.history, self._since(awaited)].add(instrument.id)
        if cutoff == self._last:
            self._read = {one: read for one, read in self._read.items() if one in named}
        for (history, since), ids in lacking.items():
            found = read_many(self._ledger, ids, since=since, upto=self._last, count=history)
            self._read |= {one: _Read(history, since, *read) for one, read in found.items()}

    def past(
        self,
        wanted: SeriesSettings,
        instrument: Instrument,
        cutoff: date,
        *,
        then: bool,
        awaited: Sequence[date] = (),
    ) -> Past:
        """Return a series' prices up to the cutoff.

        Args:
            wanted: the series.
            instrument: whose bars these are.
            cutoff: the last session that may be seen, one from `first` to `last`.
            then: give revised bars the value that was known when the cutoff had settled.
            awaited: sessions up to the cutoff whose values are asked for, however old.

        Raises:
            DataError: there is no bar at the cutoff (code "no_bar"), the field is empty
                somewhere, a session is missing, or a price has no logarithm.
        """
        since = self._since(awaited)
        read = self._covering(instrument, wanted.model.history, since)
        bars = read.bars
        if read.revised and then:
            bars, _, _ = read_bars(
                self._ledger, instrument.id, since=since, upto=cutoff, count=read.history,
                as_of=settled_by(instrument, cutoff, self._delay),
            )  # fmt: skip
        return _past(wanted, instrument, cutoff, bars, read.actions, awaited)

    def _since(self, awaited: Sequence[date]) -> date:
        return min([self._first, *awaited])

    def _covering(self, instrument: Instrument, history: int, since: date) -> "_Read":
        """Return `history` bars up to `since`, and all later ones, reading them at most once."""
        known = self._read.get(instrument.id)
        if known is None or known.history < history or known.since > since:
            found = read_bars(
                self._ledger, instrument.id, since=since, upto=self._last, count=history
            )
            known = self._read[instrument.id] = _Read(history, since, *found)
        return known


@dataclass(frozen=True, eq=False)
class _Read:
    history: int
    since: date
    bars: Bars
    actions: Actions
    revised: bool


def carry(field: str, *, origin: float, wanted: float) -> float:
    """Return the factor that carries a value from one basis to another.

    A split divides prices and multiplies the number of shares.
    """
    return wanted / origin if field == "volume" else origin / wanted


def settled_by(instrument: Instrument, session: date, delay: timedelta) -> datetime:
    """Return a moment by which a night of that session would have been worked."""
    return get_calendar(instrument.calendar).close(session) + delay + timedelta(hours=6)


def _past(
    wanted: SeriesSettings,
    instrument: Instrument,
    cutoff: date,
    bars: Bars,
    actions: Actions,
    awaited: Sequence[date],
) -> Past:
    bars = bars.upto(cutoff)
    if not len(bars) or bars.sessions[-1] != np.datetime64(cutoff):
        newest = f"the newest is of {bars.sessions[-1]}" if len(bars) else "there is none before it"
        raise DataError(
            f"there is no bar for session {cutoff} yet, {newest}",
            remedy="run again when the source has it",
            code="no_bar",
        )
    outcomes = _values_on(awaited, bars.sessions, bars.field(wanted.field))
    bars = _newest(bars, wanted.model.history)
    actions = _upto(actions, cutoff)
    quoted = bars.field(wanted.field)
    _refuse_unusable(wanted, instrument, bars, quoted)

    def adjusted(field: str) -> Floats:
        if field == "volume":
            return adjust_volume(bars.volume, bars.sessions, actions, cutoff=cutoff)
        return adjust(bars.field(field), bars.sessions, bars.close, actions, cutoff=cutoff)

    fields = fields_of(wanted.model.extra_inputs)
    for field in fields:
        _refuse_empty(field, bars, "take it out of extra_inputs, or use a source that has it")
    beside = Beside(bars.sessions, {field: adjusted(field) for field in fields})
    return Past(
        bars.sessions,
        quoted,
        adjusted(wanted.field),
        beside if wanted.model.extra_inputs else None,
        actions,
        outcomes,
    )


def _values_on(
    awaited: Sequence[date], sessions: NDArray[np.datetime64], quoted: Floats
) -> dict[date, float]:
    wanted = np.isin(sessions, np.array(awaited, dtype="datetime64[D]")) & np.isfinite(quoted)
    return dict(zip(sessions[wanted].tolist(), quoted[wanted].tolist(), strict=True))


def _newest(bars: Bars, count: int) -> Bars:
    return Bars(bars.sessions[-count:], *(bars.field(name)[-count:] for name in FIELDS))


def _upto(actions: Actions, cutoff: date) -> Actions:
    known = actions.sessions <= np.datetime64(cutoff)
    return Actions(actions.sessions[known], actions.splits[known], actions.dividends[known])


def _refuse_unusable(
    wanted: SeriesSettings, instrument: Instrument, bars: Bars, quoted: Floats
) -> None:
    _refuse_empty(wanted.field, bars, "forecast another field, or use a source that has it")
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


def _refuse_empty(field: str, bars: Bars, remedy: str) -> None:
    empty = np.flatnonzero(np.isnan(bars.field(field)))
    if len(empty):
        raise DataError(
            f"{len(empty)} of {len(bars)} bars have no {field}, first {bars.sessions[empty[0]]}",
            remedy=remedy,
            code="empty_field",
        )


def _refuse_gaps(instrument: Instrument, bars: Bars) -> None:
    gaps = missing_sessions(bars, get_calendar(instrument.calendar))
    if len(gaps):
        raise DataError(
            f"{len(gaps)} sessions of calendar {instrument.calendar} have no bar, first {gaps[0]}",
            remedy='fill them, name the right `calendar`, or set missing = "drop" for the series',
            code="gaps",
        )
