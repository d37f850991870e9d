"""Where the console reporter's lines and tables go."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from .wording import EN_DASH, plain

# A pipe has no width: wide enough for any table, which is printed no wider than it is.
PIPE_WIDTH: Final = 1000


class Patient(Console):
    """A console that falls silent when nobody reads any more, instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Let the other reporters and what comes after them go on."""
        with suppress(SystemExit):
            super().on_broken_pipe()


class Paper:
    """Standard output, where text from outside can neither style nor control a terminal."""

    def __init__(self, width: int | None) -> None:
        self.console = Patient(
            file=sys.stdout, width=width, markup=False, emoji=False, highlight=False
        )
        self.wraps = width is not None or self.console.is_terminal
        if not self.wraps:
            self.console.width = PIPE_WIDTH
        self.dash = EN_DASH if self.text(EN_DASH) == EN_DASH else "to"

    def text(self, value: object) -> str:
        """Text that this output can hold."""
        code = self.console.encoding
        return plain(value).encode(code, "replace").decode(code)

    def line(self, value: str, style: str = "") -> None:
        """Print one line, wrapped at words on a terminal and left whole on a pipe."""
        self.console.print(self.text(value), style=style or None, soft_wrap=not self.wraps)

    def heading(self, value: str) -> None:
        """Print a line that begins a part."""
        self.console.print()
        self.line(value, "bold")

    def table(self, columns: Sequence[tuple[str, bool]]) -> Table:
        """An empty table; each column is a title and whether it holds numbers."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for title, numeric in columns:
            table.add_column(
                title,
                justify="right" if numeric else "left",
                no_wrap=numeric or title == "kind",
                overflow="fold",
                header_style="dim",
            )
        return table

    def show(self, table: Table) -> None:
        """Print a table whole: on too narrow a terminal it is the terminal that wraps."""
        for column in table.columns:
            if column.no_wrap:  # or rich would cut what it may not wrap
                lines = [line for each in (column.header, *column.cells) for line in _lines(each)]
                column.min_width = max(map(cell_len, lines))
        unbounded = self.console.options.update(max_width=PIPE_WIDTH)
        needed = Measurement.get(self.console, unbounded, table).minimum
        width, self.console.width = self.console.width, max(self.console.width, needed)
        self.console.print(table)
        self.console.width = width


def _lines(cell: object) -> list[str]:
    return str(cell).split("\n")
