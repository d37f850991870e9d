"""Jumps: closes that move further in a session than any split or dividend explains.

Most are mistakes of the source (a unit, a split applied twice or not at all) and gone in days; a
few are real. So a jump is held while fewer than 3 later sessions stay at the new level.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from forecaster.market.actions import Actions
from forecaster.market.bars import Bars
from forecaster.market.border import Held, held_action, held_bar
from forecaster.market.frames import Floats, Mask

LATER = 3
"""Sessions at the new level after which a jump is real."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a scan for jumps found: rows of bars and of actions not to be believed, and why."""

    bars: Mask
    actions: Mask
    held: tuple[Held, ...] = ()


@dataclass(eq=False)
class _Scan:
    """A walk from bar to bar.

    Attributes:
        levels: (n,) log closes with the splits and dividends before them made good.
        raw: (n,) log closes as traded.
        steps: (k,) what each action adds to the levels from its session on.
        at: (k,) the first bar that feels each action.
    """

    bars: Bars
    actions: Actions
    levels: Floats
    raw: Floats
    steps: Floats
    at: np.ndarray
    limit: float
    held_bars: list[int] = field(default_factory=list)
    held_actions: list[int] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)


def find_jumps(
    bars: Bars, actions: Actions, fresh: Mask, *, limit: float, stored: Mask | None = None
) -> Found:
    """Return which bars and actions to hold, so that no move is beyond the limit unexplained.

    An action that makes a jump where the prices as traded have none is held, and the bar is not.

    Args:
        bars: ascending; closes that are not positive have no jumps, and make this a no-op.
        actions: of the same instrument.
        fresh: (n,) bars that are new, or changed, or felt an action that is; the others are
            believed already.
        limit: share by which a close may move; 0 for any.
        stored: (n,) bars of which another value is stored: no later one makes a jump of theirs
            real. None for none.
    """
    nothing = Found(np.zeros(len(bars), bool), np.zeros(len(actions), bool))
    if not limit or not fresh.any() or not (bars.close > 0).all():
        return nothing
    scan = _begin(bars, actions, np.log1p(limit))
    moved = np.abs(np.diff(scan.levels)) > scan.limit
    if not (moved & (fresh[1:] | fresh[:-1])).any():
        return nothing
    _walk(scan, fresh, np.zeros(len(bars), bool) if stored is None else stored)
    found = Found(nothing.bars, nothing.actions, tuple(scan.held))
    found.bars[scan.held_bars] = True
    found.actions[scan.held_actions] = True
    return found


def _begin(bars: Bars, actions: Actions, limit: float) -> _Scan:
    raw = np.log(bars.close)
    at = np.searchsorted(bars.sessions, actions.sessions)
    felt = (at > 0) & (at < len(bars))
    before = bars.close[np.where(felt, at - 1, 0)]
    # A dividend that is not below the close before it is none: the step is far beyond any limit.
    kept = np.maximum(1.0 - actions.dividends / before, 1e-12)
    steps = np.where(felt, np.log(actions.splits / kept), 0.0)
    levels = raw.copy()
    for position, step in zip(at[felt], steps[felt], strict=True):
        levels[position:] += step
    return _Scan(bars, actions, levels, raw, steps, at, limit)


def _walk(scan: _Scan, fresh: Mask, stored: Mask) -> None:
    good = 0
    for i in range(1, len(fresh)):
        near = abs(scan.levels[i] - scan.levels[good]) <= scan.limit
        if fresh[i] and not (
            near or _hold_actions(scan, good, i) or (not stored[i] and _confirmed(scan, good, i))
        ):
            scan.held_bars.append(i)
            scan.held.append(held_bar(scan.bars, i, "jump", _reason(scan, good, i)))
            continue
        if not near and i > good + 1:
            # What a held bar's session has of actions, the next one feels.
            _hold_actions(scan, good, i)
        good = i


def _hold_actions(scan: _Scan, good: int, i: int) -> bool:
    """Hold the actions between two bars where they make the jump, and say whether that ends it."""
    between = np.flatnonzero((scan.at > good) & (scan.at <= i) & (scan.steps != 0))
    if not len(between) or abs(scan.raw[i] - scan.raw[good]) > scan.limit:
        return False
    for k in between.tolist():
        scan.levels[scan.at[k] :] -= scan.steps[k]
        scan.steps[k] = 0.0
        scan.held_actions.append(k)
        scan.held.append(
            held_action(
                scan.actions.sessions[k].item(), scan.actions.splits[k],
                scan.actions.dividends[k], "not_in_prices", "the prices do not show it",
            )
        )  # fmt: skip
    return True


def _confirmed(scan: _Scan, good: int, i: int) -> bool:
    """Return whether enough later bars in a row are nearer to the new level than to the old."""
    later = scan.levels[i + 1 : i + 1 + LATER]
    nearer = np.abs(later - scan.levels[i]) < np.abs(later - scan.levels[good])
    return len(later) == LATER and bool(nearer.all())


def _reason(scan: _Scan, good: int, i: int) -> str:
    close, days = scan.bars.close, scan.bars.sessions
    share = np.expm1(scan.levels[i] - scan.levels[good])
    word = "fell" if share < 0 else "rose"
    told = f"{abs(share):.0%}" if share < 10 else f"{share + 1:.0f}-fold"
    return (
        f"the close {word} {told} from {close[good]:g} on {days[good]} to {close[i]:g}, and no "
        "split or dividend explains it"
    )
