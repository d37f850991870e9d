"""train: fit a network where that was decided, on as many cores as the executor has."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from itertools import islice
from typing import Literal

from forecaster.config import SeriesSettings
from forecaster.errors import DataError, ForecasterError, TrainingError
from forecaster.hooks import Executor, Places
from forecaster.job.context import Job, Progress
from forecaster.job.decide import settings_text, shaping_settings
from forecaster.job.foreign import foreign
from forecaster.job.past import Past
from forecaster.job.task import Task, Trained, run_task, series_seed, watching
from forecaster.job.work import Item, Work, apart, attempt
from forecaster.ledger import Decision, ModelVersion
from forecaster.logs import stage
from forecaster.model import Activation, Motion, Network, digest, network_from_bytes

LOST = "worker_lost"
"""The code of an executor's failure whose process ended: chance, or one of its trainings' doing."""


def train(items: Sequence[Item], executor: Executor, job: Job) -> list[Item]:
    """Give every series its network: a new one where decided, the stored one otherwise."""
    with stage("train"):
        return _trained(items, executor, job)


def _trained(items: Sequence[Item], executor: Executor, job: Job) -> list[Item]:
    fitted = list(items)
    wanted = {k: work for k, work in enumerate(items) if isinstance(work, Work) and _retrains(work)}
    tasks = [_task(work, job.registry.places) for work in wanted.values()]
    for k, trained in zip(wanted, _run(executor, tasks, job.progress), strict=True):
        fitted[k] = attempt(partial(_after, trained=trained), wanted[k])
    return apart(_with_stored_model, fitted)


def _retrains(work: Work) -> bool:
    return work.decision is not None and work.decision.verdict == "retrain"


def _task(work: Work, places: Places) -> Task:
    until = work.turn.train_until or work.cutoff
    task = task_of(work.turn.settings, work.past, work.activation, places, until=until)
    return replace(task, incumbent=_incumbent(work))


def task_of(
    settings: SeriesSettings, past: Past, activation: Activation, places: Places, *, until: date
) -> Task:
    """Return the training of a series on its past up to a session."""
    count = past.count_upto(until)
    return Task(
        series=settings.name,
        values=past.values[:count],
        motion=Motion(settings.values, settings.season),
        beside=past.beside and past.beside.between(0, count),
        ranges=None if past.ranges is None else past.ranges[:count],
        settings=settings.model,
        activation=activation,
        seed=series_seed(settings.name, settings.model.seed),
        places=places,
    )


def _incumbent(work: Work) -> bytes | None:
    """Return the network in use, if it is one that a new one can be held against."""
    stored, decision = work.knowledge.model, work.decision
    if stored is None or decision is None or stored.fingerprint != decision.fingerprint:
        return None
    return stored.parameters


def _bars_to_train_on(work: Work) -> int:
    return work.past.count_upto(work.turn.train_until or work.cutoff)


def _run(executor: Executor, tasks: Sequence[Task], progress: Progress) -> list[Trained]:
    """Let the executor train; what it has not finished when it fails has no network.

    When it has lost a worker, each of the rest is trained for itself, so that the one that ended
    the worker costs no other its network.
    """
    done, failure = _tried(executor, tasks, progress)
    if failure is None or failure.code != LOST:
        return done + _all_failed(tasks[len(done) :], failure)
    for task in tasks[len(done) :]:
        alone, failure = _tried(executor, [task], progress)
        done += alone or _all_failed([task], failure)
    return done


def _tried(
    executor: Executor, tasks: Sequence[Task], progress: Progress
) -> tuple[list[Trained], ForecasterError | None]:
    """Return what an executor trained, and why not all, if so."""
    done: list[Trained] = []
    failure = None
    if tasks:
        progress("training", 0, len(tasks))
    try:
        with _watched(progress):
            for trained in islice(executor.map(run_task, tasks), len(tasks) + 1):
                done.append(trained)
                progress("training", len(done), len(tasks))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        failure = foreign(f"executor {executor.name}", error)
    wrong = _misplaced(done, tasks) or ("" if failure else _miscounted(done, tasks))
    if not wrong:
        return done, failure
    return [], foreign(f"executor {executor.name}", ValueError(wrong))


def _misplaced(done: Sequence[Trained], tasks: Sequence[Task]) -> str:
    """Say which result is not that of its task: no series may get the weights of another."""
    for k, (trained, task) in enumerate(zip(done, tasks, strict=False), 1):
        found = f"of {trained.series}" if isinstance(trained, Trained) else repr(trained)
        if found != f"of {task.series}":
            return f"result {k} is {found} and not of {task.series}"
    return ""


def _miscounted(done: Sequence[Trained], tasks: Sequence[Task]) -> str:
    return "" if len(done) == len(tasks) else f"{len(done)} results for {len(tasks)} tasks"


def _all_failed(tasks: Sequence[Task], failure: ForecasterError | None) -> list[Trained]:
    return [Trained(task.series, None, 0.0, failure) for task in tasks]


@contextmanager
def _watched(progress: Progress) -> Iterator[None]:
    """Tell of the epochs of trainings that happen in this process."""
    token = watching.set(progress)
    try:
        yield
    finally:
        watching.reset(token)


def _after(work: Work, trained: Trained) -> Work:
    """Return a series with its new model; with the one it had, if that is better; or with none."""
    if trained.parameters is not None:
        return _with_better(work, trained.parameters, trained)
    error = trained.error or ForecasterError("the training gave no network")
    diverged = isinstance(error, TrainingError) and error.code == "diverged"
    if not diverged and not (error.code == LOST and work.turn.last_try):
        raise error
    stored, decision = work.knowledge.model, work.decision
    if stored and decision and stored.fingerprint == decision.fingerprint:
        why = f"the refit failed and the model of {stored.cutoff} is kept: {error.message}"
        return _decided(work, "reuse", "refit_failed", why, error)
    why = f"the forecast is the baseline: {error.message}"
    fallen = _decided(work, "fallback", error.code, why, error)
    return replace(fallen, decision=fallen.decision and _with_settings(work, fallen.decision))


def _with_settings(work: Work, decision: Decision) -> Decision:
    """Return the decision with what no model holds, because there is none."""
    rest = json.loads(decision.intervals)
    shaping = shaping_settings(work.turn.settings)
    return replace(decision, intervals=json.dumps({**rest, "shaping": shaping}, sort_keys=True))


def _decided(
    work: Work, verdict: Literal["reuse", "fallback"], code: str, why: str, error: ForecasterError
) -> Work:
    """Return a series for which something else was done than decided, with the problem."""
    if work.decision is None:
        raise error
    decision = replace(work.decision, verdict=verdict, reason_code=code, reason=why)
    problem = TrainingError(why, remedy=error.remedy, code=code)
    return replace(work, decision=decision, problem=problem)


def _with_better(work: Work, parameters: bytes, trained: Trained) -> Work:
    """Return a series with its new model, or with the incumbent where that does better.

    Both are judged on the newest windows, which the new one has only used to stop in time.
    """
    # Read back from what is stored: tonight's forecast comes from the very same numbers.
    network = network_from_bytes(parameters, partial(_recorded, work))
    model = _new_model(work, network, parameters, trained)
    incumbent, loss = trained.incumbent_loss, network.summary.validation_loss
    if incumbent is None or loss is None or loss <= incumbent or work.decision is None:
        return replace(work, model=model, network=network)
    stored = work.knowledge.model
    why = (
        f"{work.decision.reason}; the refit loses {loss:.4f} on the newest windows and the model "
        f"of {stored.cutoff if stored else ''} {incumbent:.4f}, so that it stays"
    )
    decision = replace(work.decision, verdict="reuse", reason_code="rejected", reason=why)
    return replace(work, decision=decision, rejected=replace(model, status="rejected"))


def _new_model(work: Work, network: Network, parameters: bytes, trained: Trained) -> ModelVersion:
    settings = work.turn.settings
    return ModelVersion(
        id=None,
        cutoff=work.turn.train_until or work.cutoff,
        fingerprint=work.decision.fingerprint if work.decision else "",
        settings=settings_text(settings),
        seed=series_seed(settings.name, settings.model.seed),
        bars=_bars_to_train_on(work),
        seconds=trained.seconds,
        parameters=parameters,
        sha256=digest(parameters),
        incumbent_loss=trained.incumbent_loss,
        data_sha256=trained.data_sha256,
        **asdict(network.summary),
    )


def _with_stored_model(work: Work) -> Work:
    stored = work.knowledge.model
    fallback = work.decision is not None and work.decision.verdict == "fallback"
    if work.network is not None or not work.turn.speaks or stored is None or fallback:
        return work
    if digest(stored.parameters) != stored.sha256:
        raise DataError(
            f"the parameters of model {stored.id} are damaged",
            remedy="restore a backup, or run with --retrain",
            code="artefact",
        )
    network = network_from_bytes(stored.parameters, partial(_recorded, work))
    return replace(work, model=stored, network=network)


def _recorded(work: Work, name: str) -> Activation:
    """Return the activation that a stored model was trained with, and never another one.

    Raises:
        DataError: the series is configured with one of another name.
    """
    if name != work.activation.name:
        raise DataError(
            f"the model was trained with activation {name!r}, and the series is configured with "
            f"{work.activation.name!r}",
            remedy="run with --retrain",
            code="activation_changed",
        )
    return work.activation
