"""Whatever befalls prices, what was said of them comes out again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.job.backfill import backfill
from forecaster.job.intake import pull_bars
from forecaster.job.replay import replay

from .project import evening
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
