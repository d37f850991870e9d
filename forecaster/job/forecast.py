"""forecast: what the network says of the coming sessions, and how much of that is believed."""

from dataclasses import replace

import numpy as np

from forecaster.errors import DataError
from forecaster.job.past import Floats
from forecaster.job.work import Mean, Work
from forecaster.model import start_quantile


def forecast(work: Work) -> Work:
    """Say where the series will be 1 to H sessions after the cutoff.

    The network's forecast is told as a move from the baseline in units of the present volatility,
    and the gate's weight says how much of that move is made: nothing, until outcomes are evidence
    that the network knows better than the baseline.
    """
    if not work.turn.speaks:
        return work
    motion, values, model = work.motion, work.past.values, work.turn.settings.model
    horizons = range(1, model.horizon + 1)
    baselines = motion.baselines(values, model.horizon)
    sigma = motion.scale(motion.steps(values), model.decay)[-1]
    unit = sigma * motion.roots(model.horizon)
    if work.network is None:  # a fallback: nobody knows better than the baseline
        still = np.zeros(model.horizon)
        return replace(work, mean=Mean(baselines, unit, None, still, still, baselines, None))
    means, deviations = _network_says(work)
    moves = motion.between(baselines, means)
    weights = np.array([work.states.weight("mean", h) if model.gate else 1.0 for h in horizons])
    lead, whole = weights * moves, weights == 1.0
    means = np.where(whole, means, motion.apply(baselines, lead))
    mean = Mean(baselines, unit, moves / unit, weights, lead, means, deviations)
    return replace(work, mean=mean)


def _network_says(work: Work) -> tuple[Floats, Floats | None]:
    """Return the means (H,), and standard deviations (H,) if the network says some."""
    network, motion = work.network, work.motion
    values, beside = work.past.values, work.past.beside
    if network is None:
        raise ValueError("there is no network")
    if not network.quantiles:
        means = network.predict(values, beside)
        _refuse_impossible(means, motion.kind)
        return means, None
    low, means, high = network.predict_quantiles(values, beside).T
    _refuse_impossible(np.concatenate([low, means]), motion.kind)
    # Half the reach of the 80 % that lie between, in the tracker's unit.
    return means, motion.between(low, high) / (2.0 * start_quantile(0.80))


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
