"""settle: validate what was pulled, keep what is final, store it, and say where each series is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from forecaster.config import SeriesSettings
from forecaster.errors import DataError, ForecasterError
from forecaster.hooks import Quotes
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.job.pull import Address, Pulled
from forecaster.ledger import Instrument, Series
from forecaster.ledger.instruments import read_instruments, read_series, register_series
from forecaster.ledger.prices import last_sessions
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.market import (
    Bars,
    Calendar,
    actions_from_frame,
    bars_from_frame,
    foreign_sessions,
    get_calendar,
    infer_calendar,
)

CHUNK = 64
"""Instruments whose answers are stored in one transaction."""
BARS = 200_000
"""Bars in one transaction, and the last instrument's: some seconds, for which others wait."""


@dataclass(frozen=True)
class Standing:
    """A series as the night finds it.

    Attributes:
        settings: what is wanted.
        series: how the ledger knows it, None if it never had a bar.
        last: its last stored session.
        today: the session it should be forecast from: the last settled one of its calendar, or
            the last there is, where prices are historical.
        new_bars: stored just now.
        problem: why it could not be pulled or validated; what was stored before still counts.
    """

    settings: SeriesSettings
    series: Series | None
    last: date | None
    today: date | None
    new_bars: int
    problem: ForecasterError | None

    @property
    def calendar(self) -> Calendar:
        """Return the calendar that its sessions follow."""
        if self.series is None:
            raise DataError(f"{self.settings.name} never had a bar", code="no_bars")
        return get_calendar(self.series.instrument.calendar)


def settle(
    job: Job, wanted: Sequence[SeriesSettings], pulled: Iterable[tuple[Address, Pulled]]
) -> list[Standing]:
    """Store the settled bars of each instrument and return where each series stands."""
    known = read_instruments(job.ledger)
    # Of all series: whichever are worked on, an instrument keeps its calendar.
    configured = {
        (one.source, one.symbol): one.calendar
        for one in reversed(job.settings.each_series())
        if one.calendar
    }
    new_bars: dict[Address, int] = {}
    problems: dict[Address, ForecasterError] = {}
    answers: dict[Address, Answer] = {}
    for address, answer in pulled:
        try:
            quotes = answer.quotes_or_raise()
            name = _calendar_name(quotes, configured.get(address), known.get(address))
            answers[address] = _validated(job, address, quotes, name)
        except Exception as error:  # noqa: BLE001  a foreign plugin may return anything
            problems[address] = foreign(f"the answer of source {address[0]}", error)
        if len(answers) >= CHUNK or sum(len(one.bars) for one in answers.values()) >= BARS:
            new_bars |= _store(job, answers)
            answers = {}
    new_bars |= _store(job, answers)
    _register(job, wanted)
    return _standings(job, wanted, new_bars, problems)


def _store(job: Job, answers: Mapping[Address, Answer]) -> dict[Address, int]:
    """Store answers, and return how many bars of each are new or revised."""
    stored = store_quotes(job.ledger, list(answers.values()), now=job.clock())
    return {
        address: one.new_bars + one.revised_bars
        for address, one in zip(answers, stored, strict=True)
    }


def _calendar_name(quotes: Quotes, configured: str | None, known: Instrument | None) -> str:
    """Return the calendar: as configured, as the source says, as before, or as it looks."""
    if not len(quotes.bars):
        raise DataError("the source has no bars", remedy="check the symbol", code="no_bars")
    before = known.calendar if known else None
    return (
        configured
        or quotes.calendar
        or before
        or infer_calendar(bars_from_frame(quotes.bars).sessions)
    )


def _validated(job: Job, address: Address, quotes: Quotes, calendar_name: str) -> Answer:
    calendar = get_calendar(calendar_name)
    bars = _settled(job, quotes, calendar)
    _refuse_foreign(bars, calendar)
    quoted = Instrument(
        id=0,
        source=address[0],
        symbol=address[1],
        calendar=calendar_name,
        currency=quotes.currency,
        historical=quotes.historical,
        attribution=quotes.attribution,
    )
    return Answer(quoted, bars, actions_from_frame(quotes.actions))


def _settled(job: Job, quotes: Quotes, calendar: Calendar) -> Bars:
    """Drop bars that are not final yet: they may still change, or hold nothing."""
    frame = quotes.bars
    if not quotes.historical:
        delay = timedelta(minutes=job.settings.schedule.settle_delay)
        final = calendar.last_closed(job.clock() - delay)
        frame = frame[frame.index <= np.datetime64(final)]
    elif len(late := frame.index[frame.index > np.datetime64(job.clock().date() + timedelta(1))]):
        raise DataError(
            f"{len(late)} sessions are in the future, first {late[0].date()}",
            remedy="correct their dates",
            code="future_session",
        )
    if not len(frame):
        raise DataError("the source has no settled bars", remedy="check the symbol", code="no_bars")
    return bars_from_frame(frame)


def _refuse_foreign(bars: Bars, calendar: Calendar) -> None:
    foreign = foreign_sessions(bars, calendar)
    if len(foreign):
        raise DataError(
            f"{len(foreign)} bars fall on days that calendar {calendar.name} does not trade, "
            f"first {foreign[0]}",
            remedy="name the calendar these prices follow (`calendar` of the series)",
            code="foreign_session",
        )


def _register(job: Job, wanted: Sequence[SeriesSettings]) -> None:
    """Make the series that the ledger does not know, of instruments that ever had a bar."""
    instruments = read_instruments(job.ledger)
    quoted = [
        (one.name, found.id, one.field)
        for one in wanted
        if (found := instruments.get((one.source, one.symbol)))
    ]
    register_series(job.ledger, quoted, now=job.clock())


def _standings(
    job: Job,
    wanted: Sequence[SeriesSettings],
    new_bars: Mapping[Address, int],
    problems: Mapping[Address, ForecasterError],
) -> list[Standing]:
    known = read_series(job.ledger)
    last = last_sessions(job.ledger)
    standings = []
    counted: set[Address] = set()
    for one in wanted:
        address = (one.source, one.symbol)
        series = known.get(one.name)
        if series and (series.instrument.source, series.instrument.symbol) != address:
            series = None  # the name meant another instrument, and this one never had a bar
        new = 0 if address in counted else new_bars.get(address, 0)
        counted.add(address)
        standings.append(
            Standing(
                settings=one,
                series=series,
                last=last.get(address),
                today=_today(job, series, last.get(address)) if series else None,
                new_bars=new,
                problem=problems.get(address),
            )
        )
    return standings


def _today(job: Job, series: Series, last: date | None) -> date | None:
    if series.instrument.historical:
        return last
    delay = timedelta(minutes=job.settings.schedule.settle_delay)
    return get_calendar(series.instrument.calendar).last_closed(job.clock() - delay)
