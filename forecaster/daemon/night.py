"""The body of a run: the process that the daemon starts, `python -m forecaster.daemon.night`.

It reads an errand from standard input, does it, and tells of it in JSON lines. It ends with the
daemon, whatever ends that.
"""

import errno
import faulthandler
import os
import resource
import signal
import sys
from dataclasses import replace
from threading import Thread

from forecaster.daemon.errand import (
    BUSY,
    DONE,
    FAILED,
    INCOMPLETE,
    MEMORY,
    REFUSED,
    Errand,
    read_errand,
)
from forecaster.errors import ConfigError, ForecasterError
from forecaster.logs import LOG, tell_parent
from forecaster.process import collect_seldom

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Do the errand that standard input holds; return the exit code."""
    output, lifeline = _take_streams()
    _die_with_parent()
    line = _first_line(lifeline)
    if not line:
        return FAILED  # who started this is gone
    errand, parent = read_errand(line)
    if os.getppid() != parent:
        return FAILED  # it went before it could be listened to
    Thread(target=_watch, args=(lifeline,), daemon=True).start()
    _limit_memory(errand.settings.daemon.memory)
    collect_seldom()
    tell_parent(output)
    return _attempt(errand)


def _take_streams() -> tuple[int, int]:
    """Return where log lines go and where the errand comes from: neither is a plugin's any more."""
    output, lifeline = os.dup(1), os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, 2)  # where it hangs, even within a loop in C
    return output, lifeline


def _die_with_parent() -> None:
    """Have Linux kill this process with the one that started it, whatever it is doing then."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  only Linux has it

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _first_line(lifeline: int) -> bytes:
    """Return the request, nothing if it was not handed over to its end."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(lifeline, 1 << 16)
        if not piece:
            return b""
        line += piece
    return line


def _watch(lifeline: int) -> None:
    """End this process when the other end of the pipe is closed: nothing more is ever sent."""
    os.read(lifeline, 1)
    os._exit(FAILED)


def _limit_memory(megabytes: int | None) -> None:
    """Limit the address space of this process, and of those that it starts."""
    if megabytes:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = megabytes << 20
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _attempt(errand: Errand) -> int:
    """Do an errand; what goes wrong is one line."""
    try:
        return _work(errand)
    except ForecasterError as error:
        LOG.error("%s", error, extra={"code": error.code})
        refused = REFUSED if isinstance(error, ConfigError) else FAILED
        return BUSY if error.code == "busy" else refused
    except BaseException as error:  # noqa: BLE001  a plugin may raise anything, and end the process
        if not _lacks_memory(error):
            LOG.exception("unforeseen: %s: %s", type(error).__name__, error)
            return FAILED
    # With the exception the arrays are gone that its frames held.
    limit = errand.settings.daemon.memory
    LOG.error("memory ran out%s", f" at {limit} MB" if limit else "", extra={"code": "memory"})
    return MEMORY


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    unmapped = isinstance(error, ImportError) and "failed to map" in str(error)
    # C code that was given no memory, and forgot to say so.
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    unsaid = isinstance(error, SystemError) and limited
    return unmapped or unsaid or isinstance(error, MemoryError)


def _work(errand: Errand) -> int:
    # They load NumPy, within the limit.
    from forecaster.job.context import open_job  # noqa: PLC0415
    from forecaster.job.report import report  # noqa: PLC0415
    from forecaster.job.run import run  # noqa: PLC0415

    with open_job(errand.settings, create=False, plugins=errand.plugins) as opened:
        job = replace(opened, avoid=frozenset(errand.avoid), amendments=errand.amendments)
        for problem in job.registry.problems:
            LOG.warning("%s", problem, extra={"code": "plugin"})
        summary = run(job, calendars=errand.calendars, wait=False)
        reporters = [name for name in errand.settings.reporters if name != "console"]
        try:
            told = report(job, summary, only=reporters)
        except ForecasterError as error:  # the nights are stored
            LOG.error("no report: %s", error, extra={"code": error.code})
        else:
            for one in told:
                if one.problem:
                    LOG.warning("%s", one.problem, extra={"code": one.problem.code})
    done = {key: getattr(summary, key) for key in ("sessions", "forecasts", "trained", "scored")}
    LOG.info("%s", summary.status, extra={"event": "end", **done})
    return DONE if summary.status in ("done", "nothing") else INCOMPLETE


if __name__ == "__main__":
    code = main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Threads that a plugin has left are not waited for.
    os._exit(code)
