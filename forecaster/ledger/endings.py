"""How a run ended: its state, and the reason that most of its series have."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from forecaster.ledger.records import LONGEST_REASON
from forecaster.ledger.schema import run_series


def ending(
    connection: Connection,
    run_id: int,
    counts: Mapping[str, int],
    now: datetime,
    retry_at: datetime | None,
) -> dict[str, Any]:
    """Return what is to be stored of a run whose series have all had their turn.

    Args:
        connection: of the transaction that ends it.
        run_id: which.
        counts: of its series by how they stand; see `counted`.
        now: when that is.
        retry_at: when what is deferred is tried again, if it is.
    """
    code, reason = _main_reason(connection, run_id, sum(counts.values()))
    return {
        "state": end_state(counts),
        "finished_at": now,
        "next_attempt_at": retry_at if counts.get("deferred") else None,
        "reason_code": code,
        "reason": reason,
    }


def counted(connection: Connection, run_id: int) -> dict[str, int]:
    """Return how many series of a run are done, strained, fallback, deferred and failed.

    One is strained that is done in spite of a problem.
    """
    standing = _standing().label("standing")  # by its name, or PostgreSQL sees two expressions
    rows = connection.execute(
        select(standing, func.count()).where(run_series.c.run_id == run_id).group_by(standing)
    )
    return {row[0]: row[1] for row in rows}


def _standing() -> ColumnElement[str]:
    status, well = run_series.c.status, run_series.c.reason_code == "ok"
    return case(((status == "done") & ~well, literal_column("'strained'")), else_=status)


def _main_reason(connection: Connection, run_id: int, count: int) -> tuple[str, str]:
    o = run_series.c
    number = func.count().label("series")
    row = connection.execute(
        select(o.reason_code, number, func.min(o.reason))
        .where(o.run_id == run_id, o.reason_code != "ok")
        .group_by(o.reason_code)
        .order_by(number.desc(), o.reason_code)
    ).first()
    if row is None:
        return "ok", ""
    code, alike, reason = row
    return code, f"{alike} of {count} series: {reason}"[:LONGEST_REASON]


def end_state(counts: Mapping[str, int]) -> str:
    """Return done, degraded, deferred (none is done, all wait) or failed, from counts of series."""
    good = counts.get("done", 0)
    if good == sum(counts.values()):
        return "done"
    if good or counts.get("strained") or counts.get("fallback"):
        return "degraded"
    return "failed" if counts.get("failed") else "deferred"
