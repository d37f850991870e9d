"""What an answer's past is divided by, held against what is stored.

A source divides its whole past by a split; whoever hands its prices over undoes what it tells of.
Where it tells of less, of more or otherwise than it has divided by, the past comes out as a
multiple of what is stored, from one session to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from forecaster.market.actions import SPLITS, Actions
from forecaster.market.bars import Bars
from forecaster.market.frames import Floats, Sessions
from forecaster.market.merged import Kept, as_days

SAME = 1e-3
"""Log ratio of two closes that are the same but for rounding."""
NEAR = 0.02
"""Share within which a ratio is a usual split's."""
LATE = np.timedelta64(14, "D")
"""How far from an inferred split the told one may be."""
FEW = 4
"""Sessions of which each may be divided by or not; more are taken all together."""

Rows = NDArray[np.intp]


def ratios(kept: Bars, told: Bars) -> tuple[Floats, Rows]:
    """Return the log ratio told / kept of the closes in common, and their rows in `told`."""
    common = np.isin(told.sessions, kept.sessions)
    rows = np.flatnonzero(common)
    ours = kept.close[np.searchsorted(kept.sessions, told.sessions[rows])]
    theirs = told.close[rows]
    positive = (ours > 0) & (theirs > 0)
    return np.log(theirs[positive] / ours[positive]), rows[positive]


def agreeing(ratio: Floats) -> float:
    """Return the share of log ratios that are none but for rounding."""
    return float(np.mean(np.abs(ratio) <= SAME))


def undoing(
    kept: Kept, told: Bars, actions: Actions | None, ratio: Floats, rows: Rows, usual: float
) -> tuple[dict[date, float], float]:
    """Return what makes the told past what is stored, by session: the log of a factor before it.

    And the share that agrees then. Nothing, where no more than a share of `usual` would.
    """
    best: dict[date, float] = {}
    for some in _subsets(_differing(kept, told, actions)):
        # What divides as much in all, on other sessions, the source knows better.
        if abs(sum(some.values())) <= SAME:
            continue
        share = agreeing(ratio + steps(some, told.sessions)[rows])
        if share > usual:
            best, usual = some, share
    for some in _alike(kept, told, actions):
        # Nobody divides by what he tells and we know, unless it explains every session.
        if usual < 1.0 and agreeing(ratio + steps(some, told.sessions)[rows]) == 1.0:
            best, usual = some, 1.0
    return best, usual


def steps(logs: dict[date, float], sessions: Sessions) -> Floats:
    """Return for each session, (n,), the sum of the logs of later ones."""
    total = np.zeros(len(sessions))
    for day, log in logs.items():
        total[sessions < np.datetime64(day)] += log
    return total


def guessed(kept: Kept, told: Bars) -> Actions:
    """Return the inferred actions of the sessions that an answer tells of."""
    return kept.actions.on(as_days(kept.inferred)).since(told.sessions[0])


def taken_back(kept: Kept, inferred: Actions, sessions: Sessions) -> Floats:
    """Return what to add to the log ratios, (n,), where inferred actions never were."""
    logs = _logs(kept, inferred)
    return steps(logs, sessions) - steps(logs, kept.bars.sessions[:1])


def told_likewise(session: np.datetime64, split: float, actions: Actions) -> bool:
    """Return whether there is a split like this one, if on another session."""
    near = np.abs(np.log(actions.splits / split)) <= NEAR
    return bool((near & (np.abs(actions.sessions - session) <= LATE)).any())


def fitting(kept: Kept, new: Bars, told: float, ratio: float, limit: float) -> float | None:
    """Return the split without which the first new close would jump, None for the told one.

    The told one first, or where none is told the one that divided the past; then what of it that
    one leaves, and then none.
    """
    if new.close[0] <= 0 or kept.bars.close[-1] <= 0:
        return None
    move = np.log(new.close[0] / kept.bars.close[-1])
    divided = float(np.exp(-ratio))
    rest = 1.0 if abs(np.log(told * divided)) <= 2 * SAME else told * divided
    ways = [None, rest, 1.0] if told != 1.0 else [divided, None]
    for way in ways:
        if abs(move + np.log(told if way is None else way)) <= limit:
            return way
    return None


def inferred_action(session: np.datetime64, split: float, before: float) -> Actions:
    """Return the action that divides a past by `split`: a usual split, a dividend or any ratio."""
    nearest = float(SPLITS[np.argmin(np.abs(SPLITS / split - 1.0))])
    day = np.array([session])
    if abs(nearest / split - 1.0) <= NEAR:
        return Actions(day, np.array([nearest]), np.zeros(1))
    if 1.0 < split < 2.0:
        return Actions(day, np.ones(1), np.array([before * (1.0 - 1.0 / split)]))
    return Actions(day, np.array([split]), np.zeros(1))


def _differing(kept: Kept, told: Bars, actions: Actions | None) -> dict[date, float]:
    """Return by which log what we know on each session divides more than what is told."""
    ours = kept.actions.since(told.sessions[0])
    inferred = as_days(kept.inferred)
    theirs = ours.off(inferred) if actions is None else actions
    known = ours.where((ours.splits != 1.0) | np.isin(ours.sessions, inferred))
    logs = _logs(kept, known.off(theirs.sessions))
    for day, split in zip(theirs.sessions, theirs.splits, strict=True):
        mine = ours.splits[ours.sessions == day]
        logs[day.item()] = float(np.log((mine[0] if len(mine) else 1.0) / split))
    return {day: log for day, log in logs.items() if log}


def _alike(kept: Kept, told: Bars, actions: Actions | None) -> Iterator[dict[date, float]]:
    """Yield what is told as we know it, from the newest on: the past may be divided by it too."""
    if actions is None:
        return
    logs = _logs(kept, told_alike(kept, actions.since(told.sessions[0])))
    some: dict[date, float] = {}
    for day in sorted(logs, reverse=True):
        some = some | {day: logs[day]}
        yield some


def told_alike(kept: Kept, theirs: Actions) -> Actions:
    """Return the actions that are stored as they are told."""
    ours = kept.actions.on(theirs.sessions)
    both = theirs.on(ours.sessions)
    paid = np.abs(both.dividends - ours.dividends) <= SAME * ours.dividends
    return both.where((both.splits == ours.splits) & paid)


def _logs(kept: Kept, actions: Actions) -> dict[date, float]:
    """Return the log of what each action divides its past by."""
    at = np.searchsorted(kept.bars.sessions, actions.sessions) - 1
    close = np.where(at >= 0, kept.bars.close[np.maximum(at, 0)], np.inf)
    paid = np.minimum(actions.dividends / close, 0.99)
    logs = np.log(actions.splits) - np.log1p(-paid)
    return dict(zip(actions.sessions.tolist(), logs.tolist(), strict=True))


def _subsets(logs: dict[date, float]) -> Iterator[dict[date, float]]:
    """Yield the ways in which a past may be divided by some of them, the fewest first."""
    if len(logs) > FEW:
        yield logs
        return
    sizes = (combinations(logs.items(), count) for count in range(1, len(logs) + 1))
    for some in chain.from_iterable(sizes):
        yield dict(some)
