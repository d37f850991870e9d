"""The process that works: started with an errand, listened to, and ended when it takes too long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from threading import Thread, current_thread
from typing import IO, Any

from forecaster.daemon.ending import Ending, How, by_itself, meant
from forecaster.daemon.errand import Errand, write_errand
from forecaster.daemon.lines import Lines, understood, wrapped
from forecaster.process import BLAS_THREADS

__all__ = ["Child", "Ending", "Errand"]

# Only from the installed program: what lies in the working folder is nobody's code.
COMMAND = (sys.executable, "-P", "-m", "forecaster.daemon.night")

NOT_ITS_BUSINESS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

ANSWERS = 4
"""Deadlines within which all sources have answered, or the next night is done."""
POLL = 0.1
"""Seconds between two looks at whether it has ended, and at its deadline."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL at the deadline."""
PIECE = 1 << 16
"""Bytes read at once."""
LEFT = 1 << 22
"""Bytes at most that are read after its end."""


Process = subprocess.Popen[bytes]


class Child:
    """A process at work on an errand, and a thread that attends to it until its end.

    The thread starts the process: Linux ends what asked to die with its parent when the thread
    that started it ends.

    Args:
        errand: what to do.
        relay: called with each log line; what else it prints is made into one.
        ended: called once, at the end, when nothing is left of it.
        deadline: seconds to its end from the start, the last question to a source, or the last
            night that was done; and four times as long from one night to the next.
        command: what to start.
    """

    def __init__(
        self,
        errand: Errand,
        *,
        relay: Callable[[dict[str, Any]], None],
        ended: Callable[[Ending], None],
        deadline: float,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._errand, self._command = errand, command
        self._relay, self._ended = relay, ended
        self._deadline = deadline
        self._lines = Lines()
        self._last: dict[str, str] = {}
        self._problem = ""
        self._complete = False
        self._how: How | None = None
        self._signals: list[tuple[float, Callable[[int], None]]] = []
        self._stop_at, self._gone_at = inf, inf
        self._progress = self._night = time.monotonic()
        self._thread = Thread(target=self._attend, name="child", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it is at work, or its end is still being told."""
        return self._thread.is_alive()

    def stop(self, within: float) -> None:
        """End it, within so many seconds, and return when it has ended."""
        self._gone_at = min(self._gone_at, time.monotonic() + 0.8 * within)
        self._stop_at = time.monotonic()
        if current_thread() is not self._thread:
            self._thread.join(within)

    def _attend(self) -> None:
        start = time.monotonic()
        try:
            code = self._work()
        except Exception as error:  # noqa: BLE001  a machine without memory or processes left
            code, self._how = -1, "failed"
            self._problem = f"the process could not be attended to: {error}"
        seconds = time.monotonic() - start
        how = meant(code, self._how, complete=self._complete)
        self._ended(Ending(code, how, self._reason(how, code), self._last, seconds))

    def _work(self) -> int:
        """Start the process, attend to it, and return its exit code."""
        request = write_errand(self._errand, os.getpid())
        environ = {name: each for name, each in os.environ.items() if name not in NOT_ITS_BUSINESS}
        process = subprocess.Popen(  # noqa: S603  this program itself
            self._command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
            start_new_session=True, env=environ | dict.fromkeys(BLAS_THREADS, "1"),
        )  # fmt: skip
        assert process.stdin is not None  # noqa: S101  for the type checker
        assert process.stdout is not None  # noqa: S101
        try:
            with process.stdin as request_end, process.stdout as output:
                self._talk(process, request, request_end, output)
        finally:
            # Before it is waited for: until then no other group can have its number.
            _to_group(signal.SIGKILL)(process.pid)
            process.wait()
        return process.returncode

    def _talk(self, process: Process, request: bytes, there: IO[bytes], here: IO[bytes]) -> None:
        """Hand the request over and listen until the process has ended."""
        left = memoryview(request)
        with DefaultSelector() as selector:
            for end, event in ((there, EVENT_WRITE), (here, EVENT_READ)):
                os.set_blocking(end.fileno(), False)
                selector.register(end, event)
            while not _has_ended(process):
                for key, _ in selector.select(POLL):
                    if key.fileobj is there:
                        left = _written(there, left)
                        done = not left  # it stays open: its end is how the child hears of ours
                    else:
                        done = not self._heard(here)
                    if done:
                        selector.unregister(key.fileobj)
                self._enforce(process.pid)
        _to_group(signal.SIGKILL)(process.pid)
        for _ in range(0, LEFT, PIECE):
            if not self._heard(here):
                break
        self._tell(self._lines.rest())

    def _heard(self, output: IO[bytes]) -> bool:
        """Read what is there; return False at the end, or if nothing is there."""
        piece = output.read(PIECE)
        if piece:
            self._tell(self._lines.cut(piece))
        return bool(piece)

    def _tell(self, lines: Any) -> None:
        for text in lines:
            line = understood(text)
            if line is not None:
                self._note(line)
                if line.get("event") == "begin":
                    continue
            with suppress(Exception):  # a log that cannot be written stops no work
                self._relay(line or wrapped(text, self._last))

    def _note(self, line: Mapping[str, Any]) -> None:
        about = {key: str(line[key])[:200] for key in ("run", "series", "stage") if line.get(key)}
        self._last = about or self._last
        asks = line.get("event") == "begin" and line.get("stage") == "pull"
        if asks or line.get("event") == "night":
            self._progress = time.monotonic()
        if line.get("event") == "night":
            self._night = self._progress
        self._complete = self._complete or line.get("event") == "end"
        if line["level"] in ("ERROR", "CRITICAL"):
            self._problem = line["message"][:500]

    def _enforce(self, pid: int) -> None:
        """Send the signals whose time has come."""
        now = time.monotonic()
        if self._how is None and now >= self._stop_at:
            self._how = "stopped"
            self._signals = [(now, _to_group(signal.SIGTERM))]
        elif self._how is None and now >= self._ends_at():
            self._how = "deadline"
            self._gone_at = min(self._gone_at, now + GRACE)
            # The first one has it say where it is; it must have time to.
            self._signals = [
                (now, _to_leader(signal.SIGUSR1)),
                (now + 2 * POLL, _to_group(signal.SIGTERM)),
            ]
        due = [send for moment, send in self._signals if moment <= now]
        self._signals = [each for each in self._signals if each[0] > now]
        if self._how and now >= self._gone_at:
            due.append(_to_group(signal.SIGKILL))
        for send in due:
            send(pid)

    def _ends_at(self) -> float:
        """Return when it has taken too long: for one answer or night, or for all answers."""
        return min(self._progress + self._deadline, self._night + ANSWERS * self._deadline)

    def _allowed(self) -> float:
        """Return the seconds that are over at that moment."""
        in_all = self._night + ANSWERS * self._deadline == self._ends_at()
        return ANSWERS * self._deadline if in_all else self._deadline

    def _reason(self, how: How, code: int) -> str:
        match how:
            case "deadline":
                where = " ".join(self._last.values()) or "nothing"
                minutes = self._allowed() / 60
                return f"not done within {minutes:g} minutes, and ended; last heard of: {where}"
            case "stopped":
                return "it was stopped before it was done"
            case "killed":
                return by_itself(code, self._errand.settings.daemon.memory)
            case _:
                return self._problem


def _has_ended(process: Process) -> bool:
    """Return whether a process has ended; its number stays its own until it is waited for."""
    if sys.platform == "darwin":  # has no waitid
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _written(end: IO[bytes], left: memoryview) -> memoryview:
    """Write what fits; return what is left, nothing if nobody reads it any more."""
    try:
        return left[end.write(left) or 0 :]
    except BrokenPipeError:
        return left[:0]


def _to_group(number: signal.Signals) -> Callable[[int], None]:
    def send(pid: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # what macOS says of an ended one
            os.killpg(pid, number)

    return send


def _to_leader(number: signal.Signals) -> Callable[[int], None]:
    def send(pid: int) -> None:
        os.kill(pid, number)

    return send
