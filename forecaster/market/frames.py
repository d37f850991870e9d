"""What every frame from a source must be, whatever it holds: indexed by sessions, all numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Sessions = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# No exchange is older, and no calendar reaches further.
YEARS = np.array(["1600", "2200"], "datetime64[D]")


def frame_sessions(frame: pd.DataFrame, *, unique: bool = True) -> Sessions:
    """Return the index of `frame` as sessions, (n,) datetime64[D], increasing.

    Raises:
        DataError: the index holds no dates, times of day, a zone, gaps, disorder, or duplicates
            where they are to be `unique`.
    """
    import pandas as pd  # noqa: PLC0415 - who hands a frame over has loaded it

    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(
            f"the index holds no dates but {index.dtype}",
            remedy="a source returns a DatetimeIndex of session dates",
            code="not_sessions",
        )
    if index.tz is not None:
        raise DataError(
            f"the sessions carry the time zone {index.tz}",
            remedy="a session is a date: drop the zone after converting to the exchange's own",
            code="not_sessions",
        )
    stamps = index.to_numpy()
    days: Sessions = stamps.astype("datetime64[D]")
    refuse(np.isnat(stamps), days, "have no date", code="not_sessions")
    refuse(stamps != days, days, "carry a time of day", code="not_sessions")
    impossible = (days < YEARS[0]) | (days >= YEARS[1])
    refuse(impossible, days, "are of an impossible year", code="not_sessions")
    steps = np.diff(days, prepend=days[:1] - 1).astype(np.int64)
    refuse(steps < 0, days, "come after a later one", code="unsorted")
    if unique:
        refuse(steps == 0, days, "are there twice", code="duplicate")
    return days


def frame_columns(frame: pd.DataFrame, **defaults: float) -> list[Floats]:
    """Return the named columns, each (n,) float64, filled with its default where it is lacking.

    Raises:
        DataError: there are other columns, one twice, or one holds something else than numbers.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names) or not set(names) <= set(defaults):
        raise DataError(
            f"the columns are {', '.join(names)}",
            remedy=f"they may be {', '.join(defaults)}, each once at most",
            code="columns",
        )
    return [
        _numbers(frame, name) if name in names else np.full(len(frame), default)
        for name, default in defaults.items()
    ]


def refuse(wrong: Mask, sessions: Sessions, what: str, *, code: str, **values: Floats) -> None:
    """Raise a DataError where `wrong` holds, with the count and the first session's `values`."""
    if wrong.any():
        raise counted(wrong, sessions, what, code=code, shown=values)


def counted(
    wrong: Mask,
    sessions: Sessions,
    what: str,
    *,
    code: str,
    shown: Mapping[str, Floats],
    remedy: str = "",
) -> DataError:
    """Return the error for the sessions where `wrong` holds: how many, and the first's values."""
    first = int(np.argmax(wrong))
    values = ", ".join(f"{name} {column[first]:g}" for name, column in shown.items())
    return DataError(
        f"{np.count_nonzero(wrong)} of {len(sessions)} sessions {what}, first {sessions[first]}"
        + (f" ({values})" if values else ""),
        remedy=remedy,
        code=code,
    )


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    try:
        values: Floats = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"the column {name} holds something that is no number ({error})", code="not_numbers"
        ) from error
    return values
