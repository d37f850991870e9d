"""A project whose markets go on by themselves, and what must be true of it after any accident."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from forecaster.config import load_settings
from forecaster.job.context import open_job
from forecaster.job.learn import relearn
from forecaster.job.run import run
from forecaster.ledger.check import check_ledger
from forecaster.ledger.claim import holder

READY = 5.0
"""Seconds in which a daemon has looked at the schedule for the first time."""

CONFIG = """
[[series]]
source = "market"
symbols = ["AAA", "BBB"]

[[series]]
source = "coins"
symbols = ["COIN", "DOGE"]

[model]
lookback = 3
horizon = 2
hidden_size = 3
epochs = 2
members = 1
validation = 0.0

[retrain]
every = 2

[intervals]
scale = "ewma"

[schedule]
initial_backfill = 3
give_up = 10080

[executor]
name = "noting"

[plugins]
dirs = ["plugins"]

[reporters.html]
folder = "report"
"""

MARKET = '''
"""A source of random walks that are quoted up to now, an executor that notes each training."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from forecaster import hookimpl
from forecaster.hooks import Quotes
from forecaster.market import get_calendar
from forecaster.model import Activation

FIRST = date(2022, 11, 1)


def clock():
    real, said, speed = (float(each) for each in os.environ["CLOCK"].split())
    return datetime.fromtimestamp(said, UTC) + timedelta(seconds=(time.time() - real) * speed)


class Market:
    name = "market"
    calendar = "XNYS"

    def __init__(self, options, folder):
        self.folder = folder

    def fetch(self, symbol, start, end):
        import pandas as pd

        trick = self.folder / "trick.py"
        if trick.exists():
            exec(compile(trick.read_text(), str(trick), "exec"), {"symbol": symbol})
        name = self.calendar
        calendar = get_calendar(name)
        days = calendar.sessions(FIRST, calendar.last_closed(clock()))
        seed = sum(map(ord, symbol))
        moves = np.random.default_rng(seed).normal(0.0, 0.01, len(days))
        close = np.round(100 * np.exp(np.cumsum(moves)), 2)
        table = pd.DataFrame({"close": close}, index=pd.DatetimeIndex(days))
        return Quotes(table.loc[pd.Timestamp(start) if start else None :], calendar=name)


class Coins(Market):
    name = "coins"
    calendar = "24/7"


class Noting:
    name = "noting"

    def __init__(self, options, folder):
        self.file = folder / "trained"
        if (folder / "broken").exists():
            (folder / "broken").unlink()
            raise RuntimeError("it breaks, once")

    def map(self, function, items):
        for item in items:
            with self.file.open("a") as file:
                file.write(f"{item.series} {len(item.values)} {item.values[-1]}\\n")
            yield function(item)


def value(z, out):
    if Path("trick.py").exists():
        exec(compile(Path("trick.py").read_text(), "trick.py", "exec"), {"symbol": "activation"})
    np.tanh(z, out=out)


def slope(a, out):
    np.multiply(a, a, out=out)
    np.subtract(1.0, out, out=out)


@hookimpl
def forecaster_sources():
    return [Market, Coins]


@hookimpl
def forecaster_activations():
    return [Activation("stuck", value, slope)]


@hookimpl
def forecaster_executors():
    return [Noting]
'''

BEFORE = datetime(2023, 3, 7, 3, tzinfo=UTC)
"""When the job was done for the last time before a test begins."""

LONG_BEFORE = datetime(2023, 1, 20, 3, tzinfo=UTC)

BEGINNING = datetime(2023, 3, 10, 3, tzinfo=UTC)
"""Three nights of both calendars later; the next session is due at 23:00."""

SPEED = 600.0

Cells = dict[tuple[Any, ...], tuple[Any, ...]]

CELLS = """
SELECT series, cutoff, horizon, kind, target_session, forecast, lo80, hi80, lo95, hi95, baseline
FROM forecast_history WHERE cutoff <= ? ORDER BY 1, 2, 3
"""


def fake_clock(begins: datetime, speed: float = SPEED) -> dict[str, str]:
    """Return the environment of a clock that shows a moment now and runs so many times as fast."""
    return {"CLOCK": f"{time.time()} {begins.timestamp()} {speed}"}


@dataclass
class Markets:
    """A project's folder, and what became of it.

    Attributes:
        folder: with configuration, plugin and database.
    """

    folder: Path

    @property
    def database(self) -> Path:
        """The database."""
        return self.folder / "forecaster.db"

    @property
    def url(self) -> str:
        """Likewise, as a URL."""
        return f"sqlite:///{self.database}"

    def build(self) -> None:
        """Write configuration and plugin."""
        (self.folder / "plugins").mkdir(parents=True)
        (self.folder / "plugins" / "market.py").write_text(MARKET)
        (self.folder / "config.toml").write_text(CONFIG)

    def configure(self, old: str, new: str) -> None:
        """Change the configuration, at once and whole."""
        text = (self.folder / "config.toml").read_text()
        assert old in text
        fresh = self.folder / "config.toml.new"
        fresh.write_text(text.replace(old, new))
        fresh.rename(self.folder / "config.toml")

    def work(self, now: datetime) -> None:
        """Do the job here, at a moment at which the clock stands still."""
        with standing(now), self.job(now) as job:
            run(job)

    @contextmanager
    def job(self, now: datetime) -> Iterator[Any]:
        """Open the project at a moment."""
        settings = load_settings(self.folder / "config.toml", environ={})
        with open_job(settings, clock=partial(_same, now)) as job:
            yield job

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        place = f"file:{self.database}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def cells(self) -> Cells:
        """Return the numbers of each forecast, as any reader sees them; none is there twice.

        Those of the nights that were due when the test began: its clock runs on.
        """
        if not self.database.exists():
            return {}
        rows = self.sql(CELLS, str(BEGINNING.date()))
        found = {row[:3]: row[4:] for row in rows}
        assert len(found) == len(rows), "a forecast is stored twice"
        return found

    def open_runs(self) -> list[tuple[Any, ...]]:
        """Return the runs of which something remains to be done."""
        return self.sql(
            "SELECT kind, calendar, session, state, next_attempt_at, reason FROM run"
            " WHERE due_at IS NOT NULL AND session < ? AND"
            " (state IN ('pending', 'running', 'interrupted') OR next_attempt_at IS NOT NULL)",
            str(BEGINNING.date()),
        )

    def has_ticked(self, pid: int) -> bool:
        """Say whether a daemon has looked at the schedule."""
        try:
            return self.sql("SELECT pid FROM daemon WHERE stopped_at IS NULL") == [(pid,)]
        except sqlite3.OperationalError:  # there is no database yet
            return False

    def said_done(self) -> set[tuple[str, str]]:
        """Return (calendar, session) of the nights of which the log says that they are done."""
        found = set()
        for path in (*self.folder.glob("said"), *self.folder.glob("log*")):
            for line in path.read_text().splitlines():
                if '"event": "night"' in line:
                    calendar, _, session = json.loads(line)["run"].partition(" ")
                    found.add((calendar, session))
        return found

    def is_free(self, name: Any) -> bool:
        """Say whether nobody has a lock."""
        return holder(self.url, name) is None

    def passed_over(self) -> list[tuple[Any, ...]]:
        """Return the sessions that ended after a later one of their calendar, tried repeatedly."""
        return self.sql(
            "SELECT calendar, session FROM run WHERE attempts > 1 AND EXISTS (SELECT 1 FROM run l"
            " WHERE l.calendar = run.calendar AND l.session > run.session"
            " AND l.finished_at < run.finished_at AND l.session < ?)",
            str(BEGINNING.date()),
        )

    def at_work(self) -> int:
        """Return the process that works nights, 0 if none does."""
        found = holder(self.url, "run")
        return found.pid if found else 0

    def processes(self) -> list[int]:
        """Return the processes that are at work in this folder."""
        return [pid for pid in _pids() if _folder_of(pid) == str(self.folder)]

    def check(self, wanted: Mapping[tuple[Any, ...], tuple[Any, ...]]) -> None:
        """Demand a ledger without a fault, and exactly these forecasts, to the bit."""
        assert self.sql("PRAGMA integrity_check") == [("ok",)]
        with self.job(BEGINNING) as job:
            findings = check_ledger(job.ledger, relearn)
        assert [one for one in findings if not one.ok] == []
        found = self.cells()
        assert sorted(found) == sorted(wanted)
        # One that was tried in vain lets the next sessions go first, and they learn without it.
        assert found == dict(wanted) or self.passed_over()
        series = {"XNYS": {"AAA", "BBB"}, "24/7": {"COIN", "DOGE"}}
        for calendar, session in self.said_done():
            if session >= str(BEGINNING.date()):
                continue
            spoken = {name for name, cutoff, _ in found if cutoff == session}
            assert series[calendar] <= spoken, (calendar, session)


def _same(now: datetime) -> datetime:
    return now


@contextmanager
def standing(now: datetime) -> Iterator[None]:
    """Have the plugin's clock stand still."""
    os.environ |= fake_clock(now, 0.0)
    try:
        yield
    finally:
        del os.environ["CLOCK"]


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _folder_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:  # it has ended
        return ""


def lost(seen: Sequence[Cells], now: Cells) -> list[Any]:
    """Return what a reader saw once and is not there any more, or is not the same."""
    return [cell for each in seen for cell, told in each.items() if now.get(cell) != told]


class Templates:
    """Folders to copy, and what an undisturbed run stores in each; made when they are wanted.

    "worked" is a project that has worked until three nights ago, "new" one that never has, and
    "left alone" was left alone for seven weeks, and has two processes to train its networks.

    Args:
        folder: where to.
    """

    BEFORE: ClassVar = {"worked": BEFORE, "new": None, "left alone": LONG_BEFORE}

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cells: dict[str, Cells] = {}

    def copy(self, name: str, to: Path, *, undisturbed: bool = False) -> Markets:
        """Return a folder of one's own, in which all is done already if that is wanted."""
        self.cells(name)
        shutil.copytree(self._folder / (f"{name}-undisturbed" if undisturbed else name), to)
        return Markets(to)

    def cells(self, name: str) -> Cells:
        """Return what an undisturbed run stores."""
        if name not in self._cells:
            self._cells[name] = self._grow(name)
            assert self._cells[name]
        return self._cells[name]

    def _grow(self, name: str) -> Cells:
        before = self.BEFORE[name]
        one = Markets(self._folder / name)
        one.build()
        if name == "left alone":
            one.configure('[executor]\nname = "noting"', "[plugins.local]\nworkers = 2")
        if before is not None:
            one.work(before)
        if name == "left alone":
            one.configure("[plugins.local]", '[executor]\nname = "local"\n\n[plugins.local]')
        shutil.copytree(one.folder, self._folder / f"{name}-undisturbed")
        undisturbed = Markets(self._folder / f"{name}-undisturbed")
        undisturbed.work(BEGINNING)
        return undisturbed.cells()
