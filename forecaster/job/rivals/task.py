"""What the rivals say of one series, in whatever process: they see what the program saw."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from forecaster.config import SeriesSettings
from forecaster.config.closures import Amendment
from forecaster.errors import DataError, ForecasterError
from forecaster.job.foreign import foreseen
from forecaster.job.past import Floats, past_upto
from forecaster.job.rivals.choose import rival
from forecaster.job.rivals.telling import Rival, Telling
from forecaster.market import Actions, Bars, Calendar, Calendars
from forecaster.model import Motion
from forecaster.model.evaluate import naive_scale

EVERY = 21
"""Cutoffs after which a rival is fitted anew."""


@dataclass(frozen=True, eq=False)
class RivalTask:
    """All that the rivals of one series depend on.

    Attributes:
        settings: of the series.
        calendar: its name, and `amendments` to it.
        bars: those that the pasts of all cutoffs are made of, with the actions.
        cutoffs: from which to forecast, ascending.
        train_until: the last session to learn from, where that is not the cutoff.
        rivals: their names.
    """

    settings: SeriesSettings
    calendar: str
    amendments: tuple[Amendment, ...]
    bars: Bars
    actions: Actions
    cutoffs: tuple[date, ...]
    train_until: date | None
    rivals: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """What the rivals say of one series.

    Attributes:
        series: its name.
        scale: mean size of the naive errors within the values up to the first cutoff.
        prices: (n,) the last value at each cutoff, in the basis of that cutoff.
        tellings: by rival; one that failed is in `problems` instead.
    """

    series: str
    scale: float = float("nan")
    prices: Floats = field(default_factory=lambda: np.empty(0))
    tellings: dict[str, Telling] = field(default_factory=dict)
    problems: dict[str, ForecasterError] = field(default_factory=dict)


def run_rival_task(task: RivalTask) -> Answer:
    """Let each rival forecast from each cutoff; one that fails does not stop the others."""
    name, model = task.settings.name, task.settings.model
    calendar = Calendars(task.amendments).get(task.calendar)
    try:
        pasts = _pasts(task, calendar)
    except Exception as error:  # noqa: BLE001  one series must not stop the others
        return Answer(name, problems=dict.fromkeys(task.rivals, foreseen(error)))
    motion = Motion(task.settings.values, task.settings.season)
    week = _week(calendar, task.cutoffs[-1])
    prices = np.array([one.values[-1] for one in pasts])
    answer = Answer(name, naive_scale(pasts[0].values, motion.lag), prices)
    for one in task.rivals:
        try:
            method = rival(one, motion, model.horizon, week)
            answer.tellings[one] = tell(method, pasts, once=task.train_until is not None)
        except Exception as error:  # noqa: BLE001  a library may raise anything
            answer.problems[one] = foreseen(error)
    return answer


@dataclass(frozen=True, eq=False)
class Seen:
    """What a rival sees at a cutoff: the values up to it, and those that it may learn from."""

    cutoff: date
    values: Floats
    lessons: Floats


def _pasts(task: RivalTask, calendar: Calendar) -> list[Seen]:
    bare = task.settings.model.model_copy(update={"extra_inputs": []})  # values are all they read
    settings = task.settings.model_copy(update={"model": bare})
    found = []
    for cutoff in task.cutoffs:
        past = past_upto(cutoff, settings, calendar, task.bars, task.actions, ())
        count = past.count_upto(task.train_until or cutoff)
        found.append(Seen(cutoff, past.values, past.values[:count]))
    return found


def tell(method: Rival, pasts: Sequence[Seen], *, once: bool) -> Telling:
    """Let a rival forecast from each past, fitted anew every `EVERY`, or only once.

    Raises:
        DataError: it says something that is no number (code "impossible_forecast").
    """
    said, training, inference = [], 0.0, 0.0
    for k, past in enumerate(pasts):
        start = time.perf_counter()
        if k == 0 or (not once and k % EVERY == 0):
            method.fit(past.lessons)
        fitted = time.perf_counter()
        said.append(method.say(past.values))
        training += fitted - start
        inference += time.perf_counter() - fitted
        if not np.isfinite(said[-1]).all():
            raise DataError(
                f"its forecast from {past.cutoff} is no number", code="impossible_forecast"
            )
    return Telling(np.stack(said), training, inference)


def _week(calendar: Calendar, last: date) -> int:
    """Return how many sessions a week of the calendar usually has."""
    return max(2, round(len(calendar.sessions(last - timedelta(weeks=26), last)) / 26))
