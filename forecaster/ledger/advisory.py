"""PostgreSQL's lock that ends with the process that holds it: an advisory lock of a session."""

import os
import re
from contextlib import suppress

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from forecaster.errors import LedgerError
from forecaster.ledger.engine import WRITER_LOCK, shown
from forecaster.ledger.locks import OPEN, UNKNOWN, Holder, Name

KEYS: dict[Name, int] = {"run": 1, "daemon": 2}
"""The second half of PostgreSQL's advisory locks; the first is WRITER_LOCK."""

SIGN = re.compile(r"forecaster (\S+) (\d+) (\S+) (.*)")
"""Of a holder, in PostgreSQL's application_name, which keeps 63 bytes."""

SESSION = {
    "idle_session_timeout": "0",  # it is idle for months
    # A machine that lost its power says no goodbye: the server finds out within a minute.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

HOLDER = """
    SELECT coalesce(activity.application_name, '') FROM pg_locks lock
    LEFT JOIN pg_stat_activity activity ON activity.pid = lock.pid
    WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 2
      AND lock.classid = :first AND lock.objid = :second
      AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """


MINE = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND pid = pg_backend_pid()
      AND classid = :first AND objid = :second
    """


class AdvisoryLock:
    """An advisory lock, held by a connection of its own whose name says who it is.

    Raises:
        LedgerError: the server cannot be reached.
    """

    def __init__(self, url: URL, name: Name) -> None:
        self._url = url
        self._keys = {"first": WRITER_LOCK, "second": KEYS[name]}
        engine = create_engine(
            url, hide_parameters=True, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        try:
            self._connection = engine.connect()
        except DBAPIError as error:
            raise self._refusal(error) from error
        OPEN.add(self)
        for setting, value in SESSION.items():
            self._ask(
                "SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :setting",
                setting=setting, value=value,
            )  # fmt: skip

    def take(self, me: Holder) -> bool:
        """Take it unless somebody has it."""
        sign = f"forecaster {me.what.replace(' ', '_')} {me.pid} {me.since} {me.host}"
        self._ask("SELECT set_config('application_name', :sign, false)", sign=sign[:63])
        return bool(self._ask("SELECT pg_try_advisory_lock(:first, :second)", **self._keys))

    def is_held(self) -> bool:
        """Say whether it is still this process's: it ends with the connection."""
        try:
            return bool(self._ask(MINE, **self._keys))
        except (LedgerError, SQLAlchemyError):
            return False

    def holder(self) -> Holder | None:
        """Return who has it, None if it is free."""
        sign = self._ask(HOLDER, **self._keys)
        if sign is None:
            return None
        found = SIGN.match(str(sign))
        return Holder(int(found[2]), found[4], found[3], found[1]) if found else UNKNOWN

    def close(self) -> None:
        """Give it back, if it was taken."""
        with suppress(DBAPIError):
            self._connection.close()

    def leave(self) -> None:
        """Have no part in it; closed in the usual way, the connection would end for all."""
        driver = self._connection.connection.dbapi_connection
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, driver.fileno(), inheritable=False)  # type: ignore[union-attr]
        os.close(nothing)

    def _ask(self, query: str, **values: object) -> object:
        try:
            return self._connection.execute(text(query), values).scalar()
        except DBAPIError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: DBAPIError) -> LedgerError:
        cause = str(error.orig).strip().split("\n")[0]
        return LedgerError(
            f"database {shown(self._url)}: {cause}",
            remedy="check that the server runs and the URL is right", code="database",
        )  # fmt: skip
