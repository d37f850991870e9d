"""Session dates: as people and vendors write them, and as a range of a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING

from forecaster.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Told apart by looking at the whole column: 13 can only be a day.
USUAL = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%Y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
# After the date, in what no format above has.
TIME = re.compile(r"[ T]+\d{1,2}:\d\d.*")

# (row, what is wrong, remedy) -> the error that says so
Wrong = Callable[[int, str, str], DataError]


def read_dates(
    cells: Sequence[str], date_format: str | None, wrong: Wrong, option: str
) -> list[date]:
    """Return the dates of a column; a time of day and its zone are dropped, not converted.

    Args:
        cells: as they stand in the file.
        date_format: in the words of strptime; None: ISO dates or one of the usual formats, found
            out from the whole column.
        wrong: makes the error of a row.
        option: the one that names the format, for messages, such as "[plugins.csv] date_format".

    Raises:
        DataError: a cell is no date, or two formats would fit with different dates.
    """
    if date_format is not None:
        return [_parsed(cell, date_format, row, wrong) for row, cell in enumerate(cells)]
    with suppress(ValueError):
        return list(map(date.fromisoformat, cells))
    try:
        return [_iso(cell) for cell in cells]
    except ValueError:
        return _detected(cells, wrong, option)


def between(frame: pd.DataFrame, start: date | None, end: date | None) -> pd.DataFrame:
    """Return the rows of an ascending frame from `start` to `end`, both included."""
    import pandas as pd  # noqa: PLC0415 - who hands a frame over has loaded it

    first = None if start is None else pd.Timestamp(start)
    last = None if end is None else pd.Timestamp(end)
    return frame.loc[first:last]


def _detected(cells: Sequence[str], wrong: Wrong, option: str) -> list[date]:
    days = [TIME.sub("", cell) for cell in cells]
    fitting = {found for each in USUAL if len(found := _all(days, each)) == len(days)}
    if len(fitting) == 1:
        return list(fitting.pop())
    if fitting:
        raise wrong(
            0,
            f"{cells[0]!r} may be read in two ways, day or month first",
            f'set {option}, such as "%d/%m/%Y"',
        )
    # The row at which the last format gives up is the one to show.
    row = max(len(_all(days, each)) for each in USUAL)
    row = max(row, _iso_rows(cells))
    if not cells[row]:
        raise wrong(row, "the date is empty", "every row needs one: correct or remove it")
    raise wrong(
        row,
        f"{cells[row][:40]!r} is no date",
        f"dates are read as 2024-12-31, 12/31/2024, 31.12.2024, 31-Dec-2024 or by {option}",
    )


def _all(days: Sequence[str], date_format: str) -> tuple[date, ...]:
    """Return the dates up to the first cell that the format does not fit."""
    found = []
    for day in days:
        try:
            found.append(_strptime(day, date_format))
        except ValueError:
            break
    return tuple(found)


def _iso_rows(cells: Sequence[str]) -> int:
    for row, cell in enumerate(cells):
        try:
            _iso(cell)
        except ValueError:
            return row
    return len(cells)


def _iso(cell: str) -> date:
    return datetime.fromisoformat(cell).date()


def _parsed(cell: str, date_format: str, row: int, wrong: Wrong) -> date:
    try:
        return _strptime(cell, date_format)
    except ValueError:
        raise wrong(row, f"{cell[:40]!r} is no date of the format {date_format}", "") from None


def _strptime(cell: str, date_format: str) -> date:
    return datetime.strptime(cell, date_format).date()  # noqa: DTZ007 - a session has no zone
