"""What an activation gave at a few points when a network was trained with it.

A stored network knows its activation by name. The numbers say whether what now has that name is
still the same function.
"""

from dataclasses import dataclass

import numpy as np

from forecaster.errors import DataError
from forecaster.model.activations import Activation

# Small and large, on both sides, none of them round: between kinks, and where functions saturate.
POINTS = (-23.7, -7.3, -2.9, -1.3, -0.57, -0.11, 0.13, 0.61, 1.7, 3.1, 6.7, 24.3)
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # other processors round otherwise, by far less than this


@dataclass(frozen=True)
class Probe:
    """f and its slope in float64 at some points."""

    points: tuple[float, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]


def probe(activation: Activation, points: tuple[float, ...] = POINTS) -> Probe:
    """What the activation gives now."""
    z = np.array(points)
    a, slope = np.empty_like(z), np.empty_like(z)
    activation.value(z, a)
    activation.slope(z if activation.needs_input else a, slope)
    return Probe(points, tuple(a.tolist()), tuple(slope.tolist()))


def require_unchanged(activation: Activation, then: Probe) -> None:
    """Refuse an activation that is another function than it was.

    Raises:
        DataError: naming the first point where it differs (code "activation_changed").
    """
    now = probe(activation, then.points)
    if now == then:  # nearly always, and quickly seen
        return
    pairs = (("value", then.values, now.values), ("slope", then.slopes, now.slopes))
    for what, before, after in pairs:
        same = np.isclose(after, before, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        if not same.all():
            k = int(np.argmin(same))
            raise DataError(
                f"activation {activation.name!r} is no longer the function that the model was "
                f"trained with: its {what} at {then.points[k]:g} was {before[k]:.9g} then and is "
                f"{after[k]:.9g} now",
                remedy="run with --retrain, or put the former function back",
                code="activation_changed",
            )
