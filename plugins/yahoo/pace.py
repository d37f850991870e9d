"""When a request may go out: politely after the one before, and within the time of one fetch."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

REQUEST = 20.0  # seconds that one request may take
PAUSE = 1.0  # seconds before the second try; before each further one three times as many
JITTER = 0.3  # of a pause, either way, so that programs that failed together do not return together


class Pace:
    """The clock of a source.

    Args:
        interval: seconds from the start of one request to the start of the next, at least.
        deadline: seconds that one fetch may take, with all its tries.
        monotonic: the clock.
        sleep: waits.
        random: of the jitter.
    """

    def __init__(
        self,
        interval: float,
        deadline: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self._interval = interval
        self._deadline = deadline
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random or Random()  # noqa: S311 - nobody gains by guessing a pause
        self._next = self._ends = monotonic()

    def begin(self) -> None:
        """Start the time of a fetch."""
        self._ends = self._monotonic() + self._deadline

    def turn(self) -> float:
        """Wait for the next request's turn; return the seconds that it may take, 0 for none."""
        self._wait(min(self._next - self._monotonic(), self._left()))
        self._next = self._monotonic() + self._interval
        return max(0.0, min(REQUEST, self._left()))

    def pause(self, tries: int) -> bool:
        """Wait before another try after so many; return False, at once, if time would run out."""
        seconds = PAUSE * 3 ** (tries - 1) * self._random.uniform(1 - JITTER, 1 + JITTER)
        if seconds >= self._left():
            return False
        self._wait(seconds)
        return True

    def _left(self) -> float:
        return self._ends - self._monotonic()

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
