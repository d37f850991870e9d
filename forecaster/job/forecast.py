"""forecast: the mean, and the spread where the network says one, one window at a time."""

from dataclasses import replace

import numpy as np

from forecaster.errors import DataError
from forecaster.job.past import Floats
from forecaster.job.work import Work
from forecaster.model import moves, start_quantile


def forecast(work: Work) -> Work:
    """Let the network say where the series will be 1 to H sessions after the cutoff."""
    if work.network is None:
        return work
    values, beside, kind = work.past.values, work.past.beside, work.turn.settings.values
    scales = np.empty(0)
    if work.network.quantiles:
        low, means, high = work.network.predict_quantiles(values, beside).T
        _refuse_impossible(np.concatenate([low, means]), kind)
        # Half the reach of the 80 % that lie between, in the tracker's unit.
        reach = moves(np.stack([low, high], axis=1), kind)[:, 0]
        scales = reach / (2.0 * start_quantile(0.80))
    else:
        means = work.network.predict(values, beside)
        _refuse_impossible(means, kind)
    return replace(work, means=means, scales=scales)


def _refuse_impossible(forecasts: Floats, kind: str) -> None:
    impossible = ~np.isfinite(forecasts)
    if kind == "price":
        impossible |= forecasts <= 0
    if impossible.any():
        raise DataError(
            f"the network's forecast of {forecasts[impossible][0]:g} is no possible value",
            remedy='choose inputs = "returns" or a lower learning_rate',
            code="impossible_forecast",
        )
