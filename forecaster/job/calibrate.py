"""calibrate: put intervals around the means, as wide as the trackers have learned to make them."""

from dataclasses import replace
from datetime import date

import numpy as np

from forecaster.errors import DataError
from forecaster.job.spread import Spread, spread
from forecaster.job.work import Mean, Work
from forecaster.ledger import Forecast
from forecaster.ledger.schema import LARGEST


def calibrate(work: Work) -> Work:
    """Say how wide the forecast is: standard deviations of the spread times trackers' numbers."""
    if work.mean is None:
        return work
    wide = spread(work)
    targets = work.calendar.after(work.cutoff, len(work.mean.means))
    made = tuple(
        _forecast(work, work.mean, wide, horizon, target)
        for horizon, target in enumerate(targets, 1)
    )
    return replace(work, forecasts=made)


def _forecast(work: Work, mean: Mean, wide: Spread, horizon: int, target: date) -> Forecast:
    k, states = horizon - 1, work.states
    scale, name, why = wide.used(states, horizon)
    q80, q95 = states.quantile(horizon, 0.80), states.quantile(horizon, 0.95)
    q95 = max(q80, q95)  # two trackers may cross; the intervals they give must not
    reaches = mean.lead[k] + scale * np.array([-q95, -q80, q80, q95])
    bounds = work.motion.apply(float(mean.baselines[k]), reaches)
    if not (np.abs(bounds) <= LARGEST).all():
        raise DataError(
            f"the intervals of horizon {horizon} are beyond all numbers: moves of {scale:g}",
            remedy="check the prices for wrong values",
            code="impossible_forecast",
        )
    lo95, lo80, hi80, hi95 = bounds.tolist()
    panel = work.knowledge.panel if wide.head == "panel" else None
    return Forecast(
        horizon=horizon,
        target_session=target,
        mean=float(mean.means[k]),
        lo80=lo80,
        hi80=hi80,
        lo95=lo95,
        hi95=hi95,
        baseline=float(mean.baselines[k]),
        scale=scale,
        quantile80=q80,
        quantile95=q95,
        basis=work.past.basis(work.cutoff),
        status="ok" if work.network else "fallback",
        carried=int(work.past.carried[-work.turn.settings.model.lookback - 1 :].sum()),
        network_move=None if mean.moves is None else float(mean.moves[k]),
        unit=float(mean.unit[k]),
        gate_weight=float(mean.weights[k]),
        head_scale=None if wide.heads is None else float(wide.heads[k]),
        ewma_scale=float(wide.ewma[k]),
        spread=name,
        spread_order=" > ".join(wide.order),
        spread_reason=why,
        panel_id=panel.id if panel else None,
    )
