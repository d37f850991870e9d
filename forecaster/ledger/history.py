"""Read the views: the same rows for commands, reports and people who write SQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, bindparam, column, select, table, text
from sqlalchemy.types import NullType

from forecaster.ledger.door import Ledger
from forecaster.ledger.records import Rows


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
    query = select(text("*")).select_from(table(view))
    for name, value in (where or {}).items():
        if value is not None:
            query = query.where(_condition(name, value))
    query = query.order_by(*(_ordered(name) for name in order))
    if limit is not None:
        query = query.limit(limit + 1)
    with ledger.reading() as connection:
        result = connection.execute(query)
        columns = tuple(result.keys())
        rows = tuple(tuple(plain(value) for value in row) for row in result)
    cut = limit is not None and len(rows) > limit
    return Rows(columns, rows[:limit] if cut else rows, cut)


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    # Untyped, so that PostgreSQL takes an ISO text for a date as SQLite does.
    if isinstance(value, str | int | float):
        return column(name) == bindparam(None, value, type_=NullType())
    return column(name).in_(bindparam(None, list(value), type_=NullType(), expanding=True))


def _ordered(name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = column(name.removeprefix("-"))
    return found.desc() if name.startswith("-") else found


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if value is None or isinstance(value, str | int | float):
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
