"""Where log lines go: a file that is rotated, or a stream; neither ever stops the program."""

import errno
import io
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from forecaster.masking import mask

KEPT = 5
"""Older files beside the one that is written."""


def escaped(text: str) -> str:
    """Return a text on one line, with control characters as their escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


class Whole(io.TextIOBase):
    """Writes each text at once, and on a line of its own, whatever else was printed there."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> int:
        """Write a line that ends itself."""
        left = f"\n{text}".encode("utf-8", "backslashreplace")
        while left:
            left = left[os.write(self._fd, left) :]
        return len(text)


class LogFile(logging.Handler):
    """A file that only its owner reads, and KEPT older ones: LOG.1 is the newest of them.

    The file is opened for each line: one that is moved or removed meanwhile loses nothing. What
    cannot be written, as on a full disk, is left out and counted.
    """

    def __init__(self, path: Path, size: int) -> None:
        super().__init__()
        self.path, self.size, self.lost = path, size, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, after having told of lines that could not be written."""
        try:
            if self.lost:
                said = logging.makeLogRecord({
                    "name": "forecaster", "levelname": "WARNING",
                    "msg": f"{self.lost} log lines before this one could not be written",
                })  # fmt: skip
                self._write(self.format(said))
                self.lost = 0
            self._write(self.format(record))
        except OSError as error:
            if not self.lost:
                _say_aloud(f"the log cannot be written: {error}")
            self.lost += 1

    def _write(self, line: str) -> None:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        held = os.open(self.path, flags, 0o600)
        try:
            before = os.fstat(held).st_size
            if before and before + len(data) > self.size:
                os.close(held)
                held = -1
                self._rotate()
                held = os.open(self.path, flags, 0o600)
                before = 0
            if os.write(held, data) < len(data):  # the disk is full within the line
                os.ftruncate(held, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            if held >= 0:
                os.close(held)

    def _rotate(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._older(number).replace(self._older(number + 1))
        self.path.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class LogStream(logging.StreamHandler[TextIO]):
    """Standard error; one that nobody reads any more stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging names it
        """Leave the line out."""


def _say_aloud(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"forecaster: {escaped(mask(text))}\n")
