"""Numbers and text from outside as reports show them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from forecaster.hooks import RunSummary, SeriesReport

EN_DASH: Final = "\u2013"
NONE: Final = "-"


def places(values: Iterable[float]) -> int:
    """Decimals that give the largest of these values five significant digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 2
    return min(max(4 - math.floor(math.log10(largest)), 0), 10)


def series_places(series: SeriesReport) -> int:
    """Decimals for the prices of a series, the same in all of its tables."""
    last = [value for _, value in series.prices[-1:]]
    return places([*last, *(row["baseline"] for row in series.coming)])


def significant(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits, never in exponents."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    return f"{value:.{min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 12)}f}"


def percent(value: float | None, decimals: int = 1, *, sign: bool = False) -> str:
    """A share as a percentage, without the sign of percent."""
    if value is None:
        return NONE
    text = f"{value * 100:+.{decimals}f}" if sign else f"{value * 100:.{decimals}f}"
    return text[1:] if sign and not float(text) else text


def some(names: Sequence[str], limit: int = 12) -> str:
    """'a, b, c', and of many 'a, b, c and 7 more'."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def count(number: int, noun: str) -> str:
    """'1 session', '1,204 sessions'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def pulled(summary: RunSummary) -> str:
    """'12 bars pulled with 3 requests'; sources that count none are not asked over a network."""
    asked = f" with {count(summary.requests, 'request')}" if summary.requests else ""
    return f"{count(summary.bars_pulled, 'bar')} pulled{asked}"


def plain(text: object) -> str:
    """Text from outside as one line without control or direction-changing characters."""
    if isinstance(text, str) and text.isprintable():
        return text
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in str(text))
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs"}).split())
