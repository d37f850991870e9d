"""Every core of this machine, where there is enough work for that to pay."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from forecaster.errors import PluginError
from forecaster.hooks import Options, read_options

from .pool import Pool, WorkerLostError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

PATIENCE = 1.0
"""Seconds of work done in this process before others are started, which takes half a second."""


class LocalOptions(Options):
    """Options of [plugins.local]."""

    workers: int | None = Field(default=None, ge=1)
    """Processes, started at the first training. Without it as many as there are usable cores, and
    not before a second of work has been done without them."""


class LocalExecutor:
    """A process for each core, started when the work turns out to be long."""

    name: ClassVar[str] = "local"
    local: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:  # noqa: ARG002 - contract
        self._wanted = read_options(LocalOptions, options, f"plugins.{self.name}").workers
        self._workers = self._wanted or usable_cores()
        self._worked = 0.0  # seconds, in this process
        self._pool: Pool | None = None
        self._lost = False  # a worker: what ended it would end this process as well

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield `function(item)` for each item, in the order of the items."""
        done = 0
        while done < len(items) and not self._takes_others(len(items) - done):
            start = time.perf_counter()
            outcome = function(items[done])
            self._worked += time.perf_counter() - start
            done += 1
            yield outcome
        if done < len(items):
            yield from self._map_in_pool(function, items[done:])

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _takes_others(self, left: int) -> bool:
        """Say whether so many items are for other processes."""
        if self._wanted or self._pool or self._lost:
            return True
        return self._workers > 1 and left > 1 and self._worked >= PATIENCE

    def _map_in_pool(
        self, function: Callable[[Item], Outcome], items: Sequence[Item]
    ) -> Iterator[Outcome]:
        self._pool = self._pool or Pool(self._workers)
        try:
            yield from self._pool.map(function, items)
        except WorkerLostError as error:
            self.close()
            self._lost = True
            raise PluginError(
                f"a worker process of executor {self.name} ended in the middle of its work: "
                "it was killed, or memory ran out",
                remedy="run again; if it recurs, set fewer [plugins.local] workers",
                code="worker_lost",
            ) from error


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
