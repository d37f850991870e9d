"""Measure whole commands in a new folder, each a process of its own, on the embedded prices."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import Row

GROUP = "daily"
COMMANDS = {
    "forecaster --help": ["--help"],
    "init": ["-q", "init"],
    "run: 8 series, 61 sessions each": ["-q", "run"],
    "run again: nothing to do": ["-q", "run"],
    "backtest: 8 series, 250 cutoffs": ["-q", "backtest", "--json"],
}


def rows(quick: bool = False) -> list[Row]:
    """Return a row for each command; quick leaves out those that take seconds."""
    commands = list(COMMANDS.items())[: 2 if quick else None]
    with tempfile.TemporaryDirectory() as folder:
        return [
            Row(GROUP, what, _seconds(command, Path(folder)), "whole process")
            for what, command in commands
        ]


def _seconds(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "forecaster", *command],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start
