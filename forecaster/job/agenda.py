"""What an execution takes off the schedule, and what it leaves there."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forecaster.errors import LedgerError
from forecaster.job.context import Job
from forecaster.job.foreign import foreseen
from forecaster.job.schedule import LATE, active_series, next_attempt, scheduled
from forecaster.job.settle import Standing
from forecaster.ledger import Night
from forecaster.ledger.attempts import Rest, begin, finish, interrupt, recover
from forecaster.ledger.pulls import read_rest
from forecaster.ledger.runs import Run

if TYPE_CHECKING:
    from forecaster.job.due import Due


@dataclass(eq=False)
class Agenda:
    """The open nights of the schedule, for one execution.

    Attributes:
        job: whose.
        runs: the open ones, of the calendars that are worked.
        again: when each is tried again, if it is, should this attempt fail.
        waiting: open nights that have their turn another time.
        only_some: not all series have their turn.
        calendars: what is due of these is worked, and nothing else; None: all that is open.
    """

    job: Job
    runs: Mapping[Night, Run]
    again: Mapping[Night, datetime | None]
    waiting: frozenset[Night]
    only_some: bool
    calendars: Collection[str] | None = None
    _begun: list[Night] = field(default_factory=list)

    @classmethod
    def of_job(
        cls,
        job: Job,
        standings: Sequence[Standing],
        *,
        only_some: bool,
        calendars: Collection[str] | None = None,
    ) -> Self:
        """Put on the schedule what has become due, and return what is open on it.

        Only for whoever is alone at work: what is said to be running is not, and begins again.

        Args:
            job: whose.
            standings: the series.
            only_some: not all series have their turn.
            calendars: work only what is due of these, as a daemon wants it; a series that never had
                a bar may be of another one.
        """
        # What has become due since the prices were asked for has its turn another time.
        now = min((one.now for one in standings), default=job.clock())
        recover(job.ledger, now)
        present = {one.calendar.name for one in standings}
        found = scheduled(job.ledger, job.settings, job.calendars, now)
        known = {
            Night("live" if one.kind == "live" else "backfill", one.calendar, one.session): one
            for one in found
            if one.calendar in present
        }
        runs = {
            night: one
            for night, one in known.items()
            if calendars is None or (one.calendar in calendars and one.is_due(now))
        }
        again = {night: _next(job, one, now, standings) for night, one in runs.items()}
        return cls(job, runs, again, frozenset(known.keys() - runs.keys()), only_some, calendars)

    def begin(self, nights: "Sequence[Due]") -> None:
        """Note one more attempt at each run whose turn it is; of the whole schedule at all."""
        now = {due.night for due in nights}
        self._begun = [night for night in self.runs if night in now or not self.only_some]
        ids = [self.runs[night].id for night in self._begun]
        # Whoever runs the job by hand or by a clock of their own chooses the hour.
        late_after = None if self.calendars is None else LATE
        begin(self.job.ledger, ids, self.job.clock(), late_after=late_after)

    def __enter__(self) -> Self:
        """Return the agenda."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        """Leave no run that is said to be running."""
        ledger, now = self.job.ledger, self.job.clock()
        if error is None:
            finish(ledger, self._rests(), now)
            return
        why = foreseen(error) if isinstance(error, Exception) else None
        code, text = (why.code, str(why)) if why else ("interrupted", type(error).__name__)
        with suppress(LedgerError):  # the next execution notes it: what is not stored is no loss
            interrupt(ledger, now, code, text)

    def _rests(self) -> list[Rest]:
        active = active_series(self.job.ledger, self.job.settings) if self.only_some else []
        names = Counter(one.instrument.calendar for one in active)
        return [
            Rest(self.runs[one], self.again[one], names[one.calendar] if self.only_some else None)
            for one in self._begun
        ]


def _next(job: Job, run: Run, now: datetime, standings: Sequence[Standing]) -> datetime | None:
    """Return when a run is tried again, not before the sources that are left alone answer."""
    calendar = job.calendars.get(run.calendar)
    resting = {
        one.settings.source
        for one in standings
        if one.calendar.name == run.calendar and one.problem and one.problem.code == "rate_limited"
    }
    rests = [rest.resumes_at for one in resting if (rest := read_rest(job.ledger, one))]
    return next_attempt(run, job.settings, calendar, now, not_before=max(rests, default=now))
