"""Prices as they were traded, from a vendor's that are divided by the splits after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")


def undo_splits(
    bars: pd.DataFrame, splits: pd.Series, dividends: pd.Series
) -> tuple[pd.DataFrame, pd.Series]:
    """Return bars as traded, and dividends as paid, per share as held before a split of their day.

    Args:
        bars: ascending; prices divided, and volumes multiplied, by the splits of later sessions.
        splits: of the same rows; 2.0 is two for one, 1.0 none. Nothing is undone for what cannot
            be a ratio, and of a session that is there twice the split counts once.
        dividends: of the same rows, divided like prices.
    """
    import numpy as np  # noqa: PLC0415 - who hands a frame over has loaded it

    index, ratio = bars.index, splits.to_numpy(dtype=np.float64, na_value=1.0)
    again = index.duplicated(keep="last")
    ratio = np.where((ratio > 0) & np.isfinite(ratio) & ~again, ratio, 1.0)
    # Of rows of one session, the first has all of its splits before it.
    upto_next = np.cumprod(ratio[::-1])[::-1]
    after = np.append(upto_next, 1.0)[index.searchsorted(index, side="right")]
    from_here = upto_next[index.searchsorted(index, side="left")]
    traded = bars.copy()
    for name in bars.columns:
        if name in PRICES:
            traded[name] = bars[name] * after
        elif name == "volume":
            traded[name] = bars[name] / after
    return traded, dividends * from_here


def actions_of(splits: pd.Series, dividends: pd.Series) -> pd.DataFrame:
    """Return the rows with an action as the frame that `Quotes` wants, repeated ones once."""
    import pandas as pd  # noqa: PLC0415 - as above

    actions = pd.DataFrame({"split": splits, "dividend": dividends})
    actions = actions[(splits != 1.0) | (dividends != 0.0)]
    named = actions.reset_index(names="date")
    return actions[~named.duplicated().to_numpy()]
