"""score: hold what was said against what happened, and learn from it."""

from dataclasses import replace

from forecaster.job.learn import States, in_order, learn, states_of
from forecaster.job.past import carry
from forecaster.job.work import Work
from forecaster.ledger import Lesson, Pending, Score


def score(work: Work) -> Work:
    """Score every waiting forecast whose outcome is known by the cutoff; trackers and gates learn.

    On a night older than what these have seen they learn nothing, and tonight's forecast comes from
    states that are taught the outcomes known by then.
    """
    found = (_outcome(work, said) for said in work.knowledge.pending)
    scores = sorted((known for known in found if known), key=lambda known: known.pending.cutoff)
    eta = work.turn.settings.intervals.eta
    before = states_of(work.knowledge.trackers, work.knowledge.gates)
    scores = [
        replace(known, eta=eta)
        if in_order(before, known.pending.horizon, known.pending.cutoff)
        else known
        for known in scores
    ]
    learnt = learn(before, [(lesson_of(known), eta) for known in scores if known.eta is not None])
    states = learnt
    if work.knowledge.lessons_by_then is not None:
        lessons = (*work.knowledge.lessons_by_then, *map(lesson_of, scores))
        states = learn(States(), [(lesson, eta) for lesson in lessons])
    return replace(work, scores=tuple(scores), learnt=learnt, states=states)


def lesson_of(known: Score) -> Lesson:
    """Return what a score teaches."""
    said = known.pending
    return Lesson(
        horizon=said.horizon,
        cutoff=said.cutoff,
        inside80=known.inside80,
        inside95=known.inside95,
        network_move=said.network_move,
        actual_move=known.actual_move,
        unit=said.unit,
        head_scale=said.head_scale,
        ewma_scale=said.ewma_scale,
    )


def _outcome(work: Work, said: Pending) -> Score | None:
    quoted = work.past.outcomes.get(said.target_session)
    if quoted is None:
        return None
    # A split after the cutoff is undone: the outcome is told in the prices of the forecast. Both
    # ends by the splits known now: one that was told late changes both or neither. Unless the
    # forecast stands on an older price: a split of its cutoff that was told late is not in that.
    then, now = work.past.basis(said.cutoff), work.past.basis(said.target_session)
    then = then if said.basis is None else said.basis
    actual = quoted * carry(work.turn.settings.field, origin=now, wanted=then)
    return Score(
        pending=said,
        actual=actual,
        error=said.mean - actual,
        baseline_error=said.baseline - actual,
        inside80=said.lo80 <= actual <= said.hi80,
        inside95=said.lo95 <= actual <= said.hi95,
        actual_move=_move(work, said, actual),
    )


def _move(work: Work, said: Pending, actual: float) -> float | None:
    """Return what happened in the units of the forecast's mean.

    Older programs had none, and to a price that is not positive there is no move.
    """
    if said.unit is None or (work.motion.kind == "price" and actual <= 0.0):
        return None
    return float(work.motion.between(said.baseline, actual)) / said.unit
