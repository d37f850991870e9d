"""Instruments, series, bars and actions: what was quoted, and when this program first saw it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, case, func, insert, select, update

from forecaster.ledger.door import Ledger, insert_new
from forecaster.ledger.records import Instrument, Series
from forecaster.ledger.schema import action, bar, instrument, series
from forecaster.market import FIELDS, Actions, Bars


@dataclass(frozen=True)
class Stored:
    """What storing an answer of a source changed."""

    instrument: Instrument
    new_bars: int
    revised_bars: int


def store_quotes(
    ledger: Ledger, quoted: Instrument, bars: Bars, actions: Actions, *, now: datetime
) -> Stored:
    """Store an answer of a source: new bars, revisions of changed ones, new actions.

    Args:
        ledger: where to.
        quoted: the instrument; its `id` is ignored and found by source and symbol.
        bars: settled bars.
        actions: splits and dividends.
        now: when this was first seen.
    """
    with ledger.writing() as connection:
        known = _register(connection, quoted, now)
        new, revised = _store_bars(connection, known.id, bars, now)
        rows = [
            {"instrument_id": known.id, "session": session, "split": split, "dividend": dividend,
             "first_seen_at": now}
            for session, split, dividend in zip(
                actions.sessions.tolist(), actions.splits, actions.dividends, strict=True)
        ]  # fmt: skip
        insert_new(connection, action, rows)
    return Stored(known, new, revised)


def _register(connection: Connection, quoted: Instrument, now: datetime) -> Instrument:
    facts: dict[str, Any] = {
        "calendar": quoted.calendar,
        "currency": quoted.currency,
        "historical": quoted.historical,
        "attribution": quoted.attribution,
    }
    found = connection.execute(
        select(instrument.c.id, *(instrument.c[name] for name in facts)).where(
            instrument.c.source == quoted.source, instrument.c.symbol == quoted.symbol
        )
    ).one_or_none()
    if found is None:
        row = {"source": quoted.source, "symbol": quoted.symbol, "created_at": now, **facts}
        query = insert(instrument).values(row).returning(instrument.c.id)
        return replace(quoted, id=connection.execute(query).scalar_one())
    if tuple(found[1:]) != tuple(facts.values()):
        connection.execute(update(instrument).where(instrument.c.id == found.id).values(facts))
    return replace(quoted, id=found.id)


def _store_bars(
    connection: Connection, instrument_id: int, bars: Bars, now: datetime
) -> tuple[int, int]:
    if not len(bars):
        return 0, 0
    first = bars.sessions[0].item()
    known: dict[date, list[Any]] = {
        row[0]: list(row[1:]) for row in _stored(connection, instrument_id, first)
    }
    # NaN marks what a close-only source leaves empty; the ledger has NULL for that.
    quoted_bars = zip(*(_nullable(bars.field(name)) for name in FIELDS), strict=True)
    rows: list[dict[str, Any]] = []
    revised = 0
    for session, values in zip(bars.sessions.tolist(), quoted_bars, strict=True):
        revision, *before = known.get(session, [0])
        if revision and before == list(values):
            continue
        revised += bool(revision)
        rows.append(
            {"instrument_id": instrument_id, "session": session, "revision": revision + 1,
             "first_seen_at": now, **dict(zip(FIELDS, values, strict=True))}
        )  # fmt: skip
    if rows:
        connection.execute(insert(bar), rows)
    return len(rows) - revised, revised


def _nullable(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 NaN


def _stored(connection: Connection, instrument_id: int, first: date) -> Iterable[Row[Any]]:
    # Later revisions come later and win in the caller's dictionary.
    return connection.execute(
        select(bar.c.session, bar.c.revision, *(bar.c[name] for name in FIELDS))
        .where(bar.c.instrument_id == instrument_id, bar.c.session >= first)
        .order_by(bar.c.session, bar.c.revision)
    )


def read_bars(
    ledger: Ledger,
    instrument_id: int,
    *,
    upto: date,
    count: int,
    since: date | None = None,
    as_of: datetime | None = None,
) -> tuple[Bars, Actions, bool]:
    """Return the newest bars up to a session, all actions, and whether any bar is revised.

    Args:
        ledger: where from.
        instrument_id: whose.
        upto: the last session wanted.
        count: how many bars at most; with `since`, how many at most up to that session, and
            all after it.
        since: an earlier session.
        as_of: give each bar the value known at that moment. None, and a bar first seen later than
            that, gives the newest value.
    """
    with ledger.reading() as connection:
        first = connection.execute(
            select(bar.c.session)
            .where(bar.c.instrument_id == instrument_id, bar.c.session <= (since or upto))
            .where(bar.c.revision == 1)
            .order_by(bar.c.session.desc())
            .offset(count - 1)
            .limit(1)
        ).scalar()
        query = select(bar.c.session, *(bar.c[name] for name in FIELDS)).where(
            bar.c.instrument_id == instrument_id, bar.c.session <= upto
        )
        if first is not None:
            query = query.where(bar.c.session >= first)
        # Of each session's rows the last one counts.
        known = [] if as_of is None else [case((bar.c.first_seen_at <= as_of, 1), else_=0)]
        query = query.order_by(bar.c.session, *known, bar.c.revision)
        rows = connection.execute(query).fetchall()
        acted = connection.execute(
            select(action.c.session, action.c.split, action.c.dividend)
            .where(action.c.instrument_id == instrument_id, action.c.session <= upto)
            .order_by(action.c.session)
        ).fetchall()
    bars = _bars(rows)
    return bars, _actions(acted), len(bars) < len(rows)


def _bars(rows: Sequence[Sequence[Any]]) -> Bars:
    sessions = np.array([row[0] for row in rows], dtype="datetime64[D]")
    fields = np.array([tuple(row)[1:] for row in rows], dtype=np.float64).reshape(
        len(rows), len(FIELDS)
    )
    newest = np.append(sessions[1:] != sessions[:-1], True) if len(rows) else np.zeros(0, bool)
    columns = {name: fields[newest, k] for k, name in enumerate(FIELDS)}
    return Bars(sessions=sessions[newest], **columns)


def _actions(rows: Sequence[Sequence[Any]]) -> Actions:
    return Actions(
        sessions=np.array([row[0] for row in rows], dtype="datetime64[D]"),
        splits=np.array([row[1] for row in rows], dtype=np.float64),
        dividends=np.array([row[2] for row in rows], dtype=np.float64),
    )


def read_instruments(ledger: Ledger) -> dict[tuple[str, str], Instrument]:
    """Return the instruments by (source, symbol)."""
    columns = [column for column in instrument.c if column.name != "created_at"]
    with ledger.reading() as connection:
        rows = connection.execute(select(*columns))
        return {(row.source, row.symbol): Instrument(*row) for row in rows}


def read_sessions(ledger: Ledger, instrument_id: int) -> list[date]:
    """Return all stored sessions of an instrument, ascending."""
    query = (
        select(bar.c.session)
        .where(bar.c.instrument_id == instrument_id, bar.c.revision == 1)
        .order_by(bar.c.session)
    )
    with ledger.reading() as connection:
        return list(connection.execute(query).scalars())


def last_sessions(ledger: Ledger) -> dict[tuple[str, str], date]:
    """Return the last stored session of each (source, symbol)."""
    newest = select(func.max(bar.c.session)).where(bar.c.instrument_id == instrument.c.id)
    with ledger.reading() as connection:
        rows = connection.execute(
            select(instrument.c.source, instrument.c.symbol, newest.scalar_subquery())
        )
        return {(row[0], row[1]): row[2] for row in rows if row[2] is not None}


def register_series(
    ledger: Ledger, wanted: Sequence[tuple[str, int, str]], *, now: datetime
) -> dict[str, Series]:
    """Return the named series, made where missing.

    A name that now means another instrument or field starts a new series; the old one keeps its
    history and leaves the current views.

    Args:
        ledger: where.
        wanted: (name, instrument id, field) of each.
        now: stored as the time of the change.
    """
    found = read_series(ledger)
    stale = [
        (name, instrument_id, field)
        for name, instrument_id, field in wanted
        if name not in found
        or (found[name].instrument.id, found[name].field) != (instrument_id, field)
    ]
    if stale:
        with ledger.writing() as connection:
            for name, instrument_id, field in stale:
                _make_current(connection, name, instrument_id, field, now)
        found = read_series(ledger)
    return {name: found[name] for name, _, _ in wanted}


def _make_current(
    connection: Connection, name: str, instrument_id: int, field: str, now: datetime
) -> None:
    connection.execute(
        update(series)
        .where(series.c.name == name, series.c.replaced_at.is_(None))
        .values(replaced_at=now)
    )
    row = {"name": name, "instrument_id": instrument_id, "field": field, "paused": False,
           "created_at": now}  # fmt: skip
    insert_new(connection, series, [row])
    connection.execute(
        update(series)
        .where(
            series.c.name == name,
            series.c.instrument_id == instrument_id,
            series.c.field == field,
        )
        .values(replaced_at=None)
    )


def read_series(ledger: Ledger) -> dict[str, Series]:
    """Return the current series by name."""
    with ledger.reading() as connection:
        return {row.name: _series(row) for row in connection.execute(_current_series())}


def _current_series() -> Select[Any]:
    return (
        select(series, *(column.label(f"i_{column.name}") for column in instrument.c))
        .join(instrument)
        .where(series.c.replaced_at.is_(None))
        .order_by(series.c.id)
    )


def _series(row: Row[Any]) -> Series:
    quoted = Instrument(
        row.i_id, row.i_source, row.i_symbol, row.i_calendar, row.i_currency,
        row.i_historical, row.i_attribution,
    )  # fmt: skip
    return Series(row.id, row.name, row.field, row.paused, row.backfilled_at is not None, quoted)


def set_paused(ledger: Ledger, name: str, *, paused: bool) -> bool:
    """Pause or resume a series; return whether there is one of that name."""
    with ledger.writing() as connection:
        changed = connection.execute(
            update(series)
            .where(series.c.name == name, series.c.replaced_at.is_(None))
            .values(paused=paused)
        )
    return bool(changed.rowcount)
