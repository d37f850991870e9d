"""What is stored and what is told, side by side: which bars are new, and which changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from forecaster.market.actions import Actions
from forecaster.market.bars import FIELDS, PRICES, Bars
from forecaster.market.frames import Mask, Sessions

NOISE = 1e-6
"""Share by which the same price differs when it was divided and multiplied on the way."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What is stored: bars from some session on, actions, and which of them no source told."""

    bars: Bars
    actions: Actions
    inferred: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Alert:
    """Something noticed about prices that are used all the same."""

    session: date
    code: str
    message: str


def merged(kept: Kept, told: Bars, actions: Actions) -> tuple[Bars, Mask]:
    """Return the bars as they would be, and which of them are new, changed or newly adjusted."""
    ours = kept.bars.where(~np.isin(kept.bars.sessions, told.sessions))
    if not len(kept.bars):
        return told, np.ones(len(told), dtype=bool)
    days = np.concatenate([ours.sessions, told.sessions])
    order = np.argsort(days)
    values = (np.concatenate([ours.field(name), told.field(name)])[order] for name in FIELDS)
    whole = Bars(days[order], *values)
    fresh = np.append(np.zeros(len(ours), bool), ~_unchanged(kept.bars, told))[order]
    for day in changed_actions(kept.actions.since(told.sessions[0]), actions):
        fresh[np.searchsorted(whole.sessions, day) :][:1] = True
    return whole, fresh


def changed_actions(ours: Actions, theirs: Actions) -> Sessions:
    """Return the sessions whose actions differ."""
    one, other = (
        set(zip(each.sessions.tolist(), each.splits.tolist(), each.dividends.tolist(), strict=True))
        for each in (ours, theirs)
    )
    return as_days(frozenset(day for day, _, _ in one ^ other))


def _unchanged(kept: Bars, told: Bars) -> Mask:
    """Return which of the told bars, (n,), are stored with the same close but for noise."""
    at = np.minimum(np.searchsorted(kept.sessions, told.sessions), len(kept) - 1)
    same: Mask = (kept.sessions[at] == told.sessions) & (
        np.abs(told.close - kept.close[at]) <= NOISE * np.abs(kept.close[at])
    )
    return same


def revised(kept: Bars, told: Bars, share: float) -> tuple[Alert, ...]:
    """Return one alert for the stored prices that change by more than a share."""
    rows = np.flatnonzero(np.isin(told.sessions, kept.sessions))
    at = np.searchsorted(kept.sessions, told.sessions[rows])
    old = np.stack([kept.field(name)[at] for name in PRICES])
    new = np.stack([told.field(name)[rows] for name in PRICES])
    changed = np.abs(new - old) > max(share, NOISE) * np.abs(old)
    sessions = np.flatnonzero(changed.any(axis=0))
    if not len(sessions):
        return ()
    first = sessions[0]
    field = int(np.argmax(changed[:, first]))
    day: date = told.sessions[rows[first]].item()
    count = len(sessions) - 1
    others = f", and {count} more session{'s' if count > 1 else ''} changed" if count else ""
    message = (
        f"the {PRICES[field]} of {day} was {old[field, first]:g} and is {new[field, first]:g} now"
        f"{others}"
    )
    return (Alert(day, "revised", message),)


def as_days(sessions: frozenset[date]) -> Sessions:
    """Return sessions as (n,) datetime64[D], ascending."""
    return np.array(sorted(sessions), dtype="datetime64[D]")
