"""What is said of a series whose prices did not come before a night's last attempt was over.

The baseline is the last value there is. Its spread grows with every session since: what may have
happened meanwhile is not known either.
"""

from dataclasses import replace

from forecaster.job.due import Turn

STALEST = 10
"""Sessions without a bar from which on nothing is said any more."""


def fallen_back(turn: Turn) -> Turn:
    """Return a turn that carries the last value on to the night's session, and stays with it."""
    given = {"missing": "carry", "carry": STALEST}
    return replace(turn, settings=turn.settings.model_copy(update=given), forced="fallback")
