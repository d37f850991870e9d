"""SIGKILL at every named moment and at random ones: nothing is lost, doubled or half stored."""

import gzip
import importlib
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from forecaster.ledger import open_ledger
from forecaster.ledger.backup import back_up
from forecaster.ledger.engine import parse_url
from forecaster.ledger.files import BESIDE
from forecaster.ledger.runs import Awaited, put_on_schedule

from .failpoints import FAILPOINTS, NAMED, NOTED, Failpoint
from .markets import BEGINNING, READY, Cells, Markets, Templates, fake_clock, lost
from .nursery import Nursery, Running, until

OLD = Path(__file__).parents[1] / "ledger" / "schema_0004.db.gz"
"""A database that an older program made."""

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


class Scene:
    """A daemon at something, of which one process dies at a failpoint."""

    def __init__(self, point: Failpoint, nursery: Nursery, templates: Templates, folder: Path):
        self.point, self.nursery = point, nursery
        template = "new" if point.scene == "empty" else "worked"
        self.markets = templates.copy(template, folder)
        self.wanted = templates.cells(template)
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
                self.markets.configure(
                    "[reporters.html]", '[daemon]\nlog = "log"\n\n[reporters.html]'
                )

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
        note = f"{self.point.name}\n"
        assert until(lambda: noted.exists() and noted.read_text() == note), f"never reached: {note}"
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
        assert until(lambda: self.markets.is_free("run"), ORPHANS)
        self.seen.append(self.markets.cells())
        (self.markets.folder / "trick.py").unlink(missing_ok=True)

    def demand_ready(self, daemon: Running) -> None:
        """Demand that a daemon has looked at the schedule soon."""
        assert until(lambda: self.markets.has_ticked(daemon.pid), READY), "not ready in time"

    def end(self, daemon: Running) -> None:
        """Let the work be finished, and demand that it is what it would have been."""
        assert until(self.is_done), (len(self.markets.cells()), self.markets.open_runs())
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
    assert scene.is_done()


COMMANDS = [one.name for one in FAILPOINTS if one.who == "command"]


class Shelf:
    """A command about database files, which dies at a failpoint and is given again."""

    def __init__(self, point: Failpoint, nursery: Nursery, templates: Templates, folder: Path):
        self.point, self.nursery = point, nursery
        self.markets = templates.copy("worked", folder)
        self.copy = folder / "copy.db"
        if point.scene == "restore":
            back_up(parse_url(self.markets.url), self.copy)
            self.markets.work(BEGINNING)
        if point.scene == "upgrade":
            for path in folder.glob("forecaster.db*"):
                path.unlink()
            self.markets.database.write_bytes(gzip.decompress(OLD.read_bytes()))
        self.stored = self.content()

    def give(self, **environ: str) -> int:
        """Give the command, and return its exit code."""
        words = {"backup": ["backup", str(self.copy), "--force"], "restore": ["restore", "copy.db"],
                 "upgrade": ["upgrade"]}[self.point.scene]  # fmt: skip
        environ |= fake_clock(BEGINNING)
        return self.nursery.start("command", self.markets.folder, "db", *words, **environ).wait()

    def kill(self) -> None:
        """Give it, and have it die at its failpoint."""
        name = self.point.name
        assert self.give(FAILPOINT=name) == -signal.SIGKILL
        assert (self.markets.folder / NOTED).read_text() == f"{name}\n"

    def require_whole(self) -> list[list[tuple[Any, ...]]]:
        """Demand that each file has what was stored, or what was wanted; return these."""
        wanted = [self.stored]
        if self.point.scene == "restore":
            wanted.append(self.content(self.copy))
        assert self.content() in wanted
        assert self.markets.is_free("daemon")
        assert self.markets.is_free("run")
        assert all(self.content(each) in wanted for each in copies(self.markets.folder))
        return wanted

    def copies_of_stored(self) -> list[Path]:
        """Return the copies that have what was stored."""
        every = copies(self.markets.folder)
        return [each for each in every if self.content(each) == self.stored]

    def content(self, path: Path | None = None) -> list[tuple[Any, ...]]:
        """Return the forecasts in a database that is whole."""
        with closing(sqlite3.connect(path or self.markets.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            query = "SELECT series_id, cutoff, horizon, mean FROM forecast ORDER BY 1, 2, 3"
            return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_leaves_whole_files(
    tmp_path: Path, nursery: Nursery, templates: Templates, name: str
) -> None:
    """The database is as it was or as it is to be, a copy is whole or not there; again it works."""
    shelf = Shelf(NAMED[name], nursery, templates, tmp_path / "markets")
    shelf.kill()
    wanted = shelf.require_whole()
    assert shelf.give() == 0
    assert shelf.content() == wanted[-1]
    assert shelf.copies_of_stored()


def copies(folder: Path) -> list[Path]:
    """Return the copies of a database that bear a name of their own."""
    return [
        *folder.glob("copy.db"), *folder.glob("forecaster.db.before-*"),
        *(each for each in folder.glob("forecaster.db.replaced-*")
          if not each.name.endswith(BESIDE)),
    ]  # fmt: skip


def test_a_failpoint_that_is_not_there_is_noticed() -> None:
    """Each failpoint names a function that exists, and there are many."""
    for one in FAILPOINTS:
        module, _, path = one.target.partition(":")
        attrgetter(path)(importlib.import_module(module))
    assert len(NAMED) == len(FAILPOINTS) >= 30
    with pytest.raises(AttributeError):
        attrgetter("no_such_function")(importlib.import_module("forecaster.ledger.runs"))


def test_a_forecast_that_is_lost_or_doubled_is_noticed(
    tmp_path: Path, templates: Templates
) -> None:
    """The comparison fails when a row is gone, differs in its last bit, or is there twice."""
    wanted = templates.cells("worked")
    markets = templates.copy("worked", tmp_path / "markets", undisturbed=True)
    markets.check(wanted)
    cell, told = next(iter(wanted.items()))
    other = {**wanted, cell: (told[0], told[1] * (1 + 1e-15), *told[2:])}
    assert lost([wanted], other) == [cell]
    assert lost([wanted], {}) == list(wanted)
    with pytest.raises(AssertionError):
        markets.check(other)
    with pytest.raises(AssertionError):
        templates.copy("worked", tmp_path / "half").check(wanted)


@pytest.mark.soak
@pytest.mark.parametrize("name", DAEMONS)
def test_killed_at_a_failpoint_ten_times(
    tmp_path: Path, nursery: Nursery, templates: Templates, name: str
) -> None:
    """Killed at the first, second, ... tenth time that it comes there: likewise."""
    often = NAMED[name].often
    for k in range(10):
        scene = Scene(NAMED[name], nursery, templates, tmp_path / str(k))
        scene.end(scene.kill(1 + k % often))
        assert scene.is_done()
        shutil.rmtree(scene.markets.folder)


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_ten_times(
    tmp_path: Path, nursery: Nursery, templates: Templates, name: str
) -> None:
    """Likewise, each time in a folder of its own."""
    for k in range(10):
        shelf = Shelf(NAMED[name], nursery, templates, tmp_path / str(k))
        shelf.kill()
        wanted = shelf.require_whole()
        assert shelf.give() == 0
        assert shelf.content() == wanted[-1]
        shutil.rmtree(shelf.markets.folder)
