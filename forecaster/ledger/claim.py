"""Who may work: one process at a time for each of a database's two locks, "run" and "daemon"."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger.advisory import AdvisoryLock
from forecaster.ledger.engine import parse_url, shown
from forecaster.ledger.locks import UNKNOWN, FileLock, Holder, Lock, Name, sqlite_file

POLL = 0.2
"""Seconds between two attempts of who waits."""
SILENCE = 1.0
"""Seconds of waiting that nobody is told of."""

REMEDIES: dict[Name, str] = {
    "run": "run again when it has ended",
    "daemon": "end it before starting another",
}


def untold(holder: Holder | None) -> None:
    """Tell nobody of whom is waited for."""


class Claim:
    """A lock that is held; None where the database is this process's alone."""

    def __init__(self, url: URL, name: Name, me: Holder, lock: Lock | None) -> None:
        self._url, self._name, self._me, self._lock = url, name, me, lock

    def renew(self) -> None:
        """Take the lock again if it was lost: its file was removed, or its connection has ended.

        Raises:
            LedgerError: somebody else has it by now (code "busy"), or the database is not there.
        """
        if self._lock is None or self._lock.is_held():
            return
        self._lock.close()
        fresh = _open(self._url, self._name, create=True)
        if fresh is not None and not fresh.take(self._me):
            with closing(fresh):
                raise _busy(self._url, self._name, fresh.holder())
        self._lock = fresh

    def close(self) -> None:
        """Give it back."""
        if self._lock is not None:
            self._lock.close()


@contextmanager
def claim(
    ledger_url: str | URL,
    name: Name,
    *,
    what: str,
    wait: bool,
    waiting: Callable[[Holder | None], None] = untold,
) -> Iterator[Claim]:
    """Hold a lock; it ends with this process at the latest, whatever ends it.

    Args:
        ledger_url: of the database.
        name: "run" for who works nights, "daemon" for who decides when.
        what: this process does, in a word; the others are told.
        wait: until it is free.
        waiting: called once, after a second, with whom is waited for.

    Raises:
        LedgerError: `busy`, naming the holder; or there can be no lock.
    """
    url = _parsed(ledger_url)
    lock = _open(url, name, create=True)
    now = datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    me = Holder(os.getpid(), socket.gethostname(), now, what)
    with closing(Claim(url, name, me, lock)) as held:
        if lock is not None and wait:
            _wait(lock, me, waiting)
        elif lock is not None and not lock.take(me):
            raise _busy(url, name, lock.holder())
        yield held


def holder(ledger_url: str | URL, name: Name) -> Holder | None:
    """Return who holds a lock, None if it is free.

    Raises:
        LedgerError: it cannot be told.
    """
    lock = _open(_parsed(ledger_url), name, create=False)
    if lock is None:
        return None
    with closing(lock):
        return lock.holder()


def _parsed(url: str | URL) -> URL:
    return parse_url(url if isinstance(url, str) else url.render_as_string(hide_password=False))


def _open(url: URL, name: Name, *, create: bool) -> Lock | None:
    """Return a lock to take, or only to look at; None where there is none, as in memory."""
    if url.get_backend_name() != "sqlite":
        return AdvisoryLock(url, name)
    database = sqlite_file(url)
    if database is None:
        return None
    path = database.with_name(f"{database.name}.{name}.lock")
    return FileLock(path, database, create=create) if create or path.exists() else None


def _wait(lock: Lock, me: Holder, waiting: Callable[[Holder | None], None]) -> None:
    start, told = time.monotonic(), False
    while not lock.take(me):
        if not told and time.monotonic() - start >= SILENCE:
            waiting(lock.holder())
            told = True
        time.sleep(POLL)


def _busy(url: URL, name: Name, found: Holder | None) -> LedgerError:
    who = found or UNKNOWN
    if name == "daemon":
        message = f"a daemon runs on database {shown(url)} already: {who}"
    else:
        message = f"database {shown(url)} is being worked on by {who}"
    return LedgerError(message, remedy=REMEDIES[name], code="busy")
