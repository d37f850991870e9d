"""Store what sources answered: new bars, revisions of changed ones, new actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select, update

from forecaster.ledger.door import Ledger, insert_new
from forecaster.ledger.prices import Kept, read_kept
from forecaster.ledger.records import Instrument
from forecaster.ledger.schema import action, bar, instrument
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
            {"instrument_id": found.id, "session": session, "split": split, "dividend": dividend,
             "first_seen_at": now}
            for found, one in zip(known, answers, strict=True)
            for session, split, dividend in zip(
                one.actions.sessions.tolist(), one.actions.splits, one.actions.dividends,
                strict=True)
        ]  # fmt: skip
        insert_new(connection, action, rows)
    return stored


def _register(
    connection: Connection, quoted: Sequence[Instrument], now: datetime
) -> list[Instrument]:
    """Return the instruments with their ids, made where missing and changed where they differ."""
    i = instrument.c
    symbols = {one.symbol for one in quoted}
    rows = connection.execute(
        select(i.source, i.symbol, i.id, *(i[name] for name in FACTS)).where(i.symbol.in_(symbols))
    )
    found = {(source, symbol): (id_, facts) for source, symbol, id_, *facts in rows}
    return [_known(connection, one, found, now) for one in quoted]


def _known(
    connection: Connection,
    quoted: Instrument,
    found: Mapping[tuple[str, str], tuple[int, list[Any]]],
    now: datetime,
) -> Instrument:
    facts = {name: getattr(quoted, name) for name in FACTS}
    id_, before = found.get((quoted.source, quoted.symbol), (None, None))
    if id_ is None:
        row = {"source": quoted.source, "symbol": quoted.symbol, "created_at": now, **facts}
        query = insert(instrument).values(row).returning(instrument.c.id)
        return replace(quoted, id=connection.execute(query).scalar_one())
    if before != list(facts.values()):
        connection.execute(update(instrument).where(instrument.c.id == id_).values(facts))
    return replace(quoted, id=id_)


def _store_bars(
    connection: Connection, known: Sequence[Instrument], answers: Sequence[Answer], now: datetime
) -> list[Stored]:
    first = min((one.bars.sessions[0].item() for one in answers if len(one.bars)), default=None)
    if first is None:
        return [Stored(found, 0, 0) for found in known]
    kept = read_kept(connection, [one.id for one in known], bar.c.session >= first)
    rows: list[dict[str, Any]] = []
    stored = []
    for found, one in zip(known, answers, strict=True):
        revisions = _revisions(kept[found.id], one.bars)
        rows += _rows(found.id, one.bars, revisions, now)
        new, changed = int((revisions == 1).sum()), int((revisions > 1).sum())
        stored.append(Stored(found, new, changed))
    if rows:
        connection.execute(insert(bar), rows)
    return stored


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
