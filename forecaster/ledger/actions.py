"""Splits and dividends by revision: what was said of each session, and when."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, and_, insert, or_, select

from forecaster.ledger.door import parts
from forecaster.ledger.schema import action, bar
from forecaster.market import Actions

if TYPE_CHECKING:
    from forecaster.ledger.quotes import Answer

Acted = tuple[Actions, frozenset[date]]
"""Actions, and the sessions of those that no source told."""

NONE = (1.0, 0.0)
"""The split and the dividend of a session without any."""


def read_actions(
    connection: Connection,
    ids: Sequence[int],
    *,
    upto: date = date.max,
    as_of: datetime | None = None,
    known_by: datetime | None = None,
) -> dict[int, Acted]:
    """Return the actions of each instrument.

    Args:
        connection: of a transaction.
        ids: of instruments.
        upto: the last session wanted.
        as_of: what was known then; of an action that came with the bar of its session, however
            late both came, what was said first.
        known_by: nothing that was first seen later than this.
    """
    found: dict[int, dict[date, tuple[float, float, str]]] = {one: {} for one in ids}
    for row in _rows(connection, ids, upto, as_of, known_by):
        found[row.instrument_id][row.session] = (row.split, row.dividend, row.origin)
    return {one: _acted(said) for one, said in found.items()}


def _rows(
    connection: Connection,
    ids: Sequence[int],
    upto: date,
    as_of: datetime | None,
    known_by: datetime | None,
) -> Iterator[Any]:
    a = action.c
    query = (
        select(a.instrument_id, a.session, a.split, a.dividend, a.origin)
        .where(a.session <= upto)
        .order_by(a.instrument_id, a.session, a.revision)
    )
    if known_by is not None:
        query = query.where(a.first_seen_at <= known_by)
    if as_of is not None:
        query = _with_its_bar(query, as_of)
    for part in parts(ids):
        yield from connection.execute(query.where(a.instrument_id.in_(part)))


def _with_its_bar(query: Select[Any], as_of: datetime) -> Select[Any]:
    a, b = action.c, bar.c
    same = and_(b.instrument_id == a.instrument_id, b.session == a.session, b.revision == 1)
    came_with_it = or_(b.first_seen_at.is_(None), a.first_seen_at <= b.first_seen_at)
    return query.outerjoin_from(action, bar, same).where(
        or_(a.first_seen_at <= as_of, and_(a.revision == 1, came_with_it))
    )


def late_actions(connection: Connection, ids: Sequence[int], upto: date) -> set[int]:
    """Return the instruments of which an action changed, or came later than its session's bar."""
    a, b = action.c, bar.c
    same = and_(b.instrument_id == a.instrument_id, b.session == a.session, b.revision == 1)
    query = (
        select(a.instrument_id)
        .distinct()
        .outerjoin_from(action, bar, same)
        .where(a.session <= upto, or_(a.revision > 1, a.first_seen_at > b.first_seen_at))
    )
    return {
        one
        for part in parts(ids)
        for one in connection.execute(query.where(a.instrument_id.in_(part))).scalars()
    }


def _acted(said: dict[date, tuple[float, float, str]]) -> Acted:
    there = {day: one for day, one in said.items() if one[:2] != NONE}
    acted = Actions(
        sessions=np.array(list(there), dtype="datetime64[D]"),
        splits=np.array([split for split, _, _ in there.values()], dtype=np.float64),
        dividends=np.array([dividend for _, dividend, _ in there.values()], dtype=np.float64),
    )
    return acted, frozenset(day for day, one in there.items() if one[2] == "inferred")


def store_actions(
    connection: Connection, ids: Sequence[int], answers: Sequence["Answer"], now: datetime
) -> None:
    """Store what the answers say from their first bar on, where it is not what was said before."""
    told = {id_: one for id_, one in zip(ids, answers, strict=True) if len(one.bars)}
    stored = _newest(connection, list(told))
    rows = [
        {"instrument_id": id_, "session": session, "revision": revision, "split": split,
         "dividend": dividend, "origin": origin, "first_seen_at": now}
        for id_, one in told.items()
        for session, revision, split, dividend, origin in _changes(one, stored[id_])
    ]  # fmt: skip
    if rows:
        connection.execute(insert(action), rows)


Said = dict[date, tuple[int, float, float, str]]
"""Of each session: revision, split, dividend, origin."""


def _newest(connection: Connection, ids: Sequence[int]) -> dict[int, Said]:
    a = action.c
    query = select(a.instrument_id, a.session, a.revision, a.split, a.dividend, a.origin).order_by(
        a.revision
    )
    found: dict[int, Said] = {one: {} for one in ids}
    for part in parts(ids):
        for id_, session, *said in connection.execute(query.where(a.instrument_id.in_(part))):
            found[id_][session] = (said[0], said[1], said[2], said[3])
    return found


def _changes(one: "Answer", stored: Said) -> Iterator[tuple[date, int, float, float, str]]:
    """Yield what is to be stored: session, revision, split, dividend, origin."""
    first = one.bars.sessions[0].item()
    acted = one.actions
    now = {
        session: (split, dividend, "inferred" if session in one.inferred else "told")
        for session, split, dividend in zip(
            acted.sessions.tolist(), acted.splits.tolist(), acted.dividends.tolist(), strict=True
        )
    }
    gone = {
        session: (*NONE, "told")
        for session, said in stored.items()
        if session >= first and session not in now and said[1:3] != NONE
    }
    for session, said in sorted({**now, **gone}.items()):
        revision, *before = stored.get(session, (0, None))
        if list(said) != before:
            yield session, revision + 1, *said
