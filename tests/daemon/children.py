"""A child under test: what it said, how it ended, and what is left of it."""

import os
import queue
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from forecaster.config import Settings
from forecaster.daemon.child import COMMAND, Child, Ending, Errand

PATIENCE = 60.0
"""Seconds that a test waits for what must come."""


class Attended:
    """Starts a child and keeps what it says."""

    def __init__(
        self,
        errand: Errand,
        *,
        deadline: float = PATIENCE,
        command: Sequence[str] = COMMAND,
        heard: Callable[[dict[str, Any]], None] = lambda line: None,
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self._heard = heard
        self._said: queue.Queue[str] = queue.Queue()
        self._endings: queue.Queue[Ending] = queue.Queue()
        self.child = Child(
            errand, relay=self._relay, ended=self._endings.put, deadline=deadline, command=command
        )

    def _relay(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self._said.put(line["message"])
        self._heard(line)

    def until(self, text: str) -> str:
        """Return the next message that begins with a text."""
        while True:
            message = self._said.get(timeout=PATIENCE)
            if message.startswith(text):
                return message

    def over(self) -> None:
        """Let the deadline have passed."""
        self.child._deadline = 0.0

    def ending(self) -> Ending:
        """Return how it ended, when it has."""
        found = self._endings.get(timeout=PATIENCE)
        self.child._thread.join(PATIENCE)
        assert not self.child.alive
        assert self._endings.empty()
        return found

    def messages(self) -> list[str]:
        """Return what it said."""
        return [line["message"] for line in self.lines]


def scripted(script: str, *arguments: str) -> list[str]:
    """Return a command that runs Python code in place of a night."""
    return [sys.executable, "-c", script, *arguments]


def nothing(folder: Path) -> Errand:
    """Return an errand for a child that does something else."""
    return Errand(Settings(folder=folder), None, None)


def state(pid: int) -> str:
    """Return how a process is: gone, or a letter of proc(5), Z for ended but not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def offspring() -> set[int]:
    """Return this process's children, those too that have ended and were not waited for."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                parent = int((path / "stat").read_text().rpartition(") ")[2].split()[1])
                found |= {int(path.name)} if parent == os.getpid() else set()
    return found


def dies(pid: int) -> bool:
    """Say whether a process has ended or does so soon: a signal takes a moment to arrive."""
    end = time.monotonic() + 5
    while not _is_dead(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _is_dead(pid: int) -> bool:
    if state(pid) == "Z":  # whoever inherited it may not wait for it; nor is a thread left
        with suppress(FileNotFoundError):
            return len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
    return state(pid) in ("gone", "X")
