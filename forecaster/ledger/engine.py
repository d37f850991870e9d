"""Engines and transactions: what it takes for SQLite never to lock and never to lose a commit."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, StatementError

from forecaster.errors import ConfigError, LedgerError
from forecaster.ledger.files import beside, size_of
from forecaster.ledger.wal import shorten

PRAGMAS = (
    "synchronous=FULL",  # a few commits a day: durability over speed
    "busy_timeout=30000",
    "trusted_schema=OFF",
    "cell_size_check=ON",  # a damaged page is told of when it is read
    "journal_size_limit=67108864",
    # Before 3.51.3, SQLite may lose what is written while another connection checkpoints (the
    # "WAL-reset bug"). So nobody does on its own: `checkpoint` holds the writer's lock meanwhile.
    "wal_autocheckpoint=0",
)

LEAST = 1 << 20
"""Bytes on a disk with fewer of which an I/O error is that it is full."""

RESTORE = "restore a backup: forecaster db restore FILE"

PATIENCE = 30.0  # seconds to wait for another program's lock

WRITER_LOCK = 0x666F7265  # any constant: PostgreSQL's advisory lock of the one writer at a time


def parse_url(url: str) -> URL:
    """Return the URL with the driver this program uses, raising ConfigError when it is none."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter of an address in [ alone
        raise ConfigError(
            f"database url {url!r} is not a URL",
            remedy="use a path such as forecaster.db, or postgresql://user@host/name",
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def make_engine(url: URL, *, foreign_keys: bool = True, ours: bool = True) -> Engine:
    """Return an engine.

    Args:
        url: of the database.
        foreign_keys: migrations turn them off, or a rebuilt parent empties its child.
        ours: the file may be set up for our use; otherwise nothing about it changes.
    """
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite_engine(url, foreign_keys=foreign_keys, ours=ours)
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"no driver for database {url.render_as_string()}",
            remedy="pip install 'forecaster[postgres]'",
        ) from error


def _sqlite_engine(url: URL, *, foreign_keys: bool, ours: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        # The driver's own transaction handling leaves SELECT and DDL outside transactions.
        connection.isolation_level = None
        if ours:
            _turn_wal_on(connection)
        for pragma in (*PRAGMAS, f"foreign_keys={'ON' if foreign_keys else 'OFF'}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once under WAL when someone
        # wrote in between, whatever the timeout: writers take the lock first.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _turn_wal_on(connection: Any) -> None:
    """Have readers and a writer side by side.

    Programs that open a new file together collide here, and here SQLite does not wait.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent state, never blocked by a writer."""
    options: dict[str, Any] = {"reading": True}
    if engine.dialect.name == "postgresql":
        # By default each statement there would see what was committed just before it.
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with plain_errors(engine), engine.connect() as connection:
        yield connection.execution_options(**options)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: one at a time, all or nothing."""
    with plain_errors(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"))
        yield connection
    shorten(engine)


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Raise what the database refuses as a LedgerError: one line, without values."""
    try:
        yield
    except DBAPIError as error:
        raise LedgerError(
            f"database {shown(engine.url)}: {_cause(error)}",
            remedy=_remedy(_cause(error), engine.url),
            code="database",
        ) from error
    except UnicodeDecodeError as error:  # of a damaged text, or of SQLite's complaint about one
        raise LedgerError(
            f"database {shown(engine.url)}: there is text in it that is none",
            remedy=f"the file is damaged: {RESTORE}",
            code="damaged",
        ) from error
    except StatementError as error:
        # A value that a column type refused: SQLAlchemy wraps what the type raised.
        if isinstance(error.orig, LedgerError):
            raise error.orig from None
        raise


def shown(url: URL) -> str:
    """Return the database as a person may see it: a path, or a URL without its password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return url.render_as_string(hide_password=True)


def _cause(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n")[0] if error.orig else type(error).__name__


def _remedy(cause: str, url: URL) -> str:
    if "disk I/O" in cause and _is_full(url):  # SQLite's shared memory is a file as well
        cause = "disk is full"
    known = {
        "not a database": f"it is not a forecaster database, or damaged: {RESTORE}",
        "malformed": f"the file is damaged: {RESTORE}",
        "unsupported file format": f"the file is damaged: {RESTORE}",
        "Could not decode": f"the file is damaged: {RESTORE}",
        "disk I/O": "the disk or its file system failed: see the system's log, then run again",
        "disk is full": "free some space and run again: nothing was half-written",
        "readonly": "make the file and its folder writable",
        "read-only": "make the file and its folder writable",
        "unable to open": "check that the folder exists and can be written",
        "locked": "another program holds the database: end it and run again",
        "connection": "check that the server runs and the URL is right",
    }
    return next(
        (remedy for mark, remedy in known.items() if mark in cause), "see `forecaster db check`"
    )


def _is_full(url: URL) -> bool:
    try:
        return shutil.disk_usage(Path(url.database or "").parent).free < LEAST
    except OSError:
        return False


def file_identity(url: URL) -> tuple[int, int] | None:
    """Return what tells a SQLite file from another one at its place; None if there is no file."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    try:
        found = Path(url.database).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_missing(url: URL) -> bool:
    """Tell whether there is no SQLite file."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def refuse_remains(url: URL) -> None:
    """Refuse what is left of a ledger: nothing here would ever make an empty file.

    Raises:
        LedgerError: the file is empty, or missing with its last transactions still beside it.
    """
    if url.get_backend_name() != "sqlite":
        return
    path = Path(url.database or "")
    wal, _, journal = beside(path)  # what is shared is of no use without them
    left = [name for name in (wal, journal) if size_of(name)]
    if path.is_file() and not path.stat().st_size:
        raise LedgerError(
            f"database {path} is an empty file: what it held is gone",
            remedy="restore a backup: forecaster db restore FILE; or remove it to begin anew",
            code="damaged",
        )
    if left and not path.exists():
        raise LedgerError(
            f"database {path} is gone, and {left[0].name} beside it holds what was stored last",
            remedy="put the file back or restore a backup: forecaster db restore FILE; or remove "
            f"{left[0].name} to begin anew",
            code="damaged",
        )


def refuse_server(url: URL, instead: str) -> None:
    """Refuse PostgreSQL where a file is needed, naming the command that does it there."""
    if url.get_backend_name() == "sqlite":
        return
    plain = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()
    raise LedgerError(
        f"{shown(url)} is not a file", remedy=f"use {instead} '{plain}'", code="not_a_file"
    )
