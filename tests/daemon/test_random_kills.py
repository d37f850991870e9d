"""SIGKILL at random moments, under load: as if nothing had happened, but later."""

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from .markets import BEGINNING, READY, SPEED, Cells, Markets, Templates, fake_clock, lost
from .nursery import Nursery, Running, until

KILLS = int(os.environ.get("FORECASTER_KILLS", "1000"))
"""Of the long test."""

ORPHANS = 2.0
"""Seconds in which what a daemon has started is gone after it."""

IN_A_ROW = 5
"""Kills until the work of seven weeks is left alone to be finished."""


class Round:
    """A daemon that catches up on seven weeks, and is killed again and again meanwhile."""

    def __init__(self, nursery: Nursery, templates: Templates, folder: Path, chance: random.Random):
        self.nursery, self.chance = nursery, chance
        self.markets: Markets = templates.copy("left alone", folder)
        self.wanted = templates.cells("left alone")
        self.environ = fake_clock(BEGINNING, SPEED) | {"SPARE": "15"}
        self.seen: list[Cells] = []
        self.readiness: list[float] = []
        self.daemon = self.start()

    def start(self) -> Running:
        """Start a daemon, and demand that it is ready soon."""
        start = time.monotonic()
        daemon = self.nursery.start("daemon", self.markets.folder, **self.environ)
        assert until(lambda: self.markets.has_ticked(daemon.pid), READY)
        self.readiness.append(time.monotonic() - start)
        return daemon

    def kill(self) -> bool:
        """Kill the daemon or its child in a while; say whether there was one to kill."""
        moment = time.monotonic() + self.chance.uniform(0.0, 1.0)
        until(lambda: time.monotonic() > moment)
        victim = self.chance.choice(["daemon", "child"])
        if victim == "daemon":
            self.daemon.signal(signal.SIGKILL)
            assert self.daemon.wait() == -signal.SIGKILL
            assert self.markets.is_free("daemon")
            assert until(lambda: not self.markets.processes(), ORPHANS)
            assert until(lambda: self.markets.is_free("run"), ORPHANS)
            self.seen.append(self.markets.cells())
            self.daemon = self.start()
            return True
        child = self.markets.at_work()
        if not child:
            return False
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        self.seen.append(self.markets.cells())
        return True

    def end(self) -> None:
        """Let it be finished, and demand that it is what it would have been."""
        assert until(self.is_done), self.markets.open_runs()
        self.daemon.signal(signal.SIGTERM)
        assert self.daemon.wait(10) == 0
        assert lost(self.seen, self.markets.cells()) == []
        self.markets.check(self.wanted)

    def is_done(self) -> bool:
        """Say whether nothing is left to do."""
        return len(self.markets.cells()) == len(self.wanted) and not self.markets.open_runs()


def killed_at_random(
    nursery: Nursery, templates: Templates, folder: Path, seed: int, count: int
) -> int:
    """Kill so many times, in rounds, and return how often it was in the middle of the work."""
    chance, kills, amid, number = random.Random(seed), 0, 0, 0
    while kills < count:
        number += 1
        one = Round(nursery, templates, folder / str(number), chance)
        for _ in range(IN_A_ROW):
            amid += not one.is_done()
            kills += one.kill()
        one.end()
        shutil.rmtree(one.markets.folder)
    return amid


@pytest.mark.parametrize("part", [1, 2])
def test_killed_at_random_it_finishes_its_work(
    tmp_path: Path, nursery: Nursery, templates: Templates, part: int
) -> None:
    """Ten kills of a daemon or its child, most of them at work; then all is there, once."""
    assert killed_at_random(nursery, templates, tmp_path, part, 10) > 2


@pytest.mark.soak
def test_killed_at_random_a_thousand_times(
    tmp_path: Path, nursery: Nursery, templates: Templates
) -> None:
    """The same, as often as FORECASTER_KILLS says."""
    assert killed_at_random(nursery, templates, tmp_path, 0, KILLS) > KILLS // 4
