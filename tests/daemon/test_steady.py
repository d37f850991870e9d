"""The scheduler, behind a clock that goes back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Semaphore, Thread
from typing import Any

import pytest
from apscheduler.schedulers.blocking import BlockingScheduler

from forecaster.daemon.steady import SteadyScheduler

HOUR = 3600.0


class Ticking:
    """A scheduler at work with one job an hour, and how often that ran."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler, self.ticked = scheduler, Semaphore(0)
        at_once = datetime.now(UTC)
        job = {"seconds": HOUR, "id": "tick", "next_run_time": at_once}
        scheduler.add_job(self.ticked.release, "interval", **job)
        self.thread = Thread(target=scheduler.start, daemon=True)
        self.thread.start()

    def put_clock_back(self, days: int) -> None:
        """Have the next time of the job where it is after such a step."""
        next_time = datetime.now(UTC) + timedelta(days=days)
        self.scheduler.get_job("tick").modify(next_run_time=next_time)


@pytest.fixture(params=[SteadyScheduler, BlockingScheduler])
def ticking(request: pytest.FixtureRequest) -> Iterator[Ticking]:
    """Each scheduler, after its first tick."""
    longest = (HOUR,) if request.param is SteadyScheduler else ()
    found = Ticking(request.param(*longest, timezone="UTC"))
    assert found.ticked.acquire(timeout=10)
    yield found
    found.scheduler.shutdown(wait=True)
    found.thread.join(10)
    assert not found.thread.is_alive()


@pytest.mark.parametrize("ticking", [SteadyScheduler], indirect=True)
@pytest.mark.parametrize("days", [1, 7, 36_500])
def test_a_clock_that_goes_back_costs_no_tick(ticking: Ticking, days: int) -> None:
    """Each time it ticks at once, and from then on as before."""
    for _ in range(3):
        ticking.put_clock_back(days)
        assert ticking.ticked.acquire(timeout=10)
    wait = ticking.scheduler.get_job("tick").next_run_time - datetime.now(UTC)
    assert wait.total_seconds() <= HOUR
    assert not ticking.ticked.acquire(timeout=0.1)


@pytest.mark.parametrize("ticking", [BlockingScheduler], indirect=True)
def test_it_is_needed(ticking: Ticking) -> None:
    """APScheduler's own waits for a week, when a clock was set back by one."""
    ticking.put_clock_back(7)
    assert not ticking.ticked.acquire(timeout=0.5)
