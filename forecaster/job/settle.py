"""settle: keep what is final and believed of what was pulled, and say where each series is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from forecaster.config import SeriesSettings
from forecaster.errors import DataError, ForecasterError
from forecaster.job.asking import Pulled
from forecaster.job.context import Job
from forecaster.job.take import Taken, take
from forecaster.ledger import Series
from forecaster.ledger.before import Address
from forecaster.ledger.instruments import read_instruments, read_series, register_series
from forecaster.ledger.prices import last_sessions
from forecaster.market import Calendar, Calendars


@dataclass(frozen=True)
class Standing:
    """A series as the night finds it.

    Attributes:
        settings: what is wanted.
        series: how the ledger knows it, None if it never had a bar.
        last: its last stored session.
        today: the session it should be forecast from: the last settled one of its calendar, or
            the last there is, where prices are historical.
        taken: what became of its instrument's pull; told of the first of its series only.
        problem: why it could not be pulled or validated; what was stored before still counts.
        calendars: where it finds its own.
        now: when it was found so.
    """

    settings: SeriesSettings
    series: Series | None
    last: date | None
    today: date | None
    taken: Taken
    problem: ForecasterError | None
    calendars: Calendars
    now: datetime

    @property
    def calendar(self) -> Calendar:
        """Return the calendar that its sessions follow."""
        if self.series is None:
            raise DataError(f"{self.settings.name} never had a bar", code="no_bars")
        return self.calendars.get(self.series.instrument.calendar)


def settle(
    job: Job, wanted: Sequence[SeriesSettings], pulled: Iterable[tuple[Address, Pulled]]
) -> list[Standing]:
    """Store what is settled and believed of each answer, and return where each series stands."""
    taken = take(job, pulled)
    _register(job, wanted)
    return _standings(job, wanted, taken)


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
    job: Job, wanted: Sequence[SeriesSettings], taken: Mapping[Address, Taken]
) -> list[Standing]:
    now = job.clock()
    known = read_series(job.ledger)
    last = last_sessions(job.ledger)
    standings = []
    counted: set[Address] = set()
    for one in wanted:
        address = (one.source, one.symbol)
        series = known.get(one.name)
        if series and (series.instrument.source, series.instrument.symbol) != address:
            series = None  # the name meant another instrument, and this one never had a bar
        pulled = taken.get(address, Taken())
        today, why = _today(job, series, last.get(address), now) if series else (None, None)
        standings.append(
            Standing(
                settings=one,
                series=series,
                last=last.get(address),
                today=today,
                taken=Taken() if address in counted else pulled,
                problem=why or pulled.problem,
                calendars=job.calendars,
                now=now,
            )
        )
        counted.add(address)
    return standings


def _today(
    job: Job, series: Series, last: date | None, now: datetime
) -> tuple[date | None, ForecasterError | None]:
    """Return the session to forecast from, or why its calendar does not say."""
    if series.instrument.historical:
        return last, None
    delay = timedelta(minutes=job.settings.schedule.settle_delay)
    try:
        return job.calendars.get(series.instrument.calendar).last_closed(now - delay), None
    except ForecasterError as error:
        return None, error
