"""What a source tells now, held against what is stored: one history, without a false cliff.

A source may divide its whole past by a split and not say so, say so days later, twice or with
another ratio, change single prices, or begin to quote something else under an old name. The
stored prices are the measure: they stay as they were traded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from forecaster.market.actions import SPLITS, Actions, no_actions
from forecaster.market.bars import Bars
from forecaster.market.border import Held, held_action
from forecaster.market.frames import Floats, Sessions
from forecaster.market.jumps import find_jumps
from forecaster.market.merged import PRICES, Alert, Kept, as_days, merged, revised

SAME = 1e-3
"""Log ratio of two closes that are the same but for rounding."""
AGREEING = 3
"""Sessions in common that show how two histories hang together."""
HALF = 0.5
"""Share of the sessions in common that must agree."""
NEAR = 0.02
"""Share within which a ratio is a usual split's."""
LATE = np.timedelta64(14, "D")
"""How far from an inferred split the told one may be."""

Rows = NDArray[np.intp]


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
    if rules.trusted or not len(kept.bars) or not len(told):
        return _take(kept, told, actions, rules)
    ratio, rows = _ratios(kept.bars, told)
    if len(ratio) < AGREEING:
        return _take(kept, told, actions, rules)
    silent = _silent(kept, told, actions)
    undone = _steps(kept, silent, told.sessions)[rows]
    if _agreeing(ratio + undone) > max(_agreeing(ratio), HALF):
        return _take_undone(kept, told, actions, silent, rules)
    if _agreeing(ratio) < HALF and np.ptp(ratio) <= 2 * SAME:
        return _take_rescaled(kept, told, actions, float(np.median(ratio)), rules)
    if np.mean(np.abs(ratio) > max(rules.alert, SAME)) > HALF:
        return _refuse_another(kept, told, ratio, rows)
    return _take(kept, told, actions, rules)


def _ratios(kept: Bars, told: Bars) -> tuple[Floats, Rows]:
    """Return the log ratio told / kept of the closes in common, and their rows in `told`."""
    common = np.isin(told.sessions, kept.sessions)
    rows = np.flatnonzero(common)
    ours = kept.close[np.searchsorted(kept.sessions, told.sessions[rows])]
    theirs = told.close[rows]
    positive = (ours > 0) & (theirs > 0)
    return np.log(theirs[positive] / ours[positive]), rows[positive]


def _agreeing(ratio: Floats) -> float:
    return float(np.mean(np.abs(ratio) <= SAME))


def _silent(kept: Kept, told: Bars, actions: Actions | None) -> Actions:
    """Return the stored actions by which an answer may have divided its past without a word.

    Those that were inferred, and splits that it does not tell any more.
    """
    ours = kept.actions.since(told.sessions[0])
    told_on = actions.sessions if actions is not None else ours.sessions
    inferred = np.isin(ours.sessions, as_days(kept.inferred))
    untold = ~np.isin(ours.sessions, told_on)
    return ours.where((inferred | (ours.splits != 1.0)) & (untold | inferred))


def _steps(kept: Kept, actions: Actions, sessions: Sessions) -> Floats:
    """Return for each session, (n,), the log of what the later actions divide it by."""
    logs = np.zeros(len(sessions))
    for day, split, dividend in zip(
        actions.sessions, actions.splits, actions.dividends, strict=True
    ):
        before = int(np.searchsorted(kept.bars.sessions, day)) - 1
        close = kept.bars.close[before] if before >= 0 else np.inf
        logs[sessions < day] += np.log(split) - np.log1p(-min(dividend / close, 0.99))
    return logs


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
    theirs, withdrawn = _with_kept_actions(kept, told, actions, rules)
    told_days = frozenset(actions.sessions.tolist() if actions is not None else ())
    inferred = (inferred | (kept.inferred - told_days)) & frozenset(theirs.sessions.tolist())
    whole, fresh = merged(kept, told, theirs)
    found = find_jumps(whole, theirs, fresh, limit=0.0 if rules.trusted else rules.jump)
    bad = np.isin(told.sessions, whole.sessions[found.bars])
    bars = told.where(~bad)
    refused = theirs.where(found.actions)
    return Reconciled(
        bars,
        theirs.where(~found.actions).joined(kept.actions.on(refused.sessions)),
        inferred,
        (*withdrawn, *found.held),
        revised(kept.bars, bars, rules.alert),
    )


def _with_kept_actions(
    kept: Kept, told: Bars, actions: Actions | None, rules: Rules
) -> tuple[Actions, list[Held]]:
    """Return an answer's actions with those that are stored and stay, and what it wrongly lacks.

    Inferred ones stay until the answer tells of a split like that.
    """
    ours = kept.actions.since(told.sessions[0])
    if actions is None:
        return ours, []
    untold = ours.off(actions.sessions)
    stay, held = [], []
    for row, day in enumerate(untold.sessions.tolist()):
        one = untold.where(np.arange(len(untold)) == row)
        if day in kept.inferred:
            if not _told_likewise(one, actions):
                stay.append(one)
        elif one.splits[0] != 1.0 and _falls(kept, told, one) > rules.limit:
            stay.append(one)
            reason = "the source takes it back, and its prices still show it"
            held.append(held_action(day, 1.0, 0.0, "withdrawn", reason))
    for one in stay:
        actions = actions.joined(one)
    return actions, held


def _told_likewise(one: Actions, actions: Actions) -> bool:
    """Return whether a source tells of an inferred split itself, if on another session."""
    near = np.abs(np.log(actions.splits / one.splits[0])) <= NEAR
    return bool((near & (np.abs(actions.sessions - one.sessions[0]) <= LATE)).any())


def _falls(kept: Kept, told: Bars, one: Actions) -> float:
    """Return the log move of the closes as traded over an action's session."""
    whole, _ = merged(kept, told, no_actions())
    at = int(np.searchsorted(whole.sessions, one.sessions[0]))
    if not 0 < at < len(whole) or whole.close[at - 1] <= 0 or whole.close[at] <= 0:
        return 0.0
    return float(abs(np.log(whole.close[at] / whole.close[at - 1])))


def _take_undone(
    kept: Kept, told: Bars, actions: Actions | None, silent: Actions, rules: Rules
) -> Reconciled:
    """Take an answer whose past is divided by stored actions that it does not tell."""
    steps = _steps(kept, silent, told.sessions)
    # What is stored stays as it is: undoing would change its last digits.
    rows = (steps == 0) | ~np.isin(told.sessions, kept.bars.sessions)
    scale = np.exp(steps[rows])
    prices = {name: told.field(name)[rows] * scale for name in PRICES}
    undone = Bars(told.sessions[rows], volume=told.volume[rows] / scale, **prices)
    theirs = no_actions() if actions is None else actions
    inferred = kept.inferred - frozenset(theirs.sessions.tolist())
    lost = [one for one in silent.sessions.tolist() if one not in kept.inferred]
    taken = _take(kept, undone, theirs.joined(silent), rules, inferred=inferred)
    alerts = tuple(
        Alert(day, "split_lost", f"the source no longer tells of the split on {day}: it is kept")
        for day in lost
    )
    return replace(taken, alerts=(*taken.alerts, *alerts))


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
    split = _fitting(kept, new, float(np.prod(due.splits)), ratio, rules.limit)
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
    one = _inferred(new.sessions[0], split, float(kept.bars.close[-1]))
    later = later.off(due.sessions).joined(one)
    taken = _take(kept, new, later, rules, inferred=frozenset({first}))
    what = f"a split of {one.splits[0]:g}" if one.splits[0] != 1 else "a dividend"
    alert = Alert(first, "inferred", f"{times}: {what} on {first} follows from that")
    return replace(taken, held=(*held, *taken.held), alerts=(*taken.alerts, alert))


def _fitting(kept: Kept, new: Bars, told: float, ratio: float, limit: float) -> float | None:
    """Return the split without which the first new close would jump, None for the told one.

    The told one first, or where none is told the one that divided the past; then what of it that
    one leaves, and then none.
    """
    if new.close[0] <= 0 or kept.bars.close[-1] <= 0:
        return None
    move = np.log(new.close[0] / kept.bars.close[-1])
    divided = float(np.exp(-ratio))
    ways = [None, told * divided, 1.0] if told != 1.0 else [divided, None]
    for way in ways:
        if abs(move + np.log(told if way is None else way)) <= limit:
            return way
    return None


def _inferred(session: np.datetime64, split: float, before: float) -> Actions:
    """Return the action that divides a past by `split`: a usual split, a dividend or any ratio."""
    nearest = float(SPLITS[np.argmin(np.abs(SPLITS / split - 1.0))])
    day = np.array([session])
    if abs(nearest / split - 1.0) <= NEAR:
        return Actions(day, np.array([nearest]), np.zeros(1))
    if 1.0 < split < 2.0:
        return Actions(day, np.ones(1), np.array([before * (1.0 - 1.0 / split)]))
    return Actions(day, np.array([split]), np.zeros(1))


def _refuse_another(kept: Kept, told: Bars, ratio: Floats, rows: Rows) -> Reconciled:
    """Hold an answer whose past is another one: it may be about something else."""
    worst = int(rows[np.argmax(np.abs(ratio))])
    day = told.sessions[worst]
    stored = kept.bars.close[np.searchsorted(kept.bars.sessions, day)]
    reason = (
        f"{np.count_nonzero(np.abs(ratio) > SAME)} of {len(ratio)} stored sessions are told "
        f"otherwise, such as {day}: close {told.close[worst]:g}, stored {stored:g}"
    )
    empty = told.where(np.zeros(len(told), bool))
    return Reconciled(empty, no_actions(), held=(Held(None, "answer", "another_past", reason),))
