"""Measure whole nights of many series, each night a process of its own: `forecaster run`.

Every series is a random walk in a CSV file as users have them: open, high, low, close and volume
of New York's newest sessions, a line more each night. The bars of earlier nights are in the
ledger, the newest one is only in the files, and what was forecast on the nights before waits for
it. A night reads and compares every file, stores the new bars, scores, trains or reuses every
model, forecasts, stores, and writes the default reports, the HTML pages included.

Memory is the sum of the peaks of all processes of a night, those of the executor too: no less than
what was taken at any moment.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rows import Row

from forecaster.market import get_calendar

GROUP = "fleet"
SIZES = (1, 10, 100, 500, 1000)
ASKED = 500  # series: of that many more is told
BARS = 756  # of each series on the last night
NIGHTS = ("first", "settling in", "reused", "console", "retrained")
LOOK = 0.02  # seconds between two looks at the memory of a night's processes

CONFIG = """\
[[series]]
source = "csv"
symbols_file = "symbols.txt"

[schedule]
initial_backfill = 0

[plugins.csv]
folder = "prices"
"""


@dataclass(frozen=True)
class Spent:
    """What a process and those that it started took."""

    seconds: float
    megabytes: float


class Fleet:
    """A folder with a configuration and, for each series, a file of prices that grows."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._lines = {f"S{number:04}": _random_walk(number) for number in range(count)}
        (folder / "prices").mkdir()
        (folder / "symbols.txt").write_text("\n".join(self._lines), encoding="ascii")

    def night(self, name: str, *options: str, more: str = "") -> Spent:
        """Let the files grow up to one of NIGHTS, and run it."""
        bars = BARS - len(NIGHTS) + 1 + NIGHTS.index(name)
        for symbol, lines in self._lines.items():
            text = "date,open,high,low,close,volume\n" + "".join(lines[:bars])
            (self._folder / "prices" / f"{symbol}.csv").write_text(text, encoding="ascii")
        (self._folder / "config.toml").write_text(CONFIG + more, encoding="ascii")
        return measured([sys.executable, "-m", "forecaster", "run", *options], self._folder)


def rows(quick: bool = False) -> list[Row]:
    """Return rows of nights in which models are reused and retrained, for growing numbers."""
    sizes = SIZES[:2] if quick else SIZES
    return [row for count in sizes for row in nights_of(count)]


def nights_of(count: int) -> Iterator[Row]:
    """Yield the rows of one number of series."""
    series = f"{count} series" if count > 1 else "1 series"
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), count)
        spent = {"first": fleet.night("first")}
        fleet.night("settling in")
        spent["reused"] = fleet.night("reused")
        if count == ASKED:
            spent["console"] = fleet.night("console", more="[reporters.console]\n")
        spent["retrained"] = fleet.night("retrained", "--retrain")
    told = {
        "reused": f"{series}, models reused",
        "retrained": f"{series}, all retrained",
        "console": f"{series}, models reused, without HTML pages",
        "first": f"{series}, the first night ever",
    }
    for night in told if count == ASKED else ("reused", "retrained"):
        yield _row(told[night], count, spent[night])


def _row(work: str, count: int, spent: Spent) -> Row:
    share = spent.seconds / count
    note = f"{spent.megabytes:.0f} MB"
    if count > 1:
        note += f", {share * 1000:.1f} ms a series"
    figures = {"series": count, "megabytes": spent.megabytes, "seconds_each": share}
    return Row(GROUP, work, spent.seconds, note, figures)


def measured(command: list[str], folder: Path) -> Spent:
    """Run a command to its end; memory is read from /proc, 0 where there is none."""
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
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _random_walk(number: int) -> list[str]:
    """Return the lines of a file."""
    rng = np.random.default_rng(number)
    close = 100 * np.exp(0.01 * rng.standard_normal(BARS).cumsum())
    open_ = close * np.exp(0.005 * rng.standard_normal(BARS))
    high = np.maximum(open_, close) * (1 + 0.005 * rng.random(BARS))
    low = np.minimum(open_, close) * (1 - 0.005 * rng.random(BARS))
    volume = rng.integers(100_000, 10_000_000, BARS)
    columns = (open_, high, low, close)
    prices = np.round(np.stack(columns, axis=1), 2).tolist()
    return [
        f"{day},{','.join(map(str, four))},{traded}\n"
        for day, four, traded in zip(_sessions(), prices, volume, strict=True)
    ]


def _sessions() -> list[str]:
    """Return the newest sessions of New York, the last one surely closed."""
    calendar = get_calendar("XNYS")
    last = calendar.last_closed(datetime.now(UTC) - timedelta(days=1))
    return [str(session) for session in (*calendar.before(last, BARS - 1), last)]
