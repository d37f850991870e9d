"""How a child ended, and why."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from forecaster.daemon.errand import BUSY, DONE, FAILED, INCOMPLETE, MEMORY, REFUSED

How = Literal["done", "deadline", "killed", "stopped", "memory", "busy", "refused", "failed"]

WHOLE = (DONE, INCOMPLETE)

MEANT: dict[int, How] = {REFUSED: "refused", BUSY: "busy", MEMORY: "memory", FAILED: "failed"}


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    Attributes:
        code: its exit code; minus the number of the signal that ended it.
        how: done (the ledger says the rest), refused (the configuration), busy (another process
            works), memory, failed (as a whole), deadline, stopped (from outside), or killed
            (anything else).
        reason: one line; empty if there is nothing to say.
        last: the run, series and stage that it last spoke of.
        seconds: from start to end.
    """

    code: int
    how: How
    reason: str
    last: Mapping[str, str]
    seconds: float


def meant(code: int, ordered: How | None, *, complete: bool) -> How:
    """Return how a child ended.

    Args:
        code: its exit code.
        ordered: why it was to end, if it was.
        complete: it said that all was done: an exit code alone may be a plugin's, or Python's.
    """
    if code in WHOLE and complete:
        return "done"
    return ordered or MEANT.get(code, "killed")


def by_itself(code: int, memory: int | None) -> str:
    """Return why a child ended that nobody ended, as far as its exit code tells."""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"exit code {code}"
    limit = f", perhaps for lack of memory (limit {memory} MB)" if memory else ""
    return f"it ended with {name} before it was done{limit}"
