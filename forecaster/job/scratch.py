"""A scratch ledger: the job's prices up to a cutoff, and another future after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecaster.config import DatabaseSettings
from forecaster.job.context import Job
from forecaster.ledger import Instrument, Ledger, open_ledger
from forecaster.ledger.instruments import read_series, register_series
from forecaster.ledger.prices import read_bars, read_sessions
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.market import FIELDS, Actions, Bars

Future = Literal["there", "cut", "garbled"]
"""What is done to all that comes after the cutoff."""


@contextmanager
def scratch(job: Job, cutoff: date, future: Future) -> Iterator[Job]:
    """Open a job on a ledger of its own, with all configured series and such a future."""
    with TemporaryDirectory(prefix="forecaster-") as folder:
        path = Path(folder) / "scratch.db"
        url = DatabaseSettings(url=str(path))
        settings = job.settings.model_copy(update={"database": url})
        with open_ledger(settings.database_url(), create=True) as ledger:
            _copy(job, ledger, cutoff, future)
            yield replace(job, settings=settings, ledger=ledger)


def _copy(job: Job, to: Ledger, cutoff: date, future: Future) -> None:
    known = read_series(job.ledger)
    theirs = [known[one.name] for one in job.settings.each_series() if one.name in known]
    rng = np.random.default_rng(0)
    quoted: dict[int, Instrument] = {one.instrument.id: one.instrument for one in theirs}
    stored: dict[int, int] = {}
    for one in quoted.values():
        bars, actions = _with_future(job.ledger, one, cutoff, future, rng)
        answer = Answer(one, bars, actions)
        stored[one.id] = store_quotes(to, [answer], now=job.clock())[0].instrument.id
    wanted = [(one.name, stored[one.instrument.id], one.field) for one in theirs]
    register_series(to, wanted, now=job.clock())


def _with_future(
    ledger: Ledger, one: Instrument, cutoff: date, future: Future, rng: np.random.Generator
) -> tuple[Bars, Actions]:
    """Return what an instrument's bars and actions are with such a future."""
    sessions = read_sessions(ledger, one.id)
    bars, actions, _ = read_bars(ledger, one.id, upto=sessions[-1], count=len(sessions))
    if future == "there":
        return bars, actions
    later = bars.sessions > np.datetime64(cutoff)
    if future == "cut":
        return bars.upto(cutoff), actions.where(actions.sessions <= np.datetime64(cutoff))
    factors = np.where(later, np.exp(rng.normal(0.0, 0.5, len(later))), 1.0)
    fields = {name: bars.field(name) * factors for name in FIELDS}
    kept = actions.where(actions.sessions <= np.datetime64(cutoff))
    return Bars(bars.sessions, **fields), kept.joined(_wild(bars.sessions[later]))


def _wild(sessions: NDArray[np.datetime64]) -> Actions:
    """Return splits and dividends that nobody has seen."""
    return Actions(sessions, np.full(len(sessions), 7.0), np.full(len(sessions), 1e-3))
