"""Years in minutes: the daemon's mind on a clock of its own; its children work in this process.

Only time is made up, and with it how a child ends.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from forecaster.config import Settings, load_settings
from forecaster.daemon.child import Ending, Errand
from forecaster.daemon.rules import Rules
from forecaster.daemon.watch import Watch
from forecaster.errors import ForecasterError
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.attempts import begin
from forecaster.ledger.history import read_view
from forecaster.ledger.pulse import read_pulse
from forecaster.ledger.runs import open_runs

from .standing import DUE, fill, settings_of

SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)

NEW = '[[series]]\nsource = "feed"\nsymbol = "NEW"\n'
"""A series more, which never had a bar."""

Body = Callable[[Errand], Ending]
"""What a child does, and how that ends."""


@dataclass
class World:
    """What time it really is, and by how much the machine's clock is wrong.

    Each look at the clock takes a moment, so that no two are alike.
    """

    now: datetime
    wrong: timedelta = timedelta(0)
    moment: timedelta = timedelta(milliseconds=1)

    def clock(self) -> datetime:
        """Return what the machine says, and let a moment pass."""
        self.now += self.moment
        return self.now + self.wrong


@dataclass
class Planned:
    """A child that has been started, and works when its turn comes."""

    errand: Errand
    ended: Callable[[Ending], None]
    alive: bool = True

    def stop(self, within: float) -> None:
        """End it before it has done anything."""
        self.alive = False


@dataclass
class Machine:
    """A machine on which the daemon runs, and is started anew now and then.

    Attributes:
        world: its time.
        settings: of the configuration, read anew at each tick.
        body: of a child.
        watch: the daemon's mind, while it runs.
    """

    world: World
    settings: Settings
    body: Body = lambda errand: ending("done")
    plugins: tuple[str, ...] | None = ()
    watch: Watch | None = None
    ledger: Ledger | None = None
    children: list[Planned] = field(default_factory=list)

    def boot(self) -> Watch:
        """Start the daemon."""
        self.halt()
        self.ledger = open_ledger(self.settings.database_url(), create=True)
        self.watch = Watch(
            Rules(lambda: self.settings, self.settings),
            self.ledger,
            self.start,
            self.world.clock,
            self.plugins,
        )
        return self.watch

    def halt(self) -> None:
        """End the daemon as SIGKILL does: it tells nobody."""
        if self.ledger is not None:
            self.ledger.close()
        self.watch = self.ledger = None
        self.children.clear()

    def opened(self) -> Ledger:
        """Return the ledger that the daemon has open."""
        assert self.ledger is not None
        return self.ledger

    def start(self, errand: Errand, ended: Callable[[Ending], None]) -> Planned:
        """Start a child."""
        self.children.append(Planned(errand, ended))
        return self.children[-1]

    def tick(self) -> bool:
        """Let the daemon look once, and whatever it started work to its end."""
        watch = self.watch or self.boot()
        well = watch.tick()
        while self.children:
            child = self.children.pop()
            if child.alive:
                ending = self.body(child.errand)
                child.ended(ending)
                child.alive = False
        return well


@dataclass
class Desk:
    """A daemon's mind, with a clock and children that a test holds in its hand.

    Attributes:
        folder: of the configuration.
        ledger: that knows two series of New York's.
        world: what time it is: just when Friday's session is due.
        started: the children that were begun.
    """

    folder: Path
    ledger: Ledger
    world: World = field(default_factory=lambda: World(DUE))
    started: list[Planned] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = self.hire()

    def hire(self) -> Watch:
        """Return a mind that has seen nothing yet."""
        return Watch(Rules(self.load, self.load()), self.ledger, self.start, self.world.clock)

    def load(self) -> Any:
        """Read the configuration."""
        return load_settings(self.folder / "config.toml", environ={})

    def start(self, errand: Errand, ended: Callable[[Ending], None]) -> Planned:
        """Begin a child that does nothing."""
        self.started.append(Planned(errand, ended))
        return self.started[-1]

    def tick(self, after: timedelta = timedelta(0)) -> bool:
        """Let time pass, and look."""
        self.world.now += after
        return self.watch.tick()

    def end(self, how: str, reason: str = "", **last: str) -> None:
        """End the newest child, which was last heard of there."""
        self.started[-1].alive = False
        self.started[-1].ended(replace(ending(how, reason), last=last))

    def attempt(self) -> None:
        """Let the newest child begin what it was started for."""
        begin(self.ledger, [one.id for one in open_runs(self.ledger)], self.world.clock())

    def problem(self) -> str:
        """Return what needs a person, by the ledger."""
        pulse = read_pulse(self.ledger)
        assert pulse is not None
        return pulse.problem

    def history(self) -> list[dict[str, Any]]:
        """Return how runs stand, the oldest first."""
        return read_view(self.ledger, "run_history", order=("session", "run_id")).as_dicts()


@contextmanager
def desk_in(folder: Path) -> Iterator[Desk]:
    """Give a mind that has seen nothing yet, and whose ledger knows two series."""
    settings = settings_of(folder)
    with open_ledger(settings.database_url(), create=True) as ledger:
        fill(ledger)
        yield Desk(folder, ledger)


def messages(caplog: pytest.LogCaptureFixture, level: str = "ERROR") -> list[str]:
    """Return what was logged."""
    return [one.getMessage() for one in caplog.records if one.levelname == level]


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it that means to go on."""


@contextmanager
def killed_at(engine: Engine, when: int) -> Iterator[None]:
    """Kill the process at its k-th contact with the database; nothing it does after that counts."""
    contacts = 0

    def contact(*_: object) -> None:
        nonlocal contacts
        contacts += 1
        if contacts >= when:
            raise Killed

    names = ("begin", "before_cursor_execute", "commit")
    for name in names:
        event.listen(engine, name, contact)
    try:
        yield
    finally:
        for name in names:
            event.remove(engine, name, contact)


def ending(how: str, reason: str = "", code: int = 0) -> Ending:
    """Return how a child ended."""
    return Ending(code, how, reason, {}, 1.0)  # type: ignore[arg-type]  any word of How


def as_told(work: Callable[[], None]) -> Ending:
    """Do a child's work, and return how that ended as its process would tell."""
    try:
        work()
    except Killed:
        return ending("killed", "it ended with SIGKILL before it was done", -9)
    except ForecasterError as error:
        return ending("busy" if error.code == "busy" else "failed", str(error), 5)
    return ending("done")


def tick_lengths(rng: random.Random, longest: timedelta) -> Iterator[timedelta]:
    """Yield times from one tick to the next: mostly short ones, and long ones where it slept."""
    most = longest / MINUTE
    while True:
        yield MINUTE * most ** rng.random()
