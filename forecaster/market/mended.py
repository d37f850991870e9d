"""exchange_calendars on pandas 3.1, which calls methods that two of its classes lack.

pandas 3.1 asks an offset for `_add_datetime` and `_get_daily_offset_mask` where it asked for
`_apply` before. Without them Athens, Belgrade, Bucharest, Cyprus and Tel Aviv cannot be built, and
Bombay, Korea and Moscow silently lack every session on a weekend.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.market.frames import Mask


@cache
def mend_offsets() -> None:
    """Give the classes what they lack; a release that has it is left alone."""
    from exchange_calendars.pandas_extensions import offsets  # noqa: PLC0415 - who asks loaded it

    easter, composite = offsets.OrthodoxEaster, offsets.CompositeCustomBusinessDay
    if "_add_datetime" not in vars(easter):
        easter._add_datetime = easter._apply  # noqa: SLF001 - there is no public name
    if "_add_datetime" not in vars(composite):
        composite._add_datetime = _next_session  # noqa: SLF001 - likewise
        composite._get_daily_offset_mask = _are_sessions  # noqa: SLF001 - likewise


def _next_session(offset: Any, moment: datetime) -> datetime:
    """Return the session after a moment; of those offsets, n is always 1."""
    moment += timedelta(days=1)
    while not offset.is_on_offset(moment):
        moment += timedelta(days=1)
    return moment


def _are_sessions(offset: Any, moments: NDArray[np.datetime64]) -> Mask:
    """Say of each midnight, (n,), whether it is a session by the weekmask of its time."""
    days = moments.astype("datetime64[D]")
    found = np.is_busday(days, busdaycal=offset.calendar)
    for first, last, rule in offset.business_days:
        within = np.ones(len(days), dtype=bool)
        if first is not None:
            within &= days >= np.datetime64(first, "D")
        if last is not None:
            within &= days <= np.datetime64(last, "D")
        found[within] = np.is_busday(days[within], busdaycal=rule.calendar)
    return found
