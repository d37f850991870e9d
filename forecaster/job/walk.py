"""Walk over nights in their order; many of them are shared out among processes by series.

The nights of one series build on one another, those of different series do not.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from forecaster.config import Amendment, Settings
from forecaster.hooks import Executor, Places, build_registry
from forecaster.job.account import Account
from forecaster.job.context import Job, system_clock
from forecaster.job.due import NEVER, Due
from forecaster.job.foreign import closed, foreign
from forecaster.job.panel import prepare_panels
from forecaster.job.prices import Prices
from forecaster.ledger import open_ledger
from forecaster.logs import LOG, is_telling, stage, tell_parent
from forecaster.masking import hide_environment, hide_settings

WorkNight = Callable[[Job, Due, Prices, Executor, Account], None]

MANY = 1000
"""Nights of single series from which on it pays to share them out: some seconds of work."""
GROUPS = 8
"""Groups of series at least, if there are so many series: for as many processes."""
LARGEST = 64
"""Series in a group."""
BLOCKS = 20
"""Rounds in which many nights are worked, after each of which progress is told."""
SHORTEST = 10
"""Nights in a round."""
STANDARD_OUTPUT = 1
"""Which the processes of an executor on this machine have from the one that shares."""


def walk(job: Job, nights: Sequence[Due], account: Account, work_night: WorkNight) -> None:
    """Work the nights from the oldest to the newest."""
    if not nights:
        return
    executor = job.executor()
    try:
        with stage("panel"):
            problems = prepare_panels(job, nights, executor)
        for problem in problems:
            account.problems["panel"] = str(problem)
        groups = _groups(nights)
        if getattr(executor, "local", False) and _turns(nights) >= MANY and len(groups) > 1:
            _walk_shared(job, nights, groups, executor, account, work_night)
        else:
            _walk_alone(job, nights, executor, account, work_night)
    finally:
        if trouble := closed(executor):
            account.problems[f"executor {executor.name}"] = str(trouble)


def _turns(nights: Sequence[Due]) -> int:
    return sum(len(due.turns) for due in nights)


def _walk_alone(
    job: Job, nights: Sequence[Due], executor: Executor, account: Account, work_night: WorkNight
) -> None:
    prices = _prices(job, nights)
    for count, due in enumerate(nights, start=1):
        work_night(job, due, prices, executor, account)
        job.progress("working sessions", count, len(nights))


def _prices(job: Job, nights: Sequence[Due]) -> Prices:
    sessions = [due.night.session for due in nights]
    delay = timedelta(minutes=job.settings.schedule.settle_delay)
    return Prices(job.ledger, job.calendars, first=min(sessions), last=max(sessions), delay=delay)


@dataclass(frozen=True, eq=False)
class Share:
    """The nights of some series, for one process, with all that it takes to work them there.

    Attributes:
        settings: of the job; its ledger is opened anew.
        places: where plugins are found.
        nights: with the turns of these series alone.
        work_night: what to do on each.
        now: what time it is; None for the system's clock.
        problems: names of series that something has gone wrong with before.
        telling: log lines go to the process that started the one that shares.
        amendments: of the calendars.
    """

    settings: Settings
    places: Places
    nights: tuple[Due, ...]
    work_night: WorkNight
    now: datetime | None
    problems: frozenset[str]
    telling: bool
    amendments: tuple[Amendment, ...]


class Here:
    """An executor for work that is in a process of its own already."""

    name: ClassVar[str] = "here"

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Yield `function(item)` for each item, in the order of the items."""
        return map(function, items)


def work_share(share: Share) -> Account:
    """Work the nights of some series, and return the account of them."""
    hide_environment(os.environ)
    hide_settings(share.settings.model_dump())
    if share.telling and not is_telling():
        tell_parent(STANDARD_OUTPUT)
    account = Account(problems=dict.fromkeys(share.problems, ""))
    clock = system_clock if share.now is None else partial(_same, share.now)
    with open_ledger(share.settings.database_url()) as ledger:
        registry = build_registry(share.places.dirs, share.places.only)
        job = Job(share.settings, ledger, registry, clock, amendments=share.amendments)
        prices = _prices(job, share.nights)
        for due in share.nights:
            share.work_night(job, due, prices, Here(), account)
    return account


def _same(now: datetime) -> datetime:
    return now


def _walk_shared(
    job: Job,
    nights: Sequence[Due],
    groups: Sequence[Collection[int]],
    executor: Executor,
    account: Account,
    work_night: WorkNight,
) -> None:
    length = max(SHORTEST, -(-len(nights) // BLOCKS))
    for start in range(0, len(nights), length):
        block = nights[start : start + length]
        shares = list(_shares(job, block, groups, account, work_night))
        with _told_as_foreign(executor):
            for done in executor.map(work_share, shares):
                account.add(done)
        LOG.info("nights done", extra={"event": "night", "nights": len(block)})
        job.progress("working sessions", start + len(block), len(nights))


@contextmanager
def _told_as_foreign(executor: Executor) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        raise foreign(f"executor {executor.name}", error) from error


def _groups(nights: Sequence[Due]) -> list[frozenset[int]]:
    """Return the ids of the series in groups that can be worked side by side."""
    ids = sorted({turn.series.id for due in nights for turn in due.turns})
    count = max(min(GROUPS, len(ids)), -(-len(ids) // LARGEST))
    return [frozenset(ids[place::count]) for place in range(count)]


def _shares(
    job: Job,
    block: Sequence[Due],
    groups: Sequence[Collection[int]],
    account: Account,
    work_night: WorkNight,
) -> Iterator[Share]:
    now = None if job.clock is system_clock else job.clock()
    for group in groups:
        theirs = (_only(due, group) for due in block)
        nights = tuple(due for due in theirs if due.turns)
        if nights:
            yield Share(
                job.settings, job.registry.places, nights, work_night, now,
                frozenset(account.problems), is_telling(), job.amended,
            )  # fmt: skip


def _only(due: Due, group: Collection[int]) -> Due:
    turns = tuple(turn for turn in due.turns if turn.series.id in group)
    return replace(due, turns=turns, of=NEVER if due.scheduled else len(due.turns))
