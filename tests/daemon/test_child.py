"""The process that works, as the daemon sees it: heard, ended in time, and nothing left of it."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from forecaster.config import Settings
from forecaster.daemon import child as rooms
from forecaster.daemon.child import Ending, Errand
from forecaster.daemon.lines import LONGEST, Lines

from .children import Attended, dies, nothing, offspring, scripted, state

END = """print('{"level": "INFO", "message": "done", "event": "end"}', flush=True)"""

HANGS = {
    "a sleep": "import time; time.sleep(600)",
    "a loop in C": "sum(range(10 ** 15))",
    "a regular expression": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "deaf to SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "deaf to everything": "for n in range(1, 32):\n  if n not in (9, 19): signal.signal(n, 1)\n"
    "while True: pass",
}
SAYS = """
import os, signal, time
signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a night says then where it is
print("here", os.getpid(), flush=True)
"""

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); "
FAMILY = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {DEAF + "time.sleep(600)"!r}],
                         stdout=subprocess.PIPE)
child.stdout.readline()
print("here", child.pid, flush=True)
"""


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SIGKILL follow soon."""
    monkeypatch.setattr(rooms, "GRACE", 0.5)


@pytest.mark.parametrize("hang", HANGS)
def test_what_hangs_is_ended_at_its_deadline(tmp_path: Path, hang: str) -> None:
    """Whatever a child does then, and whichever signals it ignores, it is gone soon after."""
    attended = Attended(nothing(tmp_path), command=scripted(SAYS + HANGS[hang]))
    pid = int(attended.until("here").split()[1])
    start = time.monotonic()
    attended.over()
    ending = attended.ending()
    assert time.monotonic() - start < 5
    assert ending.how == "deadline"
    assert ending.code < 0
    assert ending.reason.startswith("not done within ")
    assert state(pid) == "gone"


def test_its_own_children_go_with_it(tmp_path: Path) -> None:
    """At the deadline, one that ignores SIGTERM is killed as well."""
    attended = Attended(nothing(tmp_path), command=scripted(FAMILY + "child.wait()"))
    grandchild = int(attended.until("here").split()[1])
    attended.over()
    assert attended.ending().how == "deadline"
    assert dies(grandchild)


def test_what_it_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    """A child that is done takes the processes along that it started and forgot."""
    attended = Attended(nothing(tmp_path), command=scripted(FAMILY + END + "; os._exit(0)"))
    grandchild = int(attended.until("here").split()[1])
    assert attended.ending().how == "done"
    assert dies(grandchild)


def paced(folder: Path, patch: pytest.MonkeyPatch, said: list[dict[str, str]]) -> Ending:
    """Return how a child ends that says these lines.

    Nine tenths of its deadline pass after each that says "next"; it ends by itself when it has been
    looked at after the last of them.
    """
    last = sum(line["message"] == "next" for line in said)
    go, heard, looks = folder / "go", [0], [0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            looks[0] += heard[0] >= last
            if looks[0] == 3:
                go.touch()
            return time.monotonic() + 900 * heard[0]

    def hear(line: dict[str, Any]) -> None:
        heard[0] += line["message"] == "next"

    patch.setattr(rooms, "time", Clock)
    script = f"""
import json, os, time
for line in {said!r}: print(json.dumps(line), flush=True)
while not os.path.exists({str(go)!r}): time.sleep(0.01)
{END}
"""
    attended = Attended(nothing(folder), deadline=1000, command=scripted(script), heard=hear)
    return attended.ending()


@pytest.mark.parametrize(("event", "how"), [("night", "done"), ("other", "deadline")])
def test_each_night_has_the_whole_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str, how: str
) -> None:
    """Five nights that take nine tenths of the deadline each are done; without them it ends."""
    line = {"level": "INFO", "message": "next", "event": event}
    assert paced(tmp_path, monkeypatch, [line] * 5).how == how


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["pull"] * 4, ""),
        (["pull"] * 5, "not done within 66.6667 minutes"),
        (["pull"] * 4 + ["night"] + ["pull"] * 3, ""),
        (["pull"] * 4 + ["night"] + ["pull"] * 4, "not done within 66.6667 minutes"),
        (["train"] * 2, "not done within 16.6667 minutes"),
    ],
)
def test_all_answers_together_have_four_deadlines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[str], reason: str
) -> None:
    """Each question has the deadline of its own; all of them have four, as has the next night.

    What is no question to a source does not begin the deadline anew.
    """
    said = []
    for one in steps:
        if one != "night":
            said.append({"level": "INFO", "message": "begins", "event": "begin", "stage": one})
        event = "night" if one == "night" else "answer"
        said.append({"level": "INFO", "message": "next", "event": event})
    ending = paced(tmp_path, monkeypatch, said)
    assert ending.how == ("deadline" if reason else "done")
    assert ending.reason.startswith(reason)


@pytest.mark.parametrize("hang", ["a sleep", "deaf to everything"])
def test_it_is_stopped_in_time(tmp_path: Path, hang: str) -> None:
    """stop(within) returns when nothing is left, in that time, whatever the child ignores."""
    attended = Attended(nothing(tmp_path), command=scripted(SAYS + HANGS[hang]))
    pid = int(attended.until("here").split()[1])
    start = time.monotonic()
    attended.child.stop(within=3)
    assert time.monotonic() - start < 3
    assert not attended.child.alive
    assert state(pid) == "gone"
    assert attended.ending().how == "stopped"


def test_it_is_stopped_before_it_began(tmp_path: Path) -> None:
    """A stop that comes at once is heeded as well, and a second one does no harm."""
    attended = Attended(nothing(tmp_path), command=scripted("import time; time.sleep(600)"))
    attended.child.stop(within=5)
    attended.child.stop(within=5)
    assert attended.ending().how == "stopped"


def test_it_may_be_stopped_by_whom_it_talks_to(tmp_path: Path) -> None:
    """A stop out of the thread that attends to it does not wait for itself."""
    stop = threading.Event()

    def heard(line: dict[str, Any]) -> None:
        stop.wait(10)
        attended.child.stop(within=5)

    script = scripted(SAYS + HANGS["a sleep"])
    attended = Attended(nothing(tmp_path), command=script, heard=heard)
    stop.set()
    assert attended.ending().how == "stopped"


@pytest.mark.parametrize(
    ("script", "how", "reason"),
    [
        (END, "done", ""),
        (END + "; raise SystemExit(1)", "done", ""),
        ("raise SystemExit(0)", "killed", "it ended with exit code 0 before it was done"),
        ("raise SystemExit(1)", "killed", "it ended with exit code 1 before it was done"),
        ("raise SystemExit(2)", "refused", ""),
        ("raise SystemExit(3)", "busy", ""),
        ("raise SystemExit(4)", "memory", ""),
        ("raise SystemExit(5)", "failed", ""),
        ("raise SystemExit(77)", "killed", "it ended with exit code 77 before it was done"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "it ended with SIGKILL before it was"),
        ("import os; os.abort()", "killed", "it ended with SIGABRT before it was done"),
    ],
)
def test_how_it_ended_is_told(tmp_path: Path, script: str, how: str, reason: str) -> None:
    """Exit codes have meanings; a code of success counts only with the word that all is done."""
    ending = Attended(nothing(tmp_path), command=scripted(script)).ending()
    assert ending.how == how
    assert ending.reason.startswith(reason)
    assert bool(ending.reason) == bool(reason)


def test_a_limit_of_memory_is_a_suspect(tmp_path: Path) -> None:
    """C code that gets no memory ends the process: the limit is named."""
    settings = Settings.model_validate({"folder": tmp_path, "daemon": {"memory": 512}})
    errand = Errand(settings, None, None)
    ending = Attended(errand, command=scripted("import os; os.abort()")).ending()
    assert ending.reason.endswith("perhaps for lack of memory (limit 512 MB)")


def test_a_program_that_cannot_be_started_has_an_ending(tmp_path: Path) -> None:
    """Where no process can be had, that is told as every other end."""
    ending = Attended(nothing(tmp_path), command=[str(tmp_path / "none")]).ending()
    assert (ending.code, ending.how) == (-1, "failed")
    assert "No such file" in ending.reason


def test_the_last_error_is_the_reason_and_the_last_place_is_known(tmp_path: Path) -> None:
    """A deadline says what the child was at; a beginning is noted, and not passed on."""
    lines = [
        {"level": "ERROR", "message": "the disk is full", "run": "XNYS 2026-11-20"},
        {"level": "Level 5", "message": "begins", "event": "begin", "stage": "pull", "series": "A"},
        {"level": "INFO", "message": "here", "run": None, "series": None, "stage": None},
    ]
    script = f"for each in {lines!r}: print(json.dumps(each), flush=True)\n"
    command = scripted(f"import json, time\n{script}time.sleep(600)")
    attended = Attended(nothing(tmp_path), command=command)
    attended.until("here")
    attended.over()
    ending = attended.ending()
    assert attended.messages()[:2] == ["the disk is full", "here"]
    assert ending.last == {"series": "A", "stage": "pull"}
    assert ending.reason.endswith("last heard of: A pull")

    command = scripted(f"import json, time\n{script}raise SystemExit(5)")
    ending = Attended(nothing(tmp_path), command=command).ending()
    assert (ending.how, ending.reason) == ("failed", "the disk is full")


PRINTED = {
    "hello": ("INFO", "hello"),
    "  two words \r": ("INFO", "two words"),
    "ValueError: no": ("WARNING", "ValueError: no"),
    '{"level": "INFO"}': ("INFO", '{"level": "INFO"}'),
    '{"level": 3, "message": "x"}': ("INFO", '{"level": 3, "message": "x"}'),
    "[" * 5000: ("INFO", "[" * 5000),
    "\x00\x1b[31m": ("INFO", "\x00\x1b[31m"),
    "\udcff\udcfe": ("INFO", "\\xff\\xfe"),
}


def test_everything_printed_becomes_a_log_line(tmp_path: Path) -> None:
    """Log lines are passed on as they are, the rest as messages, about what the last one was."""
    first = {"level": "INFO", "message": "m", "run": None, "series": "A", "extra": [1, {"b": 2}]}
    text = "\n\n".join([json.dumps(first), *PRINTED, "never ended"])
    file = tmp_path / "text"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    attended = Attended(nothing(tmp_path), command=["cat", str(file)])
    attended.ending()
    assert attended.lines[0] == first
    said = [(line["level"], line["message"]) for line in attended.lines[1:]]
    assert said == [*PRINTED.values(), ("INFO", "never ended")]
    assert all(line["series"] == "A" for line in attended.lines)
    assert all(line["origin"] == "output" for line in attended.lines[1:])


def test_both_outputs_are_heard(tmp_path: Path) -> None:
    """What is printed to standard error arrives too."""
    script = f"import os; os.write(2, b'from 2\\n'); os.write(1, b'from 1\\n'); {END}"
    attended = Attended(nothing(tmp_path), command=scripted(script))
    assert attended.ending().how == "done"
    assert attended.messages() == ["from 2", "from 1", "done"]


def test_a_line_of_5_mb_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    """Nothing is kept of it beyond its beginning."""
    script = f"import os; os.write(1, b'x' * 5_000_000 + b'\\nnext\\n'); {END}"
    attended = Attended(nothing(tmp_path), command=scripted(script))
    assert attended.ending().how == "done"
    long, *rest = attended.messages()
    assert long == "x" * LONGEST
    assert rest == ["next", "done"]


def test_pieces_make_the_same_lines_wherever_they_are_cut() -> None:
    """The lines of a text do not depend on how it arrives; little of a long one is ever kept."""
    text = b"one\n\ntwo " + b"y" * (2 * LONGEST) + b"\nthree\n" + b"z" * LONGEST + b"\nfour"
    wanted = [b"one", (b"two " + b"y" * LONGEST)[:LONGEST], b"three", b"z" * LONGEST, b"four"]
    for size in (1, 7, 4096, LONGEST, LONGEST + 1, len(text)):
        lines, found = Lines(), []
        for start in range(0, len(text), size):
            found += lines.cut(text[start : start + size])
            assert len(lines._begun) <= LONGEST
        assert [*found, *lines.rest()] == wanted, size


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """A relay that raises is called again with the next line."""

    def heard(line: dict[str, Any]) -> None:
        raise OSError("the disk is full")

    command = scripted(f"print('one'); print('two'); {END}")
    attended = Attended(nothing(tmp_path), command=command, heard=heard)
    assert attended.ending().how == "done"
    assert attended.messages() == ["one", "two", "done"]


def large(folder: Path) -> Errand:
    """Return an errand that no pipe takes at once."""
    series = [{"source": "s", "symbol": f"S{number}"} for number in range(20_000)]
    return Errand(Settings.model_validate({"folder": folder, "series": series}), None, None)


def test_a_long_request_arrives_whole(tmp_path: Path) -> None:
    """It is written as it is read, while what the child says meanwhile is heard."""
    script = f"""
import json, sys
print("x" * 300_000, flush=True)
print(len(sys.stdin.readline()), flush=True)
{END}
"""
    attended = Attended(large(tmp_path), command=scripted(script))
    assert attended.ending().how == "done"
    assert int(attended.messages()[1]) > 500_000


def test_a_request_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """A child that closes its input is heard on; one that never reads has its deadline."""
    script = f"import os, sys; os.close(0); print('closed', flush=True); {END}"
    assert Attended(large(tmp_path), command=scripted(script)).ending().how == "done"
    attended = Attended(large(tmp_path), command=scripted(SAYS + HANGS["a sleep"]))
    attended.until("here")
    attended.over()
    assert attended.ending().how == "deadline"


def test_it_goes_on_without_its_output(tmp_path: Path) -> None:
    """A child whose outputs something has closed is waited for all the same."""
    script = "import os; os.close(1); os.close(2); os.read(0, 1); os._exit(5)"
    assert Attended(nothing(tmp_path), command=scripted(script)).ending().how == "failed"


def test_it_has_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread for BLAS, a group of its own, and no word to the service manager."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    script = f"""
import json, os
own = os.getpgrp() == os.getsid(0) == os.getpid()
print(json.dumps([os.environ["OPENBLAS_NUM_THREADS"], "NOTIFY_SOCKET" in os.environ, own]))
{END}
"""
    attended = Attended(nothing(tmp_path), command=scripted(script))
    attended.ending()
    assert attended.messages()[0] == '["1", false, true]'


def test_no_secret_is_on_the_command_line(tmp_path: Path) -> None:
    """The password of the database goes through a pipe."""
    url = "postgresql://me:hidden@host/name"
    settings = Settings.model_validate({"folder": tmp_path, "database": {"url": url}})
    script = f"import sys; print(sys.argv, 'hidden' in sys.stdin.readline()); {END}"
    attended = Attended(Errand(settings, None, None), command=scripted(script))
    attended.ending()
    assert attended.messages()[0] == "['-c'] True"
    assert "hidden" not in " ".join(rooms.COMMAND)


def test_thirty_children_leave_nothing(tmp_path: Path) -> None:
    """No descriptor, no thread and no process: of those that are done, and of those killed."""

    def left() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before, others = left(), offspring()  # what other tests have started may be there
    for number in range(30):
        script = END if number % 3 else SAYS + HANGS["a sleep"]
        attended = Attended(nothing(tmp_path), command=scripted(script))
        if number % 3 == 0:
            attended.until("here")
            attended.child.stop(within=10)
        attended.ending()
    assert left() == before
    assert offspring() <= others
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
