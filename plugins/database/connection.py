"""Connections that can only read, for as long as they may, and what to say when they fail."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from forecaster.errors import SourceError

from .options import SECTION

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

DRIVERS = {"postgresql": "'forecaster[postgres]'", "mysql": "pymysql", "mssql": "pymssql"}
STEPS = 10_000  # of SQLite's virtual machine between two looks at the clock
RECURSIVE = 33  # sqlite3 names this action code only from Python 3.12 on
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, RECURSIVE}
FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "writefile", "edit"}


class Database:
    """A database that is only read.

    Args:
        url: an SQLAlchemy URL.
        timeout: seconds for connecting and for a query.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    @cached_property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite file."""
        return self._address.get_backend_name() == "sqlite"

    def select(
        self, query: str, values: Mapping[str, Any], limit: int
    ) -> tuple[list[str], Sequence[Sequence[Any]]]:
        """Return the names and the first rows of what a query finds.

        Args:
            query: one SELECT.
            values: of its parameters; those that it has not are left out.
            limit: rows that are fetched at most.

        Raises:
            SourceError: with the code network, no_driver, no_file, url, query or query_timeout.
        """
        from sqlalchemy import text  # noqa: PLC0415 - listing the plugins does not need it
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - as above

        statement = text(query)
        bound = {name: values[name] for name in statement.compile().params}
        with self._connected() as connection:
            try:
                self._restrict(connection)
                # PostgreSQL reads through a cursor, which takes one SELECT and nothing else.
                reading = connection.execution_options(yield_per=1000)
                with reading.execute(statement, bound) as found:
                    return list(found.keys()), found.fetchmany(limit)
            # ValueError: text that cannot be sent.
            except (SQLAlchemyError, sqlite3.Warning, ValueError) as error:
                raise self._failed(error) from error

    def _connected(self) -> Connection:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - as above

        try:
            return self._engine.connect()
        except SQLAlchemyError as error:
            raise SourceError(
                f"the database {self._address} cannot be reached: {self._cause(error)}",
                remedy=f"check {SECTION} url, and that it is running",
                code="network",
            ) from error

    @cached_property
    def _address(self) -> URL:
        from sqlalchemy.engine import make_url  # noqa: PLC0415 - as above
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

        try:
            found = make_url(self._url)
        except (ArgumentError, ValueError):
            found = None
        if found is None:  # outside the handler: what it caught may show a password
            raise SourceError(
                f"{SECTION} url is no URL",
                remedy="write an SQLite file, or a URL such as postgresql://user@host/name",
                code="url",
            )
        if found.drivername in ("postgresql", "postgres"):
            found = found.set(drivername="postgresql+psycopg")
        return found

    @cached_property
    def _engine(self) -> Engine:
        from sqlalchemy import NullPool, create_engine  # noqa: PLC0415 - as above
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415 - as above

        url, backend = self._address, self._address.get_backend_name()
        if backend == "sqlite":
            return create_engine(
                "sqlite://", creator=self._sqlite, poolclass=NullPool, hide_parameters=True
            )
        seconds = max(2, int(self._timeout))
        known = backend in ("postgresql", "mysql", "mariadb")
        try:
            engine = create_engine(
                url,
                connect_args={"connect_timeout": seconds} if known else {},
                hide_parameters=True,
                pool_size=1,
                pool_pre_ping=True,
            )
        except (ImportError, NoSuchModuleError, ArgumentError, TypeError) as error:
            raise SourceError(
                f"there is no driver for the database {url}: {self._cause(error)}",
                remedy=f"pip install {DRIVERS.get(backend, 'one, as its SQLAlchemy page says')}",
                code="no_driver",
            ) from error
        weakref.finalize(self, engine.dispose)  # sources are not told that they are done
        return engine

    def _sqlite(self) -> sqlite3.Connection:
        """Connect to a file for reading."""
        path = Path(self._address.database or "")
        if not path.is_file():
            raise SourceError(
                f"there is no file {path}", remedy=f"correct {SECTION} url", code="no_file"
            )
        seconds = self._timeout
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=seconds)

    def _restrict(self, connection: Connection) -> None:
        """Have the database itself refuse to write, and to work for longer than is allowed."""
        backend, milliseconds = connection.dialect.name, int(self._timeout * 1000)
        if backend == "sqlite":
            _restrict_sqlite(connection.connection.dbapi_connection, self._timeout)
        elif backend == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
        elif backend in ("mysql", "mariadb"):
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            connection.exec_driver_sql(
                f"SET SESSION MAX_EXECUTION_TIME = {milliseconds}"
                if backend == "mysql"
                else f"SET SESSION max_statement_time = {self._timeout}"
            )
            connection.rollback()  # what was begun before is not read-only

    def _failed(self, error: Exception) -> SourceError:
        cause = self._cause(error)
        if "interrupted" in cause or "statement timeout" in cause or "execution time" in cause:
            return SourceError(
                f"the query of {SECTION} was stopped after {self._timeout:g} s",
                remedy="add an index on the symbol and the session, or raise `timeout`",
                code="query_timeout",
            )
        return SourceError(
            f"the query of {SECTION} fails: {cause}", remedy="correct it", code="query"
        )

    def _cause(self, error: Exception) -> str:
        """Return what the driver said, without the password."""
        cause = str(getattr(error, "orig", None) or error).strip().split("\n")[0][:300]
        password = self._address.password
        for secret in (str(password), quote(str(password)), quote_plus(str(password))):
            cause = cause.replace(secret, "***") if password else cause
        return cause


def _restrict_sqlite(connection: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    # A read-only connection alone can still attach and write other files.
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)


def _authorize(action: int, _first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY
