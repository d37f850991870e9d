"""A scheduler whose clock may go back."""

from datetime import datetime

from apscheduler.schedulers.blocking import BlockingScheduler


class SteadyScheduler(BlockingScheduler):  # type: ignore[misc]  # it has no annotations
    """Runs its one job on time again after the clock went back.

    A job's next time is one on the wall: behind a clock that was set back by a week, APScheduler
    would wait for a week.

    Args:
        longest: seconds that it ever waits.
        options: as of any scheduler.
    """

    def __init__(self, longest: float, **options: object) -> None:
        super().__init__(**options)
        self._longest = longest

    def _process_jobs(self) -> float | None:
        wait: float | None = super()._process_jobs()
        if wait is None or wait <= self._longest:
            return wait
        for job in self.get_jobs():
            job.modify(next_run_time=datetime.now(self.timezone))  # and wakes the main loop
        return 0.0
