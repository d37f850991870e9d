import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SESSION = "2012-06-04"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(workspace: Path, columns: int, *args: str, piped: bool = False) -> str:
    """Run a command on a terminal of so many columns; return all that it wrote there.

    With `piped`, standard output goes elsewhere and only standard error is the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "forecaster", *args],
        cwd=workspace, stdin=theirs, stdout=subprocess.DEVNULL if piped else theirs, stderr=theirs,
        env={**environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    written = b"".join(_chunks(ours))
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return written.decode().replace("\r\n", "\n")


def _chunks(terminal: int) -> "list[bytes]":
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody writes any more
            return chunks
        if not chunk:
            return chunks
        chunks.append(chunk)


def test_progress_is_shown_on_a_terminal_only(workspace: Path) -> None:
    """A bar on a terminal's standard error even when the output is piped, and none with -q."""
    backfill = ("backfill", "--from", SESSION, "--to", SESSION, "--json")
    shown = on_terminal(workspace, 80, *backfill, piped=True)
    assert "working sessions" in shown
    assert "training" in shown
    assert on_terminal(workspace, 80, "-q", "run") == ""


@pytest.mark.parametrize(
    "command",
    ["forecasts", "forecasts --past", "accuracy", "calibration", "runs", "models list",
     "decisions", "decisions --evidence", "forecasts --parts", "series list", "plugins list"],
)  # fmt: skip
def test_tables_fit_80_columns(workspace: Path, command: str) -> None:
    """On the usual terminal no line is wider than it, and no name or number is folded."""
    text = ESCAPE.sub("", on_terminal(workspace, 80, *command.split()))
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    piped = subprocess.run(
        [sys.executable, "-m", "forecaster", *command.split()],
        cwd=workspace, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "".join(text.split()) == "".join(piped.stdout.split())


def test_a_narrow_terminal_cuts_nothing(workspace: Path) -> None:
    """Where a table does not fit, the terminal wraps it: every digit is there."""
    narrow = ESCAPE.sub("", on_terminal(workspace, 40, "forecasts"))
    wide = ESCAPE.sub("", on_terminal(workspace, 200, "forecasts"))
    assert narrow.split() == wide.split()


def test_the_tables_of_a_run_are_whole_on_a_narrow_terminal(workspace: Path) -> None:
    """Too narrow a terminal cuts no session, price or interval of the daily job's table."""
    text = ESCAPE.sub("", on_terminal(workspace, 50, "run", "--series", "IBM", "--as-of", SESSION))
    number = r"\d+\.\d+"
    interval = rf"{number} \S+ {number}"
    row = rf"IBM +1 +2013-03-04 +{number} +{interval} +{interval} +{number} *$"
    assert re.search(row, text, re.MULTILINE)
