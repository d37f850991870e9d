"""The checks that plugin authors, and this project, run in their tests."""

from forecaster.testing.gradients import check_gradients

__all__ = ["check_gradients"]
