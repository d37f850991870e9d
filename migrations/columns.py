"""What the migrations make tables of: the shape of what is made by these words never changes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from forecaster.ledger import types


def table(name: str, *parts: Any) -> None:
    """Make a table, STRICT in SQLite."""
    op.create_table(name, *parts, sqlite_strict=True)


def key(table: str) -> list[Any]:
    """Return the column `id` and its primary key."""
    return [
        sa.Column("id", types.Whole(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    ]


def unique(name: str, table: str, *columns: Any) -> None:
    """Make a unique index."""
    op.create_index(name, table, list(columns), unique=True)


def refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """Return a foreign key to the id of another table."""
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")


def known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    """Refuse other words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}_known"))


def finite(table: str, *columns: str) -> list[sa.CheckConstraint]:
    """Refuse infinities, and NaN where the database has it."""
    return [
        sa.CheckConstraint(
            f"{column} BETWEEN -1e+300 AND 1e+300", name=op.f(f"ck_{table}_{column}_finite")
        )
        for column in columns
    ]
