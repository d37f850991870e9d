"""What is stored about instruments when a source answers, as far as it matters to the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256

import numpy as np
from sqlalchemy import Connection, func, literal, select

from forecaster.ledger.actions import read_actions
from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.prices import read_newest
from forecaster.ledger.quarantine import TRUSTED, Bar, bar_said, read_accepted
from forecaster.ledger.schema import instrument, quarantine
from forecaster.ledger.types import Session
from forecaster.market import FIELDS, Actions, Bars, Held, Kept, no_actions, no_bars

Address = tuple[str, str]
"""(source, symbol)"""

OVERLAP = 15
"""Bars that were said before and are looked at again where an answer only grew."""

BEFORE = timedelta(days=31)
"""How far before an answer stored bars are read: longer than exchanges have been closed."""


@dataclass(frozen=True, eq=False)
class Before:
    """What is stored about an instrument.

    Attributes:
        kept: its bars and actions, from before the bars that must be looked at on.
        skip: how many of the first told bars are known to be stored as they are told.
        trusted: somebody accepted that the source's past is another one now.
        accepted: its bars that were held until somebody accepted them.
    """

    kept: Kept
    skip: int = 0
    trusted: bool = False
    accepted: frozenset[Bar] = frozenset()

    def still_held(self, held: Sequence[Held]) -> tuple[Held, ...]:
        """Return what of this is held now: not a bar that was accepted as it is told."""
        believed = {
            one.session for one in held if one.what == "bar" and bar_said(one) in self.accepted
        }
        return tuple(one for one in held if one.what != "bar" or one.session not in believed)


@dataclass(frozen=True)
class Marked:
    """An instrument's id, the mark of its last answer, and how much of it is held."""

    id: int
    mark: str | None
    held: int = 0


@dataclass(frozen=True, eq=False)
class Told:
    """An answer, row by row in order: what it says, before it is held against what is stored."""

    bars: Bars
    actions: Actions | None
    mark: str | None = field(default=None)


def read_before(ledger: Ledger, told: Mapping[Address, Told]) -> dict[Address, Before]:
    """Return what is stored about each instrument that was told of."""
    with ledger.reading() as connection:
        marked = _marked(connection, list(told))
        skips = {one: _skip(found, told[one]) for one, found in marked.items()}
        wanted = {
            found.id: one
            for one, found in marked.items()
            if len(told[one].bars) and skips[one] < len(told[one].bars)
        }
        firsts = {id_: _first(told[one].bars, skips[one]) for id_, one in wanted.items()}
        first = literal(min(firsts.values(), default=date.max), Session)
        newest = read_newest(connection, firsts, first=first)
        acted = read_actions(connection, list(firsts))
        accepted = read_accepted(connection, [found.id for found in marked.values()])
    nothing = Kept(no_bars(), no_actions())
    found = {one: Before(nothing, skips.get(one, 0)) for one in told}
    for one, each in marked.items():
        found[one] = replace(found[one], accepted=accepted.get(each.id, frozenset()))
    for id_, one in wanted.items():
        bars = newest[id_].bars
        kept = Kept(bars.where(bars.sessions >= np.datetime64(firsts[id_])), *acted[id_])
        trusted = marked[one].mark == TRUSTED
        found[one] = replace(found[one], kept=kept, trusted=trusted)
    return found


def _marked(connection: Connection, addresses: Sequence[Address]) -> dict[Address, Marked]:
    i = instrument.c
    symbols = sorted({symbol for _, symbol in addresses})
    query = select(i.source, i.symbol, i.id, i.answer)
    rows = [
        row
        for part in parts(symbols)
        for row in connection.execute(query.where(i.symbol.in_(part)))
    ]
    held = _held_counts(connection, [row.id for row in rows])
    found = {
        (row.source, row.symbol): Marked(row.id, row.answer, held.get(row.id, 0)) for row in rows
    }
    return {one: found[one] for one in addresses if one in found}


def _held_counts(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    q = quarantine.c
    query = select(q.instrument_id, func.count()).where(q.resolved_at.is_(None))
    return {
        row[0]: row[1]
        for part in parts(ids)
        for row in connection.execute(
            query.where(q.instrument_id.in_(part)).group_by(q.instrument_id)
        )
    }


def _skip(found: Marked, told: Told) -> int:
    """Return how many told bars need no second look; what is held is looked at each time."""
    return 0 if found.held else unchanged(found.mark, told)


def _first(bars: Bars, skip: int) -> date:
    first: date = bars.sessions[max(0, skip - OVERLAP)].item()
    return first - BEFORE


def mark(told: Told, count: int | None = None) -> str | None:
    """Return what tells the first told bars from all others.

    Their first session, their number, and the SHA-256 of all that is said up to the last one.
    """
    bars, count = told.bars, len(told.bars) if count is None else count
    if not count:
        return None
    columns = [bars.sessions.astype(np.int64), *(bars.field(name) for name in FIELDS)]
    digest = sha256(b"".join(column[:count].tobytes() for column in columns))
    if told.actions is not None:
        acted = told.actions.where(told.actions.sessions <= bars.sessions[count - 1])
        for values in (acted.sessions.astype(np.int64), acted.splits, acted.dividends):
            digest.update(values.tobytes())
    return f"{bars.sessions[0]} {count} {digest.hexdigest()}"


def unchanged(before: str | None, told: Told) -> int:
    """Return how many of the first told bars are those of an earlier answer, known by its mark."""
    if before is None or before == TRUSTED:
        return 0
    count = int(before.split()[1])
    return count if count <= len(told.bars) and mark(told, count) == before else 0
