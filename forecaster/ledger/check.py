"""`db check`: prove that the ledger is whole and that what is derived agrees with the rest."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    case,
    func,
    or_,
    select,
    text,
    type_coerce,
)

from forecaster.errors import LedgerError
from forecaster.ledger import tallies
from forecaster.ledger.door import Ledger
from forecaster.ledger.engine import RESTORE
from forecaster.ledger.lessons import Address, all_lessons
from forecaster.ledger.records import Check
from forecaster.ledger.schema import (
    FINISHED,
    awaiting,
    decision,
    forecast,
    gate,
    model_version,
    run,
    run_series,
    score,
    tracker,
)
from forecaster.ledger.states import Gate, Lesson, Tracker
from forecaster.ledger.types import Whole

Relearn = Callable[[Sequence[tuple[Lesson, float]]], tuple[list[Tracker], list[Gate]]]
"""Outcomes in order, with the step of each -> the states that fresh ones are after them."""

State = TypeVar("State", Tracker, Gate)
States = dict[Address, list[Any]]


def check_ledger(ledger: Ledger, relearn: Relearn) -> list[Check]:
    """Return the findings, one for each property checked.

    Args:
        ledger: what to check.
        relearn: recomputes all trackers and gates of a series from what they have learned from.
    """
    checks = [
        ("integrity", _integrity),
        ("foreign keys", _foreign_keys),
        ("scores", _scores),
        ("running sums", tallies.disagreements),
        ("model parameters", _damaged_models),
        ("rejected models", _rejected),
        ("waiting forecasts", _waiting),
        ("nights", _empty_nights),
        ("moves", _moves),
    ]
    with ledger.reading() as connection:
        found = [_finding(name, look(connection)) for name, look in checks]
        trackers, gates = _states(connection, relearn)
    return [*found, _finding("trackers", trackers), _finding("gates", gates)]


def require_whole(ledger: Ledger) -> None:
    """Refuse a damaged SQLite database before anything is made of it.

    A damaged page is told of when it is read; an index that leaves out rows is not. Takes half a
    second for 100 MB.
    """
    with ledger.reading() as connection:
        wrong = _integrity(connection)
    if wrong:
        raise LedgerError(
            f"database {ledger.place} is damaged: {wrong[0]}", remedy=RESTORE, code="damaged"
        )


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
    pruned = (m.status == "rejected") & (func.length(m.parameters) == 0)
    rows = connection.execute(select(m.id, m.parameters, m.sha256).where(~pruned))
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


def _rejected(connection: Connection) -> list[str]:
    """Return the forecasts that a rejected model speaks through."""
    f, m = forecast.c, model_version.c
    used = (f.model_id == m.id) | (f.panel_id == m.id)
    query = select(f.id, m.id).join(model_version, used).where(m.status == "rejected")
    return [f"forecast {row[0]} is of model {row[1]}" for row in connection.execute(query)]


def _scores(connection: Connection) -> list[str]:
    """Return the scores that do not follow from their forecast and outcome."""
    f, o = forecast.c, score.c

    def misses(hit: ColumnElement[Any], low: ColumnElement[Any], high: ColumnElement[Any]) -> Any:
        inside = (low <= o.actual) & (o.actual <= high)
        return type_coerce(hit, Whole) != case((inside, 1), else_=0)

    query = (
        select(f.id)
        .join(score, o.forecast_id == f.id)
        .where(
            (o.error != f.mean - o.actual)
            | (o.abs_error != func.abs(o.error))
            | (o.baseline_abs_error != func.abs(f.baseline - o.actual))
            | misses(o.inside80, f.lo80, f.hi80)
            | misses(o.inside95, f.lo95, f.hi95)
        )
    )
    return [f"the score of forecast {one}" for one in connection.scalars(query)]


def _moves(connection: Connection) -> list[str]:
    """Return the scores without a move; to an outcome that is not positive there may be none."""
    f, o = forecast.c, score.c
    query = (
        select(f.id)
        .join(score, o.forecast_id == f.id)
        .where(o.actual_move.is_(None), f.unit.is_not(None), o.actual > 0)
    )
    return [f"the score of forecast {one} has no move" for one in connection.scalars(query)]


def _states(connection: Connection, relearn: Relearn) -> tuple[list[str], list[str]]:
    """Return the trackers, and the gates, that differ from what their outcomes teach."""
    kept = _stored(connection, tracker, Tracker), _stored(connection, gate, Gate)
    wrong: tuple[list[str], list[str]] = ([], [])
    for address, lessons in all_lessons(connection):
        taught: tuple[Sequence[Tracker | Gate], ...] = relearn(lessons)
        for place, found in enumerate(taught):
            wrong[place].extend(_differing(address, kept[place].pop(address, []), found))
    for place, rest in enumerate(kept):
        for address, states in rest.items():
            wrong[place].extend(_differing(address, states, []))
    return wrong


def _stored(connection: Connection, table: Table, record: type[State]) -> States:
    columns = [table.c[one.name] for one in fields(record)]
    found: States = defaultdict(list)
    for series_id, backtest_id, *facts in connection.execute(
        select(table.c.series_id, table.c.backtest_id, *columns)
    ):
        found[series_id, backtest_id].append(record(*facts))
    return found


def _differing(
    address: Address, kept: Sequence[Tracker | Gate], found: Sequence[Tracker | Gate]
) -> list[str]:
    differing = set(kept) ^ set(found)
    return sorted({f"series {address[0]}, horizon {_named(one)}" for one in differing})


def _named(state: Tracker | Gate) -> str:
    which = f"{state.level:g}" if isinstance(state, Tracker) else state.head
    return f"{state.horizon}, {which}"
