"""One of a crowd at a ledger: `python crowd.py FOLDER ROLE SECONDS`.

Prints one JSON document: how often it did its work, the seconds each took, and what went wrong.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.daemon.child import Child, Ending, Errand
from forecaster.daemon.rules import Rules
from forecaster.daemon.watch import Watch
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.claim import claim
from forecaster.ledger.history import read_view
from forecaster.ledger.query import read_only_query
from forecaster.ledger.schema import model_version

Work = Generator[Callable[[], object]]
FIRST = date(2024, 1, 1)
PAUSES = {"asking": 0.02, "watching": 0.05}
"""Seconds between two questions of a reader: people and programs that never pause are none. And
between two ticks of the daemon, which takes a thousand times as long.
"""
STARTS = 0.5
"""Seconds between two commands of a writer, each of which is a process of its own elsewhere."""
WRONG: list[str] = []
"""What has gone wrong."""
STANDIN = Path(__file__).parents[1] / "daemon" / "standin.py"


def command(*args: str) -> Callable[[], None]:
    """Return what does a command as from a shell, and raises unless its exit code is 0."""

    def do() -> None:
        try:
            cli(["-q", *args], prog_name="forecaster")
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{args}: exit code {end.code}") from None

    return do


def clock() -> datetime:
    """Return the time on the clock that the environment tells of."""
    real, said, speed = (float(each) for each in os.environ["CLOCK"].split())
    return datetime.fromtimestamp(said, UTC) + timedelta(seconds=(time.time() - real) * speed)


def weekday(number: int) -> date:
    """Return a weekday by its number."""
    return FIRST + timedelta(days=number + 2 * (number // 5))


def longer(file: Path) -> None:
    """Add the next weekday's price to a file of prices, up to today."""
    lines = file.read_text().split()
    last, close = lines[-1].split(",")
    day = date.fromisoformat(last)
    day += timedelta(days=3 if day.weekday() == 4 else 1)
    if day >= datetime.now(UTC).date():
        return
    moved = float(close) * (1.003 if len(lines) % 2 else 0.997)
    unfinished = file.with_suffix(".new")
    unfinished.write_text("\n".join([*lines, f"{day},{moved:.2f}", ""]))
    unfinished.replace(file)


def watching(folder: Path) -> Work:
    """The daemon's mind, whose children work the nights of a clock that runs ahead."""
    url = f"sqlite:///{folder / 'forecaster.db'}"
    load = partial(load_settings, folder / "config.toml", environ={})
    with claim(url, "daemon", what="daemon", wait=False), open_ledger(url) as ledger:
        watch = Watch(Rules(load, load().resolved()), ledger, start_child, clock)

        def tick() -> None:
            if not watch.tick() or watch.troubles:
                raise RuntimeError(watch.troubles)

        try:
            while True:
                yield tick
        finally:
            watch.stopping = True
            if watch.child is not None:
                watch.child.stop(within=10)


def start_child(errand: Errand, ended: Callable[[Ending], None]) -> Child:
    """Start a child as the daemon does, but on its clock; what is wrong with it is told."""

    def told(ending: Ending) -> None:
        if ending.how not in ("done", "busy", "stopped"):
            WRONG.append(f"a child: {ending.how}: {ending.reason}")
        ended(ending)

    def relay(line: dict[str, Any]) -> None:
        trouble = line["level"] in ("ERROR", "CRITICAL")
        if trouble and line.get("code") != "busy":  # a backfill was faster
            WRONG.append(f"a child: {line['message']}")

    command = [sys.executable, str(STANDIN), "night"]
    return Child(errand, relay=relay, ended=told, deadline=60.0, command=command)


def pausing(_: Path) -> Work:
    """`series pause` and `series resume` of a series that the nights leave alone."""
    while True:
        yield command("series", "pause", "C")
        yield command("series", "resume", "C")


def importing(folder: Path) -> Work:
    """`bars import` of one bar more each time; when all days are there, of the same again."""
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
    "watching": watching, "pausing": pausing, "importing": importing, "pinning": pinning,
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
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        do = next(work)
        start = time.perf_counter()
        try:
            do()
        except Exception as error:  # noqa: BLE001  what went wrong is what is asked
            WRONG.append(f"{type(error).__name__}: {error}")
        took.append(time.perf_counter() - start)
        time.sleep(PAUSES.get(role, STARTS))
    work.close()
    os.write(told, json.dumps({"role": role, "took": took, "wrong": WRONG}).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
