"""Each session of each calendar is worked once, whatever time zone, clock and machine do."""

import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import exchange_calendars
import numpy as np
import pytest
from sqlalchemy import select

from forecaster.config import Settings
from forecaster.daemon.child import Ending, Errand
from forecaster.hooks import build_registry
from forecaster.job.agenda import Agenda
from forecaster.job.context import Job
from forecaster.job.settle import Standing
from forecaster.job.take import Taken
from forecaster.ledger import (
    Forecast,
    Instrument,
    Ledger,
    Night,
    Outcome,
    SeriesNight,
    Stamp,
    open_ledger,
)
from forecaster.ledger.claim import claim
from forecaster.ledger.instruments import read_series, register_series
from forecaster.ledger.nights import commit
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.ledger.schema import forecast, run
from forecaster.market import Actions, Bars
from forecaster.market.mended import mend_offsets

from .simulator import DAY, HOUR, MINUTE, SECOND, Machine, World, as_told, tick_lengths

pytestmark = pytest.mark.usefixtures("no_disk")

EXCHANGES = ("XNYS", "XLON", "XTKS", "XFRA")
CALENDARS = (*EXCHANGES, "24/7")
DELAY = 2 * HOUR

# The tables that the program computes at first end with 2040.
START, YEARS = date(2039, 6, 1), 3
ZONES = (
    "UTC", "America/New_York", "Europe/London", "Asia/Tokyo", "Europe/Berlin", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Etc/GMT+12",
)  # fmt: skip
STEPS = tuple(sign * step for step in (SECOND, HOUR, DAY, 7 * DAY) for sign in (1, -1))


@pytest.fixture(scope="module")
def closes() -> dict[str, dict[date, datetime]]:
    """When each session closes, as the library has it."""
    first, last = START - timedelta(days=40), date(START.year + YEARS + 1, 1, 31)
    found: dict[str, dict[date, datetime]] = {}
    for name in EXCHANGES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas calls of the library's
            mend_offsets()
            table = exchange_calendars.get_calendar(name, start=str(first), end=str(last)).closes
        found[name] = {session.date(): close.to_pydatetime() for session, close in table.items()}
    days = [first + timedelta(days=k) for k in range((last - first).days)]
    midnight = datetime.min.time()
    found["24/7"] = {day: datetime.combine(day + DAY, midnight, UTC) for day in days}
    return found


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    """Leave the time zone as it was."""
    before = os.environ.get("TZ")
    yield
    os.environ.pop("TZ", None)
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def live_in(zone: str) -> None:
    """Let this process believe to be somewhere."""
    os.environ["TZ"] = zone
    time.tzset()


def settings_of(folder: Path) -> Settings:
    """Return the settings of one series of each calendar."""
    series = [
        {"source": "feed", "symbol": name.replace("/", ""), "calendar": name} for name in CALENDARS
    ]
    return Settings.model_validate({"folder": folder, "series": series})


def fill(ledger: Ledger, now: datetime) -> None:
    """Let the ledger know one series of each calendar."""
    empty, none = np.full(1, np.nan), np.zeros(0)
    actions = Actions(np.zeros(0, dtype="datetime64[D]"), none, none)
    bars = Bars(np.array(["2039-05-02"], "datetime64[D]"), empty, empty, empty, empty + 1, empty)
    bars = Bars(bars.sessions, empty, empty, empty, np.ones(1), empty)
    wanted = []
    for name in CALENDARS:
        symbol = name.replace("/", "")
        instrument = Instrument(0, "feed", symbol, name, None, False, "")
        [stored] = store_quotes(ledger, [Answer(instrument, bars, actions)], now=now)
        wanted.append((symbol, stored.instrument.id, "close"))
    register_series(ledger, wanted, now=now)


@dataclass
class Light:
    """A child whose nights are one forecast each.

    Attributes:
        world: what time it is.
        closes: of each session.
        ledger: that the daemon has open.
        started: when the daemon first ran.
        believing: the clock, as to what has settled; otherwise only what really has is there.
        begun: each session that was begun, and what the clock said then.
    """

    world: World
    closes: dict[str, dict[date, datetime]]
    ledger: Callable[[], Ledger]
    started: datetime
    believing: bool
    begun: list[tuple[str, date, datetime]] = field(default_factory=list)

    def work(self, errand: Errand) -> Ending:
        """Do an errand as `run` does, less prices and networks."""
        return as_told(lambda: self._work(errand))

    def _work(self, errand: Errand) -> None:
        settings, ledger = errand.settings, self.ledger()
        with claim(settings.database_url(), "run", what="run", wait=False):
            job = Job(settings, ledger, build_registry((), ()), self.world.clock)
            known, now = read_series(ledger), self.world.clock()
            standings = [
                Standing(one, known[one.name], None, None, Taken(), None, job.calendars, now)
                for one in settings.each_series()
                if one.calendar in (errand.calendars or ())
            ]
            with Agenda.of_job(job, standings, only_some=False) as agenda:
                agenda.begin([])
                for night, again in agenda.again.items():
                    series_id = known[night.calendar.replace("/", "")].id
                    self._one(ledger, series_id, night, again)

    def _one(self, ledger: Ledger, series_id: int, night: Night, again: datetime | None) -> None:
        now = self.world.clock()
        self.begun.append((night.calendar, night.session, now))
        due_at = self.closes[night.calendar][night.session] + DELAY
        if due_at <= (now if self.believing else self.world.now):
            result = told(series_id, night, well=True)
        elif again is None and night.kind == "live":
            result = told(series_id, night, well=False)
        else:
            result = awaited(series_id)
        stamp = Stamp(now, "1", "{}")
        commit(ledger, night, [result], stamp, seconds=0.0, last=True, retry_at=again)


def told(series_id: int, night: Night, *, well: bool) -> SeriesNight:
    """Return a night with a forecast, or a fallback."""
    numbers = dict.fromkeys(("mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale",
                             "quantile80", "quantile95", "basis"), 1.0)  # fmt: skip
    said = Forecast(horizon=1, target_session=night.session + DAY, **numbers)
    outcome = Outcome("done", "ok", "") if well else Outcome("fallback", "no_bar", "none came")
    return SeriesNight(series_id, outcome, forecasts=(said,))


def awaited(series_id: int) -> SeriesNight:
    """Return a night whose bar is not there yet."""
    return SeriesNight(series_id, Outcome("deferred", "no_bar", "there is no bar"))


def live_through(
    folder: Path,
    closes: dict[str, dict[date, datetime]],
    zone: str,
    first: date,
    days: int,
    *,
    believing: bool,
) -> tuple[Light, Ledger]:
    """Simulate some days, with clock steps and restarts."""
    live_in(zone)
    rng = random.Random(f"{zone} {first}")
    world = World(datetime.combine(first, datetime.min.time(), UTC) + rng.random() * DAY)
    settings = settings_of(folder)
    with open_ledger(settings.database_url(), create=True) as ledger:
        fill(ledger, world.now)
    machine = Machine(world, settings)
    light = Light(world, closes, machine.opened, world.now, believing)
    machine.body = light.work
    begins, ends, end = (world.now + count * DAY for count in (10, days - 10, days))
    lengths, right_at = tick_lengths(rng, 48 * HOUR), None
    while world.now < end:
        if right_at is not None and world.now >= right_at:
            world.wrong, right_at = timedelta(0), None
        if right_at is None and begins < world.now < ends and rng.random() < 0.03:
            world.wrong = rng.choice(STEPS)
            # Whoever tries in vain for longer than the clock is ahead gives up for good, and so
            # does who sleeps until it cannot be told any more that it was.
            longest = 3 * DAY if believing else min(3 * DAY, abs(world.wrong))
            right_at = world.now + rng.random() * longest
        assert machine.tick()
        if rng.random() < 0.01:
            machine.halt()
        later = world.now + next(lengths)
        world.now = later if believing or right_at is None else min(later, right_at)
    world.wrong = timedelta(0)
    for _ in range(3):
        machine.tick()
        world.now += MINUTE
    return light, machine.opened()


def require_once(light: Light, ledger: Ledger) -> None:
    """Demand one run of each session that has settled, begun when the clock said that it had."""
    due = {
        (name, session): close + DELAY
        for name, sessions in light.closes.items()
        for session, close in sessions.items()
    }
    start = {
        name: max(session for (its, session), when in due.items()
                  if its == name and when <= light.started)
        for name in CALENDARS
    }  # fmt: skip
    expected = {
        (name, session)
        for (name, session), when in due.items()
        if when <= light.world.now and session >= start[name]
    }
    columns = [run.c[name] for name in ("calendar", "session", "state", "due_at")]
    with ledger.reading() as connection:
        rows = connection.execute(select(*columns)).all()
        said = connection.execute(select(*columns[:2]).join(forecast)).all()
    assert Counter((row[0], row[1]) for row in rows) == Counter(expected)
    assert {row[2] for row in rows} <= {"done", "degraded"}
    assert {row[:2] for row in rows if row[3] != due[row[0], row[1]]} <= set(start.items())
    assert Counter(map(tuple, said)) == Counter(expected)
    assert [one for one in light.begun if one[2] < due[one[:2]]] == []


@pytest.mark.parametrize("place", range(len(ZONES)))
def test_each_session_is_worked_once(
    tmp_path: Path, closes: dict[str, dict[date, datetime]], place: int
) -> None:
    """Over three years, in ten time zones, with a clock that is set and a machine that sleeps."""
    days = 366 * YEARS // len(ZONES)
    first = START + place * days * DAY
    believing = bool(place % 2)
    light, ledger = live_through(tmp_path, closes, ZONES[place], first, days, believing=believing)
    require_once(light, ledger)
    assert {one[0] for one in light.begun} == set(CALENDARS)


def test_a_session_that_is_missed_is_noticed(
    tmp_path: Path, closes: dict[str, dict[date, datetime]]
) -> None:
    """The check fails where a session has settled that nothing was done for, or begins too soon."""
    light, ledger = live_through(tmp_path, closes, "UTC", START, 25, believing=True)
    require_once(light, ledger)
    light.begun.append(("24/7", START, light.started - 10 * DAY))
    with pytest.raises(AssertionError):
        require_once(light, ledger)
    light.begun.pop()
    light.world.now += 2 * DAY
    with pytest.raises(AssertionError):
        require_once(light, ledger)


@pytest.mark.soak
@pytest.mark.parametrize("believing", [True, False])
@pytest.mark.parametrize("zone", ZONES)
def test_each_session_is_worked_once_in_all_years(
    tmp_path: Path, closes: dict[str, dict[date, datetime]], zone: str, believing: bool
) -> None:
    """The same for the whole of them in each zone."""
    days = 366 * YEARS
    light, ledger = live_through(tmp_path, closes, zone, START, days, believing=believing)
    require_once(light, ledger)
    assert {one[0] for one in light.begun} == set(CALENDARS)
