"""Nothing after the cutoff reaches a forecast: cut it away or garble it, not a bit changes."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.job import past, prices
from forecaster.job.backfill import backfill
from forecaster.market import Bars

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
CLOSES = walk(len(DAYS))
FIRST = 90
Said = dict[tuple[Any, ...], tuple[Any, ...]]


def garbled(values: list[float], after: int) -> list[float]:
    """Return the values with everything after a position made up."""
    return [*values[: after + 1], *walk(len(values) - after - 1, seed=9, start=40.0)]


def walked(folder: Path, closes: list[float], last: date) -> tuple[Said, list[tuple[Any, ...]]]:
    """Return what a program says and stores that has these prices, walked up to a session."""
    folder.mkdir()
    project = Project(folder)
    project.quote("A", DAYS[: len(closes)], closes)
    project.follow("A", settings="[retrain]\nevery = 4")
    with project.job() as job:
        backfill(job, first=DAYS[FIRST], last=last)
    models = project.sql("SELECT cutoff, sha256 FROM model_version ORDER BY cutoff")
    return project.said(), models


def same_without_later_prices(folder: Path) -> bool:
    """Tell whether what was said up to a few cutoffs is the same without the prices after them."""
    whole, models = walked(folder / "whole", CLOSES, DAYS[FIRST + 9])
    for after in (FIRST, FIRST + 5, FIRST + 8):
        kept = {cell: said for cell, said in whole.items() if cell[1] <= str(DAYS[after])}
        trained = [model for model in models if model[0] <= str(DAYS[after])]
        variants = {"cut": CLOSES[: after + 1], "garbled": garbled(CLOSES, after)}
        for name, closes in variants.items():
            if walked(folder / f"{name}{after}", closes, DAYS[after]) != (kept, trained):
                return False
    return True


def test_prices_after_the_cutoff_change_nothing(tmp_path: Path) -> None:
    """Forecasts, intervals and models up to a cutoff are those of a program without the rest."""
    assert same_without_later_prices(tmp_path)


def test_a_planted_leak_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof fails when a hint of the next price, a billionth of it, reaches the values."""
    honest = past.past_upto

    def leaky(cutoff: date, wanted: Any, instrument: Any, bars: Bars, *more: Any) -> past.Past:
        found = honest(cutoff, wanted, instrument, bars, *more)
        later = bars.close[bars.sessions > np.datetime64(cutoff)]
        if len(later):
            found.values[-1] *= 1.0 + 1e-9 * later[0]
        return found

    monkeypatch.setattr(prices, "past_upto", leaky)
    assert not same_without_later_prices(tmp_path)
