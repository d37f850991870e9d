"""Run commands whose k-th change of a file fails, or kills them: `python io_faults.py LIST`.

LIST is a JSON document: {"folder", "args", "at", "error", "sticky", "pages", "trace", "pragma",
"notes"} for each command, which runs in its folder. `faults.c` is preloaded, or `power.c` where
there is a trace to write; one process loads the program and forks a child for each command. A file
NOTES.json says how the child ended, what it printed on standard error, and how many changes it
made.
"""

import contextlib
import ctypes
import gc
import json
import os
import sys
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from forecaster.cli import cli
from forecaster.ledger import engine
from forecaster.market import get_calendar

FAULTS = ctypes.CDLL(None)
ARMED = hasattr(FAULTS, "fault_arm")  # whether the library is preloaded
TRACED = hasattr(FAULTS, "power_arm")
# What a child would have to load, each again.
LOADED = (
    "alembic.command", "pandas", "scipy.signal", "plotly.graph_objects", "rich.table",
    "rich.console", "rich.measure", "jinja2", "forecaster.job.run", "forecaster.job.backfill",
    "exchange_calendars", "threadpoolctl", "forecaster.ledger.backup", "forecaster.ledger.upgrade",
)  # fmt: skip


def at_most(pages: int) -> Any:
    """Return a listener that lets no database grow beyond so many pages."""

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    return limit


def arm(work: dict[str, Any]) -> None:
    """Tell the library that is preloaded, if any, what to do."""
    if ARMED:
        under = os.fsencode(f"{work['folder']}/")
        at = ctypes.c_long(work["at"])
        FAULTS.fault_arm(under, at, work["error"], int(work["sticky"]))
    if TRACED and work.get("trace"):
        # A connection comes back after its commit has said that it is done.
        event.listen(Engine, "checkin", lambda *_: FAULTS.power_mark())
        FAULTS.power_arm(os.fsencode(os.path.realpath(work["folder"])), os.fsencode(work["trace"]))


def child(work: dict[str, Any], errors: Path, seen: Path) -> None:
    """Do one command in this process and leave it."""
    os.chdir(work["folder"])
    os.dup2(os.open(errors, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.umask(0o077)
    counted = os.open(seen, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sys.argv = ["forecaster", *work["args"]]
    if work.get("pages"):
        event.listen(Engine, "connect", at_most(work["pages"]))
    if work.get("pragma"):
        engine.PRAGMAS = (*engine.PRAGMAS, work["pragma"])
    arm(work)
    code = 70  # neither of the program's own
    try:
        cli(prog_name="forecaster")
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001  of a child that has to end
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    gc.collect()  # closes what an error left open, as the end of a process does
    if ARMED:
        os.write(counted, str(FAULTS.fault_seen()).encode())
    os._exit(code)


def main(work: list[dict[str, Any]]) -> None:
    """Do every command in a child of its own."""
    for name in LOADED:
        import_module(name)
    get_calendar("XNYS").sessions(date(2022, 1, 1), date(2023, 12, 31))
    for one in work:
        notes = Path(one["notes"])
        errors, seen = (notes.with_name(f"{notes.name}.{end}") for end in ("err", "seen"))
        pid = os.fork()
        if pid == 0:
            child(one, errors, seen)
        _, status = os.waitpid(pid, 0)
        told = {
            "code": os.waitstatus_to_exitcode(status),
            "errors": errors.read_text(),
            "seen": int(seen.read_text() or 0),
        }
        notes.with_name(f"{notes.name}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
