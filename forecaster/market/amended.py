"""A calendar's rule with days amended: closures that the library does not know, extra sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from forecaster.market.rules import Rule, Table

if TYPE_CHECKING:
    from forecaster.config import Amendment

NEAREST = 5  # sessions before an extra one that say when it closes: not all are half days


def amended(rule: Rule, amendments: Sequence[Amendment]) -> Rule:
    """Return the rule of the same calendar with some days closed and others open."""
    if not amendments:
        return rule
    return replace(rule, table=lambda first, last: _amended_table(rule, amendments, first, last))


def _amended_table(rule: Rule, amendments: Sequence[Amendment], first: date, last: date) -> Table:
    days, closes = rule.table(first, last)
    found = dict(zip(days.tolist(), closes.tolist(), strict=True))
    for one in amendments:
        if not first <= one.day <= last:
            continue
        if not one.opens:
            found.pop(one.day, None)
        elif one.close:
            found[one.day] = datetime.combine(one.day, one.close)
        elif one.day not in found:
            found[one.day] = _usual_close(rule, one.day, (days, closes))
    ascending = sorted(found.items())
    return (
        np.array([day for day, _ in ascending], "datetime64[D]"),
        np.array([close for _, close in ascending], "datetime64[us]"),
    )


def _usual_close(rule: Rule, day: date, table: Table) -> datetime:
    """Return when an extra session closes, in UTC: as late in the local day as those before it."""
    days, closes = table
    here = int(np.searchsorted(days, np.datetime64(day)))
    nearest = slice(max(here - NEAREST, 0), here) if here else slice(0, NEAREST)
    zone = ZoneInfo(rule.zone)
    usual = max(
        (
            close.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) - _midnight(session)
            for session, close in zip(days[nearest].tolist(), closes[nearest].tolist(), strict=True)
        ),
        default=timedelta(days=1),
    )
    local = (_midnight(day) + usual).replace(tzinfo=zone)
    return local.astimezone(UTC).replace(tzinfo=None)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
