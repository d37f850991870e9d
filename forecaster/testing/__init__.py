"""The checks that plugin authors, and this project, run in their tests."""

from forecaster.testing.activations import check_activation
from forecaster.testing.executors import check_executor
from forecaster.testing.gradients import check_gradients
from forecaster.testing.reporters import check_reporter
from forecaster.testing.sources import check_source

__all__ = [
    "check_activation",
    "check_executor",
    "check_gradients",
    "check_reporter",
    "check_source",
]
