"""How sources were asked and what became of it: what the next pull learns from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, select

from forecaster.ledger.door import Ledger, fields
from forecaster.ledger.schema import pull

ANSWERED = ("ok", "incomplete", "no_session", "unsettled")
"""Outcomes that show that a source works."""

REFUSED = "rate_limited"


@dataclass(frozen=True)
class Pull:
    """One question to a source about one symbol, and what became of it.

    `said` is the word of the source for it and `outcome` what is made of that; `resumes_at` is
    until when the source is to be left alone.
    """

    source: str
    symbol: str
    pulled_at: datetime
    said: str
    outcome: str
    reason: str = ""
    requests: int = 0
    new_bars: int = 0
    revised_bars: int = 0
    held_bars: int = 0
    resumes_at: datetime | None = None


@dataclass(frozen=True)
class Rest:
    """A source that refused: until when it is left alone, and how often in a row it did."""

    resumes_at: datetime
    refusals: int


def record_pulls(ledger: Ledger, pulls: Sequence[Pull]) -> None:
    """Store what became of pulls."""
    if pulls:
        with ledger.writing() as connection:
            connection.execute(insert(pull), [fields(one) for one in pulls])


def read_rest(ledger: Ledger, source: str) -> Rest | None:
    """Return how a source refused the last time it was asked, None where it answered."""
    p = pull.c
    answered = select(p.id).where(p.source == source, p.outcome.in_(ANSWERED))
    with ledger.reading() as connection:
        # One step from the end of an index, however many years it holds.
        last = connection.scalar(answered.order_by(p.id.desc()).limit(1))
        refused = connection.scalars(
            select(p.resumes_at)
            .where(p.source == source, p.id > (last or 0))
            .where(p.outcome == REFUSED, p.resumes_at.is_not(None))
            .order_by(p.id)
        ).all()
    return Rest(refused[-1], len(refused)) if refused else None


def doubts(ledger: Ledger, source: str, symbol: str, *, also: datetime | None) -> int:
    """Return on how many days, since it last answered, a source said that it knows no such symbol.

    Only days count on which it answered for another one: an outage may look the same. `also` is
    one more such moment, that is not stored yet.
    """
    p = pull.c
    mine = and_(p.source == source, p.symbol == symbol)
    last = select(func.coalesce(func.max(p.id), 0)).where(mine, p.outcome.in_(ANSWERED))
    with ledger.reading() as connection:
        since = connection.scalar(last)
        said = connection.scalars(
            select(p.pulled_at).where(mine, p.said == "unknown_symbol", p.id > since)
        )
        days = {moment.date() for moment in said}
        others = connection.scalars(
            select(p.pulled_at).where(
                p.source == source, p.symbol != symbol, p.outcome.in_(ANSWERED), p.id > since
            )
        )
        both = days & {moment.date() for moment in others}
    return len(both | ({also.date()} if also else set()))


def last_pulls(ledger: Ledger) -> dict[tuple[str, str], Pull]:
    """Return the newest pull of each (source, symbol)."""
    p = pull.c
    newest = select(func.max(p.id)).group_by(p.source, p.symbol)
    with ledger.reading() as connection:
        rows = connection.execute(select(*pull.columns).where(p.id.in_(newest)))
        return {(row.source, row.symbol): Pull(*row[1:]) for row in rows}
