"""From the rows of a symbol to bars and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.errors import DataError

from ..dates import read_dates
from ..splits import PRICES, actions_of, undo_splits
from .cells import read_numbers
from .columns import FIELDS, Header
from .options import CsvOptions
from .tables import Column, Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def read_bars(
    table: Table, options: CsvOptions, section: str
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return bars as traded, and actions if there is a column of them.

    Rows are put in ascending order; which of them can be prices is not judged here.

    Raises:
        DataError: a column is missing, or a cell is no date or no number.
    """
    import pandas as pd  # noqa: PLC0415 - 0.7 s that listing the plugins does not need

    header = Header(table.path, table.names, options, section)
    columns = header.columns()
    adjusted = header.adjusted(columns)
    days = _days(table, table.column(columns.pop("date")), options.date_format, section)
    numbers = read_numbers(table, columns, options.decimal, section)
    frame = pd.DataFrame(numbers, index=days)
    if not days.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")  # many vendors put the newest line first
    bars = frame[[field for field in FIELDS if field in frame]]
    if "adj_close" in frame:
        return bars, _derived(frame, table)
    if "split" not in frame and "dividend" not in frame:
        return bars, None
    none = pd.Series(0.0, index=frame.index)
    splits = frame.get("split", none).fillna(0.0).replace(0.0, 1.0)
    dividends = frame.get("dividend", none).fillna(0.0)
    if adjusted == "all":
        bars = undo_dividends(bars, dividends)
    if adjusted != "none":
        bars, dividends = undo_splits(bars, splits, dividends)
    return bars, actions_of(splits, dividends)


def undo_dividends(bars: pd.DataFrame, dividends: pd.Series) -> pd.DataFrame:
    """Return bars that are adjusted for splits only.

    Vendors multiply what is before a dividend D by 1 - D / C, C being the close before it. Going
    back from the newest, with k the product of the later factors, C = adjusted C / k + D.

    Args:
        bars: ascending, prices adjusted for dividends.
        dividends: of the same rows; of a session that is there twice they count once.
    """
    import numpy as np  # noqa: PLC0415 - loaded

    paid, closes = dividends.to_numpy(), bars["close"].to_numpy()
    again = bars.index.duplicated(keep="first")
    kept, factors = 1.0, np.ones(len(bars))
    for row in np.flatnonzero((paid > 0) & np.isfinite(paid) & ~again)[::-1]:
        before = closes[:row][np.isfinite(closes[:row]) & (closes[:row] > 0)][-1:]
        if before.size:
            kept *= 1.0 - paid[row] / (before[0] / kept + paid[row])
            factors[:row] = kept
    traded = bars.copy()
    for name in PRICES:
        if name in bars:
            traded[name] = bars[name] / factors
    return traded


def _days(table: Table, cells: Column, date_format: str | None, section: str) -> pd.DatetimeIndex:
    """Return the sessions of the rows; a time of day and its zone are dropped, not converted."""
    import pandas as pd  # noqa: PLC0415 - loaded

    if isinstance(cells, pd.Series):
        if isinstance(cells.dtype, pd.DatetimeTZDtype) or cells.dtype.kind == "M":
            index = pd.DatetimeIndex(cells).tz_localize(None).normalize()
            if index.hasnans:
                raise table.wrong(int(index.isna().argmax()), f"{cells.name} is empty")
            return index.rename("date")
        cells = ["" if cell is None else str(cell) for cell in cells]
    days = read_dates(cells, date_format, table.wrong, f"{section} date_format")
    return pd.DatetimeIndex(days, name="date")


def _derived(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the actions behind the adjusted closes, from the rows that can be compared."""
    import numpy as np  # noqa: PLC0415 - loaded
    import pandas as pd  # noqa: PLC0415 - loaded

    from forecaster.market import derive_actions  # noqa: PLC0415 - loads NumPy

    close, adjusted = frame["close"].to_numpy(), frame["adj_close"].to_numpy()
    usable = np.isfinite(close) & np.isfinite(adjusted) & (close > 0) & (adjusted > 0)
    usable &= ~frame.index.duplicated(keep=False)
    days: NDArray[np.datetime64] = frame.index.to_numpy()[usable].astype("datetime64[D]")
    if not len(days):
        raise DataError(f"{table.path} has no row with close and adj_close", code="columns")
    try:
        found = derive_actions(days, close[usable], adjusted[usable])
    except DataError as error:
        message = f"{table.path}: {error.message}"
        raise DataError(message, remedy=error.remedy, code=error.code) from error
    index: Any = pd.DatetimeIndex(found.sessions, name="date")
    return pd.DataFrame({"split": found.splits, "dividend": found.dividends}, index=index)
