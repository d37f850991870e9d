"""Past sessions, each worked with the bars known by then, as the daily job would have."""

from collections.abc import Sequence
from datetime import date

from forecaster.errors import ConfigError
from forecaster.hooks import RunSummary
from forecaster.job.account import Account
from forecaster.job.agenda import Agenda
from forecaster.job.context import Job
from forecaster.job.plan import plan_backfill, refuse_impossible
from forecaster.job.run import chosen, prepare, work_night
from forecaster.job.walk import walk


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
    with job.alone("backfill"):
        account = Account()
        standings = prepare(job, chosen(job, names), account)
        with Agenda.of_job(job, standings, only_some=True) as agenda:
            nights = plan_backfill(job.ledger, standings, agenda, first=first, last=last)
            if not nights:
                refuse_impossible(job.ledger, standings, first, last)
            agenda.begin(nights)
            walk(job, nights, account, work_night)
    return account.summary("backfill", standings)
