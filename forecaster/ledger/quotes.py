"""Store what sources answered: new bars, revisions of changed ones, actions, what is held."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, insert, literal, select, update

from forecaster.ledger.actions import store_actions
from forecaster.ledger.door import Ledger
from forecaster.ledger.prices import Newest, read_newest
from forecaster.ledger.quarantine import TRUSTED, keep_apart, raise_alerts
from forecaster.ledger.records import Instrument
from forecaster.ledger.schema import bar, instrument
from forecaster.ledger.types import Session
from forecaster.market import FIELDS, NOISE, Actions, Alert, Bars, Held, no_actions, no_bars

FACTS = ("calendar", "currency", "historical", "attribution")
"""What may change about an instrument."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a source said of an instrument, as far as it is believed, and what is not.

    Attributes:
        instrument: its `id` is ignored and found by source and symbol.
        bars: to be stored; those that are there already change nothing.
        actions: all there are from the first of these bars on.
        inferred: the sessions of those actions that the source did not tell.
        held: what is not believed.
        alerts: what was noticed.
        judged: the first session of what was said: whatever was held from there on, and is not
            now, is settled. None leaves all of it.
        mark: by which the same answer is known again; see `before.mark`.
    """

    instrument: Instrument
    bars: Bars
    actions: Actions
    inferred: frozenset[date] = frozenset()
    held: tuple[Held, ...] = ()
    alerts: tuple[Alert, ...] = ()
    judged: date | None = None
    mark: str | None = None

    @classmethod
    def nothing_but(cls, quoted: Instrument, held: Held) -> "Answer":
        """Return an answer of which nothing is believed."""
        return cls(quoted, no_bars(), no_actions(), held=(held,))


@dataclass(frozen=True)
class Stored:
    """What storing an answer changed."""

    instrument: Instrument
    new_bars: int
    revised_bars: int
    held: tuple[Held, ...] = ()
    """What is held from now on, and was not before."""
    alerts: tuple[Alert, ...] = ()
    """What was noticed for the first time."""


@dataclass(frozen=True)
class Known:
    """An instrument with its id, and the mark of the answer before."""

    instrument: Instrument
    mark: str | None


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
        ids = [one.instrument.id for one in known]
        stored = _store_bars(connection, known, answers, now)
        store_actions(connection, ids, answers, now)
        held = keep_apart(connection, ids, answers, now)
        alerts = raise_alerts(connection, ids, answers, now)
        _note_marks(connection, known, answers)
    return [
        replace(one, held=fresh, alerts=noticed)
        for one, fresh, noticed in zip(stored, held, alerts, strict=True)
    ]


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
    bars = {found.instrument.id: one.bars for found, one in zip(known, answers, strict=True)}
    firsts = {one: told.sessions[0].item() for one, told in bars.items() if len(told)}
    first = literal(min(firsts.values(), default=date.max), Session)
    kept = read_newest(connection, firsts, first=first)
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
    return stored


def _note_marks(connection: Connection, known: Sequence[Known], answers: Sequence[Answer]) -> None:
    changed = [
        {"of": found.instrument.id, "answer": one.mark}
        for found, one in zip(known, answers, strict=True)
        if one.mark != found.mark and not (found.mark == TRUSTED and _nothing_told(one))
    ]
    if changed:
        query = update(instrument).where(instrument.c.id == bindparam("of"))
        connection.execute(query, changed)


def _nothing_told(one: Answer) -> bool:
    """Return whether nothing was told that somebody's trust could be used up by."""
    return one.judged is None and not one.held


def _revisions(kept: Newest, bars: Bars) -> NDArray[np.int64]:
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
        same &= (np.abs(new - old) <= NOISE * np.abs(old)) | (np.isnan(old) & np.isnan(new))
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
