"""Copies of an SQLite database that are whole: made while others write, and proved."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL

from forecaster.errors import LedgerError
from forecaster.ledger.engine import PATIENCE, RESTORE, refuse_server, shown
from forecaster.ledger.files import partial, place
from forecaster.ledger.revision import look, refuse_unknown


@dataclass(frozen=True)
class Backup:
    """A copy that was made.

    Attributes:
        path: where it is.
        schema: of the ledger in it.
        bytes: how large it is.
    """

    path: Path
    schema: str
    bytes: int


def back_up(url: URL, target: Path, *, replace: bool = False) -> Backup:
    """Copy a live database to one file, prove the copy, and only then give it its name.

    Args:
        url: of the database; others may read and write it meanwhile.
        target: the file to make, readable by its owner alone.
        replace: an existing file of that name.

    Raises:
        LedgerError: the database is PostgreSQL's, missing or damaged, or the target cannot be
            written or exists.
    """
    refuse_server(url, f"pg_dump --format=custom --file={target}")
    source = existing(url)
    refuse_taken(source, target, replace=replace)
    with partial(target, wait=False) as unfinished:
        schema = copy(source, unfinished)
        size = unfinished.stat().st_size
        try:
            place(unfinished, target, replace=replace)
        except FileExistsError:
            refuse_taken(source, target, replace=replace)
    return Backup(target, schema, size)


def back_up_before(url: URL, schema: str) -> Backup:
    """Copy a database that is about to change its schema, beside it, to a name of its own.

    A copy of the same bytes that an earlier attempt left is kept instead; no other file is touched.
    """
    source = existing(url)
    for k in range(1, 1000):
        target = source.with_name(f"{source.name}.before-{schema}" + (f"-{k}" if k > 1 else ""))
        with partial(target, wait=True) as unfinished:
            found = copy(source, unfinished)
            size = unfinished.stat().st_size
            if target.exists():
                if _same(target, unfinished):
                    return Backup(target, found, size)
                continue
            place(unfinished, target, replace=False)
            return Backup(target, found, size)
    raise LedgerError(f"there are 999 backups {target} and alike", remedy="move some away")


def copy(source: Path, target: Path) -> str:
    """Copy a database into an empty file that needs no other, and return the copy's schema.

    Raises:
        LedgerError: the source is damaged, or no ledger that this program knows.
    """
    with _plain_errors(source), closing(connect(source, "rw")) as from_there:
        with closing(sqlite3.connect(target, isolation_level=None)) as to_here:
            from_there.execute("PRAGMA query_only=ON")
            from_there.backup(to_here, progress=_impatient(source))
            to_here.execute("PRAGMA journal_mode=DELETE")  # a WAL would be a second file
        faults = integrity(target)
    if faults:
        raise damaged(source, faults[0])
    return known_schema(target, source)


def known_schema(path: Path, named: Path) -> str:
    """Return the schema of a ledger, and refuse what is none that this program knows."""
    url = URL.create("sqlite", database=str(path))
    found = look(url)
    if found is None:
        raise LedgerError(
            f"{named} holds no forecaster tables", remedy="name another file", code="no_schema"
        )
    refuse_unknown(found, url.set(database=str(named)))
    return found


def integrity(path: Path) -> list[str]:
    """Return what is wrong with a database file nobody writes to."""
    with closing(connect(path, "ro")) as connection:
        rows = connection.execute("PRAGMA integrity_check(10)").fetchall()
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(10)
    faults = [str(row[0]) for row in rows if row[0] != "ok"]
    return [*faults, *(f"{row[0]} row {row[1]} has no {row[2]}" for row in broken)]


def connect(path: Path, mode: str, *, timeout: float = PATIENCE) -> sqlite3.Connection:
    """Open an existing SQLite file."""
    place = f"file:{quote(str(path.resolve()))}?mode={mode}"
    return sqlite3.connect(place, uri=True, timeout=timeout, isolation_level=None)


def existing(url: URL) -> Path:
    """Return the file of a database that is there."""
    path = Path(url.database or "")
    if not path.is_file():
        raise LedgerError(
            f"there is no database {shown(url)}",
            remedy="check [database] url, or --database",
            code="no_database",
        )
    return path


def refuse_taken(source: Path, target: Path, *, replace: bool) -> None:
    """Refuse a target that is the database itself, a folder, or a file that may not go."""
    if target.is_dir():
        raise LedgerError(f"{target} is a folder", remedy="name a file in it", code="exists")
    if not target.exists():
        return
    if target.samefile(source):
        raise LedgerError(
            f"{target} is the database itself", remedy="name another file", code="exists"
        )
    if not replace:
        raise LedgerError(
            f"{target} exists", remedy="name another file, or say --force", code="exists"
        )


def damaged(path: Path, fault: str) -> LedgerError:
    """Return the error of a file that is not whole."""
    return LedgerError(
        f"{path} is damaged: {fault}",
        remedy=RESTORE,
        code="damaged",
    )


def _impatient(source: Path) -> Callable[[int, int, int], None]:
    """Return what ends a copy that waits for a lock; the driver would wait for ever."""
    end = time.monotonic() + PATIENCE

    def look_at_the_clock(status: int, _remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > end:
            raise LedgerError(
                f"cannot copy {source}: another program holds it",
                remedy="end it and run again", code="busy",
            )  # fmt: skip

    return look_at_the_clock


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(1 << 20):
            if block != second.read(1 << 20):
                return False
    return True


@contextmanager
def _plain_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        cause = str(error).split("\n", maxsplit=1)[0]
        if "malformed" in cause or "not a database" in cause:
            raise damaged(source, cause) from error
        raise LedgerError(
            f"cannot copy {source}: {cause}",
            remedy="free some space, or choose another place" if "full" in cause else "try again",
            code="database",
        ) from error
