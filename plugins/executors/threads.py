"""One BLAS thread in somebody else's process, for as long as a training takes."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class OneThread:
    """Limits BLAS and OpenMP to one thread from the first to enter until the last has left.

    The limit is one for the whole process, and a worker may train on several threads: whoever
    leaves first must not lift it for the others.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - workers alone need it

        with self._lock:
            if self._inside == 0:
                self._limits = threadpool_limits(limits=1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.restore_original_limits()


ONE_THREAD = OneThread()


def on_one_thread(function: Callable[[Item], Outcome], item: Item) -> Outcome:
    """Return `function(item)`, computed with one BLAS thread."""
    with ONE_THREAD:
        return function(item)
