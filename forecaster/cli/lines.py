"""How an account is written: values, moves, labelled lines, columns of numbers."""

import math
from collections.abc import Iterator
from textwrap import wrap

from forecaster.job.explained import Explanation

WIDTH = 80
LABEL = 12


class Written:
    """How values and moves of one series are written."""

    def __init__(self, found: Explanation) -> None:
        size = abs(found.mean.baseline)
        self._decimals = min(max(5 - math.floor(math.log10(size)), 0), 10) if size else 6
        self._relative = found.kind_of_move == "price"

    def value(self, number: float) -> str:
        """Six digits of a value as large as the baseline."""
        return f"{number:.{self._decimals}f}"

    def move(self, number: float) -> str:
        """A log return in percent, or a difference in the unit of the values."""
        return f"{100 * number:.3f} %" if self._relative else f"{number:.4g}"

    def change(self, start: float, end: float) -> str:
        """From one value to another."""
        relative = self._relative and start
        return f"{100 * (end / start - 1):+.4f} %" if relative else f"{end - start:+.4g}"


def line(label: str, text: str) -> list[str]:
    """Return a text beside its label, folded into as many lines as it needs."""
    return folded(text, f"  {label:{LABEL}}", " " * (LABEL + 2)) or [f"  {label}"]


def folded(text: str, first: str = "", others: str = "") -> list[str]:
    """Return a text in lines that fit a screen, with what the first and the others begin with."""
    kept = text.replace(" %", "\N{NO-BREAK SPACE}%")  # a number keeps its sign
    lines = wrap(kept, WIDTH, initial_indent=first, subsequent_indent=others,
                 break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def columns(found: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Return rows as lines of aligned cells; the last cell of each is a note."""
    rows = list(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(row[:-1], widths, strict=False))
        yield "  ".join(["", *cells, row[-1]]).rstrip()
