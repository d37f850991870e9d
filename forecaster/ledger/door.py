"""Open a ledger, refusing what this program cannot read."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger import engine as engines
from forecaster.ledger import revision, upgrade, wal

Key = TypeVar("Key", int, str)

PART = 500
"""Ids in one statement."""


class Ledger:
    """An open database of the right schema; transactions are its only offer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._file = engines.file_identity(engine.url)

    @property
    def url(self) -> URL:
        """Where the ledger is."""
        return self.engine.url

    @property
    def place(self) -> str:
        """Where the ledger is, as a person may see it."""
        return engines.shown(self.url)

    def require_same_file(self) -> None:
        """Refuse a file that was removed or replaced: what is open would be written to nowhere.

        Raises:
            LedgerError: that is so.
        """
        if engines.file_identity(self.url) != self._file:
            raise LedgerError(
                f"database {self.place} was removed or replaced while it was open",
                remedy="restart what uses it; restore a backup first if it is gone",
                code="replaced",
            )

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a transaction that sees one state and blocks nobody."""
        return engines.reading(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        """Return a transaction that is stored whole or not at all."""
        return engines.writing(self.engine)

    def checkpoint(self) -> None:
        """Empty SQLite's write-ahead log into the database, as after a long run."""
        wal.checkpoint(self.engine)

    def close(self) -> None:
        """Release the connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_ledger(url: str, *, create: bool = False) -> Ledger:
    """Return the ledger at `url`, an SQLAlchemy URL.

    Args:
        url: sqlite:////path or postgresql://...
        create: make a missing database; an older or newer one is refused all the same.

    Raises:
        LedgerError: it is missing, of another schema, damaged, or cannot be reached.
        ConfigError: the URL is none, or its driver is not installed.
    """
    parsed = engines.parse_url(url)
    engines.refuse_remains(parsed)
    if engines.is_missing(parsed):
        if not create:
            raise LedgerError(
                f"there is no database {engines.shown(parsed)}",
                remedy="run `forecaster run` or `forecaster db upgrade` to create it",
                code="no_database",
            )
        upgrade.create(parsed)
    found = revision.look(parsed)
    if create and found is None:
        found = upgrade.upgrade(parsed).after
    revision.require_head(parsed, found)
    return Ledger(engines.make_engine(parsed))


def fields(record: Any, *left_out: str) -> dict[str, Any]:
    """Return a record's fields as a row."""
    return {name: value for name, value in vars(record).items() if name not in left_out}


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; one that is there already is left as it is."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    *,
    keys: Sequence[Any],
) -> None:
    """Insert rows or overwrite those with the same keys.

    Args:
        connection: of a writing transaction.
        table: where to.
        rows: all with the same columns.
        keys: columns or expressions of a unique index.
    """
    if not rows:
        return
    statement = _insert(connection, table)
    named = {getattr(key, "name", key) for key in keys}
    changed = {name: statement.excluded[name] for name in rows[0] if name not in named}
    overwriting = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    connection.execute(overwriting, list(rows))


def of_backtest(column: ColumnElement[Any], backtest_id: int | None) -> ColumnElement[bool]:
    """Return the condition that keeps a backtest's rows, or those of no backtest."""
    return column.is_(None) if backtest_id is None else column == backtest_id


def parts(ids: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut ids or names into lists for a statement: SQLite takes at most 32,766 parameters."""
    return (ids[start : start + PART] for start in range(0, len(ids), PART))


def _insert(connection: Connection, table: Table) -> Any:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
