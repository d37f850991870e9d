"""A folder in which the real program works, small enough to be spoiled hundreds of times."""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

CONFIG = """
[[series]]
source = "csv"
symbols = ["A", "B"]
calendar = "weekdays"

[schedule]
initial_backfill = 1

[model]
lookback = 3
horizon = 2
hidden_size = 3
members = 1
epochs = 2
validation = 0.0

[reporters]
"""
DAYS = 75
MORE = 2  # sessions that come after the first run
# What follows from a clock and not from prices.
TIMES = {"issued_at", "scored_at", "created_at", "decided_at", "stored_at", "first_seen_at",
         "started_at", "finished_at", "backfilled_at", "replaced_at", "seconds", "due_at",
         "next_attempt_at", "attempts", "late", "interrupted_at"}  # fmt: skip
LEFT_OUT = {"pull", "alembic_version", "program", "daemon"}  # how often it was tried, and by whom
FORECASTS = (
    "SELECT series, cutoff, horizon, target_session, forecast, lo80, hi80, lo95, hi95 "
    "FROM forecast_history ORDER BY 1, 2, 3"
)
THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # as the program sets them
COMMAND = (sys.executable, "-m", "forecaster", "-q")

Content = dict[str, list[tuple[Any, ...]]]


def weekdays(count: int) -> list[date]:
    """Return the first weekdays of 2024."""
    days = (date(2024, 1, 1) + timedelta(days=k) for k in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


def quote(folder: Path, count: int) -> None:
    """Write the prices of the first weekdays."""
    for seed, symbol in enumerate("AB"):
        moves = np.random.default_rng(seed).normal(0.0, 0.01, DAYS + MORE)
        closes = np.round(100 * np.exp(np.cumsum(moves)), 2)[:count]
        rows = [f"{day},{close}" for day, close in zip(weekdays(count), closes, strict=True)]
        (folder / f"{symbol}.csv").write_text("\n".join(["date,close", *rows, ""]))


def make(folder: Path, count: int = DAYS) -> Path:
    """Return a new folder with a configuration and prices."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG)
    quote(folder, count)
    return folder


def forecaster(folder: Path, *args: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *args], cwd=folder, capture_output=True, text=True, check=False,
        timeout=120, **more,
    )  # fmt: skip


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the folder's database; a look at it waits for no disk."""
    with closing(sqlite3.connect(folder / "forecaster.db")) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        yield connection


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the folder's database."""
    with opened(folder) as connection:
        return connection.execute(query).fetchall()


def content(folder: Path) -> Content:
    """Return every row of every table, less what follows from the clock and from the attempts."""
    found = {}
    with opened(folder) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            kept = [one for one in names if one not in TIMES]
            if table not in LEFT_OUT:
                query = f"SELECT {', '.join(kept)} FROM {table}"
                found[table] = sorted(connection.execute(query), key=repr)
    return found


def assert_whole(folder: Path) -> None:
    """Demand a database that SQLite finds nothing wrong with."""
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
    assert rows(folder, "PRAGMA foreign_key_check") == []


def assert_one_line(errors: str) -> None:
    """Demand words for a person, and no traceback."""
    assert "Traceback" not in errors, errors
    assert errors.startswith("forecaster: "), errors


@dataclass(frozen=True)
class Fault:
    """What happens at which change of a file.

    Attributes:
        at: the number of the change.
        error: an errno, or 0 for SIGKILL.
        sticky: whether every later change fails as well, as on a full disk.
        pages: beyond which no database grows, if any.
        trace: a file that the library of `power.c` writes its records to, if that is preloaded.
        pragma: that every connection gets last, to spoil what the program asks for.
    """

    at: int = 10**9
    error: int = 0
    sticky: bool = False
    pages: int = 0
    trace: str = ""
    pragma: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command with a fault ended."""

    code: int
    errors: str
    seen: int


def compiled(folder: Path, name: str = "faults") -> Path | None:
    """Return the library that makes files fail or another one, None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def run_with(
    library: Path | None, work: Sequence[tuple[Path, Fault]], *args: str, notes: Path | None = None
) -> list[Ended]:
    """Run a command in each folder with its fault.

    Args:
        library: that makes files fail, None where none shall.
        work: each folder and what happens in it.
        args: the command.
        notes: a folder for notes; without it they lie beside the folders.
    """
    places = [
        folder.with_name(f"{folder.name}.told") if notes is None else notes / f"{k}.told"
        for k, (folder, _) in enumerate(work)
    ]
    return _started(library, [(*one, args) for one in work], places)


def run_each(folders: Sequence[Path], *commands: Sequence[str]) -> list[list[Ended]]:
    """Run commands in each folder, one after the other, without a fault."""
    ends = iter(run_all(None, [(one, Fault(), args) for one in folders for args in commands]))
    return [[next(ends) for _ in commands] for _ in folders]


def run_all(library: Path | None, work: Sequence[tuple[Path, Fault, Sequence[str]]]) -> list[Ended]:
    """Run a command in each folder with its fault, with notes beside the folders."""
    notes = [folder.with_name(f"{folder.name}.{k}") for k, (folder, *_) in enumerate(work)]
    return _started(library, work, notes)


def _started(
    library: Path | None, work: Sequence[tuple[Path, Fault, Sequence[str]]], notes: Sequence[Path]
) -> list[Ended]:
    listed = notes[0].with_name("work.json")
    what = [
        {"folder": str(folder), "notes": str(place), "args": ["-q", *args], **vars(fault)}
        for (folder, fault, args), place in zip(work, notes, strict=True)
    ]
    listed.write_text(json.dumps(what))
    subprocess.run(
        [sys.executable, Path(__file__).with_name("io_faults.py"), listed],
        env={**os.environ, **THREADS, "LD_PRELOAD": str(library or "")}, check=True,
    )  # fmt: skip
    return [
        Ended(**json.loads(place.with_name(f"{place.name}.json").read_text())) for place in notes
    ]


def unpack(path: Path) -> None:
    """Put the ledger of an older program there."""
    packed = Path(__file__).parents[1] / "ledger" / "schema_0004.db.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))


def whole(path: Path) -> Content:
    """Return what a database file holds, demanding that it is whole and alone."""
    folder = path.parent / f"look-{path.name}"
    folder.mkdir()
    shutil.copy(path, folder / "forecaster.db")
    assert_whole(folder)
    found = content(folder)
    shutil.rmtree(folder)
    return found
