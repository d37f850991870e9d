"""What a provider may answer, by name, and what must come of it."""

from __future__ import annotations

from .charts import events, frames, metas
from .entries import Entry
from .faults import bodies, statuses, transport


def catalogue() -> list[Entry]:
    """Return every entry."""
    return [*transport(), *statuses(), *bodies(), *frames(), *metas(), *events()]
