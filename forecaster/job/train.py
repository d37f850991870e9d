"""train: fit a network where that was decided, on as many cores as the executor has."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import islice

from forecaster.errors import DataError, ForecasterError, TrainingError
from forecaster.hooks import Executor, Places
from forecaster.job.context import Job, Progress
from forecaster.job.decide import settings_text
from forecaster.job.foreign import foreign
from forecaster.job.task import Task, Trained, run_task, watching
from forecaster.job.work import Item, Work, attempt, each
from forecaster.ledger import ModelVersion
from forecaster.model import Activation, digest, network_from_bytes


def train(items: Sequence[Item], executor: Executor, job: Job) -> list[Item]:
    """Give every series its network: a new one where decided, the stored one otherwise."""
    fitted = list(items)
    wanted = {k: work for k, work in enumerate(items) if isinstance(work, Work) and _retrains(work)}
    tasks = [_task(work, job.registry.places) for work in wanted.values()]
    for k, trained in zip(wanted, _run(executor, tasks, job.progress), strict=True):
        fitted[k] = attempt(partial(_after, trained=trained), wanted[k])
    return each(_with_stored_model, fitted)


def _retrains(work: Work) -> bool:
    return work.decision is not None and work.decision.verdict == "retrain"


def _task(work: Work, places: Places) -> Task:
    settings, past, count = work.turn.settings, work.past, _bars_to_train_on(work)
    return Task(
        series=settings.name,
        values=past.values[:count],
        beside=past.beside and past.beside.between(0, count),
        settings=settings.model,
        values_kind=settings.values,
        activation=work.activation,
        seed=series_seed(settings.name, settings.model.seed),
        places=places,
    )


def _bars_to_train_on(work: Work) -> int:
    return work.past.count_upto(work.turn.train_until or work.cutoff)


def series_seed(name: str, seed: int) -> int:
    """Return the seed of one series: the same whichever other series are trained beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4])


def _run(executor: Executor, tasks: Sequence[Task], progress: Progress) -> list[Trained]:
    """Let the executor train; what it has not finished when it fails has no network."""
    done: list[Trained] = []
    if tasks:
        progress("training", 0, len(tasks))
    try:
        with _watched(progress):
            for trained in islice(executor.map(run_task, tasks), len(tasks) + 1):
                done.append(trained)
                progress("training", len(done), len(tasks))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        failed = _all_failed(executor, tasks[len(done) :], error)
    else:
        failed = []
    wrong = _misplaced(done, tasks) or _miscounted(done + failed, tasks)
    return _all_failed(executor, tasks, ValueError(wrong)) if wrong else done + failed


def _misplaced(done: Sequence[Trained], tasks: Sequence[Task]) -> str:
    """Say which result is not that of its task: no series may get the weights of another."""
    for k, (trained, task) in enumerate(zip(done, tasks, strict=False), 1):
        found = f"of {trained.series}" if isinstance(trained, Trained) else repr(trained)
        if found != f"of {task.series}":
            return f"result {k} is {found} and not of {task.series}"
    return ""


def _miscounted(done: Sequence[Trained], tasks: Sequence[Task]) -> str:
    return "" if len(done) == len(tasks) else f"{len(done)} results for {len(tasks)} tasks"


def _all_failed(executor: Executor, tasks: Sequence[Task], error: BaseException) -> list[Trained]:
    failure = foreign(f"executor {executor.name}", error)
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
    """Return a series with its new model, or with the one it had where the refit diverged."""
    if trained.parameters is not None:
        return _with_new_model(work, trained.parameters, trained.seconds)
    error = trained.error or ForecasterError("the training gave no network")
    stored, decision = work.knowledge.model, work.decision
    diverged = isinstance(error, TrainingError) and error.code == "diverged"
    if not (diverged and stored and decision and stored.fingerprint == decision.fingerprint):
        raise error
    reason = f"the refit failed and the model of {stored.cutoff} is kept: {error.message}"
    return replace(
        work,
        decision=replace(decision, verdict="reuse", reason_code="refit_failed", reason=reason),
        problem=TrainingError(reason, remedy=error.remedy, code="refit_failed"),
    )


def _with_new_model(work: Work, parameters: bytes, seconds: float) -> Work:
    settings = work.turn.settings
    # Read back from what is stored: tonight's forecast comes from the very same numbers.
    network = network_from_bytes(parameters, partial(_recorded, work))
    model = ModelVersion(
        id=None,
        cutoff=work.turn.train_until or work.cutoff,
        fingerprint=work.decision.fingerprint if work.decision else "",
        settings=settings_text(settings),
        seed=series_seed(settings.name, settings.model.seed),
        bars=_bars_to_train_on(work),
        seconds=seconds,
        parameters=parameters,
        sha256=digest(parameters),
        **asdict(network.summary),
    )
    return replace(work, model=model, network=network)


def _with_stored_model(work: Work) -> Work:
    stored = work.knowledge.model
    if work.network is not None or not work.turn.speaks or stored is None:
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
