"""One training by itself: what it depends on, and what comes of it.

A worker process loads this module and what it imports, and nothing else of the program.
"""

import hashlib
import socket
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from threading import Lock

import numpy as np

from forecaster.config import ModelSettings
from forecaster.errors import DataError, ForecasterError, PluginError
from forecaster.hooks import Places, Registry, build_registry
from forecaster.job.foreign import foreseen
from forecaster.model import (
    ACTIVATIONS,
    Activation,
    Beside,
    Motion,
    network_from_bytes,
    network_to_bytes,
    train_network,
    validation_loss,
)
from forecaster.model.scale import Floats

Tell = Callable[[str, int, int], None]

watching: ContextVar[Tell | None] = ContextVar("watching", default=None)
"""Told how far a training in this process has come; nobody is in a worker."""

OFTEN = 0.1
"""Seconds between two words about the same training."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a training depends on, and nothing else.

    To another process it goes as plain values. An activation that is not one of the program's own
    goes there by its name, because the module of its functions may have another name there, or
    none: it is looked up where plugins are found.

    Attributes:
        series: whose training it is, for people.
        values: (n,), oldest first, the last one at the cutoff.
        motion: how they move.
        beside: of the same sessions, where there are extra inputs.
        ranges: of the same sessions, where highs and lows are known.
        activation: the value, or its name in another process.
        seed: of the series.
        incumbent: the network in use as it is stored, to be judged on the windows held back.
        places: where plugins are found.
    """

    series: str
    values: Floats
    motion: Motion
    beside: Beside | None
    ranges: Floats | None
    settings: ModelSettings
    activation: Activation | str
    seed: int
    incumbent: bytes | None = None
    places: Places = field(default=Places())

    def __getstate__(self) -> dict[str, object]:
        """Return what goes to another process."""
        given = self.activation
        if isinstance(given, Activation) and given != ACTIVATIONS.get(given.name):
            return {**vars(self), "activation": given.name}
        return dict(vars(self))

    def data_digest(self) -> str:
        """Return the SHA-256 of all prices that the training sees."""
        seen = hashlib.sha256(self.values.tobytes())
        columns = [] if self.ranges is None else [self.ranges]
        columns += list(self.beside.fields.values()) if self.beside else []
        for column in columns:
            seen.update(column.tobytes())
        return seen.hexdigest()


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted network as it is stored and what it took, or why there is none.

    `incumbent_loss` is what the network in use loses on the windows that the new one held back.
    """

    series: str
    parameters: bytes | None
    seconds: float
    error: ForecasterError | None = None
    incumbent_loss: float | None = None
    data_sha256: str = ""


def run_task(task: Task) -> Trained:
    """Train one network; a failure is returned, so that the other tasks go on."""
    start = time.perf_counter()
    epochs = _Epochs(task)
    try:
        activation = _activation(task)
        network = train_network(
            task.values,
            task.settings,
            motion=task.motion,
            activation=activation,
            rng=np.random.default_rng(task.seed),
            beside=task.beside,
            ranges=task.ranges,
            progress=epochs.told,
        )
        parameters = network_to_bytes(network)
        incumbent = _incumbent_loss(task, activation)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign activation may raise anything
        return Trained(task.series, None, time.perf_counter() - start, foreseen(error))
    finally:
        epochs.end()
    seconds = time.perf_counter() - start
    return Trained(
        task.series, parameters, seconds, incumbent_loss=incumbent, data_sha256=task.data_digest()
    )


def _incumbent_loss(task: Task, activation: Activation) -> float | None:
    if task.incumbent is None:
        return None
    try:
        network = network_from_bytes(task.incumbent, lambda _name: activation)
    except DataError:  # damaged, or of another activation: then it cannot stay
        return None
    return validation_loss(network, task.values, task.settings, task.beside, motion=task.motion)


def _activation(task: Task) -> Activation:
    """Return the activation of a task, found anew in another process.

    Raises:
        PluginError: it cannot be found in this one.
    """
    if isinstance(task.activation, Activation):
        return task.activation
    try:
        with _LOOKING:
            return _registry(task.places).activation(task.activation)
    except PluginError as error:
        raise PluginError(
            f"a worker on {socket.gethostname()} cannot use activation {task.activation!r}: "
            f"{error.message}",
            remedy="make its plugin available there, or choose another executor",
            code=error.code,
        ) from error


def series_seed(name: str, seed: int) -> int:
    """Return the seed of one series: the same whichever other series are trained beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4])


_LOOKING = Lock()  # a worker may train on several threads, and a registry loads when first asked


@cache
def _registry(places: Places) -> Registry:
    return build_registry(places.dirs, places.only)


class _Epochs:
    """Tells whoever is watching of one training's epochs, and seldom enough to cost nothing."""

    def __init__(self, task: Task) -> None:
        self._tell = watching.get()
        self._what = f"training {task.series}"
        self._total = task.settings.epochs * task.settings.members
        self._began = self._last = time.perf_counter()

    def told(self, epoch: int, _loss: float | None) -> None:
        now = time.perf_counter()
        if self._tell and now - self._last >= OFTEN:
            self._last = now
            self._tell(self._what, epoch, self._total)

    def end(self) -> None:
        if self._tell and self._last != self._began:
            self._tell(self._what, self._total, self._total)
