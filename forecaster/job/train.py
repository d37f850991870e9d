"""train: fit a network where that was decided, on as many cores as the executor has."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from forecaster.config import ModelSettings
from forecaster.errors import DataError, ForecasterError
from forecaster.hooks import Executor
from forecaster.job.decide import settings_text
from forecaster.job.foreign import foreign, foreseen
from forecaster.job.past import Floats
from forecaster.job.work import Failed, Item, Work, each
from forecaster.ledger import ModelVersion
from forecaster.model import (
    Activation,
    Network,
    digest,
    network_from_bytes,
    network_to_bytes,
    train_network,
)
from forecaster.model.scale import ValuesKind


@dataclass(frozen=True, eq=False)
class Task:
    """What a training depends on, and nothing else."""

    values: Floats
    settings: ModelSettings
    values_kind: ValuesKind
    activation: Activation
    seed: int


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted network and what it took, or why there is none."""

    network: Network | None
    seconds: float
    error: ForecasterError | None = None


def train(items: Sequence[Item], executor: Executor) -> list[Item]:
    """Give every series its network: a new one where decided, the stored one otherwise."""
    wanted = [k for k, item in enumerate(items) if _retrains(item)]
    tasks = [_task(item) for k in wanted if isinstance(item := items[k], Work)]
    fitted = list(items)
    for k, trained in zip(wanted, _run(executor, tasks), strict=True):
        fitted[k] = _with_new_model(fitted[k], trained)
    return each(_with_stored_model, fitted)


def _retrains(item: Item) -> bool:
    return (
        isinstance(item, Work)
        and item.decision is not None
        and (item.decision.verdict == "retrain")
    )


def _task(work: Work) -> Task:
    return Task(
        values=_training_values(work),
        settings=work.turn.settings.model,
        values_kind=work.turn.settings.values,
        activation=work.activation,
        seed=series_seed(work.turn.settings.name, work.turn.settings.model.seed),
    )


def _training_values(work: Work) -> Floats:
    until = work.turn.train_until
    return work.past.values if until is None else work.past.values[: work.past.count_upto(until)]


def series_seed(name: str, seed: int) -> int:
    """Return the seed of one series: the same whichever other series are trained beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4])


def _run(executor: Executor, tasks: Sequence[Task]) -> list[Trained]:
    """Let the executor train; where it does not, no task has a network."""
    try:
        done = list(executor.map(run_task, tasks))
        if len(done) != len(tasks):
            raise ValueError(f"{len(done)} results for {len(tasks)} tasks")  # noqa: TRY301
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return [Trained(None, 0.0, foreign(f"executor {executor.name}", error)) for _ in tasks]
    return done


def run_task(task: Task) -> Trained:
    """Train one network; a failure is returned, so that the other tasks go on."""
    start = time.perf_counter()
    try:
        network = train_network(
            task.values,
            task.settings,
            values_kind=task.values_kind,
            activation=task.activation,
            rng=np.random.default_rng(task.seed),
        )
    except Exception as error:  # noqa: BLE001  a foreign activation may raise anything
        return Trained(None, time.perf_counter() - start, foreseen(error))
    return Trained(network, time.perf_counter() - start)


def _with_new_model(item: Item, trained: Trained) -> Item:
    if isinstance(item, Failed) or trained.network is None:
        return Failed(item.turn, trained.error or ForecasterError("the training gave no network"))
    settings = item.turn.settings
    parameters = network_to_bytes(trained.network)
    model = ModelVersion(
        id=None,
        cutoff=item.turn.train_until or item.cutoff,
        fingerprint=item.decision.fingerprint if item.decision else "",
        settings=settings_text(settings),
        seed=series_seed(settings.name, settings.model.seed),
        bars=len(_training_values(item)),
        seconds=trained.seconds,
        parameters=parameters,
        sha256=digest(parameters),
        **asdict(trained.network.summary),
    )
    return replace(item, model=model, network=trained.network)


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
    network = network_from_bytes(stored.parameters, lambda _: work.activation)
    return replace(work, model=stored, network=network)
