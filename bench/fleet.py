"""Measure whole nights of many series, each night one process, `forecaster run`.

Every series is a random walk in a CSV file of its own, as users have them: open, high, low, close
and volume of the newest sessions of New York. The files grow by a line a night. The bars of earlier
nights are in the ledger, the newest one is only in the files, and forecasts of the nights before
wait for it: a night reads and compares all files, stores the new bars, scores, trains or reuses
every model, forecasts, stores, and writes the default reports.

Memory is the sum of the peaks of all processes of a night, of the pool's workers too: no less than
what the night took at any moment.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import Row

from forecaster.market import get_calendar

GROUP = "fleet"
SIZES = (1, 10, 100, 500, 1000)
BARS = 756
NIGHTS = 5  # of these bars, the first of them the first-ever run
LOOK = 0.02  # seconds between two looks at a night's processes

CONFIG = """\
[[series]]
source = "csv"
symbols_file = "symbols.txt"

[schedule]
initial_backfill = 0

[executor]
name = "{executor}"

[model]
epochs = {epochs}

[plugins.csv]
folder = "prices"
"""


@dataclass(frozen=True)
class Spent:
    """What a process and those it started took."""

    seconds: float
    megabytes: float


def measured(command: list[str], folder: Path) -> Spent:
    """Run a command to its end; Linux only: it reads /proc."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for pid in _tree(process.pid):
            peaks[pid] = max(peaks.get(pid, 0.0), _peak(pid))
        time.sleep(LOOK)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Spent(seconds, sum(peaks.values()))


def _tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return [pid]
    return [pid, *(each for child in found for each in _tree(int(child)))]


def _peak(pid: int) -> float:
    """Return the most memory that a process has had so far, in megabytes; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line[:6] == "VmHWM:"), 0.0
    )


class Project:
    """A folder with a configuration and a growing price file for each of its series."""

    def __init__(self, folder: Path, count: int, executor: str) -> None:
        self._folder = folder
        self._executor = executor
        self._symbols = [f"S{k:04}" for k in range(count)]
        self._lines = [_walk(k) for k in range(count)]
        (folder / "prices").mkdir()
        (folder / "symbols.txt").write_text("\n".join(self._symbols), encoding="ascii")

    def configure(self, epochs: int) -> None:
        """Write the configuration."""
        text = CONFIG.format(executor=self._executor, epochs=epochs)
        (self._folder / "config.toml").write_text(text, encoding="ascii")

    def night(self, number: int, *options: str) -> Spent:
        """Let the files grow to a night's session and run it."""
        bars = BARS - NIGHTS + 1 + number
        for symbol, lines in zip(self._symbols, self._lines, strict=True):
            text = "date,open,high,low,close,volume\n" + "".join(lines[:bars])
            (self._folder / "prices" / f"{symbol}.csv").write_text(text, encoding="ascii")
        return measured([sys.executable, "-m", "forecaster", "run", *options], self._folder)


def _sessions() -> NDArray[np.datetime64]:
    calendar = get_calendar("XNYS")
    last = calendar.last_closed(datetime.now(UTC) - timedelta(hours=3))
    return np.array([*calendar.before(last, BARS - 1), last], dtype="datetime64[D]")


def _walk(number: int) -> list[str]:
    """Return the lines of one file."""
    rng = np.random.default_rng(number)
    close = 100 * np.exp(0.01 * rng.standard_normal(BARS).cumsum())
    open_ = close * np.exp(0.005 * rng.standard_normal(BARS))
    high = np.maximum(open_, close) * (1 + 0.005 * rng.random(BARS))
    low = np.minimum(open_, close) * (1 - 0.005 * rng.random(BARS))
    volume = rng.integers(100_000, 10_000_000, BARS)
    return [
        f"{day},{o:.2f},{h:.2f},{lo:.2f},{c:.2f},{v}\n"
        for day, o, h, lo, c, v in zip(_sessions(), open_, high, low, close, volume, strict=True)
    ]
