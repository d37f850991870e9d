"""Bars and actions as they were quoted, read back as arrays."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

from forecaster.ledger.actions import late_actions, read_actions
from forecaster.ledger.door import Ledger
from forecaster.ledger.schema import bar, instrument
from forecaster.ledger.types import Session
from forecaster.market import FIELDS, Actions, Bars

TOGETHER = 16
"""Instruments whose bars one statement reads: enough to share its cost, few for the memory."""

Read = tuple[Bars, Actions, bool]
"""Bars, actions, and whether any of them is revised, or was told late."""


@dataclass(frozen=True, eq=False)
class Newest:
    """What is stored of one instrument's bars.

    Attributes:
        bars: of each session the one that counts.
        revisions: (n,) which revision that is, from 1.
        revised: whether any session has more than one.
    """

    bars: Bars
    revisions: NDArray[np.int64]
    revised: bool


@dataclass(frozen=True)
class Origin:
    """Which of a bar's revisions counted, from 1, and since when it has been stored."""

    revision: int
    first_seen_at: datetime


def read_origins(
    ledger: Ledger,
    instrument_id: int,
    *,
    first: date,
    upto: date,
    as_of: datetime | None = None,
    known_by: datetime | None = None,
) -> dict[date, Origin]:
    """Return where the bars of some sessions come from that `read_bars` gives likewise."""
    rows = _rows_of([instrument_id], literal(first, Session), upto, as_of)
    query = rows.add_columns(bar.c.session.label("day"), bar.c.first_seen_at)
    if known_by is not None:
        query = query.where(bar.c.first_seen_at <= known_by)
    with ledger.reading() as connection:
        found = connection.execute(query)
        return {row.day: Origin(row.revision, row.first_seen_at) for row in found}


def read_bars(
    ledger: Ledger,
    instrument_id: int,
    *,
    upto: date,
    count: int,
    since: date | None = None,
    as_of: datetime | None = None,
    known_by: datetime | None = None,
) -> Read:
    """Return the newest bars and the actions up to a session, and whether any is revised.

    Args:
        ledger: where from.
        instrument_id: whose.
        upto: the last session wanted.
        count: how many bars at most; with `since`, how many at most up to that session, and
            all after it.
        since: an earlier session.
        as_of: give each bar the value known at that moment. None, and a bar first seen later than
            that, gives the newest value.
        known_by: leave out what was first seen later than this.
    """
    found = read_many(
        ledger, [instrument_id], upto=upto, count=count, since=since, as_of=as_of,
        known_by=known_by,
    )  # fmt: skip
    return found[instrument_id]


def read_many(
    ledger: Ledger,
    instrument_ids: Iterable[int],
    *,
    upto: date,
    count: int,
    since: date | None = None,
    as_of: datetime | None = None,
    known_by: datetime | None = None,
    fields: Collection[str] = FIELDS,
) -> dict[int, Read]:
    """Return for each instrument what `read_bars` does, with fewer statements.

    Fields that are not wanted are left empty: each costs a tenth of the time.
    """
    first = func.coalesce(_oldest(since or upto, count, known_by), literal(date.min, Session))
    with ledger.reading() as connection:
        kept = read_newest(
            connection, instrument_ids, first=first, upto=upto, as_of=as_of, known_by=known_by,
            fields=fields,
        )  # fmt: skip
        acted = read_actions(connection, list(kept), upto=upto, as_of=as_of, known_by=known_by)
        late = late_actions(connection, list(kept), upto)
    return {id_: (one.bars, acted[id_][0], one.revised or id_ in late) for id_, one in kept.items()}


def _oldest(since: date, count: int, known_by: datetime | None) -> ColumnElement[date]:
    """Return, for the instrument of the row, the session with `count` bars from it to `since`."""
    older = bar.alias("older")
    known = [] if known_by is None else [older.c.first_seen_at <= known_by]
    return (
        select(older.c.session)
        .where(older.c.instrument_id == instrument.c.id, older.c.session <= since)
        .where(older.c.revision == 1, *known)
        .order_by(older.c.session.desc())
        .offset(count - 1)
        .limit(1)
        .correlate(instrument)
        .scalar_subquery()
    )


def read_newest(
    connection: Connection,
    instrument_ids: Iterable[int],
    *,
    first: ColumnElement[date],
    upto: date = date.max,
    as_of: datetime | None = None,
    known_by: datetime | None = None,
    fields: Collection[str] = FIELDS,
) -> dict[int, Newest]:
    """Return the stored bars of each instrument from its `first` session, an expression, on."""
    ids = sorted(set(instrument_ids))
    kept: dict[int, Newest] = {}
    for start in range(0, len(ids), TOGETHER):
        some = ids[start : start + TOGETHER]
        query = _rows_of(some, first, upto, as_of).add_columns(*(bar.c[name] for name in fields))
        if known_by is not None:
            query = query.where(bar.c.first_seen_at <= known_by)
        kept |= _by_instrument(some, connection.execute(query).fetchall(), fields)
    return kept


def _rows_of(
    ids: Sequence[int], first: ColumnElement[date], upto: date, as_of: datetime | None
) -> Select[Any]:
    begin = select(instrument.c.id, first.label("first")).where(instrument.c.id.in_(ids))
    # Materialized, or the first session is looked for again with every row.
    since = begin.cte("begin").prefix_with("MATERIALIZED")
    # Of each session's rows the last one counts.
    known = [] if as_of is None else [case((bar.c.first_seen_at <= as_of, 1), else_=0)]
    return (
        select(bar.c.instrument_id, bar.c.revision, _raw(bar.c.session))
        .join(since, (bar.c.instrument_id == since.c.id) & (bar.c.session >= since.c.first))
        .where(bar.c.session <= upto)
        .order_by(bar.c.instrument_id, bar.c.session, *known, bar.c.revision)
    )  # fmt: skip


def _by_instrument(
    ids: Sequence[int], rows: Sequence[Sequence[Any]], fields: Collection[str]
) -> dict[int, Newest]:
    columns = list(zip(*rows, strict=True)) or [()] * (3 + len(fields))
    whose, revisions = (np.array(column, dtype=np.int64) for column in columns[:2])
    days = np.array(columns[2], dtype="datetime64[D]")
    read = dict.fromkeys(FIELDS, np.full(len(rows), np.nan))
    read |= {
        name: np.array(column, dtype=np.float64)
        for name, column in zip(fields, columns[3:], strict=True)
    }
    last = np.append((whose[1:] != whose[:-1]) | (days[1:] != days[:-1]), True)[: len(rows)]

    def newest(first: int, stop: int) -> Newest:
        counts = np.flatnonzero(last[first:stop]) + first
        bars = Bars(days[counts], **{name: values[counts] for name, values in read.items()})
        return Newest(bars, revisions[counts], len(counts) < stop - first)

    return {one: newest(*np.searchsorted(whose, (one, one + 1))) for one in ids}


def _raw(session: ColumnElement[date]) -> ColumnElement[Any]:
    # As the driver gives it, ISO text or a date: NumPy reads both, and sooner than Python does.
    return type_coerce(session, NullType())


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
