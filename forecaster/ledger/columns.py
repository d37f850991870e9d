"""What the tables of the ledger are made of: names of constraints, and kinds of columns."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, MetaData, Table

from forecaster.ledger.types import Whole

LARGEST = 1e300
"""Bound of the finite checks: infinities fall outside, and so does NaN in PostgreSQL."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def table(name: str, *parts: Any) -> Table:
    """Return a table, STRICT in SQLite."""
    return Table(name, metadata, *parts, sqlite_strict=True)


def finite(*columns: str) -> list[CheckConstraint]:
    """Refuse infinities, and NaN where the database has it."""
    return [
        CheckConstraint(f"{column} BETWEEN -{LARGEST:g} AND {LARGEST:g}", name=f"{column}_finite")
        for column in columns
    ]


def one_of(column: str, *values: str) -> CheckConstraint:
    """Refuse other words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def key() -> Column[Any]:
    """Return the column `id`."""
    return Column("id", Whole, primary_key=True)


def ref(
    name: str, target: str, *, nullable: bool = False, later: bool = False, **options: Any
) -> Column[Any]:
    """Return a column that refers to the id of another table, maybe of one that is made later."""
    refers = ForeignKey(f"{target}.id", use_alter=later)
    return Column(name, Whole, refers, nullable=nullable, **options)


def need(name: str, type_: Any, **options: Any) -> Column[Any]:
    """Return a column that is never NULL."""
    return Column(name, type_, nullable=False, **options)
