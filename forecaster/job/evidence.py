"""The evidence behind a decision: the model's age, how it does, whether prices look right."""

from collections.abc import Iterable

import numpy as np

from forecaster.job.learn import States
from forecaster.job.past import Past
from forecaster.job.work import Work
from forecaster.ledger import Decision, Gate
from forecaster.ledger.schema import LEVELS
from forecaster.model import Motion

FLAT = 20
"""Sessions without a move after which a price looks dead."""
HUGE = 12.0
"""Moves larger than this many standard deviations of their time look wrong."""
RATIOS = (2.0, 3.0)
"""What a price is divided or multiplied by when a split was not told."""
NEAR = 0.02
DECAY = 0.94


def gathered(work: Work, fingerprint: str) -> Decision:
    """Return a decision to reuse with its evidence, and without a reason yet."""
    model, every = work.knowledge.model, work.turn.settings.retrain.every
    allowed = 0 if every == "always" else None if every == "never" else int(every)
    skill, skill_t = _skill(work.states)
    below80, below95 = (_coverage_error(work.states, level) for level in LEVELS)
    age = None
    if model is not None:
        age = len(work.calendar.sessions(model.cutoff, work.cutoff)) - 1
    return Decision(
        "reuse",
        "",
        "",
        fingerprint,
        age_sessions=age,
        allowed_age=allowed if model else None,
        model_fingerprint=model.fingerprint if model else None,
        new_bars=_new_bars(work),
        revised_bars=work.knowledge.revised_bars if model else None,
        skill=skill,
        skill_t=skill_t,
        spread_t=min((gate.t for gate in _gates(work.states, "spread")), default=None),
        coverage_error80=below80,
        coverage_error95=below95,
        alarms=", ".join(alarms(work.past, work.motion)),
    )


def _new_bars(work: Work) -> int | None:
    if work.knowledge.model is None:
        return None
    return len(work.past.sessions) - work.past.count_upto(work.knowledge.model.cutoff)


def _gates(states: States, head: str) -> list[Gate]:
    return [gate for gate in states.all_gates() if gate.head == head]


def _skill(states: States) -> tuple[float | None, float | None]:
    """Return the network's discounted skill over all horizons, and the best t value of one."""
    gates = _gates(states, "mean")
    size = _sum(gate.size for gate in gates)
    if not size:
        return None, None
    gained = _sum(2.0 * gate.gain - gate.power for gate in gates)
    return gained / size, max(gate.t for gate in gates)


def _sum(numbers: Iterable[float]) -> float:
    return float(sum(numbers))


def _coverage_error(states: States, level: float) -> float | None:
    found = [one.coverage - one.level for one in states.all_trackers() if one.level == level]
    return float(np.mean(found)) if found else None


def alarms(past: Past, motion: Motion) -> list[str]:
    """Return what looks wrong about the newest prices: "flat", "huge move", "ratio".

    Such prices are neither held back nor changed: nothing new is learnt from them.
    """
    steps = np.diff(motion.path(past.values))
    found = []
    if len(steps) >= FLAT and not steps[-FLAT:].any():
        found.append("flat")
    if len(steps) > FLAT and abs(steps[-1]) > HUGE * motion.scale(steps[:-1], DECAY)[-1]:
        found.append("huge move")
        if motion.kind == "price":
            times = np.exp(abs(steps[-1]))
            found += [f"ratio {ratio:g}" for ratio in RATIOS if abs(times / ratio - 1.0) < NEAR]
    return found
