"""Stored actions that an answer does not tell, or tells otherwise: which of them stay."""

from __future__ import annotations

from datetime import date

import numpy as np

from forecaster.market.actions import Actions, no_actions
from forecaster.market.bars import Bars
from forecaster.market.border import Held, held_action
from forecaster.market.divisions import told_likewise
from forecaster.market.merged import Kept, merged


def with_kept(
    kept: Kept, told: Bars, actions: Actions | None, limit: float
) -> tuple[Actions, list[Held]]:
    """Return an answer's actions with those that are stored and stay, and what it wrongly lacks.

    Inferred ones stay until the answer tells of a split like that, told ones while the closes as
    traded move by more than a limit without them.
    """
    ours = kept.actions.since(told.sessions[0])
    if actions is None:
        return ours, []
    untold = ours.off(actions.sessions)
    stay, held = [], []
    for row, day in enumerate(untold.sessions.tolist()):
        one = untold.where(np.arange(len(untold)) == row)
        if day in kept.inferred:
            if not told_likewise(one.sessions[0], one.splits[0], actions):
                stay.append(one)
        elif one.splits[0] != 1.0 and abs(move_on(kept, told, one.sessions[0])) > limit:
            stay.append(one)
            reason = "the source takes it back, and its prices still show it"
            held.append(held_action(day, 1.0, 0.0, "withdrawn", reason))
    for one in stay:
        actions = actions.joined(one)
    first = actions.on(told.sessions[:1])
    if np.isfinite(limit) and _fits_worse(kept, told, first):
        actions = actions.joined(ours.on(first.sessions))
        reason = "its prices show the one that is stored"
        day, split, dividend = first.sessions[0].item(), first.splits[0], first.dividends[0]
        held.append(held_action(day, split, dividend, "not_in_prices", reason))
    return actions, held


def _fits_worse(kept: Kept, told: Bars, first: Actions) -> bool:
    """Return whether an answer's first session has another split than the stored one, and worse.

    There are no prices before it that would show by what they were divided.
    """
    ours = kept.actions.on(first.sessions)
    if not len(ours) or ours.splits[0] == first.splits[0]:
        return False
    move = move_on(kept, told, first.sessions[0])
    return bool(abs(move + np.log(ours.splits[0])) < abs(move + np.log(first.splits[0])))


def move_on(kept: Kept, told: Bars, session: np.datetime64) -> float:
    """Return the log move of the closes as traded on a session."""
    whole, _ = merged(kept, told, no_actions())
    at = int(np.searchsorted(whole.sessions, session))
    if not 0 < at < len(whole) or whole.close[at - 1] <= 0 or whole.close[at] <= 0:
        return 0.0
    return float(np.log(whole.close[at] / whole.close[at - 1]))


def told_of(theirs: Actions, actions: Actions | None) -> frozenset[date]:
    """Return on which sessions the split is the one that an answer tells."""
    if actions is None:
        return frozenset()
    same = theirs.on(actions.sessions).splits == actions.splits
    return frozenset(actions.sessions[same].tolist())
