"""Rows as a table for people, as JSON or CSV for programs."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from forecaster.ledger import Rows

Command = TypeVar("Command", bound=Callable[..., Any])

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a text that begins with one of these."""


def formats(command: Command) -> Command:
    """Add --json and --csv; the command gets `form`: "table", "json" or "csv"."""
    for name, text in (("csv", "A header line, then rows."), ("json", "One JSON document.")):
        option = click.option(f"--{name}", "form", flag_value=name, help=text)
        command = option(command)
    return command


def emit(rows: "Rows", form: str | None, *, empty: str = "nothing to show") -> None:
    """Print rows alone on standard output."""
    if form == "json":
        emit_json(rows.as_dicts())
    elif form == "csv":
        emit_csv(rows.columns, rows.rows)
    elif rows.rows:
        emit_table(rows.columns, rows.rows)
    else:
        click.echo(empty)


def emit_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def emit_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a header line, then rows; texts cannot become formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    click.echo(text.getvalue(), nl=False)


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table as wide as the terminal, or as it needs where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for k, name in enumerate(columns):
        numbers = all(isinstance(row[k], int | float) or row[k] is None for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else 10_000
    text = Console(width=width, color_system="auto" if terminal else None)
    if terminal:
        text.print(table)
        return
    with text.capture() as captured:
        text.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def shown(value: Any) -> str:
    """Return a value as a table shows it: numbers to six significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return json.dumps(value)
    text = str(value)
    # A moment needs no microseconds to be read.
    return f"{text[:10]} {text[11:19]}" if len(text) == 32 and text[10] == "T" else text
