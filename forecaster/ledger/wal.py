"""SQLite's write-ahead log: written back into the database only while nobody else can write."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from forecaster.ledger.files import size_of

LONG = 4 << 20
"""Bytes of a WAL after which it is written back: as often as SQLite does by default."""

BRIEF = 1000
"""Milliseconds for which a checkpoint waits for readers of older states."""


def shorten(engine: Engine) -> None:
    """Write a log that has become long back, as every writer does after a transaction."""
    if _wal_size(engine) > LONG:
        checkpoint(engine)


def checkpoint(engine: Engine) -> None:
    """Write the WAL back into the database and make it empty, if readers let it.

    What cannot be written back now stays in the WAL, where it is as safe.
    """
    if not _wal_size(engine):
        return
    with suppress(DBAPIError, sqlite3.Error), engine.connect() as connection:
        # SQLAlchemy would begin a transaction, in which there is no checkpoint.
        driver: Any = connection.connection.driver_connection
        patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute(f"PRAGMA busy_timeout={BRIEF}")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            driver.execute(f"PRAGMA busy_timeout={patience}")


def _wal_size(engine: Engine) -> int:
    if engine.dialect.name != "sqlite":
        return 0
    return size_of(Path(f"{engine.url.database}-wal"))
