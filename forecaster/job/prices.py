"""Bars read from the ledger for a walk over many nights, few times and no more than is needed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from forecaster.config import SeriesSettings
from forecaster.job.context import Job
from forecaster.job.past import Past, is_ranged, past_upto
from forecaster.ledger import Instrument, Ledger
from forecaster.ledger.prices import Origin, read_bars, read_many, read_origins
from forecaster.market import Actions, Bars, Calendar, Calendars
from forecaster.model import fields_of

Coming = tuple[SeriesSettings, Instrument, Sequence[date]]
"""A series, its instrument, and the sessions whose values it awaits, however old."""


@dataclass(frozen=True)
class Need:
    """Which bars of an instrument: `history` up to `since` and all later ones, in these fields."""

    history: int
    since: date
    fields: frozenset[str]

    def __or__(self, other: "Need") -> "Need":
        """Return what covers both."""
        return Need(
            max(self.history, other.history),
            min(self.since, other.since),
            self.fields | other.fields,
        )


@dataclass(frozen=True, eq=False)
class Read:
    """What was read: at least what was needed."""

    need: Need
    bars: Bars
    actions: Actions
    revised: bool


class Prices:
    """Bars read once for a walk over many nights; each night sees those up to its cutoff.

    With `known_by` none sees what was first seen later than that.
    """

    def __init__(
        self,
        ledger: Ledger,
        calendars: Calendars,
        *,
        first: date,
        last: date,
        delay: timedelta = timedelta(0),
        known_by: datetime | None = None,
    ) -> None:
        self._ledger = ledger
        self._calendars = calendars
        self._delay = delay
        self._known_by = known_by
        self._first = first
        self._last = last
        self._read: dict[int, Read] = {}

    def read_ahead(self, cutoff: date, coming: Iterable[Coming]) -> None:
        """Read what `past` will be asked for on a night, with few statements.

        On the last night nobody comes back to what was read before: that is forgotten.
        """
        needs: dict[int, Need] = {}
        for wanted, instrument, awaited in coming:
            need = self._need(wanted, awaited)
            needs[instrument.id] = needs.get(instrument.id, need) | need
        if cutoff == self._last:
            self._read = {one: read for one, read in self._read.items() if one in needs}
        self._read_lacking(needs)

    def _read_lacking(self, needs: Mapping[int, Need]) -> None:
        alike: dict[Need, list[int]] = defaultdict(list)
        for one, need in needs.items():
            known = self._read.get(one)
            if known is None or known.need | need != known.need:
                alike[need | known.need if known else need].append(one)
        for need, ids in alike.items():
            found = read_many(
                self._ledger, ids, upto=self._last, count=need.history, since=need.since,
                known_by=self._known_by, fields=sorted(need.fields),
            )  # fmt: skip
            self._read |= {one: Read(need, *read) for one, read in found.items()}

    def _need(self, wanted: SeriesSettings, awaited: Sequence[date]) -> Need:
        # The close is what dividends are held against.
        fields = {"close", wanted.field, *fields_of(wanted.model.extras)}
        if is_ranged(wanted):
            fields |= {"high", "low"}
        return Need(wanted.model.history, min([self._first, *awaited]), frozenset(fields))

    def read(
        self, wanted: SeriesSettings, instrument: Instrument, awaited: Sequence[date] = ()
    ) -> Read:
        """Return the newest bars that the series' pasts are made of on all these nights."""
        self._read_lacking({instrument.id: self._need(wanted, awaited)})
        return self._read[instrument.id]

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
            DataError: the series cannot be forecast from there; see `past_upto`.
        """
        read = self.read(wanted, instrument, awaited)
        calendar = self._calendars.get(instrument.calendar)
        bars = read.bars
        if read.revised and then:
            bars, _, _ = read_bars(
                self._ledger, instrument.id, upto=cutoff, count=read.need.history,
                since=read.need.since, as_of=settled_by(calendar, cutoff, self._delay),
                known_by=self._known_by,
            )  # fmt: skip
        return past_upto(cutoff, wanted, calendar, bars, read.actions, awaited)


def settled_by(calendar: Calendar, session: date, delay: timedelta) -> datetime:
    """Return a moment by which a night of that session would have been worked."""
    return calendar.close(session) + delay + timedelta(hours=6)


@dataclass(frozen=True)
class Moment:
    """A cutoff and what was known of it, for a single look back.

    Attributes:
        cutoff: the last session that may be seen.
        known_by: nothing that was first seen later; None for all that is known.
        then: give revised bars the value that was known when the cutoff had settled.
    """

    cutoff: date
    known_by: datetime | None
    then: bool

    def past(self, job: Job, quoted: Instrument, settings: SeriesSettings) -> Past:
        """Return a series' prices up to the cutoff.

        Raises:
            DataError: the series cannot be forecast from there; see `past_upto`.
        """
        delay = timedelta(minutes=job.settings.schedule.settle_delay)
        prices = Prices(
            job.ledger, job.calendars, first=self.cutoff, last=self.cutoff, delay=delay,
            known_by=self.known_by,
        )  # fmt: skip
        return prices.past(settings, quoted, self.cutoff, then=self.then)

    def origins(self, job: Job, quoted: Instrument, first: date) -> dict[date, Origin]:
        """Return, from a session on, which revision of each bar `past` is made of."""
        delay = timedelta(minutes=job.settings.schedule.settle_delay)
        calendar = job.calendars.get(quoted.calendar)
        as_of = settled_by(calendar, self.cutoff, delay) if self.then else None
        return read_origins(
            job.ledger, quoted.id, first=first, upto=self.cutoff, as_of=as_of,
            known_by=self.known_by,
        )  # fmt: skip
