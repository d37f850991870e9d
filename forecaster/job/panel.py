"""The panel: one scale network for all series, trained ahead of the nights that use it.

A night uses the newest panel whose cutoff lies before its session, so that no bar of another
calendar that closed a few hours later is in it.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import numpy as np

from forecaster.config import SeriesSettings
from forecaster.errors import DataError, ForecasterError, TrainingError
from forecaster.hooks import Executor
from forecaster.job.context import Job
from forecaster.job.due import Due
from forecaster.job.foreign import foreign, foreseen
from forecaster.job.prices import Moment
from forecaster.job.pupils import Pupil, data_digest, lesson, pupils
from forecaster.job.task import series_seed
from forecaster.ledger import ModelVersion, Night
from forecaster.ledger.instruments import read_all_series
from forecaster.ledger.panels import read_panels, store_panel
from forecaster.model import digest
from forecaster.model.panel import PanelLesson, panel_from_bytes, panel_to_bytes, train_panel

REVISION = 1
"""Raised when the program trains panels otherwise: older ones are refitted."""


@dataclass(frozen=True, eq=False)
class PanelTask:
    """What the training of a panel depends on, and nothing else."""

    lessons: Sequence[PanelLesson]
    horizon: int
    seed: int


@dataclass(frozen=True, eq=False)
class TrainedPanel:
    """A panel as it is stored and what it took, or why there is none."""

    parameters: bytes | None
    seconds: float
    error: ForecasterError | None = None


def run_panel_task(task: PanelTask) -> TrainedPanel:
    """Train one panel."""
    start = time.perf_counter()
    try:
        rng = np.random.default_rng(task.seed)
        panel = train_panel(task.lessons, horizon=task.horizon, rng=rng)
        parameters = panel_to_bytes(panel)
    except Exception as error:  # noqa: BLE001  told of, so that the nights go on
        return TrainedPanel(None, time.perf_counter() - start, foreseen(error))
    return TrainedPanel(parameters, time.perf_counter() - start)


def prepare_panels(job: Job, nights: Sequence[Due], executor: Executor) -> list[ForecasterError]:
    """Train and store the panels that these nights will use, and return what went wrong.

    A panel is refitted after as many sessions as a network; without one, its series fall back on
    the linear head.
    """
    wanted = [due for due in nights if _asked(due)]
    if not wanted:
        return []
    backtest_id = wanted[0].night.backtest_id
    horizon = _horizon(job, wanted)
    fingerprint = _fingerprint(job, horizon)
    known = [one for one in read_panels(job.ledger, backtest_id) if one.fingerprint == fingerprint]
    cutoffs = [one.cutoff for one in known]
    problems = []
    for due in wanted:
        until = _until(due)
        if not _is_due(job, due, [cutoff for cutoff in cutoffs if cutoff <= until], until):
            continue
        stamp = job.stamp()  # what is first seen later was not known
        try:
            model = _trained(job, due.night, until, horizon, executor)
            store_panel(job.ledger, model, backtest_id=backtest_id, stamp=stamp)
        except ForecasterError as error:
            problems.append(error)
        cutoffs.append(until)  # also after a failure: the next attempt comes with the next refit
    return problems


def _asked(due: Due) -> bool:
    return any(turn.speaks and not turn.resigns and _asks(turn.settings) for turn in due.turns)


def _asks(settings: SeriesSettings) -> bool:
    return settings.intervals.scale == "panel"


def _horizon(job: Job, wanted: Sequence[Due]) -> int:
    """Return the longest horizon that is asked for: of all series, whichever are worked now."""
    turns = [turn.settings for due in wanted for turn in due.turns]
    asking = [one for one in (*job.settings.each_series(), *turns) if _asks(one)]
    return max(one.model.horizon for one in asking)


def _until(due: Due) -> date:
    """Return the last day that a panel of this night may have seen."""
    told = [turn.train_until for turn in due.turns if turn.train_until is not None]
    return min([due.night.session - timedelta(days=1), *told])


def _is_due(job: Job, due: Due, before: Sequence[date], until: date) -> bool:
    every = job.settings.retrain.every
    if not before:
        return True
    if every == "always" or any(turn.train_until for turn in due.turns):
        return max(before) < until
    if every == "never":
        return False
    since = max(before) + timedelta(days=1)
    return len(job.calendars.get(due.night.calendar).sessions(since, until)) >= int(every)


def _fingerprint(job: Job, horizon: int) -> str:
    shaping = {"revision": REVISION, "horizon": horizon, "seed": job.settings.model.seed}
    text = json.dumps(shaping, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _trained(job: Job, night: Night, until: date, horizon: int, executor: Executor) -> ModelVersion:
    moment = Moment(until, None, night.kind == "backfill")
    found = [(pupil, seen) for pupil in pupils(job, until) if (seen := lesson(job, pupil, moment))]
    if not found:
        raise DataError(
            f"no series has enough bars up to {until} to train a panel on",
            remedy="its series use scale = 'linear' meanwhile",
            code="too_few_bars",
        )
    lessons = [seen for _, seen in found]
    task = PanelTask(lessons, horizon, series_seed("panel", job.settings.model.seed))
    job.progress("training the panel", 0, 1)
    trained = _run(executor, task)
    job.progress("training the panel", 1, 1)
    if trained.parameters is None:
        raise trained.error or TrainingError("the training gave no panel", code="panel")
    about = {
        "revision": REVISION,
        "horizon": horizon,
        "then": moment.then,
        "series": [pupil.told() for pupil, _ in found],
    }
    return ModelVersion(
        id=None,
        cutoff=until,
        fingerprint=_fingerprint(job, horizon),
        settings=json.dumps(about, sort_keys=True),
        seed=task.seed,
        bars=sum(len(seen.values) for seen in lessons),
        seconds=trained.seconds,
        parameters=trained.parameters,
        sha256=digest(trained.parameters),
        data_sha256=data_digest(lessons),
        **asdict(panel_from_bytes(trained.parameters).summary),
    )


def panel_again(job: Job, model: ModelVersion) -> tuple[bytes, str]:
    """Train a stored panel again; return its parameters, and the digest of what it has seen.

    Raises:
        ForecasterError: it cannot be.
    """
    about = json.loads(model.settings)
    moment = Moment(model.cutoff, model.created_at, about["then"])
    known = {one.id: one for one in read_all_series(job.ledger)}
    taught = [Pupil.of(told, known[told["id"]]) for told in about["series"]]
    lessons = [seen for pupil in taught if (seen := lesson(job, pupil, moment))]
    trained = run_panel_task(PanelTask(lessons, about["horizon"], model.seed))
    if trained.parameters is None:
        raise trained.error or TrainingError("the training gave no panel", code="panel")
    return trained.parameters, data_digest(lessons)


def _run(executor: Executor, task: PanelTask) -> TrainedPanel:
    try:
        return next(iter(executor.map(run_panel_task, [task])))
    except (Exception, SystemExit) as error:
        raise foreign(f"executor {executor.name}", error) from error
