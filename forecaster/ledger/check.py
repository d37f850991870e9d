"""`db check`: prove that the ledger is whole and that what is derived agrees with the rest."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, or_, select, text

from forecaster.ledger import tallies
from forecaster.ledger.door import Ledger
from forecaster.ledger.records import Check
from forecaster.ledger.schema import (
    FINISHED,
    LEVELS,
    awaiting,
    decision,
    forecast,
    model_version,
    run,
    run_series,
    score,
    tracker,
)

Refeed = Callable[[float, list[tuple[bool, float]]], float]
"""(level, hits in order with the eta of each) -> the tracker quantile they lead to."""


def check_ledger(ledger: Ledger, refeed: Refeed) -> list[Check]:
    """Return the findings, one for each property checked.

    Args:
        ledger: what to check.
        refeed: recomputes a tracker's quantile from the hits it was fed with, each with its eta.
    """
    checks = [
        ("integrity", _integrity),
        ("foreign keys", _foreign_keys),
        ("running sums", tallies.disagreements),
        ("model parameters", _damaged_models),
        ("waiting forecasts", _waiting),
        ("nights", _empty_nights),
        ("trackers", lambda connection: _trackers(connection, refeed)),
    ]
    with ledger.reading() as connection:
        return [_finding(name, look(connection)) for name, look in checks]


def _finding(name: str, wrong: list[str]) -> Check:
    detail = "ok" if not wrong else f"{len(wrong)} wrong, first: {wrong[0]}"
    return Check(name, not wrong, detail)


def _integrity(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    return [str(row) for row in rows if row != "ok"]


def _foreign_keys(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    return [f"{row[0]} row {row[1]} has no {row[2]}" for row in rows]


def _damaged_models(connection: Connection) -> list[str]:
    m = model_version.c
    rows = connection.execute(select(m.id, m.parameters, m.sha256))
    return [
        f"model {row.id}"
        for row in rows
        if hashlib.sha256(row.parameters).hexdigest() != row.sha256
    ]


def _waiting(connection: Connection) -> list[str]:
    scored = select(awaiting.c.forecast_id).join(
        score, score.c.forecast_id == awaiting.c.forecast_id
    )
    lost = text(
        "SELECT f.id FROM forecast f LEFT JOIN score o ON o.forecast_id = f.id "
        "LEFT JOIN awaiting a ON a.forecast_id = f.id "
        "WHERE o.forecast_id IS NULL AND a.forecast_id IS NULL"
    )
    return [
        *(f"forecast {one} is scored and still waits" for one in connection.scalars(scored)),
        *(f"forecast {one} neither waits nor is scored" for one in connection.scalars(lost)),
    ]


def _empty_nights(connection: Connection) -> list[str]:
    decided = (
        select(decision.c.id)
        .where(
            decision.c.run_id == run_series.c.run_id,
            decision.c.series_id == run_series.c.series_id,
        )
        .exists()
    )
    # A backtest's last night only scores: nothing was decided, and nothing is said.
    finished = (
        select(run_series.c.run_id, run_series.c.series_id)
        .join(run)
        .where(run_series.c.status.in_(FINISHED), or_(run.c.kind != "backtest", decided))
    )
    made = select(forecast.c.run_id, forecast.c.series_id)
    rows = connection.execute(finished.except_(made))
    return [f"run {row[0]} says done for series {row[1]} without a forecast" for row in rows]


def _trackers(connection: Connection, refeed: Refeed) -> list[str]:
    f, o = forecast.c, score.c
    fed: dict[tuple[Any, ...], list[tuple[bool, float]]] = defaultdict(list)
    states = {
        (one.series_id, one.backtest_id, one.horizon, one.level): (one.outcomes, one.quantile)
        for one in connection.execute(select(tracker).order_by(tracker.c.id))
    }
    hits = connection.execute(
        select(f.series_id, f.backtest_id, f.horizon, o.inside80, o.inside95, o.eta)
        .join(score, o.forecast_id == f.id)
        .where(o.eta.is_not(None))
        .order_by(f.cutoff)
    )
    for *cell, inside80, inside95, eta in hits:
        for level, inside in zip(LEVELS, (inside80, inside95), strict=True):
            fed[*cell, level].append((inside, eta))
    return [
        f"series {cell[0]}, horizon {cell[2]}, {cell[3]:g}"
        for cell in {**states, **fed}
        if states.get(cell) != (len(fed[cell]), refeed(cell[3], fed[cell]))
    ]
