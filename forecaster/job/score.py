"""score: hold what was said against what happened."""

from dataclasses import replace

from forecaster.job.past import carry
from forecaster.job.work import Work
from forecaster.ledger import Pending, Score


def score(work: Work) -> Work:
    """Score every waiting forecast whose outcome is known by the cutoff."""
    found = (_outcome(work, said) for said in work.knowledge.pending)
    return replace(work, scores=tuple(known for known in found if known))


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
    )
