"""How wide a forecast is: the head that is asked for, or the next one in the order of fallback."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forecaster.errors import DataError
from forecaster.job.learn import States
from forecaster.job.past import Floats
from forecaster.job.work import Work
from forecaster.ledger import ModelVersion
from forecaster.model.panel import PanelSpread, panel_from_bytes
from forecaster.model.spread import ewma_scales

NARROWEST = 0.25
"""Share of the EWMA spread below which no head may say that it knows the outcome.

An overfitted one would, and a tracker takes thousands of outcomes to make up for that.
"""

ORDERS = {
    "panel": ("panel", "linear", "ewma"),
    "linear": ("linear", "ewma"),
    "network": ("network", "ewma"),
    "ewma": ("ewma",),
}
"""Of fallback, by what is asked for."""


@dataclass(frozen=True, eq=False)
class Spread:
    """The standard deviation of the move over each horizon, and who says so.

    Attributes:
        order: of fallback.
        head: the first of the order that could be asked, and `heads` (H,) what it said; None where
            that is the EWMA.
        ewma: (H,) what the EWMA says.
        why: the head is not the first of the order.
    """

    order: tuple[str, ...]
    head: str
    heads: Floats | None
    ewma: Floats
    why: str

    def used(self, states: States, horizon: int) -> tuple[float, str, str]:
        """Return the standard deviation over a horizon, whose it is, and why, where that needs one.

        A head that has been worse than the EWMA beyond chance is switched off, until it is not.
        """
        k = horizon - 1
        if self.heads is None:
            return float(self.ewma[k]), "ewma", self.why
        if states.weight("spread", horizon) > 0.0:
            return float(self.heads[k]), self.head, self.why
        t = states.gates["spread", horizon].t
        worse = f"{self.head} has been worse than ewma beyond chance (t = {t:.2f})"
        return float(self.ewma[k]), "ewma", "; ".join(filter(None, [self.why, worse]))


def spread(work: Work) -> Spread:
    """Ask the heads of a series in their order."""
    settings = work.turn.settings
    network = work.mean is not None and work.mean.deviations is not None
    asked = "network" if network else settings.intervals.scale
    order = ORDERS[asked]
    ewma = _plain(work)
    reasons = []
    for head in order[:-1]:
        found = _ask(head, work)
        if isinstance(found, str):
            reasons += [found] if found not in reasons else []
            continue
        heads = np.maximum(found, NARROWEST * ewma)
        return Spread(order, head, heads, ewma, "; ".join(reasons))
    return Spread(order, "ewma", None, ewma, "; ".join(reasons))


def _plain(work: Work) -> Floats:
    """Return what the EWMA says (H,); of a last value that is old, from its own session on."""
    settings, values = work.turn.settings, work.past.values
    # A network that reads carried values has learnt from such; the last value alone has not.
    stale = 0 if work.network else int(np.argmin(work.past.carried[::-1]))
    known = values[: len(values) - stale]
    horizon = settings.model.horizon + stale
    whole = ewma_scales(known, settings.intervals.decay, motion=work.motion, horizon=horizon)
    return whole[stale:]


def _ask(head: str, work: Work) -> Floats | str:
    """Return what a head says, or why it says nothing."""
    if head == "network":
        return "" if work.mean is None or work.mean.deviations is None else work.mean.deviations
    linear = linear_says(work)
    if head == "linear" or isinstance(linear, str):
        return linear
    panel = panel_says(work)
    if isinstance(panel, str):
        return panel
    return np.asarray(np.sqrt(linear * panel))


def linear_says(work: Work) -> Floats | str:
    """Return the standard deviations (H,) of the linear head, or why there are none."""
    fitted = None if work.network is None else work.network.spread
    if fitted is None:
        return "linear needs more bars"
    return fitted.scales(work.past.values, work.past.ranges, work.motion)


def panel_says(work: Work) -> Floats | str:
    """Return the standard deviations (H,) of the panel alone, or why there are none."""
    stored = work.knowledge.panel
    if stored is None:
        return "there is no panel yet"
    try:
        network = panel_of(stored)
    except DataError as error:
        return f"panel {stored.id} cannot be read: {error.message}"
    horizon = work.turn.settings.model.horizon
    if network.horizon < horizon:
        return f"the panel was trained for horizon {network.horizon}"
    if len(work.motion.steps(work.past.values)) < network.lookback:
        return "the panel needs more bars"
    said: Floats = network.scales(work.past.values, work.past.ranges, work.motion)[:horizon]
    return said


def panel_of(stored: ModelVersion) -> PanelSpread:
    """Return the network of a stored panel."""
    return _parsed(stored.sha256, stored.parameters)


@lru_cache(maxsize=4)
def _parsed(_sha256: str, parameters: bytes) -> PanelSpread:
    return panel_from_bytes(parameters)
