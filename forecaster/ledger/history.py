"""Read the views: the same rows for commands, reports and people who write SQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, column, select, table, text
from sqlalchemy.types import NullType

from forecaster.ledger.door import Ledger
from forecaster.ledger.records import Rows

ONE = str | int | float
"""What is one value; anything else is several."""


def read_view(
    ledger: Ledger,
    view: str,
    *,
    where: Mapping[str, Any] | None = None,
    order: Sequence[str] = (),
    limit: int | None = None,
) -> Rows:
    """Return rows of a view with sessions and moments as ISO text.

    Args:
        ledger: where from.
        view: its name.
        where: column = value, or one of several values; None values are left out.
        order: column names, "-name" for descending.
        limit: how many at most; `cut` says whether there were more.
    """
    wanted = {name: value for name, value in (where or {}).items() if value is not None}
    many = {name: list(value) for name, value in wanted.items() if not isinstance(value, ONE)}
    query = _query(view, tuple(wanted), frozenset(many), tuple(order), limit)
    with ledger.reading() as connection:
        result = connection.execute(query, {**wanted, **many})
        columns = tuple(result.keys())
        # What SQLite gives is plain already.
        rows = tuple(map(tuple if connection.dialect.name == "sqlite" else _plain_row, result))
    cut = limit is not None and len(rows) > limit
    return Rows(columns, rows[:limit] if cut else rows, cut)


@lru_cache(maxsize=256)
def _query(
    view: str,
    names: tuple[str, ...],
    many: frozenset[str],
    order: tuple[str, ...],
    limit: int | None,
) -> Select[Any]:
    """Return the statement: a report asks for the same one for each of hundreds of series."""
    query = select(text("*")).select_from(table(view))
    query = query.where(*(_condition(name, several=name in many) for name in names))
    query = query.order_by(*(_ordered(name) for name in order))
    return query if limit is None else query.limit(limit + 1)


def _condition(name: str, *, several: bool) -> ColumnElement[bool]:
    # Untyped, so that PostgreSQL takes an ISO text for a date as SQLite does.
    value = bindparam(name, type_=NullType(), expanding=several)
    return column(name).in_(value) if several else column(name) == value


def _ordered(name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = column(name.removeprefix("-"))
    return found.desc() if name.startswith("-") else found


def _plain_row(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(plain, row))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if value is None or isinstance(value, ONE):
        return value
    if isinstance(value, datetime) and value.tzinfo:
        # As SQLite has it stored, whatever the time zone of a PostgreSQL session.
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes | memoryview):
        return f"<{len(value)} bytes>"
    return value
