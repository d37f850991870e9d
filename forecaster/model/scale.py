"""Exponentially weighted means, and what they say of how large moves are at present."""

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


def ewma(numbers: Floats, decay: float) -> Floats:
    """The exponentially weighted mean of the numbers so far, started at the first one.

    m_t = decay m_{t-1} + (1 - decay) x_t, with m_0 = x_0. Entry t depends on numbers 0 to t alone,
    to the last bit.

    Args:
        numbers: (n,), oldest first.
        decay: between 0 and 1, both excluded.

    Returns:
        (n,)

    Raises:
        ValueError: `decay` is out of range.
    """
    if not 0.0 < decay < 1.0:
        raise ValueError(f"decay is {decay}: it must lie between 0 and 1")
    if len(numbers) == 0:
        return np.empty(0)
    # Within a block, m_t = decay^(t+1) (carry + sum_i (1 - decay) x_i / decay^(i+1)): a cumulative
    # sum, in which the newest terms weigh most. A block is short enough for decay^-length to be
    # finite.
    length = max(1, min(BLOCK, int(200.0 / -log(decay))))
    blocks = np.zeros((-(-len(numbers) // length), length))
    flat = blocks.reshape(-1)
    np.multiply(numbers, 1.0 - decay, out=flat[: len(numbers)])
    flat[0] = numbers[0]
    faded = decay ** np.arange(1.0, length + 1.0)
    blocks /= faded
    inside = np.cumsum(blocks, axis=1)
    inside *= faded
    over = float(faded[-1])  # what is left of a block's end at the end of the next
    carry = list(accumulate(inside[:, -1].tolist(), lambda m, last: over * m + last))
    inside[1:] += np.array(carry[:-1])[:, np.newaxis] * faded
    return inside.reshape(-1)[: len(numbers)]


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
    return np.sqrt(ewma(moves * moves, decay))


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
