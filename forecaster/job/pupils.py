"""What the panel learns from: the series of the ledger, each with its prices up to a day."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from forecaster.config import SeriesSettings
from forecaster.errors import ForecasterError
from forecaster.job.context import Job
from forecaster.job.prices import Moment
from forecaster.ledger import Series
from forecaster.ledger.instruments import read_series
from forecaster.ledger.prices import read_sessions
from forecaster.model import Motion
from forecaster.model.panel import PanelLesson

HISTORY = 4000
"""Bars of each series that the panel learns from: the more the better, as far as was measured."""


@dataclass(frozen=True)
class Pupil:
    """A series that the panel learns from, up to the last session that has a bar."""

    series: Series
    settings: SeriesSettings
    last: date

    def told(self) -> dict[str, Any]:
        """Return what it takes to read its prices again."""
        names = ("name", "values", "missing", "carry")
        told = {name: getattr(self.settings, name) for name in names}
        return {"id": self.series.id, "last": str(self.last), **told}

    @classmethod
    def of(cls, told: Mapping[str, Any], series: Series) -> "Pupil":
        """Return the pupil that was told of."""
        quoted = {"source": series.instrument.source, "symbol": series.instrument.symbol}
        rest = {name: told[name] for name in told if name not in ("id", "last")}
        if rest["missing"] == "refuse":  # it taught: by the calendar as it was, none was missing
            rest["missing"] = "drop"
        settings = SeriesSettings.model_validate({**quoted, **rest, "field": series.field})
        return cls(series, _longer(settings), date.fromisoformat(told["last"]))


def pupils(job: Job, until: date) -> Iterator[Pupil]:
    """Yield the configured series with bars up to a day, by id.

    One with a season moves otherwise and is left out.
    """
    known = read_series(job.ledger)
    wanted = {one.name: one for one in job.settings.each_series() if one.season is None}
    for series in sorted(known.values(), key=lambda one: one.id):
        if series.name in wanted and not series.paused:
            there = [one for one in read_sessions(job.ledger, series.instrument.id) if one <= until]
            if there:
                yield Pupil(series, _longer(wanted[series.name]), there[-1])


def _longer(settings: SeriesSettings) -> SeriesSettings:
    longer = settings.model.model_copy(update={"history": HISTORY, "extra_inputs": []})
    return settings.model_copy(update={"model": longer})


def lesson(job: Job, pupil: Pupil, moment: Moment) -> PanelLesson | None:
    """Return what a series teaches; nothing if its prices cannot be used, as its own night says."""
    mine = replace(moment, cutoff=pupil.last)
    try:
        past = mine.past(job, pupil.series.instrument, pupil.settings)
    except ForecasterError:
        return None
    return PanelLesson(past.values, past.ranges, Motion(pupil.settings.values))


def data_digest(lessons: Sequence[PanelLesson]) -> str:
    """Return the SHA-256 of all prices that a panel learns from."""
    seen = hashlib.sha256()
    for one in lessons:
        seen.update(one.values.tobytes())
        seen.update(b"" if one.ranges is None else one.ranges.tobytes())
    return seen.hexdigest()
