"""Whatever befalls prices, what was said of them comes out again."""

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.config import load_settings
from forecaster.job.backfill import backfill
from forecaster.job.intake import pull_bars
from forecaster.job.learn import relearn
from forecaster.job.replay import replay
from forecaster.ledger.check import check_ledger
from forecaster.ledger.engine import parse_url
from forecaster.ledger.upgrade import upgrade

from .project import Project, evening, walk, xnys
from .venue import COMING, DAYS, EVERY, Venue

TODAY = len(DAYS)
NIGHTS = 14


class Weather:
    """What befalls a series: splits, dividends, holes, changes and outages, by chance."""

    def __init__(self, venue: Venue, seed: int) -> None:
        self.venue = venue
        self.rng = np.random.default_rng(seed)
        self.splits: dict[Any, float] = {}
        self.dividends: dict[Any, float] = {}
        self.holes: set[Any] = set()
        self.factors: dict[Any, float] = {}

    def befall(self, k: int) -> None:
        """Let something happen on the k-th night, and quote what there is then."""
        day, chance = COMING[k - 1], self.rng.random()
        if chance < 0.15:
            self.splits[day] = float(self.rng.choice([1.25, 2.0, 4.0, 0.1]))
        elif chance < 0.3:
            self.dividends[day] = 0.8
        elif chance < 0.4:
            self.holes.add(day)
        elif chance < 0.6:
            self.factors[EVERY[TODAY + k - int(self.rng.integers(1, 6))]] = 1.02
        elif chance < 0.65:
            self.holes.clear()
        self.quote(k)

    def quote(self, k: int) -> None:
        """Quote k sessions more; a great split is told a day late at most, a small one two."""
        closes = self.venue.trade("A", TODAY + k)
        traded = {}
        for day, close in zip(EVERY, closes, strict=False):
            shares = np.prod([ratio for since, ratio in self.splits.items() if since <= day])
            traded[day] = round(close * self.factors.get(day, 1.0) / float(shares), 6)
        told = {
            day: ratio
            for day, ratio in self.splits.items()
            if EVERY.index(day) + int(10 * ratio) % 5 < TODAY + k
        }
        self.venue.trade(
            "A", TODAY + k, changed=traded, without=sorted(self.holes), split=told,
            dividend=self.dividends,
        )  # fmt: skip


@pytest.mark.parametrize("policy", ["refuse", "drop", "carry"])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in range(1, 40))]
)
def test_a_summer_of_it(tmp_path: Path, policy: str, seed: int) -> None:
    """Live or backfilled: each number of each night is the same, and no error is like a split."""
    venue = Venue(tmp_path)
    weather = Weather(venue, seed)
    venue.trade("A", TODAY)
    venue.follow(
        "A",
        source="venue",
        more=f'missing = "{policy}"\nmodel = {{history = 80}}\nretrain = {{every = 4}}',
        settings="[schedule]\ninitial_backfill = 3",
    )
    venue.run(evening(DAYS[-1]))
    for k in range(1, NIGHTS):
        weather.befall(k)
        now = evening(COMING[k - 1])
        if weather.rng.random() < 0.2:  # nobody is there tonight, but prices are pulled
            with venue.job(now) as job:
                pull_bars(job)
        else:
            venue.run(now)
    with venue.job(evening(COMING[NIGHTS - 2]) + timedelta(hours=1)) as job:
        backfill(job, first=DAYS[-6], last=COMING[NIGHTS - 3])
    weather.holes.clear()
    weather.quote(NIGHTS)
    with venue.job(evening(COMING[NIGHTS - 1])) as job:
        pull_bars(job, everything=True)
    said = venue.sql("SELECT min(id) FROM forecast GROUP BY run_id, series_id")
    assert len(said) > 4
    with venue.job() as job:
        found = [one for (id_,) in said for one in replay(job, forecast_id=id_)]
    assert [(one.cutoff, one.differences[:1]) for one in found if one.differences] == []
    worst = venue.sql("SELECT max(abs(error) / baseline) FROM forecast_history")
    assert worst[0][0] < 0.3


YEAR = xnys("2020-06-01", "2022-12-30")
BEFORE = 300
"""Sessions before the year begins: enough to learn a spread of."""
FOUR = """
[[series]]
source = "venue"
symbols = ["A", "B"]
missing = "carry"

[[series]]
source = "venue"
symbol = "C"
missing = "drop"
model = {loss = "pinball"}

[[series]]
source = "venue"
symbol = "D"
missing = "carry"
model = {learning_rate = 0.02, epochs = 12}

[model]
lookback = 3
horizon = 3
hidden_size = 3
epochs = 3
members = 2
validation = 0.2

[retrain]
every = 10

[intervals]
scale = "panel"

[schedule]
initial_backfill = 0

[reporters]

[plugins]
dirs = ["plugins"]
"""


class Year:
    """Four series that go through a year: all pay, are revised and have holes.

    A splits, and what D does next can be foreseen.
    """

    def __init__(self, venue: Venue, nights: int) -> None:
        self.venue, self.nights = venue, nights
        self.rng = np.random.default_rng(7)
        self.closes = {symbol: walk(len(YEAR), seed) for seed, symbol in enumerate("ABC")}
        self.closes["D"] = [100.0 * 1.02 ** (k % 2) + 0.02 * close for k, close in
                            enumerate(self.closes["A"])]  # fmt: skip
        self.revised: dict[tuple[str, int], float] = {}
        self.holes: set[tuple[str, int]] = set()

    def come(self, night: int) -> None:
        """Quote what there is on the evening of a night, and do the job."""
        newest = BEFORE + night
        for symbol in "ABCD":
            chance = self.rng.random()
            if chance < 0.08:
                self.revised[symbol, newest - int(self.rng.integers(1, 30))] = 1.002
            elif chance < 0.12:
                self.holes.add((symbol, newest))
            elif chance < 0.16:  # what was missing has come
                self.holes = {one for one in self.holes if one[0] != symbol}
            self.quote(symbol, newest)
        self.venue.run(evening(YEAR[newest]))

    def quote(self, symbol: str, newest: int) -> None:
        """Write what the source has; A splits in the middle of the year, all pay each quarter."""
        split = BEFORE + self.nights // 2 if symbol == "A" else len(YEAR)
        there = [k for k in range(newest + 1) if (symbol, k) not in self.holes]
        closes = [
            round(self.closes[symbol][k] * self.revised.get((symbol, k), 1.0)
                  / (4.0 if k >= split else 1.0), 4)
            for k in there
        ]  # fmt: skip
        self.venue.quote(
            symbol, [YEAR[k] for k in there], closes,
            split=[4.0 if k == split else "" for k in there],
            dividend=[0.1 if k % 63 == 5 else "" for k in there],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("nights", "count"), [(16, 60), pytest.param(250, 1000, marks=pytest.mark.soak)]
)
def test_a_year_of_nights(tmp_path: Path, nights: int, count: int) -> None:
    """Of all that was said in a year of real nights, whatever is picked comes out to the bit."""
    venue = Venue(tmp_path)
    venue.configure(FOUR)
    year = Year(venue, nights)
    for night in range(nights):
        year.come(night)
    ids = [row[0] for row in venue.sql("SELECT id FROM forecast")]
    assert len(ids) > 2.5 * 4 * nights
    picked = np.random.default_rng(0).choice(ids, count, replace=False).tolist()
    with venue.job() as job:
        found = [(one, night) for one in picked for night in replay(job, forecast_id=one)]
        assert [one for one in check_ledger(job.ledger, relearn) if not one.ok] == []
    assert [(one, night.differences[:1]) for one, night in found if night.differences] == []
    assert all(night.exact for _, night in found)
    assert venue.sql("SELECT count(*) FROM action_history WHERE split = 4") == [(1,)]
    assert venue.sql("SELECT count(*) FROM bar WHERE revision > 1")[0][0] > 0
    spreads = venue.sql("SELECT DISTINCT spread FROM forecast")
    assert {row[0] for row in spreads} >= {"panel", "network"}
    if nights == 250:
        assert venue.sql("SELECT count(*) FROM forecast WHERE gate_weight > 0")[0][0] > 100


OLDER = Path(__file__).parents[1] / "ledger"


def older(folder: Path, schema: str) -> Project:
    """Return a project with the ledger of an older program, upgraded."""
    project = Project(folder)
    project.configure("")
    packed = (OLDER / f"schema_{schema}.db.gz").read_bytes()
    (folder / "forecaster.db").write_bytes(gzip.decompress(packed))
    settings = load_settings(folder / "config.toml", environ={})
    upgrade(parse_url(settings.database_url()))
    return project


@pytest.mark.parametrize(("schema", "nights"), [("0002", 17), ("0003", 24)])
def test_what_older_programs_said(tmp_path: Path, schema: str, nights: int) -> None:
    """Within the tolerance: they noted less of their machine, so that none is known to be alike."""
    project = older(tmp_path, schema)
    ids = project.sql("SELECT min(id) FROM forecast GROUP BY run_id, series_id")
    with project.job() as job:
        found = [night for (one,) in ids for night in replay(job, forecast_id=one)]
    assert len(found) == nights
    assert [night.differences for night in found] == [()] * nights
    assert {night.exact for night in found} == {False}


def test_what_older_programs_trained(tmp_path: Path) -> None:
    """They trained otherwise: other weights are told of, and are no fault."""
    project = older(tmp_path, "0003")
    with project.job() as job:
        [night] = replay(job, forecast_id=1, from_scratch=True)
    [again] = night.retrained
    assert (again.exact, again.same_data, again.same_weights) == (False, None, False)
    assert not again.differs
