"""A night in a process of its own: what plugins may do there, and what ends with what."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from pathlib import Path

import pytest

from forecaster.config import Settings, load_settings
from forecaster.daemon import child as rooms
from forecaster.daemon.child import Errand
from forecaster.daemon.errand import read_errand, write_errand
from forecaster.ledger import open_ledger
from forecaster.ledger.claim import claim, holder
from forecaster.ledger.history import read_view

from .children import Attended, dies, state

HERE = Path(__file__).parent

CONFIG = """
[[series]]
source = "feed"
symbols = ["AAA", "BAD"]

[model]
lookback = 3
horizon = 2
hidden_size = 3
epochs = 1
members = 1
validation = 0.0

[intervals]
scale = "ewma"

[schedule]
initial_backfill = 1

[plugins]
dirs = ["plugins"]

[reporters]
"""

FEED = '''
"""A source whose symbol BAD may do anything, and an activation that may as well."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

from forecaster import hookimpl
from forecaster.hooks import Quotes
from forecaster.model import Activation


class Feed:
    name = "feed"
    local = True

    def __init__(self, options, folder):
        self.trick, self.folder = options.get("trick", ""), folder

    def fetch(self, symbol, start, end):
        import pandas as pd

        if symbol == "BAD":
            exec(self.trick, globals() | {"folder": self.folder})
        days = pd.date_range("2023-01-02", periods=80)
        close = 100 + np.cumsum(np.random.default_rng(1).normal(size=80))
        return Quotes(pd.DataFrame({"close": close}, index=days), calendar="24/7", historical=True)


def value(z, out):
    from multiprocessing import parent_process

    np.tanh(z, out=out)
    if parent_process():
        print("worker", os.getpid(), flush=True)
        sum(range(10**15))


def slope(a, out):
    np.multiply(a, a, out=out)
    np.subtract(1.0, out, out=out)


@hookimpl
def forecaster_sources():
    return [Feed]


@hookimpl
def forecaster_activations():
    return [Activation("stuck", value, slope)]
'''


def house(folder: Path, trick: str = "", more: str = "") -> Settings:
    """Return the settings of a folder with a plugin and an empty database."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "feed.py").write_text(FEED)
    text = f"{CONFIG}{more}\n[plugins.feed]\ntrick = {json.dumps(textwrap.dedent(trick))}\n"
    (folder / "config.toml").write_text(text)
    settings = load_settings(folder / "config.toml", environ={})
    open_ledger(settings.database_url(), create=True).close()
    return settings


def errand(settings: Settings) -> Errand:
    """Return the errand to do everything."""
    return Errand(settings, None, None)


def forecasts(settings: Settings) -> set[str]:
    """Return the series that have forecasts."""
    with open_ledger(settings.database_url()) as ledger:
        return {row["series"] for row in read_view(ledger, "latest_forecast").as_dicts()}


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SIGKILL follow soon."""
    monkeypatch.setattr(rooms, "GRACE", 0.5)


WRITTEN = """
database.url = "sub/ledger.db"
schedule.catch_up = 3
executor.name = "serial"
daemon = { deadline = 0.5, memory = 512 }
reporters = {}

[model]
extra_inputs = []

[plugins]
dirs = ["plugins"]

[plugins.feed]
folder = "."
api_key = "topsecret"
since = 2020-01-02
at = 2020-01-02T03:04:05Z
clock = 18:30:00
ends = inf
"odd key" = { deep = [1, 2.0, "three", { four = true }] }
text = "a \\"quote\\", a \\\\ and a \\u007f, é 𝄞"

[[series]]
source = "feed"
symbols = ["AAA", "BBB"]
field = "high"
model.lookback = 7
retrain.every = "never"

[[series]]
name = "b"
source = "feed"
symbol = "CCC"
"""


@pytest.mark.parametrize("text", ["", WRITTEN, CONFIG])
def test_settings_arrive_as_they_were(tmp_path: Path, text: str) -> None:
    """Folder, options of plugins, dates, infinity, overrides and what was not written."""
    (tmp_path / "config.toml").write_text(text)
    settings = load_settings(tmp_path / "config.toml", environ={})
    sent = Errand(settings, ("XNYS", "24/7"), ("feed",))
    line = write_errand(sent, 4711)
    assert line.count(b"\n") == 1
    got, parent = read_errand(line)
    assert parent == 4711
    assert got == sent
    assert got.settings.folder == tmp_path
    assert got.settings.model_fields_set == settings.model_fields_set
    assert got.settings.model_dump() == settings.model_dump()
    assert got.settings.database_url() == settings.database_url()
    assert got.settings.plugin_dirs() == settings.plugin_dirs()
    assert got.settings.each_series() == settings.each_series()
    if text == WRITTEN:
        options = got.settings.plugins.options("feed")
        assert options["since"] == date(2020, 1, 2)
        assert isinstance(options["at"], datetime)
        assert options["clock"] == time(18, 30)
        assert options["ends"] == float("inf")
        assert options == settings.plugins.options("feed")


@pytest.mark.parametrize("each", [None, ()])
def test_all_and_none_are_two_things(tmp_path: Path, each: tuple[str, ...] | None) -> None:
    """No restriction arrives as none, an empty one as empty."""
    sent = Errand(Settings(folder=tmp_path), each, each)
    assert read_errand(write_errand(sent, 1))[0] == sent


def test_closures_arrive_as_they_were(tmp_path: Path) -> None:
    """Days, times and the lines that said so; none is something else than not to say."""
    (tmp_path / "closures.txt").write_text(
        "XNYS 2026-12-24 closed\nXLON 2026-12-26 open 12:30\nXTKS 2026-12-31 open\n"
    )
    settings = Settings(folder=tmp_path)
    for amendments in (settings.amendments(), (), None):
        sent = Errand(settings, None, None, (), amendments)
        assert read_errand(write_errand(sent, 1))[0] == sent
    assert len(settings.amendments()) == 3


def test_a_night_is_done_and_told_of(tmp_path: Path) -> None:
    """Forecasts are stored, reporters write, all but the console; every line is a log line."""
    settings = house(tmp_path, more="console = {}\nhtml = {folder = 'report'}\n")
    attended = Attended(errand(settings))
    ending = attended.ending()
    assert (ending.code, ending.how, ending.reason) == (0, "done", "")
    assert forecasts(settings) == {"AAA", "BAD"}
    assert list((tmp_path / "report").iterdir())
    assert not [line for line in attended.lines if line.get("origin") == "output"]
    assert {"night", "end"} <= {line.get("event") for line in attended.lines}
    assert all(set(line) >= {"time", "level", "message", "run"} for line in attended.lines)
    again = Attended(errand(settings))
    assert again.ending().how == "done"
    assert again.messages()[-1] == "nothing"


HANGS = {
    "a sleep": "time.sleep(600)",
    "a deaf loop in C": "signal.signal(signal.SIGTERM, signal.SIG_IGN); sum(range(10 ** 15))",
    "a deaf grandchild": """
        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        deaf += "print('grandchild', __import__('os').getpid(), flush=True); time.sleep(600)"
        subprocess.run([sys.executable, "-c", deaf])
        """,
}


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("hang", HANGS)
def test_a_plugin_that_hangs_is_ended(tmp_path: Path, hang: str) -> None:
    """It is said where it hung, in which series and on which line; the next night is free."""
    trick = "print('hangs', os.getpid(), flush=True)\n" + textwrap.dedent(HANGS[hang])
    settings = house(tmp_path, trick)
    attended = Attended(errand(settings))
    pids = [int(attended.until("hangs").split()[1])]
    if "grandchild" in hang:
        pids.append(int(attended.until("grandchild").split()[1]))
    attended.over()
    ending = attended.ending()
    assert ending.how == "deadline"
    assert ending.last == {"series": "feed BAD", "stage": "pull"}
    assert ending.reason.endswith("last heard of: feed BAD pull")
    assert all(dies(pid) for pid in pids)
    assert any("in fetch" in message for message in attended.messages())
    assert holder(settings.database_url(), "run") is None


def test_what_a_plugin_prints_is_a_line_of_its_own(tmp_path: Path) -> None:
    """However it prints, no log line is torn; and it finds nothing to read."""
    trick = """
        print("printed")
        print("to stderr", file=sys.stderr)
        os.write(1, b"never ended")
        import logging
        logging.getLogger("forecaster").info("between")
        os.write(2, b"\\xff\\n")
        print("read", repr(sys.stdin.read()))
        subprocess.run(["echo", "by another program"])
        """
    attended = Attended(errand(house(tmp_path, trick)))
    assert attended.ending().how == "done"
    printed = [line for line in attended.lines if line.get("origin") == "output"]
    messages = [line["message"] for line in printed]
    assert messages == [
        "printed", "to stderr", "never ended", "\\xff", "read ''", "by another program",
    ]  # fmt: skip
    assert all((line["series"], line["stage"]) == ("feed BAD", "pull") for line in printed)
    assert "between" in attended.messages()


@pytest.mark.parametrize(
    ("trick", "how"),
    [
        ("os._exit(0)", "killed"),
        ("raise SystemExit(0)", "done"),
        ("raise KeyboardInterrupt", "failed"),
        ("import threading; threading.Thread(target=time.sleep, args=(600,)).start()", "done"),
        ("os.close(0); os.close(1); os.close(2)", "done"),
    ],
)
def test_what_a_plugin_breaks_is_broken_for_one_night(tmp_path: Path, trick: str, how: str) -> None:
    """It ends the process at most, which is told; what it leaves running is not waited for."""
    settings = house(tmp_path, trick)
    ending = Attended(errand(settings)).ending()
    assert ending.how == how
    if how == "done":
        assert "AAA" in forecasts(settings)


def test_memory_beyond_the_limit_costs_one_series(tmp_path: Path) -> None:
    """An array that does not fit is an error of its series; the others are forecast."""
    more = "\n[daemon]\nmemory = 1000\n"
    settings = house(tmp_path, "np.ones(2 * 10**9 // 8)", more)
    attended = Attended(errand(settings))
    ending = attended.ending()
    assert (ending.code, ending.how) == (1, "done")
    assert forecasts(settings) == {"AAA"}
    assert any("MemoryError" in message for message in attended.messages())


def test_a_limit_that_is_too_small_is_named(tmp_path: Path) -> None:
    """Where not even the program fits, that is told, and the daemon lives.

    C code that was given no memory may end the process before Python can tell.
    """
    trick = "held.append(bytearray(10**6))"
    trick = f"held = sys.modules.setdefault('held', [])\nwhile True: {trick}"
    settings = house(tmp_path, trick, "\n[daemon]\nmemory = 700\n")
    ending = Attended(errand(settings)).ending()
    assert ending.how in ("memory", "killed")
    assert "memory" in ending.reason
    assert "700 MB" in ending.reason


def test_workers_have_the_limit_too(tmp_path: Path) -> None:
    """What the child starts inherits the limit of its address space."""
    trick = """
        subprocess.run([sys.executable, "-c",
            "import resource; print('limit', resource.getrlimit(resource.RLIMIT_AS)[0] >> 20)"])
        """
    attended = Attended(errand(house(tmp_path, trick, "\n[daemon]\nmemory = 1000\n")))
    assert attended.ending().how == "done"
    assert "limit 1000" in attended.messages()


def test_who_finds_another_at_work_says_so(tmp_path: Path) -> None:
    """It waits for nobody, and names who it is."""
    settings = house(tmp_path)
    with claim(settings.database_url(), "run", what="backfill", wait=False):
        ending = Attended(errand(settings)).ending()
    assert (ending.code, ending.how) == (3, "busy")
    assert f"process {os.getpid()} on " in ending.reason


def test_a_configuration_that_cannot_work_is_refused(tmp_path: Path) -> None:
    """The reason is one line, with what to do."""
    settings = house(tmp_path).model_copy(update={"series": []})
    ending = Attended(errand(settings)).ending()
    assert (ending.code, ending.how) == (2, "refused")
    assert ending.reason.startswith("no series is configured; ")


def test_a_database_that_has_gone_is_not_made_anew(tmp_path: Path) -> None:
    """A child never begins an empty ledger."""
    settings = house(tmp_path)
    (tmp_path / "forecaster.db").unlink()
    ending = Attended(errand(settings)).ending()
    assert ending.how == "failed"
    assert ending.reason.startswith("there is no database ")
    assert not (tmp_path / "forecaster.db").exists()


def test_only_the_plugins_that_may_load_do(tmp_path: Path) -> None:
    """What is not allowed is not there."""
    allowed = Errand(house(tmp_path), None, ("executors", "activations"))
    ending = Attended(allowed).ending()
    assert ending.how == "refused"
    assert "feed" in ending.reason


@contextmanager
def a_daemon(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that starts a child, as a daemon does."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "parent.py"), str(folder)], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("hang", ["a sleep", "a deaf loop in C"])
def test_a_child_dies_with_its_daemon(tmp_path: Path, hang: str) -> None:
    """Kill -9 of the daemon is enough, and the lock is free, whatever the child was doing."""
    settings = house(tmp_path, f"print('hangs', os.getpid(), flush=True); {HANGS[hang]}")
    with a_daemon(tmp_path) as daemon:
        assert daemon.stdout is not None
        pid = int(next(line for line in daemon.stdout if line.startswith("hangs")).split()[1])
        assert state(pid) in "RS"
        daemon.kill()
        daemon.wait()
        assert dies(pid)
        assert holder(settings.database_url(), "run") is None


def test_workers_die_with_the_daemon(tmp_path: Path) -> None:
    """Those of the executor as well, in the middle of a loop in C."""
    model = '[model]\nactivation = "stuck"'
    more = '\n[executor]\nname = "local"\n[plugins.local]\nworkers = 2\n'
    house(tmp_path, more=more)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("[model]", model))
    with a_daemon(tmp_path) as daemon:
        assert daemon.stdout is not None
        said = (line for line in daemon.stdout if line.startswith("worker"))
        pids = {int(next(said).split()[1]), int(next(said).split()[1])}
        assert len(pids) == 2
        daemon.kill()
        daemon.wait()
        assert all(dies(pid) for pid in pids)


def test_a_child_that_nobody_started_ends(tmp_path: Path) -> None:
    """Without an errand, with half of one, or with one of a process that is gone: at once."""
    line = write_errand(errand(house(tmp_path)), os.getppid())
    for text in (b"", line[:50], line):
        done = subprocess.run(
            rooms.COMMAND, check=False, input=text, capture_output=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (5, b"", b"")


def test_a_child_ends_when_its_pipe_does(tmp_path: Path) -> None:
    """Where no kernel kills it, the end of its request's pipe does."""
    trick = "print('hangs', flush=True); time.sleep(600)"
    line = write_errand(errand(house(tmp_path, trick)), os.getpid())
    process = subprocess.Popen(
        rooms.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(line)
            process.stdin.flush()
            while process.stdout.readline() != b"hangs\n":
                pass
            process.stdin.close()
            assert process.wait(timeout=10) == 5
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
