"""One training by itself: what it depends on, and what comes of it.

A worker process loads this module and what it imports, and nothing else of the program.
"""

import socket
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from threading import Lock

import numpy as np

from forecaster.config import ModelSettings
from forecaster.errors import ForecasterError, PluginError
from forecaster.hooks import Places, Registry, build_registry
from forecaster.job.foreign import foreseen
from forecaster.model import ACTIVATIONS, Activation, Beside, network_to_bytes, train_network
from forecaster.model.scale import Floats, ValuesKind

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
        beside: of the same sessions, where there are extra inputs.
        activation: the value, or its name in another process.
        seed: of the series.
        places: where plugins are found.
    """

    series: str
    values: Floats
    beside: Beside | None
    settings: ModelSettings
    values_kind: ValuesKind
    activation: Activation | str
    seed: int
    places: Places = field(default=Places())

    def __getstate__(self) -> dict[str, object]:
        """Return what goes to another process."""
        given = self.activation
        if isinstance(given, Activation) and given != ACTIVATIONS.get(given.name):
            return {**vars(self), "activation": given.name}
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted network as it is stored and what it took, or why there is none."""

    series: str
    parameters: bytes | None
    seconds: float
    error: ForecasterError | None = None


def run_task(task: Task) -> Trained:
    """Train one network; a failure is returned, so that the other tasks go on."""
    start = time.perf_counter()
    epochs = _Epochs(task)
    try:
        network = train_network(
            task.values,
            task.settings,
            values_kind=task.values_kind,
            activation=_activation(task),
            rng=np.random.default_rng(task.seed),
            beside=task.beside,
            progress=epochs.told,
        )
        parameters = network_to_bytes(network)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign activation may raise anything
        return Trained(task.series, None, time.perf_counter() - start, foreseen(error))
    finally:
        epochs.end()
    return Trained(task.series, parameters, time.perf_counter() - start)


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


_LOOKING = Lock()  # a worker may train on several threads, and a registry loads when first asked


@cache
def _registry(places: Places) -> Registry:
    return build_registry(places.dirs, places.only)


class _Epochs:
    """Tells whoever is watching of one training's epochs, and seldom enough to cost nothing."""

    def __init__(self, task: Task) -> None:
        self._tell = watching.get()
        self._what = f"training {task.series}"
        self._total = task.settings.epochs
        self._began = self._last = time.perf_counter()

    def told(self, epoch: int, _loss: float | None) -> None:
        now = time.perf_counter()
        if self._tell and now - self._last >= OFTEN:
            self._last = now
            self._tell(self._what, epoch, self._total)

    def end(self) -> None:
        if self._tell and self._last != self._began:
            self._tell(self._what, self._total, self._total)
