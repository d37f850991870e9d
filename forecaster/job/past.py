"""The prices a series may know on one night: nothing after the cutoff gets past this module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SeriesSettings
from forecaster.errors import DataError
from forecaster.market import (
    FIELDS,
    Actions,
    Bars,
    Calendar,
    adjust,
    adjust_volume,
    bases,
    basis,
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
        ranges: (n,) how far each session's high lies from its low, as moves do; NaN where a bar
            lacks one of them. None where that says nothing of the series.
        outcomes: values as traded on the awaited sessions, those without a value left out.
        carried: (n,) sessions without a bar, which have the values of the session before.
    """

    sessions: NDArray[np.datetime64]
    quoted: Floats
    values: Floats
    beside: Beside | None
    actions: Actions
    ranges: Floats | None
    outcomes: Mapping[date, float]
    carried: NDArray[np.bool_]

    def count_upto(self, session: date) -> int:
        """Return how many values there are up to a session."""
        return int(np.searchsorted(self.sessions, np.datetime64(session), side="right"))

    def basis(self, session: date) -> float:
        """Return the product of the splits up to a session."""
        return basis(self.actions, session)


def carry(field: str, *, origin: float, wanted: float) -> float:
    """Return the factor that carries a value from one basis to another.

    A split divides prices and multiplies the number of shares.
    """
    return wanted / origin if field == "volume" else origin / wanted


def past_upto(
    cutoff: date,
    wanted: SeriesSettings,
    calendar: Calendar,
    bars: Bars,
    actions: Actions,
    awaited: Sequence[date],
) -> Past:
    """Return a series' past: of all that is known, what was so by the cutoff.

    Where the series says so, a session without a bar has the values of the one before it.

    Raises:
        DataError: there is no bar at the cutoff (code "no_bar"), the field is empty somewhere, a
            session is missing, or a price has no logarithm.
    """
    bars = bars.upto(cutoff)
    outcomes = _values_on(awaited, bars.sessions, bars.field(wanted.field))
    carried = np.zeros(0, dtype="datetime64[D]")
    if wanted.missing == "carry" and len(bars):
        bars, carried = _carried_forward(bars, actions, calendar, cutoff, wanted.carry)
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
    _refuse_unusable(wanted, calendar, bars, quoted)

    def adjusted(field: str) -> Floats:
        if field == "volume":
            return adjust_volume(bars.volume, bars.sessions, actions, cutoff=cutoff)
        return adjust(bars.field(field), bars.sessions, bars.close, actions, cutoff=cutoff)

    fields = fields_of(wanted.model.extras)
    for field in fields:
        _refuse_empty(field, bars, "take it out of extra_inputs, or use a source that has it")
    beside = Beside(bars.sessions, {field: adjusted(field) for field in fields})
    return Past(
        bars.sessions,
        quoted,
        adjusted(wanted.field),
        beside if wanted.model.extras else None,
        actions,
        _ranges(adjusted("high"), adjusted("low"), wanted) if is_ranged(wanted) else None,
        outcomes,
        np.isin(bars.sessions, carried),
    )


def is_ranged(wanted: SeriesSettings) -> bool:
    """Return whether highs and lows say how far the series moves within a session."""
    return wanted.field != "volume" and wanted.season is None


def _ranges(high: Floats, low: Floats, wanted: SeriesSettings) -> Floats:
    known = high >= low if wanted.values == "difference" else (high >= low) & (low > 0)
    top, bottom = np.where(known, high, 1.0), np.where(known, low, 1.0)
    heights = top - bottom if wanted.values == "difference" else np.log(top / bottom)
    return np.where(known, heights, np.nan)


def _carried_forward(
    bars: Bars, actions: Actions, calendar: Calendar, cutoff: date, most: int
) -> tuple[Bars, NDArray[np.datetime64]]:
    """Return the bars with those of missing sessions made of the one before, and these sessions.

    Raises:
        DataError: more than `most` are missing in a row (code "gaps").
    """
    first: date = bars.sessions[0].item()
    # The cutoff was a session when the night was worked, even if it was noted as closed since.
    days = np.union1d([*bars.sessions, np.datetime64(cutoff)], calendar.sessions(first, cutoff))
    before = np.searchsorted(bars.sessions, days, side="right") - 1
    missing = bars.sessions[before] != days
    # How many missing sessions end at each one: its place behind the bar that is carried to it.
    place = np.arange(len(days)) - np.searchsorted(days, bars.sessions)[before]
    if (place > most).any():
        worst = days[np.argmax(place > most)]
        raise DataError(
            f"more than {most} sessions of calendar {calendar.name} up to {worst} have no bar",
            remedy="`forecaster bars check` shows them; fill them, or raise `carry` of the series",
            code="gaps",
        )
    # A split on a missing session divides what is carried there.
    ratio = bases(actions, bars.sessions)[before] / bases(actions, days)
    values = {name: bars.field(name)[before] * ratio for name in FIELDS[:-1]}
    return Bars(days, volume=bars.volume[before] / ratio, **values), days[missing]


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
    wanted: SeriesSettings, calendar: Calendar, bars: Bars, quoted: Floats
) -> None:
    _refuse_empty(wanted.field, bars, "forecast another field, or use a source that has it")
    if wanted.missing == "refuse":
        _refuse_gaps(calendar, bars)
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


def _refuse_gaps(calendar: Calendar, bars: Bars) -> None:
    gaps = missing_sessions(bars, calendar)
    if len(gaps):
        many = f"{len(gaps)} sessions of calendar {calendar.name} have no bar, first {gaps[0]}"
        one = f"session {gaps[0]} of calendar {calendar.name} has no bar"
        raise DataError(
            many if len(gaps) > 1 else one,
            remedy="see `forecaster bars check`; fill in what is missing, write closures into the "
            'closures file, name the right `calendar`, or set missing = "carry" or "drop"',
            code="gaps",
        )
