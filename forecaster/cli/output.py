"""Rows as a table for people, as JSON or CSV for programs."""

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from forecaster.ledger import Rows

Command = TypeVar("Command", bound=Callable[..., Any])

FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""A spreadsheet runs a text that begins with one of these."""

PIPE_WIDTH = 100_000
"""A pipe has no width: wide enough for any table, which is printed no wider than it is."""

LONGEST_WORD = 20
"""What is no longer, such as a number, a session or a name, is not folded on a terminal."""


def formats(command: Command) -> Command:
    """Add --json and --csv; the command gets `form`: None (a table), "json" or "csv"."""
    for name, text in (("csv", "A header line, then rows."), ("json", "One JSON document.")):
        option = click.option(f"--{name}", "form", flag_value=name, help=text)
        command = option(command)
    return command


def emit(
    rows: "Rows",
    form: str | None,
    *,
    columns: Sequence[str] = (),
    empty: str = "Nothing to show.",
) -> None:
    """Print rows alone on standard output.

    Args:
        rows: what to print.
        form: "json" or "csv"; None is a table.
        columns: those that the table shows, if not all.
        empty: what stands in the place of a table without rows.
    """
    if form == "json":
        emit_json(rows.as_dicts())
    elif form == "csv":
        emit_csv(rows.columns, rows.rows)
    elif rows.rows:
        kept = [rows.columns.index(name) for name in columns] or range(len(rows.columns))
        emit_table([rows.columns[k] for k in kept], [[row[k] for k in kept] for row in rows.rows])
    else:
        click.echo(empty)


def emit_json(document: Any) -> None:
    """Print one JSON document; numbers that JSON does not have are null."""
    click.echo(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def emit_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a header line, then rows; texts cannot become formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_harmless(value) for value in row] for row in (columns, *rows))
    click.echo(text.getvalue(), nl=False)


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # The writer does not quote a carriage return, and a reader would begin a row after it.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA) else text


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table whole: on a terminal long texts are folded, on a pipe nothing is."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    cells = [[shown(value) for value in row] for row in rows]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for k, name in enumerate(columns):
        numbers = all(isinstance(row[k], int | float | None) for row in rows)
        widest = max(len(name), *(len(row[k]) for row in cells))
        table.add_column(
            Text(printable(name)),
            justify="right" if numbers else "left",
            min_width=min(widest, LONGEST_WORD),
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout)
    unbounded = console.options.update(max_width=PIPE_WIDTH)
    needed = Measurement.get(console, unbounded, table)
    if console.is_terminal:
        console.width = max(console.width, needed.minimum)
        console.print(table)
        return
    console.width = needed.maximum
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def shown(value: Any) -> str:
    """Return a value as a table shows it: numbers to six significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = printable(str(value))
    # A moment needs no microseconds to be read.
    return f"{text[:10]} {text[11:19]}" if len(text) == 32 and text[10] == "T" else text


def printable(text: str) -> str:
    """Return a text that can do nothing to a terminal or a log: control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
