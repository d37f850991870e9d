"""Processes with one BLAS thread each that end when the one that started them does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from forecaster.process import BLAS_THREADS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class WorkerLostError(Exception):
    """A worker process ended before its work was done."""


class Pool:
    """Worker processes, started as work comes in.

    They are spawned and not forked: what this process has loaded, BLAS and its threads above all,
    does not get into them.

    Args:
        workers: how many processes.
    """

    def __init__(self, workers: int) -> None:
        from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - few need processes
        from multiprocessing import get_context  # noqa: PLC0415

        context = get_context("spawn")
        # Held open by this process alone, until it closes the pool or ends in any way.
        self._theirs, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=end_with, initargs=(self._theirs,)
        )

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield `function(item)` for each item, in the order of the items.

        Raises:
            WorkerLostError: a process ended before all was done; the pool is of no more use.
        """
        from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

        try:
            with spawning():
                outcomes = self._pool.map(function, items)
            yield from outcomes
        except BrokenProcessPool as error:
            raise WorkerLostError from error

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        self._lifeline.close()
        self._pool.shutdown(cancel_futures=True)
        self._theirs.close()


@contextmanager
def spawning() -> Iterator[None]:
    """Hand to processes started meanwhile: one BLAS thread, and no interruption by Ctrl-C.

    A terminal sends Ctrl-C to all processes at once. This one hears it and ends the others; from
    each of them it would be one more traceback.
    """
    from multiprocessing import resource_tracker  # noqa: PLC0415

    resource_tracker.ensure_running()  # starting with the first process, it would unblock Ctrl-C
    with ExitStack() as after:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        after.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        for name in BLAS_THREADS:
            after.callback(_set, name, os.environ.get(name))
            _set(name, "1")
        yield


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def end_with(lifeline: Connection) -> None:
    """End this process, a worker, as soon as nobody holds the other end of the pipe."""
    from multiprocessing.connection import wait  # noqa: PLC0415

    if sys.platform == "linux":
        _killed_at_the_end_of(lifeline.fileno())

    def watch() -> None:
        wait([lifeline])  # nothing is ever sent: this returns at the end of file
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _killed_at_the_end_of(pipe: int) -> None:
    """Have the kernel watch: within a loop in C no thread of Python's gets its turn."""
    from fcntl import F_SETFL, F_SETOWN, F_SETSIG, fcntl  # noqa: PLC0415

    # Opened anew: what is set would otherwise be set for all workers, and the last one be told.
    own = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
    fcntl(own, F_SETOWN, os.getpid())
    fcntl(own, F_SETSIG, signal.SIGKILL)
    fcntl(own, F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
