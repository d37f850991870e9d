"""What a source tells now, held against what is stored: one history, without a false cliff.

A source may divide its whole past by a split and not say so, say so days later, twice or with
another ratio, change single prices, or begin to quote something else under an old name. The
stored prices are the measure: they stay as they were traded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from forecaster.market.actions import Actions, no_actions
from forecaster.market.bars import PRICES, Bars
from forecaster.market.border import Held, held_action
from forecaster.market.divisions import (
    SAME,
    Rows,
    agreeing,
    fitting,
    guessed,
    inferred_action,
    ratios,
    steps,
    taken_back,
    told_alike,
    undoing,
)
from forecaster.market.frames import Floats, Mask, Sessions
from forecaster.market.jumps import Found, find_jumps
from forecaster.market.merged import (
    Alert,
    Kept,
    as_days,
    changed_actions,
    merged,
    revised,
)
from forecaster.market.untold import move_on, told_of, with_kept

AGREEING = 3
"""Sessions in common that show how two histories hang together."""
HALF = 0.5
"""Share of the sessions in common that must agree."""


@dataclass(frozen=True)
class Rules:
    """How far a close may jump unexplained, and a stored price change without an alert.

    `trusted` believes whatever is told, because somebody accepted it.
    """

    jump: float = 0.4
    alert: float = 0.005
    trusted: bool = False

    @property
    def limit(self) -> float:
        """The log move beyond which a close jumps."""
        return float(np.log1p(self.jump)) if self.jump and not self.trusted else np.inf


@dataclass(frozen=True, eq=False)
class Reconciled:
    """What of an answer is to be stored.

    Attributes:
        bars: as traded; those that are stored already may be among them.
        actions: all there are from the first of these bars on.
        inferred: the sessions of those actions that no source told.
        held: what is not believed.
        alerts: what was noticed.
    """

    bars: Bars
    actions: Actions
    inferred: frozenset[date] = frozenset()
    held: tuple[Held, ...] = ()
    alerts: tuple[Alert, ...] = ()


def reconcile(kept: Kept, told: Bars, actions: Actions | None, rules: Rules) -> Reconciled:
    """Return what of an answer is stored, held and alarming.

    Args:
        kept: what is stored, from before the answer's first session on.
        told: the answer's bars, as traded as far as its own actions tell.
        actions: of the answer; None where the source knows of none at all.
        rules: how much is too much.
    """
    ratio, rows = ratios(kept.bars, told)
    if rules.trusted or len(ratio) < AGREEING:
        return _take(kept, told, actions, rules)
    usual = max(agreeing(ratio), HALF)
    inferred = guessed(kept, told)
    never = agreeing(ratio + taken_back(kept, inferred, told.sessions)[rows])
    undone, share = undoing(kept, told, actions, ratio, rows, usual)
    if undone and share >= never:
        return _take_undone(kept, told, actions, undone, rules)
    if never > usual:
        real = kept.actions.off(inferred.sessions)
        return _take(Kept(kept.bars, real), told, actions, rules)
    if agreeing(ratio) < HALF and np.ptp(ratio) <= 2 * SAME:
        return _take_rescaled(kept, told, actions, float(np.median(ratio)), rules)
    if np.mean(np.abs(ratio) > max(rules.alert, SAME)) > HALF:
        return _refuse_another(kept, told, ratio, rows)
    return _take(kept, told, actions, rules)


def _take(
    kept: Kept,
    told: Bars,
    actions: Actions | None,
    rules: Rules,
    *,
    inferred: frozenset[date] = frozenset(),
) -> Reconciled:
    """Take an answer as it stands, without what makes a jump.

    `inferred` are the sessions of those of its actions that it did not tell itself.
    """
    if not len(told):
        return Reconciled(told, no_actions())
    theirs, withdrawn = with_kept(kept, told, actions, rules.limit)
    inferred = (inferred | (kept.inferred - told_of(theirs, actions))) & _days(theirs)
    whole, fresh = merged(kept, told, theirs)
    stored = np.isin(whole.sessions, kept.bars.sessions)
    limit = 0.0 if rules.trusted else rules.jump
    found = find_jumps(whole, theirs, fresh, limit=limit, stored=stored)
    if (found.bars & stored).any() and len(_changed_stored(kept, told, theirs)):
        reason = next(one.reason for one in found.held if one.what == "bar")
        return _refuse(told, f"with its splits and dividends {reason}")
    bad = np.isin(told.sessions, whole.sessions[found.bars])
    bars = told.where(~bad)
    told_held = (one for one in found.held if one.what == "bar" or one.session not in inferred)
    theirs = _without(theirs, kept.actions, found, whole, fresh, rules)
    return Reconciled(
        bars,
        theirs,
        inferred & _days(theirs),
        (*withdrawn, *told_held),
        revised(kept.bars, bars, rules.alert),
    )


def _days(actions: Actions) -> frozenset[date]:
    return frozenset(actions.sessions.tolist())


def _changed_stored(kept: Kept, told: Bars, theirs: Actions) -> Sessions:
    """Return the sessions with a bar of which the actions would change."""
    days = changed_actions(kept.actions.since(told.sessions[0]), theirs)
    return days[np.isin(days, kept.bars.sessions)]


def _without(
    theirs: Actions, ours: Actions, found: Found, whole: Bars, fresh: Mask, rules: Rules
) -> Actions:
    """Return their actions without those that make a jump: ours instead, if they make none."""
    if not found.actions.any():
        return theirs
    refused = theirs.where(found.actions)
    both = theirs.where(~found.actions).joined(ours.on(refused.sessions))
    good = ~found.bars
    again = find_jumps(whole.where(good), both, fresh[good], limit=rules.jump)
    return both.where(~again.actions)


def _take_undone(
    kept: Kept, told: Bars, actions: Actions | None, logs: dict[date, float], rules: Rules
) -> Reconciled:
    """Take an answer whose past is divided otherwise than it tells, as `undoing` says."""
    undo = steps(logs, told.sessions)
    # What is stored stays as it is: undoing would change its last digits.
    rows = (undo == 0) | ~np.isin(told.sessions, kept.bars.sessions)
    scale = np.exp(undo[rows])
    prices = {name: told.field(name)[rows] * scale for name in PRICES}
    undone = Bars(told.sessions[rows], volume=told.volume[rows] / scale, **prices)
    theirs = no_actions() if actions is None else actions
    days = np.setdiff1d(as_days(frozenset(logs)), told_alike(kept, theirs).sessions)
    ours = kept.actions.on(days)
    wrong = frozenset(
        day
        for day in theirs.on(days).off(ours.sessions).sessions.tolist()
        if abs((move := move_on(kept, undone, np.datetime64(day))) - logs[day]) > abs(move)
    ) | _days(theirs.on(ours.sessions))
    refused = theirs.on(as_days(wrong))
    inferred = kept.inferred - _days(theirs.off(ours.sessions))
    taken = _take(kept, undone, theirs.off(refused.sessions).joined(ours), rules, inferred=inferred)
    held = tuple(
        held_action(day, split, dividend, "not_in_prices", "its past is not divided by that")
        for day, split, dividend in zip(
            refused.sessions.tolist(), refused.splits, refused.dividends, strict=True
        )
    )
    lost = ours.off(as_days(kept.inferred)).off(theirs.sessions).sessions.tolist()
    alerts = tuple(
        Alert(day, "split_lost", f"the source no longer tells of the split on {day}: it is kept")
        for day in lost
    )
    return replace(taken, held=(*held, *taken.held), alerts=(*taken.alerts, *alerts))


def _take_rescaled(
    kept: Kept, told: Bars, actions: Actions | None, ratio: float, rules: Rules
) -> Reconciled:
    """Take the new bars of an answer whose whole past is a multiple of what is stored.

    Either it was divided by an action that is not told, or by one that is told and not in it.
    """
    last = kept.bars.sessions[-1]
    new = told.where(told.sessions > last)
    times = f"the past it tells is {np.exp(ratio):.4g} times the one that is stored"
    if not len(new):
        return Reconciled(new, no_actions(), held=(Held(None, "answer", "rescaled", times),))
    first: date = new.sessions[0].item()
    later = no_actions() if actions is None else actions.since(last + 1)
    due = later.where((later.sessions <= new.sessions[0]) & (later.splits != 1.0))
    split = fitting(kept, new, float(np.prod(due.splits)), ratio, rules.limit)
    if split is None:
        taken = _take(kept, new, later, rules)
        return replace(taken, alerts=(*taken.alerts, Alert(first, "rescaled", times)))
    held = tuple(
        held_action(day, told_split, 0.0, "not_in_prices", times)
        for day, told_split in zip(due.sessions.tolist(), due.splits.tolist(), strict=True)
    )
    if split == 1.0:
        taken = _take(kept, new, later.off(due.sessions), rules)
        return replace(taken, held=(*held, *taken.held))
    one = inferred_action(new.sessions[0], split, float(kept.bars.close[-1]))
    later = later.off(due.sessions).joined(one)
    taken = _take(kept, new, later, rules, inferred=frozenset({first}))
    what = f"a split of {one.splits[0]:g}" if one.splits[0] != 1 else "a dividend"
    alert = Alert(first, "inferred", f"{times}: {what} on {first} follows from that")
    return replace(taken, held=(*held, *taken.held), alerts=(*taken.alerts, alert))


def _refuse_another(kept: Kept, told: Bars, ratio: Floats, rows: Rows) -> Reconciled:
    """Hold an answer whose past is another one: it may be about something else."""
    worst = int(rows[np.argmax(np.abs(ratio))])
    day = told.sessions[worst]
    stored = kept.bars.close[np.searchsorted(kept.bars.sessions, day)]
    reason = (
        f"{np.count_nonzero(np.abs(ratio) > SAME)} of {len(ratio)} stored sessions are told "
        f"otherwise, such as {day}: close {told.close[worst]:g}, stored {stored:g}"
    )
    return _refuse(told, reason)


def _refuse(told: Bars, reason: str) -> Reconciled:
    empty = told.where(np.zeros(len(told), bool))
    return Reconciled(empty, no_actions(), held=(Held(None, "answer", "another_past", reason),))
