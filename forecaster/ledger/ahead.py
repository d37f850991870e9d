"""What is on the schedule and should not be, because a clock was ahead or a calendar erred."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.runs import COLUMNS, Run
from forecaster.ledger.schema import forecast, run, run_series

ANEW = {"state": "pending", "attempts": 0, "next_attempt_at": None, "finished_at": None}
"""Of a run whose attempts do not count."""


def take_back(ledger: Ledger, now: datetime, unreal: Collection[int] = ()) -> list[Run]:
    """Take sessions off the schedule that are not due yet, and return them.

    So are the `unreal` ones, runs whose calendar does not have their session after all. What was
    forecast from either stays. A session that is due by now, and was tried at a time that
    has not come yet, is tried anew: its bar may have been there too late for that.
    """
    idle = run.c.due_at.is_not(None) & (run.c.state != "running")
    not_due = idle & ((run.c.due_at > now) | run.c.id.in_(unreal)) & ~_spoken()
    in_vain = (
        idle & (run.c.due_at <= now) & (run.c.finished_at > now)
        & run.c.state.in_(("deferred", "failed", "degraded")) & (run.c.reason_code != "overtaken")
    )  # fmt: skip
    with ledger.reading() as connection:
        found = [Run(*row) for row in connection.execute(select(*COLUMNS).where(not_due))]
        tried = connection.scalars(select(run.c.id).where(in_vain)).all()
    if not found and not tried:
        return []
    with ledger.writing() as connection:
        for part in parts(tried):
            connection.execute(update(run).where(run.c.id.in_(part)).values(ANEW))
        for part in parts([one.id for one in found]):
            connection.execute(delete(run_series).where(run_series.c.run_id.in_(part)))
            connection.execute(delete(run).where(run.c.id.in_(part)))
        for calendar in sorted({one.calendar for one in found}):
            _in_time_again(connection, calendar)
    return found


def _in_time_again(connection: Connection, calendar: str) -> None:
    """Let the newest session be worked live: none has overtaken it after all."""
    mine = (run.c.calendar == calendar) & run.c.due_at.is_not(None)
    newest = connection.scalar(select(func.max(run.c.session)).where(mine))
    this = mine & (run.c.session == newest)
    if not connection.scalar(select(run.c.id).where(this, run.c.kind == "live")):
        late = update(run).where(this, run.c.kind == "backfill", ~_spoken())
        connection.execute(late.values(kind="live", late=False, **ANEW))


def _spoken() -> ColumnElement[bool]:
    """The condition that something was forecast in a run."""
    return select(forecast.c.id).where(forecast.c.run_id == run.c.id).exists()
