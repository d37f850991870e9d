"""What an execution takes off the schedule, and what it leaves there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forecaster.errors import LedgerError
from forecaster.job.context import Job
from forecaster.job.schedule import active_series, next_attempt, scheduled
from forecaster.job.settle import Standing
from forecaster.ledger import Night
from forecaster.ledger.pulls import read_rest
from forecaster.ledger.runs import Run, begin, finish, interrupt, recover

if TYPE_CHECKING:
    from forecaster.job.plan import Due


@dataclass(eq=False)
class Agenda:
    """The open nights of the schedule, for one execution.

    Attributes:
        job: whose.
        runs: the open ones, of the calendars that are worked.
        again: when each is tried again, if it is, should this attempt fail.
        of: how many series a night has, where not all of them have their turn now.
    """

    job: Job
    runs: Mapping[Night, Run]
    again: Mapping[Night, datetime | None]
    of: Mapping[Night, int]
    _begun: set[int] = field(default_factory=set)

    @classmethod
    def of_job(cls, job: Job, standings: Sequence[Standing], *, only_some: bool) -> Self:
        """Put on the schedule what has become due, and return what is open on it.

        Only for whoever is alone at work: what is said to be running is not, and begins again.
        """
        # What has become due since the prices were asked for has its turn another time.
        now = min((one.now for one in standings), default=job.clock())
        recover(job.ledger, now)
        calendars = {one.calendar.name for one in standings}
        found = scheduled(job.ledger, job.settings, job.calendars, now)
        runs = {
            Night("live" if one.kind == "live" else "backfill", one.calendar, one.session): one
            for one in found
            if one.calendar in calendars
        }
        again = {night: _next(job, one, now, standings) for night, one in runs.items()}
        return cls(job, runs, again, _counts(job, runs) if only_some else {})

    def begin(self, nights: "Sequence[Due]") -> None:
        """Note one more attempt at each run whose turn it is; of the whole schedule at all."""
        now = {due.night for due in nights}
        self._begun = {one.id for night, one in self.runs.items() if night in now or not self.of}
        begin(self.job.ledger, self._begun, self.job.clock())

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
            finish(ledger, self._begun, now, whole=not self.of)
            return
        why = str(error) or type(error).__name__
        with suppress(LedgerError):  # the next execution notes it: what is not stored is no loss
            interrupt(ledger, now, getattr(error, "code", "interrupted"), why)


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


def _counts(job: Job, runs: Mapping[Night, Run]) -> dict[Night, int]:
    names = [one.instrument.calendar for one in active_series(job.ledger, job.settings)]
    return {night: names.count(night.calendar) for night in runs}
