"""SQL of the user's own: it can read everything and change nothing."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from forecaster.errors import ConfigError, LedgerError
from forecaster.ledger.door import Ledger
from forecaster.ledger.history import plain
from forecaster.ledger.records import Rows

RECURSIVE = 33  # sqlite3 names this action code only from Python 3.12 on
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, RECURSIVE}
FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "writefile", "edit"}
LONGEST = 50_000_000  # bytes of a text or blob; no clock stops one function that fills memory
STEPS = 10_000  # virtual machine instructions between two looks at the clock
VIEWS = (
    "forecast_history, latest_forecast, accuracy, calibration, decision_history, model_history, "
    "run_history, bar_history or forecast_revision"
)


def read_only_query(ledger: Ledger, statement: str, *, limit: int, seconds: float = 5.0) -> Rows:
    """Run one SELECT and return at most `limit` rows.

    Args:
        ledger: what to query.
        statement: one statement.
        limit: rows returned; `cut` says whether there were more.
        seconds: time after which the query is stopped.

    Raises:
        ConfigError: the statement is wrong, or does more than read.
        LedgerError: it took too long.
    """
    if not statement.strip(" \t\r\n;"):
        raise _empty()
    run: Callable[..., Rows] = _sqlite if ledger.url.get_backend_name() == "sqlite" else _postgresql
    return run(ledger, statement, limit, seconds)


def _sqlite(ledger: Ledger, statement: str, limit: int, seconds: float) -> Rows:
    path = quote(str(Path(ledger.url.database or "").resolve()))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=seconds)
    deadline = time.monotonic() + seconds
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        # A read-only connection alone can still attach and write other files.
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
        cursor = connection.execute(statement)
        if cursor.description is None:
            raise _empty()
        columns = tuple(entry[0] for entry in cursor.description)
        return _rows(columns, cursor.fetchmany(limit + 1), limit)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _explained(str(error), seconds) from error
    finally:
        connection.close()


def _authorize(action: int, _first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY


def _postgresql(ledger: Ledger, statement: str, limit: int, seconds: float) -> Rows:
    # A server-side cursor takes one SELECT and nothing else, in a message that holds one statement
    # and nothing else: the read-only transaction cannot be ended, and another begun, inside it.
    one_cursor = {"yield_per": limit + 1, "no_parameters": True}
    with ledger.reading() as connection:
        connection.detach()  # settings and locks that the statement leaves end with the connection
        connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
        try:
            with connection.exec_driver_sql(statement, execution_options=one_cursor) as result:
                return _rows(tuple(result.keys()), result.fetchmany(limit + 1), limit)
        except DBAPIError as error:
            cause = str(error.orig).split("\n")[0]
            raise _explained(cause, seconds) from error


def _rows(columns: tuple[str, ...], found: Sequence[Any], limit: int) -> Rows:
    rows = tuple(tuple(plain(value) for value in row) for row in found[:limit])
    return Rows(columns, rows, cut=len(found) > limit)


def _explained(cause: str, seconds: float) -> LedgerError | ConfigError:
    if "interrupted" in cause or "statement timeout" in cause:
        return LedgerError(
            f"the query was stopped after {seconds:g} s",
            remedy="narrow it by series or cutoff",
            code="query_timeout",
        )
    return ConfigError(
        f"SQL: {cause}",
        remedy=f"`sql` only reads: write one SELECT over {VIEWS}",
    )


def _empty() -> ConfigError:
    return ConfigError("the statement is empty", remedy="write one SELECT, in quotes")
