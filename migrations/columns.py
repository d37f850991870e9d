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


def add(
    table: str,
    name: str,
    type_: Any,
    *,
    default: str | None = None,
    words: tuple[str, ...] = (),
    target: str = "",
) -> None:
    """Add a column; what is real is finite.

    Args:
        table: of that name.
        name: of the column.
        type_: its type.
        default: what older rows get, as SQL; without it, they get NULL and others may.
        words: all that it may hold.
        target: a table whose id it is.
    """
    reference = f"fk_{table}_{name}"
    if target and op.get_bind().dialect.name == "sqlite":
        # Nothing that Alembic knows adds a reference to a table of SQLite's.
        column = f"{name} INTEGER CONSTRAINT {reference} REFERENCES {target} (id)"
        op.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column}"))
        return
    checks = finite(table, name) if isinstance(type_, types.Real) else []
    checks += [known(table, name, *words)] if words else []
    value = None if default is None else sa.text(default)
    nullable = default is None
    op.add_column(table, sa.Column(name, type_, *checks, nullable=nullable, server_default=value))
    if target:
        op.create_foreign_key(reference, table, target, [name], ["id"])


def remake(name: str, columns: str, *parts: Any) -> None:
    """Make a table anew and fill it with its rows, told as the select list `columns`."""
    # The names are ours.
    op.execute(sa.text(f"CREATE TEMPORARY TABLE {name}_before AS SELECT {columns} FROM {name}"))  # noqa: S608
    op.drop_table(name)
    table(name, *parts)
    op.execute(sa.text(f"INSERT INTO {name} SELECT * FROM {name}_before"))  # noqa: S608
    op.execute(sa.text(f"DROP TABLE {name}_before"))
