"""What a night needs to know of its series, read in one go and never past its session."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, case, func, select

from forecaster.ledger.door import Ledger, of_backtest, parts
from forecaster.ledger.lessons import lessons_by_then
from forecaster.ledger.records import Knowledge, Night, Pending
from forecaster.ledger.schema import (
    FINISHED,
    awaiting,
    forecast,
    gate,
    run,
    run_series,
    tracker,
)
from forecaster.ledger.states import Gate, Tracker
from forecaster.ledger.versions import Usable, newest_panel, read_usable

State = TypeVar("State", Tracker, Gate)

CARRIED = "carried"
"""Why a night was done in spite of a problem: its session had no bar, and got an older value."""

NOTHING = Usable()


def finished_nights(
    ledger: Ledger, series_ids: Sequence[int], *, since: date, backtest_id: int | None = None
) -> set[tuple[int, date]]:
    """Return the (series id, session) pairs from `since` on whose night is stored."""
    query = select_finished(backtest_id).where(run.c.session >= since)
    with ledger.reading() as connection:
        return {
            (row[0], row[1])
            for part in parts(series_ids)
            for row in connection.execute(query.where(run_series.c.series_id.in_(part)))
        }


def first_nights(ledger: Ledger, series_ids: Sequence[int]) -> dict[int, date]:
    """Return the session of each series' first stored night; a series without one is left out."""
    nights = select_finished(None).subquery()
    id_, session = nights.c
    query = select(id_, func.min(session)).group_by(id_)
    with ledger.reading() as connection:
        return {
            row[0]: row[1]
            for part in parts(series_ids)
            for row in connection.execute(query.where(id_.in_(part)))
        }


def select_finished(backtest_id: int | None) -> Select[int, date]:
    """Return the query for (series id, session) of stored nights, of whichever kind they are."""
    return (
        select(run_series.c.series_id, run.c.session)
        .join(run)
        .where(of_backtest(run.c.backtest_id, backtest_id), run_series.c.status.in_(FINISHED))
    )


def read_knowledge(ledger: Ledger, series_ids: Sequence[int], night: Night) -> dict[int, Knowledge]:
    """Return what the ledger knows of each series up to the night's session, and nothing later."""
    with ledger.reading() as connection:
        pending = _pending(connection, series_ids, night)
        usable = read_usable(connection, series_ids, night)
        trackers = _states(connection, tracker, Tracker, series_ids, night)
        gates = _states(connection, gate, Gate, series_ids, night)
        lessons = lessons_by_then(connection, series_ids, night)
        panel = newest_panel(connection, night)
    return {
        one: Knowledge(
            pending=tuple(pending.get(one, ())),
            trackers=tuple(trackers.get(one, ())),
            lessons_by_then=lessons.get(one),
            gates=tuple(gates.get(one, ())),
            panel=panel,
            **vars(usable.get(one, NOTHING)),
        )
        for one in series_ids
    }


def _pending(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, list[Pending]]:
    f, night_of = forecast.c, run_series.c
    rows = connection.execute(
        select(f.series_id, f.id, f.kind, f.cutoff, f.horizon, f.target_session, f.mean, f.lo80,
               f.hi80, f.lo95, f.hi95, f.baseline,
               case((_on_older_price(), f.basis)), f.network_move, f.unit,
               f.head_scale, f.ewma_scale)
        .join(awaiting, awaiting.c.forecast_id == f.id)
        .outerjoin(run_series, (night_of.run_id == f.run_id)
                   & (night_of.series_id == f.series_id))
        .where(
            awaiting.c.series_id.in_(series_ids),
            awaiting.c.target_session <= night.session,
            of_backtest(f.backtest_id, night.backtest_id),
        )
        .order_by(f.series_id, f.cutoff, f.horizon)
    )  # fmt: skip
    found: dict[int, list[Pending]] = defaultdict(list)
    for row in rows:
        series_id, *facts = row
        found[series_id].append(Pending(*facts))
    return found


def _on_older_price() -> ColumnElement[bool]:
    fallen = (forecast.c.status == "fallback") & (forecast.c.carried > 0)
    return (run_series.c.reason_code == CARRIED) | fallen


def _states(
    connection: Connection,
    table: Table,
    record: type[State],
    series_ids: Sequence[int],
    night: Night,
) -> dict[int, list[State]]:
    """Return the stored states of each series, by horizon."""
    columns = [table.c[one.name] for one in fields(record)]
    mine = of_backtest(table.c.backtest_id, night.backtest_id)
    rows = connection.execute(
        select(table.c.series_id, *columns)
        .where(table.c.series_id.in_(series_ids), mine)
        .order_by(table.c.series_id, table.c.horizon, table.c.id)
    )
    found: dict[int, list[State]] = defaultdict(list)
    for series_id, *facts in rows:
        found[series_id].append(record(*facts))
    return found
