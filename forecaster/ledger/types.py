"""Column types that mean the same in SQLite and PostgreSQL, and the door for numbers.

SQLite's STRICT tables know only INTEGER, REAL, TEXT and BLOB; PostgreSQL gets its native types.
NumPy scalars would be stored as blobs by SQLite's driver, so every number is converted here.
"""

import math
import operator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Double,
    Integer,
    SmallInteger,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from forecaster.errors import LedgerError


class Real(TypeDecorator[float]):
    """A finite float64. Anything not finite is refused: NaN would silently become NULL."""

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """REAL in SQLite is eight bytes; in PostgreSQL it would be four."""
        return dialect.type_descriptor(REAL() if dialect.name == "sqlite" else Double())

    def process_bind_param(self, value: Any, _dialect: Dialect) -> float | None:
        """Return a Python float, raising LedgerError for infinities and NaN."""
        if value is None:
            return None
        number = float(value)
        if not math.isfinite(number):
            raise LedgerError(
                f"{number} cannot be stored: only finite numbers are", code="nonfinite"
            )
        return number


class Whole(TypeDecorator[int]):
    """An integer of up to 64 bits."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """STRICT tables take INTEGER only."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: Any, _dialect: Dialect) -> int | None:
        """Return a Python int, raising LedgerError for what would have to be cut to one."""
        try:
            return None if value is None else operator.index(value)
        except TypeError as error:
            raise LedgerError(
                f"{value!r} cannot be stored: an integer is needed", code="not_whole"
            ) from error


class Flag(TypeDecorator[bool]):
    """True or false, stored as 1 or 0: PostgreSQL has no sum over booleans."""

    impl = SmallInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """STRICT tables take INTEGER only."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else SmallInteger())

    def process_bind_param(self, value: Any, _dialect: Dialect) -> int | None:
        """Return 0 or 1."""
        return None if value is None else int(bool(value))

    def process_result_value(self, value: Any, _dialect: Dialect) -> bool | None:
        """Return a Python bool."""
        return None if value is None else bool(value)


class Session(TypeDecorator[date]):
    """A trading day: an ISO date as text in SQLite, a date in PostgreSQL."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """STRICT tables take TEXT only."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Date())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return what the driver stores, raising LedgerError for a date with a time."""
        if isinstance(value, datetime):
            raise LedgerError(f"{value} is not a session: a date is needed", code="not_a_session")
        if value is None or dialect.name != "sqlite":
            return value
        return value.isoformat()

    def process_result_value(self, value: Any, _dialect: Dialect) -> date | None:
        """Return a date, raising LedgerError for a text that is none."""
        try:
            return date.fromisoformat(value) if isinstance(value, str) else value
        except ValueError as error:
            raise _damaged(value) from error


class Moment(TypeDecorator[datetime]):
    """An instant in UTC: ISO text in SQLite, timestamptz in PostgreSQL."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """STRICT tables take TEXT only."""
        return dialect.type_descriptor(
            Text() if dialect.name == "sqlite" else DateTime(timezone=True)
        )

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return UTC with microseconds always written, so that text sorts as time does."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC, raising LedgerError for a text that is none."""
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise _damaged(value) from error


def _damaged(value: str) -> LedgerError:
    return LedgerError(
        f"the database has {value!r} where a date should be: it is damaged",
        remedy="restore a backup: forecaster db restore FILE",
        code="damaged",
    )
