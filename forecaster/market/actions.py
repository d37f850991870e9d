"""Splits and dividends, and prices adjusted for them as of a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecaster.market.frames import Floats, Mask, Sessions, frame_columns, frame_sessions, refuse

if TYPE_CHECKING:
    import pandas as pd

# Ratios of vendors' rounded prices are exact to about 1e-9; the smallest dividend is above 1e-4.
NOISE = 1e-6
WHOLE_SPLITS = np.arange(2.0, 101.0)
SPLITS = np.concatenate([[5 / 4, 4 / 3, 3 / 2], WHOLE_SPLITS, 1 / WHOLE_SPLITS])


@dataclass(frozen=True, eq=False)
class Actions:
    """The splits and dividends of one instrument, oldest first.

    Attributes:
        sessions: (k,) datetime64[D], the first session traded without the dividend, or split.
        splits: (k,) float64, new shares per old one: 2.0 is two for one, 1.0 is none.
        dividends: (k,) float64, currency per share as held at the close before the session, hence
            before a split of the same session; 0.0 is none.
    """

    sessions: Sessions
    splits: Floats
    dividends: Floats

    def __len__(self) -> int:
        """Return the number of sessions with an action."""
        return len(self.sessions)

    def where(self, wanted: Mask) -> Actions:
        """Return the actions for which `wanted`, (k,), holds."""
        return Actions(self.sessions[wanted], self.splits[wanted], self.dividends[wanted])

    def since(self, session: np.datetime64) -> Actions:
        """Return the actions of a session and later."""
        return self.where(self.sessions >= session)

    def on(self, sessions: Sessions) -> Actions:
        """Return the actions of these sessions."""
        return self.where(np.isin(self.sessions, sessions))

    def off(self, sessions: Sessions) -> Actions:
        """Return the actions of all other sessions."""
        return self.where(~np.isin(self.sessions, sessions))

    def joined(self, other: Actions) -> Actions:
        """Return the actions of both, the other's where they are of the same session."""
        mine = self.off(other.sessions)
        days = np.concatenate([mine.sessions, other.sessions])
        order = np.argsort(days)
        return Actions(
            days[order],
            np.concatenate([mine.splits, other.splits])[order],
            np.concatenate([mine.dividends, other.dividends])[order],
        )


def no_actions() -> Actions:
    """Return no actions."""
    return Actions(np.array([], dtype="datetime64[D]"), np.array([]), np.array([]))


def actions_from_frame(frame: pd.DataFrame | None) -> Actions:
    """Turn the actions that a source returned into Actions; None means there are none.

    Args:
        frame: indexed by session, columns split and dividend, either of which may be lacking.

    Raises:
        DataError: naming the first offending session and how many there are.
    """
    if frame is None or frame.empty:
        return no_actions()
    days = frame_sessions(frame)
    splits, dividends = frame_columns(frame, split=1.0, dividend=0.0)
    wrong_split = ~(np.isfinite(splits) & (splits > 0))
    refuse(wrong_split, days, "have a split that is no ratio", code="split", split=splits)
    wrong = ~(np.isfinite(dividends) & (dividends >= 0))
    refuse(wrong, days, "have a negative or endless dividend", code="dividend", dividend=dividends)
    something = (splits != 1.0) | (dividends != 0.0)
    return Actions(days[something], splits[something], dividends[something])


def adjust(
    values: Floats, sessions: Sessions, closes: Floats, actions: Actions, *, cutoff: date
) -> Floats:
    """Adjust prices for the splits and dividends up to `cutoff`.

    A price of session t is multiplied, for every action of a session s with t < s <= cutoff, by
    (1 / split_s) (1 - dividend_s / close_before_s), the standard back-adjustment: the result is
    in the basis of the cutoff's own price, which stays as it is. Later actions are ignored.

    Args:
        values: (n,) prices of any field, as traded.
        sessions: (n,) datetime64[D], ascending.
        closes: (n,) closes as traded, of the same sessions.
        actions: of the same instrument; those before the first session have no effect.
        cutoff: the last session whose actions are known.

    Returns:
        (n,) float64.

    Raises:
        DataError: a dividend is not below the close before it.
    """
    position = np.searchsorted(sessions, actions.sessions, side="left")
    felt = (position > 0) & (actions.sessions <= np.datetime64(cutoff, "D"))
    before = closes[position[felt] - 1]
    paid = actions.dividends[felt]
    kept = 1.0 - np.divide(paid, before, out=np.zeros_like(paid), where=paid > 0)
    too_much = (paid > 0) & ~((before > 0) & (kept > 0))
    refuse(
        too_much,
        actions.sessions[felt],
        "have a dividend not below the close before it",
        code="dividend",
        dividend=paid,
        close=before,
    )
    return values * _later_product(kept / actions.splits[felt], actions.sessions[felt], sessions)


def adjust_volume(values: Floats, sessions: Sessions, actions: Actions, *, cutoff: date) -> Floats:
    """Adjust volumes, (n,), for the splits up to `cutoff`: in shares as they are then."""
    known = actions.sessions <= np.datetime64(cutoff, "D")
    return values * _later_product(actions.splits[known], actions.sessions[known], sessions)


def basis(actions: Actions, session: date) -> float:
    """Return the product of the split ratios up to and with `session`.

    The quotient of two sessions' bases carries a price from one to the other:
    price * basis(then) / basis(now).
    """
    if not len(actions):
        return 1.0
    known = actions.sessions <= np.datetime64(session, "D")
    return float(np.prod(actions.splits[known]))


def bases(actions: Actions, sessions: Sessions) -> Floats:
    """Return the `basis` of each of many sessions, (n,)."""
    products = np.append(1.0, np.cumprod(actions.splits))
    return products[np.searchsorted(actions.sessions, sessions, side="right")]


def derive_actions(sessions: Sessions, close: Floats, adj_close: Floats) -> Actions:
    """Find the actions behind a vendor's adjusted closes.

    With f = adj_close / close, a step r = f_s / f_before is a split where it is a usual split
    ratio (5:4, 4:3, 3:2, n:1, 1:n) to within the noise, and otherwise a dividend of
    close_before (1 - 1 / r), so that `adjust` gives the vendor's returns back. A split and a
    dividend of the same session cannot be told apart and come out as one dividend.

    Args:
        sessions: (n,) datetime64[D], ascending.
        close: (n,) as traded, positive.
        adj_close: (n,) positive; its basis does not matter.

    Raises:
        DataError: the prices are not positive, or the ratio falls where no reverse split is.
    """
    usable = np.isfinite(close) & np.isfinite(adj_close) & (close > 0) & (adj_close > 0)
    refuse(~usable, sessions, "have no positive close and adj_close", code="not_finite")
    factor = adj_close / close
    ratio = factor[1:] / factor[:-1]
    steps = np.abs(ratio - 1.0) > NOISE
    days, ratio, before = sessions[1:][steps], ratio[steps], close[:-1][steps]
    splits = np.array([_split(r) for r in ratio], dtype=np.float64)
    dividends = np.where(splits == 1.0, before * (1.0 - 1.0 / ratio), 0.0)
    refuse(
        dividends < 0,
        days,
        "have a fall of adj_close / close that no action explains",
        code="dividend",
        ratio=ratio,
    )
    return Actions(days, splits, dividends)


def _split(ratio: float) -> float:
    """Return the usual split that `ratio` is, or 1.0."""
    nearest = SPLITS[np.argmin(np.abs(SPLITS / ratio - 1.0))]
    return float(nearest) if abs(nearest / ratio - 1.0) <= NOISE else 1.0


def _later_product(factors: Floats, days: Sessions, sessions: NDArray[np.datetime64]) -> Floats:
    """Return for each session, (n,), the product of the factors, (k,), of later days."""
    tail = np.append(np.cumprod(factors[::-1])[::-1], 1.0)
    later: Floats = tail[np.searchsorted(days, sessions, side="right")]
    return later
