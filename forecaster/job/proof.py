"""Prove that nothing after a cutoff has touched what was forecast from it.

The ledger's prices are copied into scratch ledgers, on which the very stages of the daily job are
run up to the same cutoff: once with everything that came later, once with all of that cut away, once
with all of it replaced by garbage. Where there is a later past, its nights are worked first, so that
models, scores, trackers, gates and panels of the future lie about. What is stored of the cutoff's
night must be the same, to the last bit: the forecasts with all their parts, the decision with its
evidence, and the models trained on that night.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from forecaster.config import DatabaseSettings, RetrainSettings, SeriesSettings
from forecaster.errors import DataError
from forecaster.job.account import Account
from forecaster.job.context import Job
from forecaster.job.plan import Due, Plan, Turn, usable
from forecaster.job.run import chosen, work_night
from forecaster.job.walk import walk
from forecaster.ledger import Instrument, Ledger, Night, Series, open_ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_series, register_series
from forecaster.ledger.prices import read_bars, read_sessions
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.market import FIELDS, Actions, Bars

BEFORE = 12
"""Nights up to the cutoff, so that there are outcomes to learn from."""
AFTER = 6
"""Sessions after the cutoff that are cut away or garbled."""

Future = Literal["there", "cut", "garbled"]

SAID_ON = {
    "forecast_parts": ("cutoff", {"forecast_id", "model_id", "panel_id"}),
    "forecast_history": (
        "cutoff", {"forecast_id", "run_id", "issued_at", "model_id", "actual", "error", "abs_error",
                   "baseline_abs_error", "inside80", "inside95", "scored_at"},
    ),
    "decision_history": ("session", {"decision_id", "run_id", "model_id", "decided_at"}),
    "model_history": ("cutoff", {"model_id", "run_id", "created_at", "seconds"}),
}  # fmt: skip
"""The views of what a night stores: the column of its session, and those that cannot be the same:
ids, times, and what is known of the outcome.
"""


@dataclass(frozen=True)
class Proof:
    """What came of one series' forecasts when the future was taken away.

    Attributes:
        series: whose forecasts these are.
        cutoff: their session, as ISO text.
        future: what was done to what came after it.
        numbers: how many were compared.
        differences: those that were not the same, as text.
    """

    series: str
    cutoff: str
    future: Future
    numbers: int
    differences: tuple[str, ...]


def prove_no_leak(job: Job, *, names: Sequence[str] = ()) -> list[Proof]:
    """Take the future away from each series' newest possible cutoff, and compare.

    Nothing is stored in the job's own ledger.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series; all others are there all the same, for the panel.

    Raises:
        ConfigError: there is no series of that name.
        DataError: no series has enough bars.
    """
    known = read_series(job.ledger)
    cutoffs: dict[date, list[SeriesSettings]] = defaultdict(list)
    for settings in chosen(job, names):
        series = known.get(settings.name)
        sessions = [] if series is None else _possible(job, settings, series)
        if len(sessions) > AFTER:
            cutoffs[sessions[-1 - AFTER]].append(settings)
    if not cutoffs:
        raise DataError(
            "no series has enough bars to prove anything",
            remedy="`forecaster run` pulls them",
            code="too_few_bars",
        )
    found: list[Proof] = []
    for done, (cutoff, wanted) in enumerate(sorted(cutoffs.items())):
        job.progress("proving", done, len(cutoffs))
        found += _prove(job, cutoff, wanted)
    job.progress("proving", len(cutoffs), len(cutoffs))
    return found


def _possible(job: Job, settings: SeriesSettings, series: Series) -> list[date]:
    return usable(read_sessions(job.ledger, series.instrument.id), settings)


def _prove(job: Job, cutoff: date, wanted: Sequence[SeriesSettings]) -> list[Proof]:
    names = [one.name for one in wanted]
    whole = _said(job, cutoff, wanted, "there")
    found = []
    for future in ("cut", "garbled"):
        other = _said(job, cutoff, wanted, future)
        found += [_compared(name, cutoff, future, whole[name], other[name]) for name in names]
    return found


Rows = Mapping[str, tuple[dict[str, Any], ...]]
"""By view."""


def _compared(name: str, cutoff: date, future: Future, whole: Rows, other: Rows) -> Proof:
    numbers, differences = 0, []
    for view in SAID_ON:
        if len(whole[view]) != len(other[view]):
            counts = f"{len(whole[view])} and {len(other[view])}"
            differences.append(f"{view}: {counts} rows")
            continue
        for place, (one, two) in enumerate(zip(whole[view], other[view], strict=True), 1):
            numbers += len(one)
            differences += [
                f"{view} row {place}, {column}: {one[column]!r} and {two[column]!r}"
                for column in one
                if one[column] != two[column]
            ]
    if not whole["forecast_parts"]:
        differences.append("there is no forecast")
    return Proof(name, cutoff.isoformat(), future, numbers, tuple(differences))


def _said(
    job: Job, cutoff: date, wanted: Sequence[SeriesSettings], future: Future
) -> dict[str, Rows]:
    """Return what is stored of the cutoff's night in a scratch ledger with such a future."""
    with _scratch(job, cutoff, future) as scratch:
        known = read_series(scratch.ledger)
        nights = _nights(scratch, wanted, known, cutoff)
        later = [due for due in nights if due.night.session > cutoff]
        before = [due for due in nights if due.night.session < cutoff]
        tonight = [due for due in nights if due.night.session == cutoff]
        walk(scratch, later, Account(), work_night)
        walk(scratch, before, Account(), work_night)
        # Everything is trained anew from the cutoff, the panel too.
        again = scratch.settings.model_copy(update={"retrain": RetrainSettings(every="always")})
        walk(replace(scratch, settings=again), _retrained(tonight), Account(), work_night)
        return {one.name: _rows(scratch.ledger, one.name, cutoff) for one in wanted}


def _rows(ledger: Ledger, name: str, cutoff: date) -> Rows:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for view, (column, unlike) in SAID_ON.items():
        where = {"series": name, column: cutoff.isoformat()}
        rows = read_view(ledger, view, where=where, order=()).as_dicts()
        kept = [{key: row[key] for key in row if key not in unlike} for row in rows]
        found[view] = tuple(sorted(kept, key=str))
    return found


def _nights(
    scratch: Job, wanted: Sequence[SeriesSettings], known: Mapping[str, Series], cutoff: date
) -> list[Due]:
    plan = Plan()
    for settings in wanted:
        series = known[settings.name]
        sessions = _possible(scratch, settings, series)
        place = sessions.index(cutoff)
        for session in sessions[max(0, place + 1 - BEFORE) : place + 1 + AFTER]:
            plan.add(
                Night("backfill", series.instrument.calendar, session), Turn(settings, series)
            )
    return plan.in_order()


def _retrained(nights: Sequence[Due]) -> list[Due]:
    return [
        replace(due, turns=tuple(replace(turn, forced="retrain") for turn in due.turns))
        for due in nights
    ]


@contextmanager
def _scratch(job: Job, cutoff: date, future: Future) -> Iterator[Job]:
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
    first = bars.sessions[later][:1]
    wild = Actions(first, np.full(len(first), 7.0), np.full(len(first), 0.0))
    return Bars(bars.sessions, **fields), kept.joined(wild)
