"""Where the database is: a file becomes an absolute URL."""

import re
from pathlib import Path

_KNOWN = re.compile(r"(sqlite|postgresql)(\+\w+)?://")
_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?!/)(?!:memory:)(?!file:)(?P<path>[^?]+)")


def is_database(url: str) -> bool:
    """Say whether `url` is a file, or the URL of a kind of database that the program knows."""
    return "?" not in url if "://" not in url else _KNOWN.match(url) is not None


def absolute_url(url: str, folder: Path) -> str:
    """Return `url` as an SQLAlchemy URL; a file, or a relative sqlite URL, is below `folder`."""
    if "://" not in url:
        return f"sqlite:///{(folder / Path(url).expanduser()).absolute()}"
    relative = _SQLITE_FILE.match(url)
    if relative is None:
        return url
    head, path = url[: relative.start("path")], relative["path"]
    return f"{head}{(folder / path).absolute()}{url[relative.end('path') :]}"
