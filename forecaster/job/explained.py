"""The account of one forecast: the values that `explain` gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from forecaster.job.replay import Replayed
from forecaster.ledger import Decision, Gate, Tracker

Row = Mapping[str, Any]
"""Of a view, with its columns."""


@dataclass(frozen=True)
class Step:
    """A session that the network read.

    Attributes:
        session: whose value it is.
        quoted: the value as traded.
        adjusted: for the splits and dividends up to the cutoff: what was read.
        revision: of the bar, from 1; None where no bar was there.
        known_since: when that revision was stored.
        carried: there was no bar, and the value of the one before stands here.
        split: of that session, 1.0 for none.
        dividend: of that session, 0.0 for none.
        effect: what the step adds to the network's move, in units; None where no step ends here,
            or nothing possible is said without it.
        effect_on_value: the same in the unit of the values.
    """

    session: date
    quoted: float
    adjusted: float
    revision: int | None
    known_since: datetime | None
    carried: bool
    split: float
    dividend: float
    effect: float | None
    effect_on_value: float | None


@dataclass(frozen=True)
class Evidenced:
    """What speaks for a head, in the gate's numbers when the forecast was made.

    Attributes:
        gate: the state; None before the first outcome.
        skill: of a network without its gate, of the baseline's squared error.
        needed_t: what t must exceed: of a mean to speak, of a spread not to be switched off.
        needed_n: how many discounted outcomes it takes to tell.
    """

    gate: Gate | None
    skill: float | None
    needed_t: float
    needed_n: float


@dataclass(frozen=True)
class MeanPart:
    """Where the forecast is, and why.

    Attributes:
        baseline: what doing nothing says.
        unit: the present volatility over the horizon, as a move.
        network: the value that the network says; None where there is none.
        move: from the baseline to that, in units.
        gated: whether a gate decides how much of it is made; otherwise all of it is.
        weight: how much.
        lead: the move that is made, in units.
        evidence: of the gate.
    """

    baseline: float
    unit: float
    network: float | None
    move: float | None
    gated: bool
    weight: float
    lead: float
    evidence: Evidenced


@dataclass(frozen=True)
class Feature:
    """What a feature adds to the log of what a spread head says."""

    head: str
    name: str
    effect: float


@dataclass(frozen=True)
class SpreadPart:
    """How wide the forecast is, and why.

    Attributes:
        order: of fallback, such as "linear > ewma".
        used: the head that was believed, and `reason`, where it is not the first.
        scale: the standard deviation of the move over the horizon.
        says: what each head says that is; None where it says nothing.
        silent: why those that say nothing do not.
        features: what the heads' features add to their log scale.
        evidence: of the head against the EWMA.
    """

    order: str
    used: str
    reason: str
    scale: float
    says: Mapping[str, float | None]
    silent: Mapping[str, str]
    features: tuple[Feature, ...]
    evidence: Evidenced


@dataclass(frozen=True)
class Explanation:
    """The account of one forecast.

    Attributes:
        forecast: its row of `forecast_history`, with the outcome once that is known.
        kind_of_move: "price" (moves are log returns) or "difference".
        outcome_move: what happened, in units; None until it is known.
        replayed: how its night, worked again, differs from what is stored.
        first_session: of all values that scales and averages are made of.
        values: how many these are.
        steps: what the network read, the oldest first; the newest values where there is none.
        mean: where the forecast is.
        spread: how wide it is.
        trackers: by level.
        decision: of the night, for its series.
        model: the row of `model_history`; None for a fallback.
        panel: likewise, if the spread is of one.
        program: version and environment that made the forecast.
    """

    forecast: Row
    kind_of_move: str
    outcome_move: float | None
    replayed: Replayed
    first_session: date
    values: int
    steps: tuple[Step, ...]
    mean: MeanPart
    spread: SpreadPart
    trackers: tuple[Tracker, ...]
    decision: Decision
    model: Row | None
    panel: Row | None
    program: Row
