"""Bring a database to the newest schema, or make one: whole or not at all."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger.backup import back_up_before
from forecaster.ledger.engine import is_missing, make_engine, refuse_remains, shown, writing
from forecaster.ledger.files import partial, place
from forecaster.ledger.revision import alembic_config, look, refuse_unknown, revision_of
from forecaster.ledger.schema import HEAD


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did.

    Attributes:
        before: the schema that the database had, None where there was none.
        after: the schema that it has.
        backup: the copy of the database as it was before; in PostgreSQL there is none.
    """

    before: str | None
    after: str
    backup: Path | None = None


def upgrade(url: URL) -> Upgrade:
    """Bring the database to the newest schema in one transaction, or make a missing one.

    An SQLite database that holds a ledger is copied first, while nobody else can write.

    Raises:
        LedgerError: the database is newer than this program, damaged, or cannot be copied.
    """
    refuse_remains(url)
    if is_missing(url):
        create(url)
        return Upgrade(None, HEAD)
    before = look(url)
    refuse_unknown(before, url)
    engine = make_engine(url, foreign_keys=False)
    try:
        with writing(engine) as connection:
            # Another program may have upgraded it before this one got the lock.
            then = revision_of(connection)
            backup = None
            if then not in (None, HEAD) and engine.dialect.name == "sqlite":
                backup = back_up_before(url, HEAD).path
            _migrate(connection, url)
    finally:
        engine.dispose()
    return Upgrade(before, HEAD, backup)


def create(url: URL) -> None:
    """Make a missing SQLite database; nobody ever sees it unfinished.

    Raises:
        LedgerError: what is left of a ledger is there, or the folder cannot be written.
    """
    path = Path(url.database or "")
    with partial(path, wait=True, what="database") as unfinished:
        refuse_remains(url)
        if path.exists():
            return  # another program made it meanwhile
        engine = make_engine(
            url.set(database=str(unfinished)), foreign_keys=False, ours=False
        )  # without a WAL: it becomes one file
        try:
            with writing(engine) as connection:
                _migrate(connection, url)
        finally:
            engine.dispose()
        with suppress(FileExistsError):  # a program of another kind was faster
            place(unfinished, path, replace=False)


def _migrate(connection: Connection, url: URL) -> None:
    from alembic import command  # noqa: PLC0415  0.1 s that only this needs

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise LedgerError(
                f"migration left {len(broken)} rows without their parent in {shown(url)}",
                remedy="nothing was changed: report this with `forecaster db check --json`",
            )
