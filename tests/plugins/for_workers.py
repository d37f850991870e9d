"""What the tests of executors let workers do: they have to be able to import it."""

import os
import signal
from pathlib import Path
from threading import Event

import numpy as np
from threadpoolctl import threadpool_info


def same(item: int) -> int:
    """Return what is given."""
    return item


def process(_: int) -> int:
    """Return who does this."""
    return os.getpid()


def threads(_: int) -> list[int]:
    """Return how many threads each BLAS and OpenMP library has, having used NumPy's."""
    np.ones((50, 50)) @ np.ones((50, 50))
    return [pool["num_threads"] for pool in threadpool_info()]


def die_of_2(item: int) -> int:
    """Kill this process at item 2."""
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail_at_2(item: int) -> int:
    """Raise at item 2."""
    if item == 2:
        raise TimeoutError("two is too much")
    return item


def work_for_ever(here: str) -> None:
    """Say that this has begun, and never come back."""
    Path(here).write_text(str(os.getpid()))
    Event().wait()
