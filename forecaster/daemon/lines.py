"""The output of another process, cut into lines and understood."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 1 << 16
"""Bytes of a line; the rest of a longer one is dropped."""

_ALARMING = re.compile(r"error|exception|traceback|warning|fatal", re.IGNORECASE)


class Lines:
    """Cuts what arrives in pieces into lines; however long they are, it keeps little of them."""

    def __init__(self) -> None:
        self._begun = b""
        self._dropping = False

    def cut(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that end with this piece, without blank ones."""
        *ended, begun = piece.split(b"\n")
        for line in ended:
            yield from self._line(line)
        if not self._dropping:
            self._begun += begun
            if len(self._begun) > LONGEST:
                yield self._begun[:LONGEST]
                self._begun, self._dropping = b"", True

    def rest(self) -> Iterator[bytes]:
        """Yield the line that was never ended, if there is one."""
        yield from self._line(b"")

    def _line(self, end: bytes) -> Iterator[bytes]:
        line = b"" if self._dropping else (self._begun + end)[:LONGEST].strip()
        self._begun, self._dropping = b"", False
        if line:
            yield line


def understood(line: bytes) -> dict[str, Any] | None:
    """Return what a log line says, None for anything else."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    texts = isinstance(found.get("level"), str) and isinstance(found.get("message"), str)
    return found if texts else None


def wrapped(line: bytes, last: Mapping[str, str]) -> dict[str, Any]:
    """Return something that was printed as a log line, about what the last one was about."""
    text = line.decode("utf-8", "backslashreplace")
    level = "WARNING" if _ALARMING.search(text) else "INFO"
    return {"level": level, "message": text, **last, "origin": "output"}
