"""Processes of the real program on a clock that runs ahead, which die at a failpoint if told to.

    python standin.py daemon     the daemon, in the folder in which it is started
    python standin.py night      its child
    python standin.py command X  the command line
    python standin.py nursery    starts any of them without loading the program again

The nursery reads requests from standard input, one JSON object a line, forks a process for each
that was never anything else, and writes how it ended to a file: a real process, dying really.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

SPARE = 4
"""Processes that a daemon of the nursery has ready to become its children."""

EVERY = 0.05
"""Seconds from one tick to the next."""

LONGEST = 600
"""Seconds after which a process ends that a test has forgotten because it was ended itself."""

LOADED = (
    "alembic.command", "apscheduler.schedulers.blocking", "apscheduler.executors.pool",
    "apscheduler.jobstores.memory", "concurrent.futures.process", "forecaster.cli",
    "forecaster.daemon.night", "forecaster.daemon.serve", "forecaster.job.backtest",
    "forecaster.job.report", "forecaster.job.run", "forecaster.ledger.restore",
    "forecaster.plugins.html", "jinja2", "pandas", "sqlalchemy.dialects.sqlite",
)  # fmt: skip


def clock() -> datetime:
    """Return the time on the clock that the environment tells of."""
    real, said, speed = (float(each) for each in os.environ["CLOCK"].split())
    return datetime.fromtimestamp(said, UTC) + timedelta(seconds=(time.time() - real) * speed)


def daemon(*, command: Sequence[str] | None) -> NoReturn:
    """Run the daemon.

    Args:
        command: that starts a child; None for the program's own.
    """
    from failpoints import arm

    from forecaster.config import load_settings
    from forecaster.daemon import serve as room
    from forecaster.daemon.child import Child
    from forecaster.daemon.signals import leave_on_signals
    from forecaster.errors import ForecasterError
    from forecaster.logs import relay

    arm("daemon", Path.cwd())
    _rotate_often()

    def start(errand: Any, ended: Callable[[Any], None]) -> Child:
        more = {} if command is None else {"command": command}
        deadline = float(os.environ.get("DEADLINE", "60"))
        return Child(errand, relay=relay, ended=ended, deadline=deadline, **more)

    def load() -> Any:
        return load_settings(Path("config.toml"), environ={})

    try:
        leave_on_signals()
        room.serve(load, plugins=None, clock=clock, start=start, every=EVERY)
    except ForecasterError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)


def _rotate_often() -> None:
    """Make log files short."""
    from forecaster.logfile import LogFile

    if size := os.environ.get("LOG_SIZE"):
        usual: Any = LogFile.__init__
        setattr(LogFile, "__init__", lambda self, path, _: usual(self, path, int(size)))  # noqa: B010


def night() -> NoReturn:
    """Work as the daemon's child does."""
    from failpoints import arm

    from forecaster.daemon.night import main
    from forecaster.job import context, report, run  # noqa: F401  armed where they are used

    _set_clock(context.open_job)
    for name in LOADED[-4:]:
        import_module(name)
    arm("night", Path.cwd())
    code = main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def command(words: Sequence[str]) -> NoReturn:
    """Run the command line."""
    from failpoints import arm

    from forecaster.cli import cli
    from forecaster.job import context

    _set_clock(context.open_job)
    for name in LOADED[-6:]:
        import_module(name)
    arm("command", Path.cwd())
    cli(list(words))
    os._exit(0)


def _set_clock(open_job: Any) -> None:
    open_job.__wrapped__.__kwdefaults__["clock"] = clock


class Spare:
    """Stands in for subprocess.Popen: a child that was forked before anything was opened.

    As there, this process is its parent, and it leads a group of its own.
    """

    ready: list[tuple[int, socket.socket]]

    def __init__(self, _command: Sequence[str], **_: Any) -> None:
        self.pid, their = self.ready.pop(0)
        theirs_in, mine_in = os.pipe()
        mine_out, theirs_out = os.pipe()
        socket.send_fds(their, [b"."], [theirs_in, theirs_out])
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(mine_in, "wb", 0), os.fdopen(mine_out, "rb", 0)
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait for its end."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    @classmethod
    def prepare(cls) -> None:
        """Fork some."""
        cls.ready = []
        for _ in range(int(os.environ.get("SPARE", SPARE))):
            mine, theirs = socket.socketpair()
            pid = os.fork()
            if not pid:
                mine.close()
                _become_night(theirs)
            theirs.close()
            cls.ready.append((pid, mine))


def _become_night(end: socket.socket) -> NoReturn:
    from forecaster.daemon.night import _die_with_parent

    _die_with_parent()  # also while it waits
    os.setsid()
    _, streams, _, _ = socket.recv_fds(end, 1, 2)
    if not streams:
        os._exit(0)
    os.dup2(streams[0], 0)
    os.dup2(streams[1], 1)
    os.dup2(streams[1], 2)
    for each in (*streams, end.detach()):
        os.close(each)
    # What was a file is a pipe now.
    sys.stdout, sys.stderr = (os.fdopen(fd, "w", closefd=False) for fd in (1, 2))
    night()


def nursery() -> None:
    """Start what is asked for, until standard input ends."""
    for name in LOADED:
        import_module(name)
    _prepare_calendars()
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        request = json.loads(line)
        monitor = os.fork()
        if not monitor:
            _monitor(request)
        os.waitpid(monitor, 0)


def _prepare_calendars() -> None:
    from datetime import date

    from forecaster.market import get_calendar

    for name in ("XNYS", "24/7"):
        get_calendar(name).sessions(date(2022, 1, 1), date(2024, 6, 30))


def _monitor(request: dict[str, Any]) -> NoReturn:
    """Start a process, say its number, and write how it ended."""
    if os.fork():
        os._exit(0)  # nobody waits for this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = os.fork()
    if not pid:
        _begin(request)
    os.write(1, f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(FileNotFoundError):  # the test is over
        Path(f"{request['ended']}.new").write_text(str(code))
        Path(f"{request['ended']}.new").rename(request["ended"])
    os._exit(0)


def _begin(request: dict[str, Any]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(LONGEST)
    os.setsid()
    os.chdir(request["folder"])
    os.environ.update(request["environ"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.closerange(3, 1024)
    try:
        if request["what"] == "daemon":
            Spare.prepare()
            setattr(subprocess, "Popen", Spare)  # noqa: B010  for the type checker
            daemon(command=None)
        command(request["words"])
    except SystemExit as error:
        sys.stdout.flush()
        os._exit(int(error.code or 0))
    except BaseException:  # noqa: BLE001  a forked process must not go on as its parent
        sys.excepthook(*sys.exc_info())
        os._exit(70)
    os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    match sys.argv[1]:
        case "daemon":
            daemon(command=[sys.executable, __file__, "night"])
        case "night":
            night()
        case "command":
            command(sys.argv[2:])
        case "nursery":
            nursery()
