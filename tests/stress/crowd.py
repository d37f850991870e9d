"""One of a crowd at a ledger: `python crowd.py FOLDER ROLE SECONDS`.

Prints one JSON document: how often it did its work, the seconds each took, and what went wrong.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.job.context import open_job
from forecaster.job.run import run
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.query import read_only_query
from forecaster.ledger.schema import model_version

Work = Iterator[Callable[[], object]]
FIRST = date(2024, 1, 1)
PAUSE = 0.02
"""Seconds between two questions of a reader: people and programs that never pause are none."""


def command(*args: str) -> Callable[[], None]:
    """Return what does a command as from a shell, and raises unless its exit code is 0."""

    def do() -> None:
        try:
            cli(["-q", *args], prog_name="forecaster")
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{args}: exit code {end.code}") from None

    return do


def weekday(number: int) -> date:
    """Return a weekday by its number."""
    return FIRST + timedelta(days=number + 2 * (number // 5))


def longer(file: Path) -> None:
    """Add the next weekday's price to a file of prices."""
    lines = file.read_text().split()
    last, close = lines[-1].split(",")
    day = date.fromisoformat(last)
    day += timedelta(days=3 if day.weekday() == 4 else 1)
    moved = float(close) * (1.003 if len(lines) % 2 else 0.997)
    unfinished = file.with_suffix(".new")
    unfinished.write_text("\n".join([*lines, f"{day},{moved:.2f}", ""]))
    unfinished.replace(file)


def nights(folder: Path) -> Work:
    """One more session's prices, then the whole job: as the daemon's child, without end."""

    def work() -> None:
        for symbol in "AB":
            longer(folder / f"{symbol}.csv")
        with open_job(load_settings(folder / "config.toml", environ={})) as job:
            summary = run(job)
        assert summary.status == "done", summary.problems

    while True:
        yield work


def pausing(_: Path) -> Work:
    """`series pause` and `series resume` of a series that the nights leave alone."""
    while True:
        yield command("series", "pause", "C")
        yield command("series", "resume", "C")


def importing(folder: Path) -> Work:
    """`bars import` of one bar more each time."""
    (folder / "import.csv").write_text((folder / "C.csv").read_text())

    def work() -> None:
        longer(folder / "import.csv")
        command("bars", "import", "import.csv", "--series", "C")()

    while True:
        yield work


def pinning(folder: Path) -> Work:
    """`models pin` and `models unpin`."""
    with open_ledger(f"sqlite:///{folder / 'forecaster.db'}") as ledger, ledger.reading() as found:
        query = select(model_version.c.id).where(
            model_version.c.series_id == 2, model_version.c.status == "accepted"
        )
        model = found.scalars(query).first()
    while True:
        yield command("models", "pin", "B", str(model))
        yield command("models", "unpin", "B")


def backfilling(_: Path) -> Work:
    """`backfill` of one more past session each time; when all are done, of the same again."""
    number = 70
    while True:
        day = weekday(max(number, 60)).isoformat()
        yield command("backfill", "--from", day, "--to", day, "--series", "A")
        number -= 1


QUESTIONS = (
    "SELECT * FROM latest_forecast",
    "SELECT count(*) FROM forecast_history WHERE series = 'A'",
    "SELECT * FROM accuracy",
    "SELECT * FROM calibration",
)
VIEWS = ("latest_forecast", "accuracy", "decision_history", "run_history")


def asking(folder: Path) -> Work:
    """`sql` and the views that the commands read, in turn."""
    ledger = open_ledger(f"sqlite:///{folder / 'forecaster.db'}")
    while True:
        for statement, view in zip(QUESTIONS, VIEWS, strict=True):
            yield lambda ledger=ledger, it=statement: asked(ledger, it)  # type: ignore[misc]
            yield lambda ledger=ledger, it=view: read_view(ledger, it)  # type: ignore[misc]


def asked(ledger: Ledger, statement: str) -> object:
    """Ask as `forecaster sql` does."""
    return read_only_query(ledger, statement, limit=1000)


ROLES = {
    "nights": nights, "pausing": pausing, "importing": importing, "pinning": pinning,
    "backfilling": backfilling, "asking": asking,
}  # fmt: skip


def main(folder: Path, role: str, seconds: float) -> None:
    """Do the role's work until the time is over, from the moment that a line is read."""
    os.chdir(folder)
    work = ROLES[role](folder)
    sys.stdout.flush()
    told = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.write(told, b"ready\n")
    sys.stdin.readline()
    took, wrong = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        do = next(work)
        start = time.perf_counter()
        try:
            do()
        except Exception as error:  # noqa: BLE001  what went wrong is what is asked
            wrong.append(f"{type(error).__name__}: {error}")
        took.append(time.perf_counter() - start)
        if role == "asking":
            time.sleep(PAUSE)
    os.write(told, json.dumps({"role": role, "took": took, "wrong": wrong}).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
