"""What methods say, in the form in which they can be compared."""

from dataclasses import dataclass
from typing import Protocol

from forecaster.job.past import Floats

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
"""Of the quantiles that every method says: its bounds, and the forecast itself as the median."""


@dataclass(frozen=True, eq=False)
class Telling:
    """What a method says of one series at each of its cutoffs.

    Attributes:
        quantiles: (n, H, 5) at `LEVELS`, in the basis of each cutoff.
        training_seconds: spent on fitting.
        inference_seconds: spent on saying; None where that is not known.
    """

    quantiles: Floats
    training_seconds: float
    inference_seconds: float | None


class Rival(Protocol):
    """A method that forecasts one series from its values alone."""

    def fit(self, values: Floats) -> None:
        """Learn from values (n,), the newest last."""

    def say(self, values: Floats) -> Floats:
        """Return quantiles (H, 5) at `LEVELS` of what follows these values."""
        ...
