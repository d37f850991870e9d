"""Measuring rivals side by side: on one core, taking turns."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and those that libraries start meanwhile, on one core; Linux only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def take_turns(
    works: Mapping[str, Callable[[], object]], count: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds per call of each work in each of `count` turns, of about `seconds` for everyone.

    Whatever else the machine does hits all of them alike. The first call of each is not counted.
    """
    calls = {}
    for name, work in works.items():
        work()  # fills caches, compiles
        calls[name] = max(1, int(seconds / _seconds(work, 1)))
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            taken[name].append(_seconds(work, calls[name]))
    return taken


def _seconds(work: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def median_ratio(others: Sequence[float], ours: Sequence[float]) -> float:
    """The median over turns of the ratio within a turn."""
    return median(other / our for other, our in zip(others, ours, strict=True))
