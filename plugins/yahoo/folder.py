"""The folder of yfinance's own files: private, because it unpickles cookies from there."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from forecaster.errors import SourceError

NAME = "yfinance"


def private_folder(folder: Path | None) -> Path:
    """Return a folder that nobody else may read or write, made if need be.

    Args:
        folder: where it shall be; None: a temporary one, gone at the end of the process.

    Raises:
        SourceError: with the code cache; it cannot be made, or is not private.
    """
    # Who cleans up temporary folders may have taken ours.
    own = _temporary() if folder is None else folder / NAME
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = own.lstat()
    except OSError as error:
        raise SourceError(
            f"[plugins.yahoo] cache: {own} cannot be made: {error.strerror}",
            remedy="name a folder that can be written",
            code="cache",
        ) from error
    fault = _fault(status)
    if fault:
        raise SourceError(
            f"[plugins.yahoo] cache: {own} {fault}",
            remedy=f"remove it, or make it a folder of your own with chmod 700 {own}",
            code="cache",
        )
    return own


def _fault(status: os.stat_result) -> str:
    """Return what is wrong with a folder, or a blank."""
    if stat.S_ISLNK(status.st_mode):
        return "is a link to somewhere else"
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder"
    if status.st_uid != os.geteuid():
        return f"belongs to somebody else (user {status.st_uid})"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return "is open to others"
    return ""


def open_files(folder: Path, *, anew: bool = False) -> None:
    """Make yfinance keep its files in `folder`.

    Args:
        folder: a private one.
        anew: remove what is there, because yfinance could not use it.
    """
    from yfinance import cache as files  # noqa: PLC0415 - 1 s that only a fetch needs

    # yfinance has no door for a change: it holds on to the files that it opened first, and to a
    # failure to open them.
    opened = files._CookieDBManager  # noqa: SLF001 - as above
    if anew or opened.get_location() != str(folder):
        files.set_cache_location(str(folder))
        files._CookieCacheManager._Cookie_cache = None  # noqa: SLF001 - as above
        files._TzCacheManager._tz_cache = None  # noqa: SLF001 - as above
    if anew:
        for file in folder.iterdir():
            file.unlink()


@cache
def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="forecaster-yahoo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
