"""What is learned from outcomes: the states that learn, and what they learn from."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Head = Literal["mean", "spread"]


@dataclass(frozen=True)
class Tracker:
    """The state that keeps one interval calibrated: one per series, horizon and level.

    `coverage` is the discounted share of outcomes inside the interval.
    """

    horizon: int
    level: float
    quantile: float
    coverage: float
    outcomes: int = 0
    last_cutoff: date | None = None


@dataclass(frozen=True)
class Gate:
    """The state that lets a head speak, or not: one per series, horizon and head.

    `gain`, `power`, `noise`, `size` and `n` are discounted sums, `t` is what they prove. `weight`
    is the share of the head's say: of a mean any from 0 to 1, of a spread 1 or 0.
    """

    head: Head
    horizon: int
    gain: float = 0.0
    power: float = 0.0
    noise: float = 0.0
    size: float = 0.0
    n: float = 0.0
    t: float = 0.0
    weight: float = 0.0
    outcomes: int = 0
    last_cutoff: date | None = None


@dataclass(frozen=True)
class Lesson:
    """What trackers and gates learn from: a forecast and its outcome, the oldest ones in part.

    `network_move` is what the network said and `actual_move` what happened, both in units of
    `unit`; the scales are standard deviations of the move over the horizon.
    """

    horizon: int
    cutoff: date
    inside80: bool
    inside95: bool
    network_move: float | None = None
    actual_move: float | None = None
    unit: float | None = None
    head_scale: float | None = None
    ewma_scale: float | None = None
