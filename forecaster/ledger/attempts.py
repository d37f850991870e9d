"""Attempts at the runs of the schedule: how each is begun, and what becomes of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, update

from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.endings import counted, ending
from forecaster.ledger.records import LONGEST_REASON
from forecaster.ledger.runs import DIED, Run
from forecaster.ledger.schema import run
from forecaster.ledger.types import Moment


def recover(ledger: Ledger, now: datetime) -> None:
    """Note as interrupted what is said to be running; only for whoever holds the lock on runs."""
    interrupt(ledger, now, "interrupted", "the process that worked on it ended before it was done")


def interrupt(ledger: Ledger, now: datetime, code: str, reason: str) -> None:
    """Note why what was running does not run any more: the next execution goes on with it."""
    running = (run.c.state == "running") & (run.c.kind != "backtest")
    changes = {
        "state": "interrupted",
        "finished_at": now,
        "reason_code": code,
        "reason": reason[:LONGEST_REASON],
    }
    with ledger.writing() as connection:
        connection.execute(update(run).where(running).values(changes))


def begin(
    ledger: Ledger, runs: Collection[int], now: datetime, *, late_after: timedelta | None = None
) -> None:
    """Note one more attempt at each of these runs.

    Args:
        ledger: where to.
        runs: their ids.
        now: when it begins.
        late_after: how long after it was due a run is late that is begun for the first time now.
    """
    changes: dict[str, Any] = {
        "state": "running",
        "started_at": func.coalesce(run.c.started_at, literal(now, Moment)),
        "finished_at": None,
        "next_attempt_at": None,
        "attempts": run.c.attempts + 1,
    }
    overslept = run.c.started_at.is_(None) & (run.c.due_at < now - (late_after or timedelta()))
    with ledger.writing() as connection:
        for part in parts(sorted(runs)):
            mine = update(run).where(run.c.id.in_(part))
            if late_after is not None:
                connection.execute(mine.where(overslept).values(late=True))
            connection.execute(mine.values(changes))


@dataclass(frozen=True)
class Rest:
    """What is to become of a run at the end of an execution, if no series' night has ended it.

    Attributes:
        run: as it was before.
        again: when what has to wait is tried again, if it is.
        of: how many series it has, where only some of them had their turn.
    """

    run: Run
    again: datetime | None = None
    of: int | None = None


def finish(ledger: Ledger, rests: Sequence[Rest], now: datetime) -> None:
    """End runs that no series' night has ended, or leave them to be gone on with.

    There was nothing to do, processes shared them, or only some series were asked for.
    """
    with ledger.writing() as connection:
        for rest in rests:
            counts = counted(connection, rest.run.id)
            settled = sum(counts.values()) - counts.get("deferred", 0)
            changes: dict[str, Any]
            if rest.of is not None and settled < rest.of:
                changes = {"state": "pending", "next_attempt_at": rest.run.next_attempt_at}
            else:
                changes = ending(connection, rest.run.id, counts, now, rest.again)
            mine = update(run).where(run.c.id == rest.run.id, run.c.state == "running")
            connection.execute(mine.values(changes))


def spare(ledger: Ledger, one: Run, now: datetime) -> None:
    """Note that a run was broken off by something else: that was no attempt at it.

    What ended its process at an attempt before is still to be gone round.
    """
    changes: dict[str, Any] = {
        "finished_at": now,
        "attempts": max(0, one.attempts - one.has_begun),
    }
    if one.reason_code in DIED:
        changes |= {"state": "failed", "next_attempt_at": now}
    else:
        changes |= {
            "state": "interrupted",
            "reason_code": "interrupted",
            "reason": "the process ended at work on another session",
        }
    with ledger.writing() as connection:
        connection.execute(update(run).where(run.c.id == one.id).values(changes))


def give_back(
    ledger: Ledger, one: Run, now: datetime, code: str, reason: str, again: datetime | None
) -> None:
    """Note that an attempt at a run ended without a word of its own.

    Args:
        ledger: where to.
        one: the run; an attempt that had not begun is counted.
        now: when it ended.
        code: a word for why.
        reason: likewise, in a sentence.
        again: when it is tried again, if it is.
    """
    changes = {
        "state": "failed",
        "finished_at": now,
        "attempts": one.attempts + (not one.has_begun),
        "next_attempt_at": again,
        "reason_code": code,
        "reason": reason[:LONGEST_REASON],
    }
    with ledger.writing() as connection:
        connection.execute(update(run).where(run.c.id == one.id).values(changes))


def reopen(ledger: Ledger, newest: Mapping[str, date], now: datetime) -> None:
    """Have the newest sessions tried again at once that did not end well.

    What ended a process may be mended: that it did is forgotten, and series are tried like others.
    """
    unwell = run.c.state.in_(("failed", "deferred", "degraded"))
    with ledger.writing() as connection:
        for calendar, session in newest.items():
            mine = (run.c.calendar == calendar) & (run.c.session == session)
            again = update(run).where(mine, run.c.due_at.is_not(None), unwell)
            connection.execute(again.values(next_attempt_at=now))
            anew = {"state": "pending", "reason_code": "", "reason": ""}
            connection.execute(again.where(run.c.reason_code.in_(DIED)).values(anew))
