"""What every measurement hands over: rows of figures, and the way seconds are taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Row:
    """One line of the table: a piece of work, its seconds (None: not measured), and figures."""

    group: str
    work: str
    seconds: float | None
    note: str = ""
    figures: dict[str, float] = field(default_factory=dict)


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """The median wall-clock seconds of calling `work`, over `repeats` calls."""
    return median(_seconds(work) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
