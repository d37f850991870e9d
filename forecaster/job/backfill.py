"""Past sessions, each worked with the bars known by then, as the daily job would have."""

from collections.abc import Sequence
from datetime import date

from forecaster.errors import ConfigError, DataError
from forecaster.hooks import RunSummary
from forecaster.job.context import Job
from forecaster.job.plan import enough_bars, plan_backfill
from forecaster.job.run import Tally, chosen, prepare, summary, work_through
from forecaster.job.settle import Standing
from forecaster.model import bars_needed


def backfill(job: Job, *, first: date, last: date, names: Sequence[str] = ()) -> RunSummary:
    """Do the job for every session from first to last that is not stored yet.

    Raises:
        ConfigError: the dates are the wrong way round.
        DataError: no series can be forecast from any of these sessions.
    """
    if first > last:
        raise ConfigError(
            f"--from {first} is after --to {last}", remedy="give the earlier session first"
        )
    tally = Tally()
    standings = prepare(job, chosen(job, names), tally)
    nights = plan_backfill(job.ledger, standings, first=first, last=last)
    if not nights:
        _explain_nothing(job, standings, first, last)
    work_through(job, nights, tally)
    return summary(tally, "backfill", standings)


def _explain_nothing(job: Job, standings: Sequence[Standing], first: date, last: date) -> None:
    """Say why a range holds nothing to do, unless it is all done already."""
    possible = {one.settings.name: enough_bars(job.ledger, one) for one in standings}
    if any(first <= session <= last for sessions in possible.values() for session in sessions):
        return
    spans = [
        f"{name} from {sessions[0]} to {sessions[-1]}"
        for name, sessions in possible.items()
        if sessions
    ]
    needed = max((bars_needed(one.settings.model) for one in standings), default=0)
    raise DataError(
        f"no series can be forecast from {first} to {last}: each needs {needed} bars before",
        remedy=f"choose within: {', '.join(spans)}" if spans else "pull more bars first",
        code="nothing_to_backfill",
    )
