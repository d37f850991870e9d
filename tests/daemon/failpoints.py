"""Named moments of the daemon, its child and the commands at which a test has them killed.

Nothing in the program knows of them: `arm` wraps functions by their names in the process that is
to die, and kills it with SIGKILL when it comes to the failpoint for the k-th time. That it did is
noted in a file first.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from threading import local
from typing import Any, Literal

NOTED = "reached"
"""A file in the project's folder: the failpoint that was reached."""

Where = Literal["before", "commit", "after"]
Who = Literal["daemon", "night", "command"]


@dataclass(frozen=True)
class Failpoint:
    """A moment to die at.

    Attributes:
        who: which process dies.
        what: happens then, in words.
        where: before, or after, a function works; or at its commit, just before it counts.
        target: module:function.
        scene: what the process is at; see `scenes`.
        only: must be in the text of the first arguments.
        within: must be among the functions that are at work.
        often: how often it is reached at least, in that scene.
    """

    who: Who
    what: str
    where: Where
    target: str
    scene: str = "nights"
    only: str = ""
    within: str = ""
    often: int = 1

    @property
    def name(self) -> str:
        """How a test calls it."""
        return f"{self.who}: {self.where} {self.what}"


def _write(who: Who, what: str, target: str, **more: Any) -> list[Failpoint]:
    return [
        Failpoint(who, f"{what} is stored", "commit", target, **more),
        Failpoint(who, f"{what} is stored", "after", target, **more),
    ]


def _act(who: Who, what: str, target: str, **more: Any) -> list[Failpoint]:
    return [
        Failpoint(who, what, "before", target, **more),
        Failpoint(who, what, "after", target, **more),
    ]


LEDGER, DAEMON = "forecaster.ledger", "forecaster.daemon"

FAILPOINTS = [
    *_act("daemon", "the daemon's lock is taken", f"{LEDGER}.locks:FileLock.take",
          only=".daemon.lock"),
    *_act("daemon", "a new database gets its name", f"{LEDGER}.files:place", scene="empty"),
    Failpoint("daemon", "the first migration is stored", "commit", f"{LEDGER}.upgrade:_migrate",
              scene="empty"),
    *_write("daemon", "the schedule", f"{LEDGER}.runs:put_on_schedule"),
    *_write("daemon", "what is taken off the schedule", f"{LEDGER}.ahead:take_back", scene="ahead"),
    *_write("daemon", "the pulse", f"{LEDGER}.pulse:beat", often=10),
    *_act("daemon", "a child's process starts", "subprocess:Popen.__init__"),
    *_act("daemon", "the errand is handed over", f"{DAEMON}.child:_written"),
    *_act("daemon", "a child's end is noted", f"{DAEMON}.watch:Watch.ended"),
    *_write("daemon", "that a child was killed", f"{LEDGER}.attempts:give_back", scene="killed",
            often=2),
    *_act("daemon", "the configuration is read anew", f"{DAEMON}.watch:Watch._reload", often=10),
    *_write("daemon", "that some are tried again", f"{LEDGER}.attempts:reopen", scene="changed"),
    *_act("daemon", "the log is rotated", "forecaster.logfile:LogFile._rotate", scene="long log",
          often=2),
    Failpoint("daemon", "an older log gets its name", "after", "pathlib:Path.replace",
              scene="long log", within="_rotate", often=2),
    *_write("daemon", "that a run broke off", f"{LEDGER}.attempts:interrupt", scene="stopped"),
    *_act("daemon", "a child is stopped", f"{DAEMON}.child:Child.stop", scene="stopped"),
    *_act("night", "it asks to die with its parent", f"{DAEMON}.night:_die_with_parent"),
    *_act("night", "the errand is read", f"{DAEMON}.night:_first_line"),
    *_act("night", "the run's lock is taken", f"{LEDGER}.locks:FileLock.take", only=".run.lock"),
    *_act("night", "the run's lock is released", f"{LEDGER}.locks:FileLock.close",
          only=".run.lock"),
    *_act("night", "a source answers", "forecaster.job.asking:_fetched", often=4),
    *_write("night", "an answer", f"{LEDGER}.quotes:store_quotes"),
    *_write("night", "a new series", f"{LEDGER}.instruments:register_series", scene="empty"),
    *_write("night", "what was asked", f"{LEDGER}.pulls:record_pulls"),
    *_write("night", "that runs were broken off", f"{LEDGER}.attempts:recover"),
    *_write("night", "that runs begin", f"{LEDGER}.attempts:begin"),
    *_act("night", "stored models are read", f"{LEDGER}.versions:read_versions", often=4),
    *_act("night", "models are trained", "forecaster.job.train:_run", often=4),
    *_write("night", "a night", f"{LEDGER}.nights:commit", often=6),
    Failpoint("night", "outcomes are scored within a night's transaction", "after",
              f"{LEDGER}.scores:store_scores", often=6),
    Failpoint("night", "a night's transaction is at its outcomes", "before",
              f"{LEDGER}.nights:_store_outcomes", often=6),
    *_write("night", "that runs are over", f"{LEDGER}.attempts:finish"),
    *_write("night", "that runs broke off", f"{LEDGER}.attempts:interrupt", scene="broken"),
    *_act("night", "the report's pages get their names", "forecaster.plugins.html:_publish"),
    Failpoint("night", "one of the report's pages gets its name", "after", "pathlib:Path.replace",
              within="_publish", often=3),
    Failpoint("night", "it says that all is done", "after", "forecaster.job.report:report"),
    *_act("command", "a backup gets its name", f"{LEDGER}.files:place", scene="backup"),
    Failpoint("command", "a backup is proved", "before", f"{LEDGER}.backup:integrity",
              scene="backup"),
    *_act("command", "a restored database gets its name", f"{LEDGER}.files:place",
          scene="restore"),
    *_act("command", "the replaced database is set aside", f"{LEDGER}.restore:_set_aside",
          scene="restore"),
    *_act("command", "a copy is made before a migration", f"{LEDGER}.backup:back_up_before",
          scene="upgrade"),
    *_act("command", "that copy gets its name", f"{LEDGER}.files:place", scene="upgrade"),
    Failpoint("command", "a migration is stored", "before", f"{LEDGER}.upgrade:_migrate",
              scene="upgrade"),
    Failpoint("command", "a migration is stored", "commit", f"{LEDGER}.upgrade:upgrade",
              scene="upgrade"),
    Failpoint("command", "a migration is stored", "after", f"{LEDGER}.upgrade:upgrade",
              scene="upgrade"),
]  # fmt: skip

NAMED = {one.name: one for one in FAILPOINTS}
_working = local()


def arm(who: Who, folder: Path) -> None:
    """Have this process die at the failpoint that the environment names, if it is its own.

    Args:
        who: this process is.
        folder: of the project.
    """
    name = os.environ.get("FAILPOINT", "")
    if not name or NAMED[name].who != who or (folder / NOTED).exists():
        return
    _wrap(NAMED[name], _Bomb(name, folder / NOTED, int(os.environ.get("FAILPOINT_HIT", "1"))))


class _Bomb:
    """Counts how often the failpoint is reached, and goes off at the k-th time."""

    def __init__(self, name: str, file: Path, hit: int) -> None:
        self._name, self._file, self._left = name, file, hit

    def reached(self) -> None:
        """Note it and kill this process, if it is time."""
        self._left -= 1
        if self._left:
            return
        noted = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(noted, f"{self._name}\n".encode())
        os.fsync(noted)
        os.kill(os.getpid(), signal.SIGKILL)


def _wrap(point: Failpoint, bomb: _Bomb) -> None:
    module_name, _, path = point.target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *holders, last = path.split(".")
    for each in holders:
        owner = getattr(owner, each)
    original = getattr(owner, last)
    wrapped = _wrapped(original, point, bomb)
    setattr(owner, last, wrapped)
    if not holders:  # who imported it by its name has it as well
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if value is original:
                    setattr(module, name, wrapped)
    if point.where == "commit":
        _listen(bomb)


def _wrapped(original: Callable[..., Any], point: Failpoint, bomb: _Bomb) -> Callable[..., Any]:
    @wraps(original)
    def function(*args: Any, **options: Any) -> Any:
        if not _is_meant(point, args):
            return original(*args, **options)
        if point.where == "before":
            bomb.reached()
        _working.now = True
        try:
            result = original(*args, **options)
        finally:
            # The commit of a migration is made by whoever called it.
            _working.now = point.target.endswith(":_migrate")
        if point.where == "after":
            bomb.reached()
        return result

    return function


def _is_meant(point: Failpoint, args: tuple[Any, ...]) -> bool:
    about = " ".join(str(getattr(one, "_path", one)) for one in args[:1])
    return point.only in about and (not point.within or _is_at_work(point.within))


def _is_at_work(name: str) -> bool:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == name:
            return True
    return False


def _listen(bomb: _Bomb) -> None:
    """Go off when a transaction is about to be committed within the function."""
    from sqlalchemy import Engine, event

    def committing(*_: object) -> None:
        if getattr(_working, "now", False):
            bomb.reached()

    event.listen(Engine, "commit", committing)
