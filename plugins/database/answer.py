"""What a query returned, as bars and actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from forecaster.errors import DataError

from ..dates import read_dates
from ..splits import actions_of
from .options import SECTION

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("open", "high", "low", "close", "volume")
ACTIONS = ("split", "dividend")
LABELS = ("currency", "calendar")
DATES = ("session", "date")


@dataclass(frozen=True)
class Answer:
    """What the query returned."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Return bars and actions, ascending."""
        import pandas as pd  # noqa: PLC0415 - 0.7 s that listing the plugins does not need

        columns = self._columns()
        days = self._days(columns.pop(next(each for each in DATES if each in columns)))
        index = pd.DatetimeIndex(days, name="date")
        numbers = {
            name: self._numbers(name, at) for name, at in columns.items() if name not in LABELS
        }
        frame = pd.DataFrame(numbers, index=index, dtype="float64").sort_index(kind="stable")
        bars = frame[[field for field in FIELDS if field in frame]]
        if not any(action in frame for action in ACTIONS):
            return bars, None
        none = pd.Series(0.0, index=frame.index)
        splits = frame.get("split", none).fillna(0.0).replace(0.0, 1.0)
        return bars, actions_of(splits, frame.get("dividend", none).fillna(0.0))

    def label(self, name: str) -> str | None:
        """Return what a column of labels says, which has to be the same in every row."""
        columns = self._columns()
        if name not in columns:
            return None
        told = dict.fromkeys(row[columns[name]] for row in self.rows)
        told.pop(None, None)
        if len(told) > 1:
            raise DataError(
                f"the query of {SECTION} returns several values as {name}: "
                f"{', '.join(map(str, list(told)[:3]))}",
                remedy="a symbol has one",
                code="columns",
            )
        return str(next(iter(told))).strip() if told else None

    def _columns(self) -> dict[str, int]:
        names = [name.lower() for name in self.names]
        allowed = (*DATES, *FIELDS, *ACTIONS, *LABELS)
        strange = [name for name in names if name not in allowed]
        twice = len(set(names)) < len(names) or all(each in names for each in DATES)
        if strange or twice or "close" not in names or not set(names) & set(DATES):
            raise DataError(
                f"the query of {SECTION} returns {', '.join(map(str, self.names))}",
                remedy="it has to return session (or date) and close, and may return open, high, "
                "low, volume, split, dividend, currency and calendar, each once: name columns "
                "with AS, leave others out",
                code="columns",
            )
        return {name: at for at, name in enumerate(names)}

    def _days(self, at: int) -> list[date]:
        cells = [row[at] for row in self.rows]
        if all(isinstance(cell, date) for cell in cells):
            return [cell.date() if isinstance(cell, datetime) else cell for cell in cells]
        texts = ["" if cell is None else str(cell).strip() for cell in cells]
        return read_dates(texts, None, _wrong, f"{SECTION} query to return dates")

    def _numbers(self, name: str, at: int) -> list[float]:
        return [_number(row[at], place, name) for place, row in enumerate(self.rows)]


def _number(cell: Any, row: int, name: str) -> float:
    try:
        return float("nan") if cell is None else float(cell)
    except (TypeError, ValueError):
        raise _wrong(
            row, f"{name} is {str(cell)[:40]!r}, no number", "correct it, or CAST it in the query"
        ) from None


def _wrong(row: int, what: str, remedy: str) -> DataError:
    return DataError(f"the query of {SECTION}, row {row + 1}: {what}", remedy=remedy, code="cell")
