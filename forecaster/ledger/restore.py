"""Put a backup in the place of a database, and keep what was there."""

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger.backup import connect, copy
from forecaster.ledger.claim import claim
from forecaster.ledger.engine import refuse_server
from forecaster.ledger.files import beside, free_name, partial, place, sync_folder

WAIT = 2.0
"""Seconds in which a command that has the database open may end."""


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        path: of the database.
        schema: of the ledger that is there now.
        aside: what was there before, None if nothing was.
    """

    path: Path
    schema: str
    aside: Path | None


def restore(url: URL, backup: Path, *, now: datetime) -> Restored:
    """Put a backup in the place of the database.

    The backup is copied and the copy proved before anything changes; what is there may be damaged.
    An older schema stays older.

    Args:
        url: of the database, which need not exist.
        backup: a file that `back_up` made, or any other copy of a ledger.
        now: what the database that goes is named after.

    Raises:
        LedgerError: somebody works with the database, or the backup is damaged or no ledger.
    """
    refuse_server(url, f"pg_restore --clean --if-exists {backup} --dbname")
    path = Path(url.database or "").resolve()
    _refuse_unusable(backup, path)
    with ExitStack() as held:
        for name in ("daemon", "run"):
            held.enter_context(claim(url, name, what="restore", wait=False))
        unfinished = held.enter_context(partial(path, wait=False))
        schema = copy(backup, unfinished)
        aside = _set_aside(path, now) if path.exists() else None
        place(unfinished, path, replace=True)
    return Restored(path, schema, aside)


def _refuse_unusable(backup: Path, path: Path) -> None:
    if not backup.is_file():
        raise LedgerError(f"there is no file {backup}", remedy="name a backup", code="no_backup")
    if path.is_dir():
        raise LedgerError(
            f"database {path} is a folder", remedy="name a file ([database] url)", code="unwritable"
        )
    if path.exists() and path.samefile(backup):
        raise LedgerError(
            f"{backup} is the database itself", remedy="name a backup", code="no_backup"
        )


def _set_aside(path: Path, now: datetime) -> Path:
    """Give the database a second name, and take away from the first what belongs to it.

    The first name is never without a file: a program that starts now would make an empty one.
    """
    aside = free_name(path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}"))
    _fold(path)
    for name, kept in zip(beside(path), beside(aside), strict=True):
        if name.exists():  # of a damaged database: it would be read as the new one's
            name.rename(kept)
    try:
        aside.hardlink_to(path)
    except OSError:  # a file system without links
        path.rename(aside)
    sync_folder(path)
    return aside


def _fold(path: Path) -> None:
    """Make the database one file, which proves that nobody else has it open.

    Raises:
        LedgerError: somebody has.
    """
    try:
        with closing(connect(path, "rw", timeout=WAIT)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise LedgerError(
                f"another program has {path} open", remedy="end it and run again", code="busy"
            ) from error
        # Whatever else is wrong with it is why it is replaced.
