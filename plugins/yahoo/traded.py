"""Prices as they were traded, from what yfinance hands over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ..splits import PRICES as PRICE_COLUMNS
from ..splits import actions_of, undo_splits

if TYPE_CHECKING:
    import pandas as pd

PRICES = list(PRICE_COLUMNS)


def arguments(start: date | None) -> dict[str, Any]:
    """Return every argument of `history`, whose defaults have changed before.

    The end is always left open: prices are adjusted for every split until now, so that an answer
    that stopped earlier would lack splits that its prices are adjusted for.
    """
    return {
        "period": "max" if start is None else None,
        "interval": "1d",
        # A session starts up to a day before the same date does in UTC.
        "start": None if start is None else (start - timedelta(days=1)).isoformat(),
        "end": None,
        "prepost": False,
        "actions": True,
        "auto_adjust": False,
        "back_adjust": False,
        "repair": False,
        "keepna": True,
        "rounding": False,
        # The session knows better how much time is left.
        "timeout": None,
    }


def as_traded(history: pd.DataFrame, told: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return bars and actions by session, with the adjustment for later splits undone.

    Yahoo divides prices and dividends by the splits after them, and multiplies volumes. What
    cannot be a ratio is handed over as it was told, and nothing is undone for it.

    Args:
        history: what yfinance made of the answer.
        told: the answer's result, for the rows that yfinance left out.
    """
    import pandas as pd  # noqa: PLC0415 - likewise

    frame = history.set_axis(_sessions(history)).rename(columns=str.lower)
    ratio = frame["stock splits"].where(frame["stock splits"] != 0, 1.0)  # 0 stands for none
    rows = _with_doubles(frame[[*PRICES, "volume"]], told, str(pd.DatetimeIndex(history.index).tz))
    splits, dividends = (column.reindex(rows.index) for column in (ratio, frame["dividends"]))
    bars, paid = undo_splits(rows, splits, dividends)
    # A row without any price is a session that Yahoo has not posted: no bar.
    return bars[bars[PRICES].notna().any(axis=1)], actions_of(splits, paid)


def _with_doubles(frame: pd.DataFrame, told: Mapping[str, Any], zone: str) -> pd.DataFrame:
    """Return the frame with all rows of a session that was told twice; yfinance keeps the first.

    Of the last session the second row is the live one, which yfinance keeps for good reason.
    """
    import pandas as pd  # noqa: PLC0415 - yfinance has loaded it
    from yfinance import utils  # noqa: PLC0415 - likewise

    rows = utils.set_df_tz(utils.parse_quotes(told), "1d", zone)
    rows = pd.DataFrame(utils.fix_Yahoo_dst_issue(rows, "1d"))
    rows = rows.set_axis(_sessions(rows)).rename(columns=str.lower)[frame.columns]
    twice = rows.index.duplicated(keep=False) & (rows.index != rows.index[-1])
    if not twice.any():
        return frame
    once = frame[~frame.index.isin(rows.index[twice])]
    every: pd.DataFrame = pd.concat([once, rows[twice]]).sort_index(kind="stable")
    return every


def _sessions(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the dates of an index in local time: they are right only before a conversion."""
    import pandas as pd  # noqa: PLC0415 - yfinance has loaded it

    return pd.DatetimeIndex(frame.index).tz_localize(None).normalize().rename("date")
