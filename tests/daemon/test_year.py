"""A year of the daemon, the job and its source, with a fault on every tenth day."""

import gc
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from forecaster.config import load_settings
from forecaster.daemon.child import Ending, Errand
from forecaster.hooks import Registry, build_registry
from forecaster.job.context import Job
from forecaster.job.learn import relearn
from forecaster.job.run import run
from forecaster.ledger import Ledger
from forecaster.ledger.check import check_ledger
from forecaster.ledger.runs import open_runs
from forecaster.market import get_calendar

from .simulator import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Machine,
    World,
    as_told,
    ending,
    killed_at,
)
from .street import Street

pytestmark = pytest.mark.usefixtures("no_disk")

SYMBOLS = {"XNYS": 4, "XTKS": 3, "247": 3}
CALENDARS = ("XNYS", "XTKS", "24/7")
DELAY = 2 * HOUR
START = datetime(2030, 1, 7, 12, tzinfo=UTC)
SHARE = 0.1
"""Of the days on which something goes wrong."""

CONTACTS = 120
"""With the database, of a child: one that is to be killed is so at one of these."""


@dataclass
class Year:
    """A machine on a street, and all that goes wrong there.

    Attributes:
        street: what the source says.
        rng: of the faults.
        world: what time it is.
        machine: that the daemon runs on.
        over: what ends when.
        kill: at which contact the next child is killed, and what its end is called.
        full: no page can be added to the database.
        said: the forecasts that were stored, each when it was, by their numbers: their digests.
        coming: names of the faults that come next.
        faults: how often each went wrong.
        endings: how often children ended how.
        wal: the longest that the write-ahead log ever was.
    """

    street: Street
    rng: random.Random
    world: World
    machine: Machine
    over: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    kill: tuple[int, str] | None = None
    full: bool = False
    said: list[int] = field(default_factory=list)
    coming: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    wal: int = 0
    registry: Registry | None = None

    def until(self, wait: timedelta, end: Callable[[], None]) -> None:
        """Have a fault end."""
        self.over.append((self.world.now + wait, end))

    def child(self, errand: Errand) -> Ending:
        """Do the daily job, and remember what was said."""
        told = self.body(errand)
        self.endings[told.how] += 1
        self.remember()
        return told

    def body(self, errand: Errand) -> Ending:
        """Do the daily job, unless the child is killed."""
        ledger = self.machine.opened()
        self.registry = self.registry or build_registry(errand.settings.plugin_dirs(), None)
        job = Job(errand.settings, ledger, self.registry, self.world.clock)
        self.street.tell(self.world.now)
        if self.kill is None:
            return as_told(lambda: run(job, calendars=errand.calendars, wait=False))
        (when, how), self.kill = self.kill, None
        with killed_at(ledger.engine, when):
            told = as_told(lambda: run(job, calendars=errand.calendars, wait=False))
        return ending(how, f"it was to end so: {how}") if told.how == "killed" else told

    def measure(self, _: object) -> None:
        """Note how long the write-ahead log is, before anything is done about that."""
        log = self.street.folder / "forecaster.db-wal"
        self.wal = max(self.wal, log.stat().st_size if log.exists() else 0)

    def remember(self) -> None:
        """Keep what was stored since the last time."""
        for row in said(self.machine.opened(), since=len(self.said)):
            self.said.append(hash(tuple(row)))
            assert row[0] == len(self.said)

    def go_wrong(self) -> None:
        """Let something go wrong today."""
        if not self.coming:  # each of them, before any comes again
            names = [name for name in dir(self) if name.startswith("fault_")]
            self.coming = self.rng.sample(names, len(names))
        name = self.coming.pop()
        self.faults[name.removeprefix("fault_")] += 1
        getattr(self, name)()

    def source_says(self, word: str, wait: timedelta, symbol: str = "all") -> None:
        """Let the source fail for a while."""
        self.street.faults[symbol] = word
        self.until(wait, lambda: self.street.faults.pop(symbol, None) and None)

    def fault_network(self) -> None:
        self.source_says("network", self.rng.uniform(1, 20) * HOUR)

    def fault_provider_down(self) -> None:
        self.source_says("provider_down", DAY)

    def fault_rate_limited(self) -> None:
        self.source_says("rate_limited 1800", self.rng.uniform(0.2, 6) * HOUR)

    def fault_plugin(self) -> None:
        self.source_says("raise", self.rng.uniform(1, 10) * HOUR, self.symbol())

    def symbol(self) -> str:
        calendar = self.rng.choice(list(SYMBOLS))
        return f"{calendar}-{self.rng.randrange(SYMBOLS[calendar])}"

    def bar(self, what: str | float, after: timedelta, wait: timedelta) -> None:
        """Let the next session's bar of a symbol be wrong after a while, and right later."""
        symbol = self.symbol()
        calendar = get_calendar(symbol.partition("-")[0].replace("247", "24/7"))
        session = calendar.after(calendar.last_closed(self.world.now), 1)[0].isoformat()
        bars = self.street.bars.setdefault(symbol, {})

        def right() -> None:
            bars.pop(session, None)

        def wrong() -> None:
            bars[session] = what
            if wait:
                self.until(wait, right)

        self.until(after, wrong)

    def fault_truncated_bar(self) -> None:
        self.bar("truncated", timedelta(0), 30 * HOUR)

    def fault_missing_bar(self) -> None:
        self.bar("missing", timedelta(0), 2 * DAY)

    def fault_revised_bar(self) -> None:
        self.bar(1.02, 3 * DAY, timedelta(0))

    def fault_killed(self) -> None:
        self.kill = (self.rng.randint(1, CONTACTS), "killed")

    def fault_deadline(self) -> None:
        self.kill = (self.rng.randint(1, CONTACTS), "deadline")

    def fault_memory(self) -> None:
        self.kill = (self.rng.randint(1, CONTACTS), "memory")

    def fault_restart(self) -> None:
        self.kill = (self.rng.randint(1, CONTACTS), "stopped")
        self.machine.halt()

    def fault_machine_off(self) -> None:
        self.machine.halt()
        self.world.now += self.rng.uniform(1, 6) * DAY

    def fault_clock(self) -> None:
        step = self.rng.choice([SECOND, HOUR, DAY, 7 * DAY])
        self.world.wrong = self.rng.choice([1, -1]) * step

        def right() -> None:
            self.world.wrong = timedelta(0)

        self.until(self.rng.uniform(0.1, 1) * HOUR, right)

    def fault_disk_full(self) -> None:
        self.full = True
        self.fill()

        def empty() -> None:
            self.full = False
            self.fill()

        self.until(self.rng.uniform(1, 10) * HOUR, empty)

    def fill(self) -> None:
        """Let the database have no more pages than it has, or as many as it wants."""
        if self.machine.ledger is None:
            return
        pages = 1 if self.full else 1 << 30
        with self.machine.ledger.reading() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def live(self, end: datetime, each_day: Callable[[], None]) -> None:
        """Let time pass."""
        today = self.world.now.date()
        while self.world.now < end:
            if self.world.now.date() != today:
                today = self.world.now.date()
                each_day()
                if self.rng.random() < SHARE:
                    self.go_wrong()
            self.tick()
            self.world.now = min(self.next_moment(), end)
        self.calm_down()

    def tick(self) -> None:
        for moment, finish in list(self.over):
            if moment <= self.world.now:
                self.over.remove((moment, finish))
                finish()
        if self.machine.watch is None:
            self.machine.boot()
            event.listen(self.machine.opened().engine, "commit", self.measure)
            self.fill()
        well = self.machine.tick()
        assert well or self.full

    def calm_down(self) -> None:
        """Let every fault be over, and the daemon come to rest."""
        end = self.world.now + 3 * DAY
        while self.world.now < end:
            self.tick()
            self.world.now = self.next_moment()
        for _ in range(3):
            self.tick()
            self.world.now += MINUTE

    def next_moment(self) -> datetime:
        """Return when there is something to do again, or somewhat later."""
        now = self.world.now
        moments = [moment for moment, _ in self.over]
        for name in CALENDARS:
            calendar = get_calendar(name)
            session = calendar.after(calendar.last_closed(now - DELAY), 1)[0]
            moments.append(calendar.close(session) + DELAY)
        moments += [
            now + 5 * MINUTE if one.is_due(now) else one.next_attempt_at or now
            for one in open_runs(self.machine.opened())
        ]
        later = min([moment for moment in moments if moment > now])
        return max(later, now + SECOND) + self.rng.random() ** 3 * 20 * MINUTE


def said(ledger: Ledger, since: int = 0) -> Sequence[Any]:
    """Return id, series, cutoff, horizon, and what was said, of forecasts after an id."""
    with ledger.reading() as connection:
        return connection.exec_driver_sql(
            "SELECT f.id, s.name, f.cutoff, f.horizon, f.mean, f.lo95, f.hi95, f.issued_at, f.kind"
            " FROM forecast f JOIN series s ON s.id = f.series_id WHERE f.id > ? ORDER BY f.id",
            (since,),
        ).all()


def resident() -> int:
    """Return the bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Gauges:
    """What must not grow.

    Attributes:
        memory: of this process, each day.
        files: that it has open.
    """

    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def read(self) -> None:
        """Read them."""
        if len(self.memory) % 10 == 0:
            gc.collect()
        self.memory.append(resident())
        self.files.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))


def begin(folder: Path, seed: int) -> Year:
    """Return a machine that has just been bought."""
    street = Street(folder)
    street.build(SYMBOLS)
    world = World(START)
    street.tell(world.now)
    machine = Machine(world, load_settings(folder / "config.toml", environ={}))
    machine.plugins = None
    year = Year(street, random.Random(seed), world, machine)
    machine.body = year.child
    return year


def require_accounted(year: Year) -> None:
    """Demand a state and a reason of every session, and of every series in it."""
    ledger = year.machine.opened()
    with ledger.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT calendar, session, kind, state, late, reason, id, due_at FROM run"
        ).all()
        outcomes = connection.exec_driver_sql(
            "SELECT r.calendar, r.session, count(DISTINCT o.series_id), min(o.reason_code <> ''),"
            " min(o.status IN ('done', 'fallback') OR o.reason <> '')"
            " FROM run r LEFT JOIN run_series o ON o.run_id = r.id GROUP BY 1, 2"
        ).all()
    runs = {(row[0], row[1]) for row in rows if row[7]}
    for name in CALENDARS:
        calendar = get_calendar(name)
        first = date.fromisoformat(min(row[1] for row in rows if row[0] == name and row[7]))
        newest = calendar.last_closed(year.world.now - DELAY)
        expected = {(name, str(day)) for day in calendar.sessions(first, newest).tolist()}
        assert {one for one in runs if one[0] == name} == expected
    ended = {"done", "degraded", "deferred", "failed"}
    assert [row for row in rows if row[3] not in ended] == []
    assert [row for row in rows if row[3] != "done" and not row[5]] == []
    assert [row for row in rows if row[7] and row[2] == "backfill" and not row[4]] == []
    whole = {name.replace("247", "24/7"): count for name, count in SYMBOLS.items()}
    unsaid = {(row[0], row[1]) for row in outcomes if row[2] < whole[row[0]] or not row[3] * row[4]}
    explained = {(row[0], row[1]) for row in rows if row[3] == "failed" and row[5]}
    assert unsaid <= explained


def require_kept(year: Year) -> None:
    """Demand that nothing is lost that was stored, said twice, late without a word, or wrong."""
    ledger = year.machine.opened()
    rows = said(ledger)
    assert [hash(tuple(row)) for row in rows] == year.said
    assert len({row[1:4] for row in rows}) == len(rows)
    for _, name, cutoff, _, *_, text, kind in rows:
        issued = datetime.fromisoformat(text)
        calendar = get_calendar(name.partition("-")[0].replace("247", "24/7"))
        if kind == "live":
            closed = calendar.close(calendar.after(date.fromisoformat(cutoff), 1)[0])
            overtaken = closed + DELAY  # it is due: until then its bar may not be seen
            assert issued < overtaken, f"{name} {cutoff}: live at {issued}"
    with ledger.reading() as connection:
        early = connection.exec_driver_sql(
            "SELECT r.calendar, r.session FROM forecast f JOIN run r ON r.id = f.run_id"
            " WHERE f.status = 'fallback' AND (r.next_attempt_at IS NOT NULL"
            " OR r.attempts < 5 AND r.late = 0) AND r.id IS NOT NULL"
        ).all()
    assert early == []
    assert 0 < year.wal < 16 << 20
    assert [one for one in check_ledger(ledger, relearn) if not one.ok] == []


def live_through(folder: Path, seed: int, days: int) -> tuple[Year, Gauges]:
    """Simulate so many days."""
    year = begin(folder, seed)
    gauges = Gauges()
    year.live(START + days * DAY, gauges.read)
    return year, gauges


def require_flat(gauges: Gauges) -> None:
    """Demand that memory, files and the log do not grow after a warm-up of a third."""
    third = len(gauges.memory) // 3
    assert max(gauges.memory[-5:]) < 1.05 * max(gauges.memory[third : third + 5])
    assert gauges.files[-1] <= gauges.files[third]


@pytest.mark.parametrize("half", range(2))
def test_half_a_year(tmp_path: Path, half: int) -> None:
    """Every session is accounted for, nothing that was stored is lost, and nothing grows."""
    year, gauges = live_through(tmp_path, half, 183)
    require_accounted(year)
    require_kept(year)
    require_flat(gauges)
    assert {row[-1] for row in said(year.machine.opened())} == {"live", "backfill"}


def test_what_is_lost_is_noticed(tmp_path: Path) -> None:
    """The checks fail where a session or a forecast is missing, and where something grows."""
    year, gauges = live_through(tmp_path, 0, 8)
    require_accounted(year)
    require_kept(year)
    gauges.memory = [100] * 30 + [106]
    with pytest.raises(AssertionError):
        require_flat(gauges)
    year.said.append(0)
    with pytest.raises(AssertionError):
        require_kept(year)
    year.world.now += 2 * DAY
    with pytest.raises(AssertionError):
        require_accounted(year)


@pytest.mark.soak
def test_five_years(tmp_path: Path) -> None:
    """The same for five years."""
    year, gauges = live_through(tmp_path, 5, 5 * 366)
    require_accounted(year)
    require_kept(year)
    require_flat(gauges)
    assert {row[-1] for row in said(year.machine.opened())} == {"live", "backfill"}
