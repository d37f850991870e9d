"""SIGTERM and SIGINT at any moment: exit code 0 within ten seconds, and nothing is lost by it."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from .markets import BEGINNING, READY, Markets, Templates, fake_clock
from .nursery import Nursery, Running, until

WITHIN = 10.0
"""Seconds from the signal to the end."""

ENDS = [signal.SIGTERM, signal.SIGINT]

HANGS = """
import pathlib, signal, time
pathlib.Path("asked").touch()
end = time.monotonic() + 600
while pathlib.Path("trick.py").exists() and time.monotonic() < end:
    time.sleep(0.01)
"""

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Service:
    """A daemon that is told to end, and started again."""

    def __init__(self, markets: Markets, nursery: Nursery) -> None:
        self.markets, self.nursery = markets, nursery
        self.environ = fake_clock(BEGINNING)

    def start(self) -> Running:
        """Start it."""
        return self.nursery.start("daemon", self.markets.folder, **self.environ)

    def started(self) -> Running:
        """Start it and wait until it has looked at the schedule."""
        daemon = self.start()
        assert until(lambda: self.markets.has_ticked(daemon.pid), READY)
        return daemon

    def hang(self, trick: str = HANGS) -> Running:
        """Start it and wait until its child hangs in a source."""
        (self.markets.folder / "trick.py").write_text(trick)
        daemon = self.start()
        assert until((self.markets.folder / "asked").exists)
        return daemon

    def end(self, daemon: Running, number: int) -> None:
        """Send a signal and demand an orderly end, in time, with nobody left behind."""
        daemon.signal(number)
        assert daemon.wait(WITHIN) == 0
        self.look_after_end()

    def look_after_end(self) -> None:
        """Demand that nothing is left, and that nothing alarming was said."""
        assert until(lambda: not self.markets.processes(), 2.0)
        assert "Traceback" not in (self.markets.folder / "said").read_text()

    def finish(self, templates: Templates, name: str = "worked") -> None:
        """Start it again, and demand that it finishes the work."""
        (self.markets.folder / "trick.py").unlink(missing_ok=True)
        wanted = templates.cells(name)
        daemon = self.started()
        assert until(
            lambda: len(self.markets.cells()) == len(wanted) and not self.markets.open_runs()
        ), self.markets.open_runs()
        self.end(daemon, signal.SIGTERM)
        self.markets.check(wanted)

    def states(self) -> set[str]:
        """Return the states of the runs of which something remains to be done."""
        return {row[3] for row in self.markets.open_runs()}


@pytest.fixture
def service(tmp_path: Path, nursery: Nursery, templates: Templates) -> Service:
    """Return a daemon that has three nights to work."""
    return Service(templates.copy("worked", tmp_path / "markets"), nursery)


@pytest.mark.parametrize("seed", range(4))
def test_at_random_moments_of_its_work(
    tmp_path: Path, nursery: Nursery, templates: Templates, seed: int
) -> None:
    """Four times each while it catches up on weeks: training, committing, reporting."""
    chance = random.Random(seed)
    service = Service(templates.copy("left alone", tmp_path / "markets"), nursery)
    for _ in range(4):
        daemon = service.start()
        assert until(lambda daemon=daemon: _hears(daemon.pid))
        moment = time.monotonic() + chance.uniform(0.0, 1.5)
        until(lambda moment=moment: time.monotonic() > moment)
        service.end(daemon, chance.choice(ENDS))
        assert service.states() <= {"pending", "interrupted"}
    service.finish(templates, "left alone")


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("trick", [HANGS, DEAF + HANGS], ids=["a hang", "a deaf hang"])
def test_while_a_source_hangs(
    service: Service, templates: Templates, number: int, trick: str
) -> None:
    """The child is ended with it, deaf or not; its runs are as they were."""
    service.end(service.hang(trick), number)
    assert service.states() <= {"pending", "interrupted"}
    service.finish(templates)


def test_while_it_has_nothing_to_do(service: Service, templates: Templates) -> None:
    """It says in the ledger that it has ended."""
    service.finish(templates)
    assert service.markets.sql("SELECT stopped_at IS NULL FROM daemon") == [(0,)]


@contextmanager
def locked(markets: Markets, mode: str = "WAL") -> Iterator[None]:
    """Hold the database as another program may; without a WAL it cannot even be read then."""
    with closing(sqlite3.connect(markets.database, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("when", ["WAL", "DELETE", "at work", "when idle"])
def test_while_another_program_holds_the_database(
    service: Service, templates: Templates, when: str
) -> None:
    """It ends in time although it cannot say so in the ledger."""
    if when.isupper():  # at the start
        with locked(service.markets, when):
            daemon = service.start()
            assert until(lambda: _hears(daemon.pid))
            moment = time.monotonic() + 0.3
            until(lambda: time.monotonic() > moment)
            service.end(daemon, signal.SIGTERM)
    else:
        daemon = service.hang() if when == "at work" else service.started()
        with locked(service.markets):
            service.end(daemon, signal.SIGTERM)
    service.finish(templates)


def test_a_storm_of_signals(service: Service, templates: Templates) -> None:
    """Ten signals of both kinds end it like one."""
    for start in (service.start, service.hang, service.start):
        daemon = start()
        if start == service.start:
            assert until(lambda daemon=daemon: _hears(daemon.pid))
        for k in range(10):
            daemon.signal(ENDS[k % 2])
        assert daemon.wait(WITHIN) == 0
        service.look_after_end()
    service.finish(templates)


def _hears(pid: int) -> bool:
    """Say whether a process handles SIGTERM itself."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", ENDS)
def test_while_the_command_starts(templates: Templates, tmp_path: Path, number: int) -> None:
    """The real command, from the moment at which it has seen what it is to do."""
    markets = templates.copy("worked", tmp_path / "markets")
    for wait in (0.0, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-m", "forecaster", "--config", "config.toml", "daemon"],
            cwd=markets.folder, env=os.environ | fake_clock(BEGINNING, 1.0),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert until(lambda process=process: _hears(process.pid))
        moment = time.monotonic() + wait
        until(lambda moment=moment: time.monotonic() > moment)
        process.send_signal(number)
        said, _ = process.communicate(timeout=WITHIN)
        assert (process.returncode, "Traceback" in said) == (0, False), said
        assert until(lambda: not markets.processes(), 2.0)


def test_a_daemon_that_is_stopped_for_a_while_loses_nothing(
    service: Service, templates: Templates
) -> None:
    """SIGSTOP of daemon and child, as of a machine that sleeps; after SIGCONT both go on."""
    daemon = service.hang()
    child = service.markets.at_work()
    for pid in (child, daemon.pid):
        os.kill(pid, signal.SIGSTOP)
        moment = time.monotonic() + 1.0
        until(lambda moment=moment: time.monotonic() > moment)
        os.kill(pid, signal.SIGCONT)
        (service.markets.folder / "trick.py").unlink(missing_ok=True)
    service.end(daemon, signal.SIGTERM)
    service.finish(templates)
    assert service.states() == set()


def test_a_run_by_hand_and_the_daemon_do_the_work_once(
    service: Service, templates: Templates
) -> None:
    """Started together, each waits for the other or leaves the work to it: no training is twice."""
    markets = service.markets
    (markets.folder / "trained").unlink()
    daemon = service.start()
    hands = [
        service.nursery.start("command", markets.folder, "run", **service.environ) for _ in range(3)
    ]
    assert [each.wait() for each in hands] == [0, 0, 0]
    assert until(lambda: not markets.open_runs())
    service.end(daemon, signal.SIGTERM)
    markets.check(templates.cells("worked"))
    trained = (markets.folder / "trained").read_text().splitlines()
    assert trained
    assert len(set(trained)) == len(trained)
