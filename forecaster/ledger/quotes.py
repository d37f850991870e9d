"""Store what sources answered: new bars, revisions of changed ones, new actions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, insert, literal, select, update

from forecaster.ledger.door import Ledger, insert_new
from forecaster.ledger.prices import Kept, read_kept
from forecaster.ledger.records import Instrument
from forecaster.ledger.schema import action, bar, instrument
from forecaster.ledger.types import Session
from forecaster.market import FIELDS, Actions, Bars

FACTS = ("calendar", "currency", "historical", "attribution")
"""What may change about an instrument."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a source said of an instrument; its `id` is ignored and found by source and symbol."""

    instrument: Instrument
    bars: Bars
    actions: Actions


@dataclass(frozen=True)
class Stored:
    """What storing an answer changed."""

    instrument: Instrument
    new_bars: int
    revised_bars: int


@dataclass(frozen=True)
class Known:
    """An instrument with its id, and the mark of the answer before."""

    instrument: Instrument
    answer: str | None


def store_quotes(ledger: Ledger, answers: Sequence[Answer], *, now: datetime) -> list[Stored]:
    """Store answers about different instruments in one transaction.

    Args:
        ledger: where to.
        answers: settled bars with their actions.
        now: when this was first seen.
    """
    if not answers:
        return []
    with ledger.writing() as connection:
        known = _register(connection, [one.instrument for one in answers], now)
        stored = _store_bars(connection, known, answers, now)
        rows = [
            {"instrument_id": found.instrument.id, "session": session, "split": split,
             "dividend": dividend, "first_seen_at": now}
            for found, one in zip(known, answers, strict=True)
            for session, split, dividend in zip(
                one.actions.sessions.tolist(), one.actions.splits, one.actions.dividends,
                strict=True)
        ]  # fmt: skip
        insert_new(connection, action, rows)
    return stored


def _register(connection: Connection, quoted: Sequence[Instrument], now: datetime) -> list[Known]:
    """Return what is known of the instruments: made where missing, changed where they differ."""
    i = instrument.c
    symbols = {one.symbol for one in quoted}
    rows = connection.execute(
        select(i.source, i.symbol, i.id, i.answer, *(i[name] for name in FACTS))
        .where(i.symbol.in_(symbols))
    )  # fmt: skip
    found = {(row.source, row.symbol): row for row in rows}
    return [_known(connection, one, found.get((one.source, one.symbol)), now) for one in quoted]


def _known(
    connection: Connection, quoted: Instrument, before: Row[Any] | None, now: datetime
) -> Known:
    facts = {name: getattr(quoted, name) for name in FACTS}
    if before is None:
        row = {"source": quoted.source, "symbol": quoted.symbol, "created_at": now, **facts}
        query = insert(instrument).values(row).returning(instrument.c.id)
        return Known(replace(quoted, id=connection.execute(query).scalar_one()), None)
    if any(getattr(before, name) != fact for name, fact in facts.items()):
        connection.execute(update(instrument).where(instrument.c.id == before.id).values(facts))
    return Known(replace(quoted, id=before.id), before.answer)


def _store_bars(
    connection: Connection, known: Sequence[Known], answers: Sequence[Answer], now: datetime
) -> list[Stored]:
    # Most of what a file says it said last time: only what follows is held against the ledger.
    bars = {
        found.instrument.id: _after(one.bars, unchanged(found.answer, one.bars))
        for found, one in zip(known, answers, strict=True)
    }
    firsts = {one: rest.sessions[0].item() for one, rest in bars.items() if len(rest)}
    first = literal(min(firsts.values(), default=date.max), Session)
    kept = read_kept(connection, firsts, first=first)
    rows: list[dict[str, Any]] = []
    stored = []
    for found in known:
        id_ = found.instrument.id
        revisions = _revisions(kept[id_], bars[id_]) if id_ in kept else np.zeros(0, np.int64)
        rows += _rows(id_, bars[id_], revisions, now)
        new, changed = int((revisions == 1).sum()), int((revisions > 1).sum())
        stored.append(Stored(found.instrument, new, changed))
    if rows:
        connection.execute(insert(bar), rows)
    _note_answers(connection, known, answers)
    return stored


def _after(bars: Bars, count: int) -> Bars:
    return Bars(bars.sessions[count:], *(bars.field(name)[count:] for name in FIELDS))


def _note_answers(
    connection: Connection, known: Sequence[Known], answers: Sequence[Answer]
) -> None:
    marked = zip(known, (mark(one.bars) for one in answers), strict=True)
    changed = [
        {"of": found.instrument.id, "answer": now} for found, now in marked if now != found.answer
    ]
    if changed:
        query = update(instrument).where(instrument.c.id == bindparam("of"))
        connection.execute(query, changed)


def mark(bars: Bars, count: int | None = None) -> str | None:
    """Return what tells the first bars from all others: first session, count and SHA-256."""
    count = len(bars) if count is None else count
    if not count:
        return None
    columns = (bars.sessions.astype(np.int64), *(bars.field(name) for name in FIELDS))
    digest = sha256(b"".join(column[:count].tobytes() for column in columns)).hexdigest()
    return f"{bars.sessions[0]} {count} {digest}"


def unchanged(answer: str | None, bars: Bars) -> int:
    """Return how many of the first bars are those of an earlier answer, known by its mark."""
    count = int(answer.split()[1]) if answer else 0
    return count if count <= len(bars) and mark(bars, count) == answer else 0


def _revisions(kept: Kept, bars: Bars) -> NDArray[np.int64]:
    """Return which revision each bar, (n,), is to be stored as; 0 where it is there already."""
    before = kept.bars
    if not len(before):
        return np.ones(len(bars), dtype=np.int64)
    at = np.minimum(np.searchsorted(before.sessions, bars.sessions), len(before) - 1)
    found = before.sessions[at] == bars.sessions
    same = found.copy()
    for name in FIELDS:
        old, new = before.field(name)[at], bars.field(name)
        # NaN marks what a close-only source leaves empty.
        same &= (old == new) | (np.isnan(old) & np.isnan(new))
    return np.where(same, 0, np.where(found, kept.revisions[at], 0) + 1)


def _rows(
    instrument_id: int, bars: Bars, revisions: NDArray[np.int64], now: datetime
) -> list[dict[str, Any]]:
    wanted = np.flatnonzero(revisions)
    columns = {name: map(_nullable, bars.field(name)[wanted].tolist()) for name in FIELDS}
    return [
        {"instrument_id": instrument_id, "session": session, "revision": revision,
         "first_seen_at": now, **dict(zip(columns, values, strict=True))}
        for session, revision, *values in zip(
            bars.sessions[wanted].tolist(), revisions[wanted].tolist(), *columns.values(),
            strict=True)
    ]  # fmt: skip


def _nullable(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 NaN
