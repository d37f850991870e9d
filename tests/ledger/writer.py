"""Work nights as one of several programs at once: `python writer.py URL KIND FIRST COUNT`."""

import runpy
import sys
from pathlib import Path
from typing import Any

from forecaster.ledger import open_ledger
from forecaster.ledger.prices import read_series


def main(url: str, kind: str, first: int, count: int) -> None:
    """Say that all is imported, wait for a line, then work every night for every series."""
    small: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("small.py")))
    with open_ledger(url) as ledger:
        series = list(read_series(ledger).values())
        print("ready", flush=True)  # noqa: T201  the parent waits for it
        sys.stdin.readline()
        small["walk"](ledger, [small[kind](first + k) for k in range(count)], *series)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
