"""Starts processes of the program that have not to load it first; see standin.py."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STANDIN = Path(__file__).with_name("standin.py")

PATIENCE = 60.0
"""Seconds that a test waits for what must come."""


@dataclass
class Running:
    """A process of the nursery."""

    pid: int
    ended: Path

    def signal(self, number: int) -> None:
        """Send a signal, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def code(self) -> int | None:
        """Return its exit code, None while it runs."""
        return int(self.ended.read_text()) if self.ended.exists() else None

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return its exit code when it has ended."""
        code: int | None = until(self.code, seconds)
        assert code is not None, f"process {self.pid} did not end"
        return code


class Nursery:
    """A process that has loaded the program, and starts others without loading it again."""

    def __init__(self) -> None:
        environ = {name: each for name, each in os.environ.items() if name != "FAILPOINT"}
        self._process = subprocess.Popen(
            [sys.executable, STANDIN, "nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        assert self._line() == "ready"
        self._started: list[Running] = []

    def start(self, what: str, folder: Path, *words: str, **environ: str) -> Running:
        """Start a daemon, or a command, in a folder."""
        ended = folder / f"ended-{len(self._started)}"
        request = {
            "what": what, "folder": str(folder), "words": words, "environ": environ,
            "ended": str(ended), "said": str(folder / "said"),
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        self._started.append(Running(int(self._line()), ended))
        return self._started[-1]

    def sweep(self) -> None:
        """Kill what a test that failed has left."""
        for each in self._started:
            if each.ended.parent.exists() and each.code() is None:
                each.signal(signal.SIGKILL)
                each.wait()
        self._started.clear()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def until(question: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask until the answer is not None and not False, and return it; the last one in the end."""
    end = time.monotonic() + seconds
    while (answer := question()) is None or answer is False:
        if time.monotonic() > end:
            return answer
        time.sleep(0.005)
    return answer
