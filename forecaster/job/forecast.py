"""forecast: the mean, one window at a time."""

from dataclasses import replace

import numpy as np

from forecaster.errors import DataError
from forecaster.job.work import Work


def forecast(work: Work) -> Work:
    """Let the network say where the series will be 1 to H sessions after the cutoff."""
    if work.network is None:
        return work
    means = work.network.predict(work.past.values)
    impossible = ~np.isfinite(means)
    if work.turn.settings.values == "price":
        impossible |= means <= 0
    if impossible.any():
        raise DataError(
            f"the network's forecast of {means[impossible][0]:g} is no possible value",
            remedy='run with --retrain, or choose inputs = "returns"',
            code="impossible_forecast",
        )
    return replace(work, means=means)
