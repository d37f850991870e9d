"""SIGKILL at every named moment and at random ones: nothing is lost, doubled or half stored."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from forecaster.ledger import open_ledger
from forecaster.ledger.runs import Awaited, put_on_schedule

from .failpoints import FAILPOINTS, NAMED, NOTED, Failpoint
from .markets import (
    BEFORE,
    BEGINNING,
    PATIENCE,
    READY,
    Cells,
    Markets,
    Nursery,
    Running,
    fake_clock,
    lost,
    until,
)

ORPHANS = 2.0
"""Seconds in which what a daemon has started is gone after it."""

WAITS = """
import pathlib, time
pathlib.Path("asked").touch()
while pathlib.Path("trick.py").exists():
    time.sleep(0.01)
"""

DIES_TWICE = """
import os, pathlib
count = len(list(pathlib.Path().glob("died-*")))
if count < 2:
    pathlib.Path(f"died-{count}").touch()
    os.kill(os.getpid(), 9)
"""


@dataclass(frozen=True)
class Templates:
    """Folders to copy, and what an undisturbed run stores in each."""

    folder: Path
    cells: dict[str, Cells]

    def copy(self, name: str, to: Path) -> Markets:
        """Return a folder of one's own."""
        shutil.copytree(self.folder / name, to)
        return Markets(to)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Return a process that starts others."""
    one = Nursery()
    yield one
    one.close()


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Return a project that has worked until three nights ago, and one that never has."""
    folder = tmp_path_factory.mktemp("templates")
    cells = {}
    for name in ("worked", "new"):
        one = Markets(folder / name)
        one.build()
        if name == "worked":
            one.work(BEFORE)
        shutil.copytree(one.folder, folder / f"{name}-undisturbed")
        undisturbed = Markets(folder / f"{name}-undisturbed")
        undisturbed.work(BEGINNING)
        cells[name] = undisturbed.cells()
    assert len(cells["worked"]) == 56
    return Templates(folder, cells)


class Scene:
    """A daemon at something, of which one process dies at a failpoint."""

    def __init__(self, point: Failpoint, nursery: Nursery, templates: Templates, folder: Path):
        self.point, self.nursery = point, nursery
        template = "new" if point.scene == "empty" else "worked"
        self.markets = templates.copy(template, folder)
        self.wanted = templates.cells[template]
        self.environ = fake_clock(BEGINNING)
        self.seen: list[Cells] = []
        self.prepare()

    def prepare(self) -> None:
        """Lay out what the scene is about."""
        match self.point.scene:
            case "ahead":
                put_ahead(self.markets)
            case "killed":
                (self.markets.folder / "trick.py").write_text(DIES_TWICE)
            case "stopped":
                (self.markets.folder / "trick.py").write_text(WAITS)
            case "broken":
                (self.markets.folder / "broken").touch()
            case "long log":
                self.environ["LOG_SIZE"] = "2000"
                self.markets.configure("[reporters.html]", '[daemon]\nlog = "log"\n\n[reporters.html]')

    def kill(self, hit: int) -> Running:
        """Start a daemon, and return it when it, or its child, was killed at the failpoint."""
        daemon = self.start(FAILPOINT=self.point.name, FAILPOINT_HIT=str(hit))
        if self.point.scene == "stopped":
            assert until((self.markets.folder / "asked").exists)
            daemon.signal(signal.SIGTERM)
        if self.point.scene == "changed":
            assert until(lambda: self.markets.has_ticked(daemon.pid))
            self.markets.configure("give_up = 10080", "give_up = 10079")
        noted = self.markets.folder / NOTED
        assert until(noted.exists), f"{self.point.name} was never reached"
        assert noted.read_text() == f"{self.point.name}\n"
        if self.point.who == "daemon":
            assert daemon.wait() == -signal.SIGKILL
            self.look_after_death()
            daemon = self.start()
            self.demand_ready(daemon)
        self.seen.append(self.markets.cells())
        return daemon

    def start(self, **environ: str) -> Running:
        """Start a daemon."""
        return self.nursery.start("daemon", self.markets.folder, **self.environ, **environ)

    def look_after_death(self) -> None:
        """Demand that the lock is free at once, and that nothing the daemon started is left."""
        assert self.markets.is_free("daemon")
        assert until(lambda: not self.markets.processes(), ORPHANS), self.markets.processes()
        assert self.markets.is_free("run")
        self.seen.append(self.markets.cells())
        (self.markets.folder / "trick.py").unlink(missing_ok=True)

    def demand_ready(self, daemon: Running) -> None:
        """Demand that a daemon has looked at the schedule soon."""
        assert until(lambda: self.markets.has_ticked(daemon.pid), READY), "not ready in time"

    def end(self, daemon: Running) -> None:
        """Let the work be finished, and demand that it is what it would have been."""
        assert until(lambda: self.is_done()), (len(self.markets.cells()), self.markets.open_runs())
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
        assert lost(self.seen, self.markets.cells()) == []
        self.markets.check(self.wanted)

    def is_done(self) -> bool:
        """Say whether nothing is left to do."""
        return len(self.markets.cells()) == len(self.wanted) and not self.markets.open_runs()


def put_ahead(markets: Markets) -> None:
    """Put a session on the schedule that is far from due, as a clock that was ahead has."""
    session = date(2023, 3, 20)
    due = datetime(2023, 3, 20, 23, tzinfo=UTC)
    with open_ledger(markets.url) as ledger:
        put_on_schedule(ledger, {"XNYS": [Awaited(session, due)]}, {"XNYS": session})


DAEMONS = [one.name for one in FAILPOINTS if one.who != "command"]


@pytest.mark.parametrize("name", DAEMONS)
def test_killed_at_a_failpoint_it_goes_on(
    tmp_path: Path, nursery: Nursery, templates: Templates, name: str
) -> None:
    """What was stored stays, nothing is half, and the rest is done as if nothing had happened."""
    scene = Scene(NAMED[name], nursery, templates, tmp_path / "markets")
    scene.end(scene.kill(1))
