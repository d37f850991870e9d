"""Files that appear whole or not at all, and are their owner's alone."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecaster.errors import LedgerError

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by the ends of the names."""


@contextmanager
def partial(target: Path, *, wait: bool, what: str = "") -> Iterator[Path]:
    """Give an empty file beside `target` that no other program writes; it is gone after use.

    What a killed program left under that name is written anew, so that nothing piles up.

    Args:
        target: what the file may become.
        wait: for another program that writes the same; otherwise LedgerError(code="busy").
        what: the target is, for people.
    """
    path = target.with_name(f"{target.name}.partial")
    with _unwritable(f"{what} {target}".strip()):
        held = _lock(path, wait=wait)
    try:
        yield path
    finally:
        for name in (path, *beside(path)):
            name.unlink(missing_ok=True)
        os.close(held)  # and with it the lock


def _lock(path: Path, *, wait: bool) -> int:
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with suppress(FileNotFoundError):
                # Whoever had it may have taken it away meanwhile.
                if os.path.samestat(path.stat(), os.fstat(held)):
                    os.ftruncate(held, 0)
                    for name in beside(path):
                        name.unlink(missing_ok=True)
                    return held
        except BlockingIOError as error:
            os.close(held)
            raise LedgerError(
                f"another program is writing {path}", remedy="wait for it", code="busy"
            ) from error
        except BaseException:
            os.close(held)
            raise
        os.close(held)


def place(source: Path, target: Path, *, replace: bool) -> None:
    """Give a file that is written its name, on the disk before this returns.

    Raises:
        FileExistsError: the name is taken, and not to be replaced.
    """
    _sync(source)
    if replace:
        source.replace(target)
    else:
        rename_new(source, target)
    sync_folder(target)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file, never over another one.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without links: nobody else writes this name in the moment between.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
    else:
        source.unlink()


def beside(path: Path) -> list[Path]:
    """Return the files that SQLite may keep beside a database."""
    return [path.with_name(path.name + end) for end in BESIDE]


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if there is none, for other programs may take it away."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def free_name(path: Path) -> Path:
    """Return this name, or with the first number that is free."""
    names = (path.with_name(f"{path.name}-{k}") if k > 1 else path for k in range(1, 10_000))
    return next(name for name in names if not os.path.lexists(name))


def sync_folder(path: Path) -> None:
    """Put the names in a file's folder on the disk."""
    _sync(path.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _unwritable(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"cannot write {what}: {error.strerror}",
            remedy="choose a folder that exists and can be written"
            + (" ([database] url)" if what.startswith("database ") else ""),
            code="unwritable",
        ) from error
