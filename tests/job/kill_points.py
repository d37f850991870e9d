"""Run the job in a child that kills itself at its k-th contact with the database, for many k.

    python kill_points.py FOLDER...

Each folder holds a project and a file `kill_at` with k. One process loads the program and forks a
child for each folder, so that hundreds of kills cost no more than a few starts. Prints how each
child ended (-9: killed); one that was not killed writes a file `contacts` with how many it had.
"""

import os
import signal
import sys
from datetime import date
from importlib import import_module
from pathlib import Path

from sqlalchemy import Engine, event

from forecaster.config import load_settings
from forecaster.job.context import open_job
from forecaster.job.run import run
from forecaster.market import get_calendar

contacts = 0


def watch(kill_at: int) -> None:
    """Kill this process before or after the k-th statement, or at a commit."""

    def contact(*_: object) -> None:
        global contacts  # noqa: PLW0603  what this process has seen, until it ends
        contacts += 1
        if contacts == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, contact)


def child(folder: Path) -> None:
    """Do the daily job in this process and leave it."""
    watch(int((folder / "kill_at").read_text()))
    with open_job(load_settings(folder / "config.toml", environ={})) as job:
        run(job)
    (folder / "contacts").write_text(str(contacts))
    os._exit(0)


# What a child would have to load, each again.
get_calendar("XNYS").sessions(date(2022, 1, 1), date(2023, 12, 31))
for name in ("alembic.command", "pandas"):
    import_module(name)

for argument in sys.argv[1:]:
    place = Path(argument)
    pid = os.fork()
    if pid == 0:
        child(place)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status))  # noqa: T201
