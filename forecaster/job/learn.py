"""learn: what outcomes teach the trackers and the gates of one series, each once and in order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from forecaster.ledger import Gate, Lesson, Tracker
from forecaster.ledger.schema import LEVELS
from forecaster.model import next_quantile, start_quantile
from forecaster.model.gate import (
    Evidence,
    learn_mean,
    learn_spread,
    mean_weight,
    spread_holds,
    t_value,
)
from forecaster.model.tracker import next_coverage

Head = Literal["mean", "spread"]

FASTER = {0.80: 1.0, 0.95: 2.0}
"""What the tracker's step is multiplied by: misses of 5 % are few to learn from."""


@dataclass(frozen=True)
class States:
    """The trackers by horizon and level, and the gates by head and horizon."""

    trackers: Mapping[tuple[int, float], Tracker] = field(default_factory=dict)
    gates: Mapping[tuple[Head, int], Gate] = field(default_factory=dict)

    def quantile(self, horizon: int, level: float) -> float:
        """Return how many standard deviations the interval reaches to each side."""
        state = self.trackers.get((horizon, level))
        return start_quantile(level) if state is None else state.quantile

    def weight(self, head: Head, horizon: int) -> float:
        """Return how much of a head is used.

        Nothing of the mean before there is evidence for it, all of the spread before there is
        evidence against it.
        """
        state = self.gates.get((head, horizon))
        if state is None:
            return 0.0 if head == "mean" else 1.0
        return state.weight

    def all_trackers(self) -> tuple[Tracker, ...]:
        """Return the trackers, by horizon and level."""
        return tuple(self.trackers[cell] for cell in sorted(self.trackers))

    def all_gates(self) -> tuple[Gate, ...]:
        """Return the gates, by head and horizon."""
        return tuple(self.gates[cell] for cell in sorted(self.gates))


NOTHING = States()
"""What has been learnt before the first outcome."""


def states_of(trackers: Iterable[Tracker], gates: Iterable[Gate]) -> States:
    """Return the states as the ledger has them."""
    return States(
        {(one.horizon, one.level): one for one in trackers},
        {(one.head, one.horizon): one for one in gates},
    )


def in_order(states: States, horizon: int, cutoff: date) -> bool:
    """Return whether an outcome is later than all that its horizon has learned from."""
    state = states.trackers.get((horizon, LEVELS[0]))
    return state is None or state.last_cutoff is None or cutoff > state.last_cutoff


def learn(states: States, lessons: Sequence[tuple[Lesson, float]]) -> States:
    """Return what the states are after these outcomes, each with the step of the trackers."""
    trackers, gates = dict(states.trackers), dict(states.gates)
    for lesson, eta in sorted(lessons, key=lambda one: one[0].cutoff):
        for level, inside in zip(LEVELS, (lesson.inside80, lesson.inside95), strict=True):
            cell = (lesson.horizon, level)
            trackers[cell] = _taught_tracker(trackers.get(cell), level, lesson, inside, eta)
        for gate in _taught_gates(gates, lesson):
            gates[gate.head, gate.horizon] = gate
    return States(trackers, gates)


def relearn(lessons: Sequence[tuple[Lesson, float]]) -> tuple[list[Tracker], list[Gate]]:
    """Return the states that fresh ones have after these outcomes."""
    states = learn(States(), lessons)
    return list(states.all_trackers()), list(states.all_gates())


def _taught_tracker(
    before: Tracker | None, level: float, lesson: Lesson, inside: bool, eta: float
) -> Tracker:
    if before is None:
        before = Tracker(lesson.horizon, level, start_quantile(level), coverage=level)
    step = eta if lesson.unit is None else eta * FASTER[level]  # older programs had one step
    return replace(
        before,
        quantile=next_quantile(before.quantile, inside, level, step),
        coverage=next_coverage(before.coverage, inside),
        outcomes=before.outcomes + 1,
        last_cutoff=lesson.cutoff,
    )


def _taught_gates(gates: Mapping[tuple[Head, int], Gate], lesson: Lesson) -> Iterable[Gate]:
    said, happened, unit = lesson.network_move, lesson.actual_move, lesson.unit
    if said is None or happened is None or unit is None:  # forecasts of older programs
        return
    horizon = lesson.horizon
    mean = learn_mean(_evidence(gates.get(("mean", horizon))), said, happened, horizon)
    yield _gate("mean", lesson, mean, mean_weight(mean), gates)
    if lesson.head_scale is None or lesson.ewma_scale is None:
        return
    before = _evidence(gates.get(("spread", horizon)))
    spread = learn_spread(before, happened * unit, lesson.head_scale, lesson.ewma_scale, horizon)
    yield _gate("spread", lesson, spread, float(spread_holds(spread)), gates)


def _evidence(gate: Gate | None) -> Evidence:
    if gate is None:
        return Evidence()
    return Evidence(gate.gain, gate.power, gate.noise, gate.size, gate.n)


def _gate(
    head: Head,
    lesson: Lesson,
    evidence: Evidence,
    weight: float,
    gates: Mapping[tuple[Head, int], Gate],
) -> Gate:
    before = gates.get((head, lesson.horizon))
    return Gate(
        head=head,
        horizon=lesson.horizon,
        **vars(evidence),
        t=t_value(evidence),
        weight=weight,
        outcomes=1 + (before.outcomes if before else 0),
        last_cutoff=lesson.cutoff,
    )
