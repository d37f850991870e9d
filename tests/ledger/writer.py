"""Several programs at once: `python writer.py URL live:0 backfill:0` or `writer.py URL upgrade`."""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  imported before the start, not during the race

from forecaster.ledger import open_ledger
from forecaster.ledger.instruments import read_series

NIGHTS = 6
small: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("small.py")))


def work(url: str, task: str) -> None:
    """Work some nights for every series, or bring the database to the newest schema."""
    kind, _, first = task.partition(":")
    with open_ledger(url, create=kind == "upgrade") as ledger:
        if first:
            nights = [small[kind](int(first) + k) for k in range(NIGHTS)]
            small["walk"](ledger, nights, *read_series(ledger).values())


def main(url: str, tasks: list[str]) -> int:
    """Let one process for each task begin at the same moment; return how many failed."""
    gate, start = os.pipe()
    children = []
    for task in tasks:
        child = os.fork()
        if not child:
            os.close(start)
            os.read(gate, 1)  # returns when the parent closes its end
            work(url, task)
            sys.exit(0)
        children.append(child)
    os.close(start)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
