"""Numbers as people and vendors write them: 1234.5, $1,234.50, 1.234,50 €, 12.3M."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .tables import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMPTY = frozenset({"", "-", "--", "n/a", "#n/a", "na", "nan", "null", "none"})
PLAIN = re.compile(r"[0-9.eE+-]*")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
OTHER = {".": ",", ",": "."}
CURRENCIES = "$€£¥"
SPACES = "\u0020\u00a0\u2009\u202f"
DRESSED = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>[{CURRENCIES}]?)[{SPACES}]?(?P<inner>[+-]?)"
    rf"(?P<digits>\d(?:[\d.,'{SPACES}]*[\d.,])?)(?P<power>[eE][+-]?\d+)?"
    rf"[{SPACES}]?(?P<after>[{CURRENCIES}]?)(?P<unit>[KMB]?)"
)
# Thousands, and lakhs: 12,34,567.
GROUPED = {
    mark: re.compile(rf"\d{{1,3}}(?:[{OTHER[mark]}'{SPACES}]\d{{2,3}})*"
                     rf"[{OTHER[mark]}'{SPACES}]\d{{3}}(?:\{mark}\d*)?")
    for mark in OTHER
}  # fmt: skip
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}


@dataclass(frozen=True, eq=False)
class _Text:
    """A column of text that holds numbers, and what `float` makes of it, if it can."""

    field: str
    name: str
    cells: Sequence[str]
    plain: list[float] | None


def read_numbers(
    table: Table, columns: Mapping[str, int], decimal: str | None, section: str
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of numbers, (n,) float64 each, NaN where a cell is empty.

    Args:
        table: the rows.
        columns: where each field stands.
        decimal: what stands before decimals; None: found out from all cells, which were written
            by one program.
        section: of the options, for messages.

    Raises:
        DataError: a cell is no number, or one in two ways.
    """
    import numpy as np  # noqa: PLC0415 - listing the plugins does not need it

    found: dict[str, Any] = {}
    texts = []
    for field, at in columns.items():
        cells = table.column(at)
        if isinstance(cells, list | tuple):
            texts.append(_Text(field, table.names[at], cells, _plain(cells, decimal)))
        else:
            found[field] = _typed(cells, table, table.names[at])
    if any(text.plain is None for text in texts):
        mark = decimal or _decimal(table, texts, section)
        for text in texts:
            keep = text.plain is not None and mark == "."
            found[text.field] = text.plain if keep else _numbers(table, text, mark)
    else:
        found |= {text.field: text.plain for text in texts}
    return {field: np.asarray(found[field], dtype=np.float64) for field in columns}


def _plain(cells: Sequence[str], decimal: str | None) -> list[float] | None:
    # Of these characters `float` reads what NUMBER allows, and nothing else.
    if decimal != "," and PLAIN.fullmatch("".join(cells)):
        with suppress(ValueError):
            return list(map(float, cells))
    return None


def _typed(cells: Any, table: Table, name: str) -> NDArray[np.float64]:
    """Return the values of a column that Parquet stored as numbers, or as objects."""
    import numpy as np  # noqa: PLC0415 - as above

    with suppress(ValueError, TypeError):
        if cells.dtype != bool:
            numbers: NDArray[np.float64] = cells.to_numpy(dtype=np.float64, na_value=np.nan)
            return numbers
    row = next((row for row, cell in enumerate(cells) if not _is_number(cell)), 0)
    raise table.wrong(row, f"{name} is {str(cells.iloc[row])[:40]!r}, no number")


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool):
        return False
    try:
        float(cell)
    except (TypeError, ValueError):
        return cell is None
    return True


def _decimal(table: Table, texts: Sequence[_Text], section: str) -> str:
    """Return what stands before decimals: the mark that only one reading allows."""
    if not any("," in cell or cell.count(".") > 1 for text in texts for cell in text.cells):
        return "."
    seen = _readings(texts)
    unsure = seen.pop("?", None)
    if len(seen) == 1:
        return next(iter(seen))
    if seen:
        (first_row, first), (row, text) = sorted(seen.values(), key=lambda each: each[0])
        raise table.wrong(
            row,
            f"{text.name} is {text.cells[row]!r} where {first.name} is {first.cells[first_row]!r}: "
            "decimals are written in two ways",
            f'correct the file, or set {section} decimal to "." or ","',
        )
    if unsure is None:
        return "."
    row, text = unsure
    raise table.wrong(
        row,
        f"{text.name} is {text.cells[row]!r}, which may be read in two ways",
        f'set {section} decimal to "." or ","',
    )


def _readings(texts: Sequence[_Text]) -> dict[str, tuple[int, _Text]]:
    """Return the first cell that proves each mark, and under "?" the first that proves none."""
    seen: dict[str, tuple[int, _Text]] = {}
    for text in texts:
        for row, cell in enumerate(text.cells):
            mark = _evidence(cell)
            if mark in OTHER or (mark == "?" and "," in cell):
                seen.setdefault(mark, (row, text))
    return seen


def _evidence(cell: str) -> str:
    """Return the mark before decimals that a cell proves, "?" if it could be either, else ""."""
    dots, commas = cell.count("."), cell.count(",")
    found = DRESSED.fullmatch(cell) if dots or commas else None
    if found is None:
        return ""
    if dots and commas:
        return "." if cell.rfind(".") > cell.rfind(",") else ","
    mark = "." if dots else ","
    if dots + commas > 1:
        return OTHER[mark]
    head, _, tail = found["digits"].partition(mark)
    grouped = len(tail) == 3 and len(head) <= 3 and head != "0" and not found["power"]
    return "?" if grouped else mark


def _numbers(table: Table, text: _Text, mark: str) -> list[float]:
    signs = dict.fromkeys(each for cell in text.cells for each in cell if each in CURRENCIES)
    if len(signs) > 1:
        row = next(row for row, cell in enumerate(text.cells) if list(signs)[1] in cell)
        raise table.wrong(
            row,
            f"{text.name} is {text.cells[row]!r} in another currency than before",
            "a file has prices of one currency",
        )
    return [_number(cell, row, table, text, mark) for row, cell in enumerate(text.cells)]


def _number(cell: str, row: int, table: Table, text: _Text, mark: str) -> float:
    if cell.lower() in EMPTY:
        return float("nan")
    if mark == "." and NUMBER.fullmatch(cell):
        return float(cell)
    value = _dressed(cell, mark, units=text.field == "volume")
    if value is None:
        raise table.wrong(row, f"{text.name} is {cell[:40]!r}, no number")
    return value


def _dressed(cell: str, mark: str, *, units: bool) -> float | None:
    """Return the number in a cell with thousands, a currency's sign or a unit; None: it is none."""
    found = DRESSED.fullmatch(cell)
    if found is None or (found["sign"] and found["inner"]) or (found["before"] and found["after"]):
        return None
    if found["unit"] and not units:
        return None
    digits = found["digits"]
    if GROUPED[mark].fullmatch(digits):
        digits = re.sub(rf"[{OTHER[mark]}'{SPACES}]", "", digits)
    elif OTHER[mark] in digits:
        return None
    digits = found["sign"] + found["inner"] + digits.replace(mark, ".") + (found["power"] or "")
    return float(digits) * UNITS[found["unit"]] if NUMBER.fullmatch(digits) else None
