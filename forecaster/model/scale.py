"""Moves between values, and the EWMA that says how large they are at present."""

from itertools import accumulate
from math import log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import DataError

ValuesKind = Literal["price", "difference"]
Floats = NDArray[np.float64]

SMALLEST_SCALE = 1e-5  # of a log return; for differences, relative to their root mean square
BLOCK = 128


def path(values: Floats, kind: ValuesKind) -> Floats:
    """What moves are differences of: the logarithm of prices, or the values themselves.

    Raises:
        DataError: a price that has no logarithm (code "non_positive").
    """
    if kind == "difference":
        return values
    if np.any(values <= 0.0):
        first = int(np.argmax(values <= 0.0))
        raise DataError(
            f"value {first + 1} of {len(values)} is {values[first]:g}, and a log return needs "
            "positive prices",
            remedy='set values = "difference" for this series, or correct the value',
            code="non_positive",
        )
    return np.log(values)


def moves(values: Floats, kind: ValuesKind) -> Floats:
    """From each value to the next: log(v_t / v_{t-1}) for "price", v_t - v_{t-1} for "difference".

    Args:
        values: (n,), oldest first.
        kind: "price" or "difference".

    Returns:
        (n - 1,)

    Raises:
        DataError: a price that has no logarithm (code "non_positive").
    """
    return np.diff(path(values, kind))


def apply_move(value: float | Floats, move: float | Floats, kind: ValuesKind) -> Floats:
    """The value that lies one move after `value`: v exp(move), or v + move."""
    return np.asarray(value * np.exp(move) if kind == "price" else value + move, dtype=np.float64)


def ewma_scale(moves: Floats, decay: float) -> Floats:
    """How large moves are at present: the root of their exponentially weighted mean square.

    v_t = decay v_{t-1} + (1 - decay) r_t^2, started at v_0 = r_0^2, with zero for the mean
    (J.P. Morgan and Reuters, "RiskMetrics - Technical Document", 1996, section 5.2). Entry t
    depends on moves 0 to t alone, to the last bit.

    Args:
        moves: (n,), oldest first.
        decay: between 0 and 1, both excluded; 0.94 forgets half in 11 sessions.

    Returns:
        sqrt(v), (n,), in the unit of the moves.

    Raises:
        ValueError: `decay` is out of range.
    """
    if not 0.0 < decay < 1.0:
        raise ValueError(f"decay is {decay}: it must lie between 0 and 1")
    if len(moves) == 0:
        return np.empty(0)
    # Within a block, v_t = decay^(t+1) (carry + sum_i (1 - decay) r_i^2 / decay^(i+1)): a
    # cumulative sum, of positive terms only. A block is short enough for decay^-length to be
    # finite.
    length = max(1, min(BLOCK, int(200.0 / -log(decay))))
    added = (1.0 - decay) * moves * moves
    added[0] = moves[0] * moves[0]
    blocks = np.zeros((-(-len(moves) // length), length))
    blocks.ravel()[: len(moves)] = added
    faded = decay ** np.arange(1.0, length + 1.0)
    inside = np.cumsum(blocks / faded, axis=1) * faded
    carry = list(accumulate(inside[:, -1], lambda v, last: faded[-1] * v + last))
    inside[1:] += np.array(carry[:-1])[:, np.newaxis] * faded
    return np.sqrt(inside.ravel()[: len(moves)])


def floored_scale(moves: Floats, decay: float, kind: ValuesKind) -> Floats:
    """`ewma_scale`, kept from vanishing where values stand still, so that one can divide by it.

    The floor is 1e-5 for log returns, and for differences 1e-5 of the root mean square of the
    moves so far; at least 1e-12 before anything has moved.

    Returns:
        (n,), positive, in the unit of the moves.
    """
    scale = ewma_scale(moves, decay)
    if kind == "price":
        return np.maximum(scale, SMALLEST_SCALE)
    so_far = np.sqrt(np.cumsum(moves * moves) / np.arange(1.0, len(moves) + 1.0))
    return np.maximum(scale, np.maximum(SMALLEST_SCALE * so_far, 1e-12))


def constant_values(values: Floats) -> DataError:
    """The error for values that never change."""
    return DataError(
        f"all {len(values)} values are {values[0]:g}, and a constant cannot be learnt from",
        remedy="check the symbol and the field, or take the series out",
        code="constant",
    )
