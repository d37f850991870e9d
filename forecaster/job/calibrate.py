"""calibrate: let the trackers learn from what was scored, then say how wide the forecast is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from forecaster.errors import DataError
from forecaster.job.work import Work
from forecaster.ledger import Forecast, Hit, Score, Tracker
from forecaster.ledger.schema import LARGEST, LEVELS
from forecaster.model import apply_move, floored_scale, moves, next_quantile, start_quantile

Cell = tuple[int, float]
"""(horizon, level)"""

NARROWEST = 0.25
"""Share of the EWMA spread below which no network may say that it knows the outcome.

An overfitted one would, and a tracker takes thousands of outcomes to make up for that.
"""


def calibrate(work: Work) -> Work:
    """Feed the trackers and put intervals around the means.

    On a night older than what the trackers have seen they learn nothing, and the intervals come
    from trackers that are fed with the outcomes known by then.
    """
    eta = work.turn.settings.intervals.eta
    states = {(one.horizon, one.level): one for one in work.knowledge.trackers}
    scores = []
    for known in sorted(work.scores, key=lambda known: known.pending.cutoff):
        in_order = _in_order(states, known)
        if in_order:
            _feed(states, _hit(known), eta)
        scores.append(replace(known, eta=eta if in_order else None))
    learnt = tuple(states[cell] for cell in sorted(states))
    if work.knowledge.hits_by_then is not None:
        hits = (*work.knowledge.hits_by_then, *map(_hit, scores))
        states = {}
        for hit in sorted(hits, key=lambda hit: hit[1]):
            _feed(states, hit, eta)
    return replace(work, scores=tuple(scores), trackers=learnt, forecasts=_forecasts(work, states))


def _in_order(states: Mapping[Cell, Tracker], known: Score) -> bool:
    state = states.get((known.pending.horizon, LEVELS[0]))
    return state is None or state.last_cutoff is None or known.pending.cutoff > state.last_cutoff


def _hit(known: Score) -> Hit:
    return known.pending.horizon, known.pending.cutoff, known.inside80, known.inside95


def _feed(states: dict[Cell, Tracker], hit: Hit, eta: float) -> None:
    horizon, cutoff, *insides = hit
    for level, inside in zip(LEVELS, insides, strict=True):
        before = states.get((horizon, level)) or Tracker(horizon, level, start_quantile(level))
        states[horizon, level] = replace(
            before,
            quantile=next_quantile(before.quantile, bool(inside), level, eta),
            outcomes=before.outcomes + 1,
            last_cutoff=cutoff,
        )


def refeed(level: float, fed: Iterable[tuple[bool, float]]) -> float:
    """Return the quantile that a fresh tracker has after these outcomes, each with its eta."""
    quantile = start_quantile(level)
    for inside, eta in fed:
        quantile = next_quantile(quantile, inside, level, eta)
    return quantile


def _forecasts(work: Work, states: Mapping[Cell, Tracker]) -> tuple[Forecast, ...]:
    if not len(work.means):
        return ()
    settings, values = work.turn.settings, work.past.values
    sigma = floored_scale(moves(values, settings.values), settings.intervals.decay, settings.values)
    scales = float(sigma[-1]) * np.arange(1.0, len(work.means) + 1.0) ** 0.5
    if len(work.scales):
        scales = np.maximum(work.scales, NARROWEST * scales)
    targets = work.calendar.after(work.cutoff, len(work.means))
    made = []
    said = zip(work.means.tolist(), scales.tolist(), targets, strict=True)
    for horizon, (mean, scale, target) in enumerate(said, 1):
        q80, q95 = (
            states[horizon, level].quantile if (horizon, level) in states else start_quantile(level)
            for level in LEVELS
        )
        # Two trackers may cross; the intervals they give must not.
        spread = Spread(scale, q80, max(q80, q95))
        made.append(_forecast(work, horizon, target, mean, spread))
    return tuple(made)


@dataclass(frozen=True)
class Spread:
    """How wide: the scale of a move over the horizon, and the trackers' quantiles of it."""

    scale: float
    quantile80: float
    quantile95: float


def _forecast(work: Work, horizon: int, target: date, mean: float, spread: Spread) -> Forecast:
    kind, last = work.turn.settings.values, float(work.past.quoted[-1])
    around = float(moves(np.array([last, mean]), kind)[0])
    wide, narrow = spread.quantile95 * spread.scale, spread.quantile80 * spread.scale
    bounds = apply_move(last, around + np.array([-wide, -narrow, narrow, wide]), kind)
    if not (np.abs(bounds) <= LARGEST).all():
        raise DataError(
            f"the intervals of horizon {horizon} are beyond all numbers: moves of {spread.scale:g}",
            remedy="check the prices for wrong values",
            code="impossible_forecast",
        )
    lo95, lo80, hi80, hi95 = bounds.tolist()
    return Forecast(
        horizon=horizon,
        target_session=target,
        mean=mean,
        lo80=lo80,
        hi80=hi80,
        lo95=lo95,
        hi95=hi95,
        baseline=last,
        basis=work.past.basis(work.cutoff),
        carried=int(work.past.carried[-work.turn.settings.model.lookback - 1 :].sum()),
        **vars(spread),
    )
