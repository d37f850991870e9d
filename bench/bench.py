"""Measure this machine: one table, all groups in one process run, and the same as JSON.

Ratios between lines of one run are what counts; absolute times move from machine to machine.
"""

import os

# One BLAS thread, said before NumPy loads.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rows import Row

RESULTS = Path(__file__).with_name("results.json")
GROUPS = {  # name: the module that measures it, and what it is
    "step": ("frameworks", "a training step: H = T = 50, float32"),
    "refit": ("rivals", "refit one series, forecast with intervals"),
    "article": ("experiment", "the article's experiment"),
    "seasonal": ("seasonal", "series with seasons, against repeating them"),
    "daily": ("daily", "whole commands"),
    "fleet": ("fleet", "whole nights of many series"),
}
LIBRARIES = ("numpy", "torch", "jax", "statsforecast")


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(list(GROUPS)), help="This group; repeatable."
)
@click.option("--quick", is_flag=True, help="Leave out what takes minutes, measure the rest less.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="JSON to write.")
def main(only: Sequence[str], quick: bool, results: Path) -> None:
    """Print one table and store it as JSON."""
    console = Console(width=None if Console().is_terminal else 140)
    found: list[Row] = []
    for group in only or GROUPS:
        module, what = GROUPS[group]
        with Console(stderr=True).status(f"{group}: {what}"):
            found += import_module(module).rows(quick=quick)
        _write(results, found, quick)  # after each group: a later one may fail
    console.print(tabulated(found))


def _write(results: Path, rows: Sequence[Row], quick: bool) -> None:
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": dict(versions()),
        "quick": quick,
        "rows": [asdict(row) for row in rows],
    }
    results.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def tabulated(rows: Sequence[Row]) -> Table:
    """The rows under the headings of their groups."""
    table = Table("work", "time", "", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    for group in dict.fromkeys(row.group for row in rows):
        table.add_row(f"[bold]{group}[/]: {GROUPS[group][1]}")
        for row in rows:
            if row.group == group:
                table.add_row(f"  {row.work}", time_text(row.seconds), row.note)
        table.add_row()
    return table


def time_text(seconds: float | None) -> str:
    """Three significant digits, in microseconds, milliseconds or seconds."""
    if seconds is None:
        return ""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * size:
            return f"{seconds / size:#.3g} {unit}".replace(". ", " ")
    return f"{seconds:#.3g} s".replace(". ", " ")


def machine() -> dict[str, str | int | None]:
    """What figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def versions() -> Iterator[tuple[str, str | None]]:
    """Of Python, this program and the libraries; None for what is not installed."""
    yield "python", platform.python_version()
    for library in ("forecaster", *LIBRARIES):
        try:
            yield library, metadata.version(library)
        except metadata.PackageNotFoundError:
            yield library, None


if __name__ == "__main__":
    main()
