"""Other methods that a backtest holds the program's forecasts against."""

from forecaster.job.rivals.choose import NAIVE, NAMES, require_rivals
from forecaster.job.rivals.task import Answer, RivalTask, run_rival_task
from forecaster.job.rivals.telling import LEVELS, Telling

__all__ = [
    "LEVELS", "NAIVE", "NAMES", "Answer", "RivalTask", "Telling", "require_rivals",
    "run_rival_task",
]  # fmt: skip
