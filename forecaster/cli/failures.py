"""How a failure that could be foreseen looks to a person: one line, and an exit code."""

import errno
import os
import sys
from contextlib import suppress

import click

from forecaster.errors import ForecasterError

Foreseeable = (ForecasterError, click.ClickException, click.Abort, OSError)

REMEDIES = {
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EACCES: "make it accessible, or choose another place",
    errno.EPERM: "make it accessible, or choose another place",
    errno.EROFS: "make it writable, or choose another place",
    errno.ENOENT: "check that it exists",
}


def explained(error: Exception) -> tuple[str, int]:
    """Return what happened and what to do about it, and the exit code."""
    if isinstance(error, ForecasterError):
        return str(error), error.exit_code
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "forecaster"
        return f"{_sentence(error)}; see `{path} --help`", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, click.Abort):
        return "interrupted; what was finished is stored, and the same command goes on from it", 1
    if isinstance(error, OSError):
        return _of_system(error), 1
    raise error


def _sentence(error: click.UsageError) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:]


def _of_system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    remedy = REMEDIES.get(error.errno or 0)
    return f"{what}{where}; {remedy}" if remedy else f"{what}{where}"


def abandon_output() -> None:
    """Let what standard output could not take go, or Python tries and fails again at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
