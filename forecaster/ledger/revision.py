"""The schema a database is at, and the refusal of what this program does not know."""

import importlib.resources
import re
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger.engine import RESTORE, make_engine, reading, shown
from forecaster.ledger.schema import HEAD, metadata

if TYPE_CHECKING:
    from alembic.config import Config


def current(engine: Engine) -> str | None:
    """Return the revision the database is at, None when it is empty.

    Raises:
        LedgerError: it has tables, and does not say of which schema. In PostgreSQL, where programs
            share a database, only tables of our names count.
    """
    with reading(engine) as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision that a connection sees; like `current`."""
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        query = text("SELECT version_num FROM alembic_version")
        found = connection.execute(query).scalar()
        if found is not None:
            return str(found)
    place = shown(connection.engine.url)
    ours = metadata.tables.keys()
    shared = connection.dialect.name == "postgresql"
    strange = sorted(name for name in names if name in ours or not shared)
    if strange:
        raise LedgerError(
            f"database {place} has a table {strange[0]} but does not say of which "
            "schema: it is another program's, or damaged",
            remedy=f"name another database, or {RESTORE}",
            code="unknown_schema",
        )
    if not shared and connection.exec_driver_sql("PRAGMA page_count").scalar_one() > 1:
        raise LedgerError(
            f"database {place} has lost its tables: it is damaged, or another program's",
            remedy=f"name another database, or {RESTORE}",
            code="damaged",
        )
    return None


def look(url: URL) -> str | None:
    """Return the revision of a database that may be anyone's, changing nothing about the file."""
    engine = make_engine(url, ours=False)
    try:
        return current(engine)
    finally:
        engine.dispose()


def require_head(url: URL, found: str | None) -> None:
    """Refuse a database of another schema, naming the command to run."""
    if found == HEAD:
        return
    if found is None:
        raise LedgerError(
            f"{shown(url)} holds no forecaster tables",
            remedy="run `forecaster db upgrade` to create them",
            code="no_schema",
        )
    refuse_unknown(found, url)
    raise LedgerError(
        f"database {shown(url)} has schema {found}, this program needs {HEAD}",
        remedy="run `forecaster db upgrade`",
        code="old_schema",
    )


def refuse_unknown(found: str | None, url: URL) -> None:
    """Refuse a schema that no migration of this program leads to."""
    if found is not None and not re.fullmatch(r"\d{4}", found):
        raise LedgerError(
            f"database {shown(url)} says that its schema is {found!r}: it is damaged",
            remedy=RESTORE,
            code="damaged",
        )
    if found is not None and found not in known_revisions():
        raise LedgerError(
            f"database {shown(url)} has schema {found}, which this program (schema {HEAD}) does "
            "not know: a newer program made it",
            remedy="upgrade the program: pip install --upgrade forecaster",
            code="newer_schema",
        )


def known_revisions() -> list[str]:
    """Return every revision that ships with this program, newest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  only on the way to an error

    scripts = ScriptDirectory.from_config(alembic_config())
    return [script.revision for script in scripts.walk_revisions()]


def alembic_config() -> "Config":
    """Return Alembic's configuration, made in code: there is no ini file to ship or lose."""
    from alembic.config import Config  # noqa: PLC0415  0.1 s that only upgrades need

    config = Config()
    # The package:folder form fails in an editable install whose folder has another name.
    folder = str(importlib.resources.files("forecaster.migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
