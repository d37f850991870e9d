"""A lock that ends with the process that holds it: for SQLite an flock on a file beside it.

The file is never removed: whoever removed it could not know that nobody waits for it. What the
holder writes into it is for people; the lock alone decides.
"""

import errno
import fcntl
import json
import os
import random
import re
import socket
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote
from weakref import WeakSet

from sqlalchemy.engine import URL

from forecaster.errors import LedgerError

Name = Literal["run", "daemon"]

SETTLING = 0.5
"""Seconds in which a new holder has said who it is, and in which who only looks has looked."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as far as it has said so.

    Attributes:
        pid: of the process; 0 if it has not said.
        host: where it runs.
        since: an ISO time in UTC.
        what: it does.
    """

    pid: int
    host: str
    since: str
    what: str

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        since = f"{self.since[:16].replace('T', ' ')} UTC"
        return f"process {self.pid} on {self.host} ({self.what}, since {since})"


UNKNOWN = Holder(0, "", "", "")


class Lock(Protocol):
    """One of a database's two locks, opened."""

    def take(self, me: Holder) -> bool:
        """Take it unless somebody has it."""

    def is_held(self) -> bool:
        """Say whether it is still this process's, which has taken it."""

    def holder(self) -> Holder | None:
        """Return who has it, None if it is free."""

    def close(self) -> None:
        """Give it back, if it was taken."""

    def leave(self) -> None:
        """Have no part in it: this is a copy of the process that opened it."""


OPEN: WeakSet[Lock] = WeakSet()
"""What copies of this process would have as well, and keep beyond its end."""


def _leave() -> None:
    for lock in list(OPEN):
        lock.leave()


os.register_at_fork(after_in_child=_leave)


def sqlite_file(url: URL) -> Path | None:
    """Return SQLite's file, wherever links lead; None for a database in memory."""
    database = url.database or ""
    if database.startswith("file:"):  # a URI of SQLite's own
        if url.query.get("mode") == "memory" or "mode=memory" in database:
            return None
        database = unquote(database.removeprefix("file:").partition("?")[0])
        database = re.sub("^//[^/]*", "", database)
    return None if database in ("", ":memory:") else Path(database).resolve()


class FileLock:
    """An flock on a file, in which the holder says who it is.

    Args:
        path: of the file.
        database: that it is for.
        create: the file, and be able to take the lock.

    Raises:
        LedgerError: the file cannot be opened, or is none.
    """

    def __init__(self, path: Path, database: Path, *, create: bool) -> None:
        self._path = path
        access = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
        try:
            # Python's descriptors are not inherited by programs that it starts.
            self._fd = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise self._refusal(str(reason)) from error
        OPEN.add(self)
        try:
            self._check(database, create=create)
        except BaseException:
            self.close()
            raise

    def take(self, me: Holder) -> bool:
        """Take it unless somebody has it; who only looks is waited for."""
        end = time.monotonic() + SETTLING
        while not self._flock(fcntl.LOCK_EX):
            if not self._is_free() or time.monotonic() > end:
                return False
            time.sleep(random.uniform(0.001, 0.005))  # noqa: S311  no secret: not all at once
        with suppress(OSError):  # a full disk keeps nobody from working
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(asdict(me)).encode(), 0)
        return True

    def is_held(self) -> bool:
        """Say whether it is still this process's: whoever removed the file has freed the name."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    def holder(self) -> Holder | None:
        """Return who has it, None if it is free."""
        end = time.monotonic() + SETTLING
        while True:
            if self._is_free():
                return None
            found = self._read()
            if found is not None or time.monotonic() > end:
                return found or UNKNOWN
            time.sleep(0.01)

    def close(self) -> None:
        """Give it back, if it was taken."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def leave(self) -> None:
        """Have no part in it: the lock ends when the last descriptor of it is closed."""
        self.close()

    def _check(self, database: Path, *, create: bool) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise self._refusal("it is no file")
        if create and os.geteuid() == 0 and database.exists():
            # As SQLite does with its own: what root ran once must not keep the owner out.
            owner = database.stat()
            with suppress(PermissionError):
                os.fchown(self._fd, owner.st_uid, owner.st_gid)

    def _is_free(self) -> bool:
        """Return whether nobody has it; others may look at the same time."""
        free = self._flock(fcntl.LOCK_SH)
        if free:
            self._flock(fcntl.LOCK_UN)
        return free

    def _flock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._refusal(f"there are no locks there: {error.strerror}") from error
        return True

    def _read(self) -> Holder | None:
        """Return what the holder has written, None before it has and after the last one died."""
        try:
            found = Holder(**json.loads(os.pread(self._fd, 4096, 0)))
            if found.host == socket.gethostname():
                with suppress(PermissionError):  # somebody else's process: it is there
                    os.kill(found.pid, 0)
        except (ValueError, TypeError, OverflowError, OSError):
            return None
        return found

    def _refusal(self, reason: str) -> LedgerError:
        return LedgerError(
            f"cannot use lock file {self._path}: {reason}",
            remedy="make it and its folder writable for who runs this, on a disk of this machine",
            code="unwritable",
        )
