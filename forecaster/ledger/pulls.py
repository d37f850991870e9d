"""How sources were asked and what became of it: what the next pull learns from."""

from collections import defaultdict
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


def read_rests(ledger: Ledger) -> dict[str, Rest]:
    """Return the sources that refused the last time they were asked."""
    p = pull.c
    answered = (
        select(p.source, func.max(p.id).label("last"))
        .where(p.outcome.in_(ANSWERED))
        .group_by(p.source)
        .subquery()
    )
    query = (
        select(p.source, p.resumes_at)
        .outerjoin(answered, answered.c.source == p.source)
        .where(
            p.outcome == REFUSED, p.resumes_at.is_not(None),
            p.id > func.coalesce(answered.c.last, 0),
        )
        .order_by(p.id)
    )  # fmt: skip
    refused: dict[str, list[datetime]] = defaultdict(list)
    with ledger.reading() as connection:
        for source, resumes_at in connection.execute(query):
            refused[source].append(resumes_at)
    return {source: Rest(rests[-1], len(rests)) for source, rests in refused.items()}


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
