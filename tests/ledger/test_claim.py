"""One process at a time: who has a lock, who is told of it, and when it is free again."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from forecaster.errors import LedgerError
from forecaster.ledger.advisory import AdvisoryLock
from forecaster.ledger.claim import claim, holder
from forecaster.ledger.engine import parse_url
from forecaster.ledger.locks import Holder

CLAIMANT = str(Path(__file__).with_name("claimant.py"))

Process = subprocess.Popen[str]


@contextmanager
def started(*arguments: str) -> Iterator[Process]:
    """Start claimants, and end them with all that they started."""
    process = subprocess.Popen(
        [sys.executable, CLAIMANT, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def said(process: Process) -> str:
    """Return the next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def refused(url: str, name: str = "run") -> LedgerError:
    """Return why a lock cannot be had."""
    with pytest.raises(LedgerError) as caught, claim(url, name, what="run", wait=False):  # type: ignore[arg-type]
        pass
    return caught.value


def test_of_50_at_once_one_gets_it_and_the_others_say_who(blank_url: str) -> None:
    """50 processes start at the same moment; after kill -9 of the one, the next gets it at once."""
    with started(blank_url, "crowd", "50") as crowd:
        lines = [said(crowd) for _ in range(50)]
        [held] = [line for line in lines if line.startswith("held ")]
        pid = int(held.split()[1])
        busy = [line for line in lines if line != held]
        assert len(busy) == 49
        assert all(line.startswith("busy a daemon runs on database ") for line in busy)
        assert all(f"already: process {pid} on " in line for line in busy), busy
        os.kill(pid, signal.SIGKILL)
        assert crowd.wait(timeout=10) == 0
        taken = threading.Event()
        with claim(blank_url, "daemon", what="daemon", wait=True, waiting=lambda _: taken.set()):
            assert not taken.is_set()  # under a second


def test_what_a_holder_started_does_not_keep_its_lock(blank_url: str) -> None:
    """Neither a program nor a copy of the process, both alive, has the lock of the killed one."""
    with started(blank_url, "hold") as process:
        others = [int(each) for each in said(process).split()]
        error = refused(blank_url)
        assert error.code == "busy"
        assert f"is being worked on by process {process.pid} on " in error.message
        assert error.message.endswith(" UTC)")
        assert "(backfill, since 20" in error.message
        assert error.remedy == "run again when it has ended"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        with claim(blank_url, "run", what="run", wait=True):
            for other in others:
                os.kill(other, 0)  # is there


def test_who_waits_is_told_once_and_then_gets_it(
    blank_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With wait=True the holder is named once, however long it takes."""
    monkeypatch.setattr("forecaster.ledger.claim.SILENCE", 0.01)
    monkeypatch.setattr("forecaster.ledger.claim.POLL", 0.01)
    told: list[Holder | None] = []
    polls: list[float] = []

    with ExitStack() as held:
        held.enter_context(claim(blank_url, "run", what="backfill", wait=False))

        def pause(seconds: float) -> None:
            polls.append(seconds)
            if len(polls) == 20:
                held.close()
            threading.Event().wait(seconds)

        monkeypatch.setattr("forecaster.ledger.claim.time.sleep", pause)
        with claim(blank_url, "run", what="run", wait=True, waiting=told.append):
            assert len(polls) >= 20
    [one] = told
    assert one is not None
    assert (one.pid, one.what) == (os.getpid(), "backfill")


def test_the_two_locks_are_two(blank_url: str) -> None:
    """A daemon does not keep `run` from working, nor one database another."""
    with (
        claim(blank_url, "daemon", what="daemon", wait=False),
        claim(blank_url, "run", what="run", wait=False),
    ):
        assert refused(blank_url, "daemon").code == "busy"
        assert refused(blank_url).code == "busy"


def test_holder_tells_whether_the_lock_is_free(blank_url: str) -> None:
    """Before, while and after somebody has it; looking neither takes nor creates anything."""
    assert holder(blank_url, "run") is None
    with claim(blank_url, "run", what="run", wait=False):
        found = holder(blank_url, "run")
        assert found is not None
        assert (found.pid, found.what) == (os.getpid(), "run")
        assert str(found).startswith(f"process {os.getpid()} on ")
        assert holder(blank_url, "daemon") is None
    assert holder(blank_url, "run") is None


def test_an_error_inside_gives_the_lock_back(blank_url: str) -> None:
    """Whatever is raised while the lock is held, the next one gets it."""
    with pytest.raises(ZeroDivisionError), claim(blank_url, "run", what="run", wait=False):
        raise ZeroDivisionError
    assert holder(blank_url, "run") is None


def test_looking_never_turns_anybody_away(tmp_path: Path) -> None:
    """While a thread looks without a pause, each of 300 claims succeeds."""
    url, stop = f"sqlite:///{tmp_path / 'a.db'}", threading.Event()
    with claim(url, "run", what="run", wait=False):
        pass

    def look() -> None:
        while not stop.is_set():
            holder(url, "run")

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for each in lookers:
        each.start()
    got = 0
    try:
        for _ in range(300):
            with claim(url, "run", what="run", wait=False):
                got += 1
    finally:
        stop.set()
        for each in lookers:
            each.join()
    assert got == 300


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Return the URL of a database file that does not exist."""
    return f"sqlite:///{tmp_path / 'a.db'}"


def test_the_file_is_its_owners_alone_and_stays(file_url: str, tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, not inherited, there before and after."""
    path = tmp_path / "a.db.run.lock"
    before = os.umask(0)
    try:
        with claim(file_url, "run", what="run", wait=False):
            node = path.stat()
            assert stat.S_IMODE(node.st_mode) == 0o600
            mine = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if same(fd, node)]
            assert [os.get_inheritable(fd) for fd in mine] == [False]
    finally:
        os.umask(before)
    assert path.stat().st_ino == node.st_ino


def same(fd: Path, node: os.stat_result) -> bool:
    """Say whether a descriptor is of a file."""
    try:
        return os.path.samestat(fd.stat(), node)
    except OSError:  # it was the listing's own
        return False


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder"])
def test_what_is_no_file_is_refused(file_url: str, tmp_path: Path, what: str) -> None:
    """Nothing is written through a link, and nothing waits for the other end of a pipe."""
    path, victim = tmp_path / "a.db.run.lock", tmp_path / "victim"
    victim.write_text("precious")
    if what == "a link":
        path.symlink_to(victim)
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    error = refused(file_url)
    assert error.code == "unwritable"
    assert str(path) in error.message
    assert victim.read_text() == "precious"


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    """The reason is said, with what to do."""
    error = refused(f"sqlite:///{tmp_path / 'none' / 'a.db'}")
    assert error.message.endswith("No such file or directory")
    assert error.remedy


def test_a_database_in_memory_is_nobody_elses(tmp_path: Path) -> None:
    """Nothing is locked and no file appears, whichever way it is written."""
    urls = ("sqlite://", "sqlite:///:memory:", "sqlite:///file:a?mode=memory&uri=true")
    for url in urls:
        with (
            claim(url, "run", what="run", wait=False),
            claim(url, "run", what="run", wait=False),
        ):
            assert holder(url, "run") is None


def test_a_database_has_one_lock_by_whatever_name(tmp_path: Path) -> None:
    """A link, an SQLite URI and a path with dots lead to the same file, and to the same lock."""
    (tmp_path / "a.db").touch()
    (tmp_path / "link.db").symlink_to("a.db")
    names = (
        f"sqlite:///{tmp_path}/link.db",
        f"sqlite:///file:{tmp_path}/a.db?uri=true",
        f"sqlite:///{tmp_path}/../{tmp_path.name}/a.db",
    )
    with claim(f"sqlite:///{tmp_path}/a.db", "run", what="run", wait=False):
        assert {refused(name).code for name in names} == {"busy"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_what_root_locks_stays_its_owners(file_url: str, tmp_path: Path) -> None:
    """A command that root ran once does not keep the daemon's own user out."""
    (tmp_path / "a.db").touch()
    os.chown(tmp_path / "a.db", 65534, 65534)
    with claim(file_url, "run", what="run", wait=False):
        assert (tmp_path / "a.db.run.lock").stat().st_uid == 65534


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]", "\x00\xff"])
def test_what_the_file_says_decides_nothing(file_url: str, tmp_path: Path, text: str) -> None:
    """A lock whose file says nonsense is free, or held by someone unknown."""
    path = tmp_path / "a.db.run.lock"
    path.write_text(text)
    assert holder(file_url, "run") is None
    with claim(file_url, "run", what="run", wait=False):
        path.write_text(text)
        assert str(holder(file_url, "run")) == "another process"


def test_who_died_is_never_named(file_url: str, tmp_path: Path) -> None:
    """What a killed holder has left in the file is not said of the next one."""
    path = tmp_path / "a.db.run.lock"
    with claim(file_url, "run", what="run", wait=False):
        gone = subprocess.Popen(["true"])
        gone.wait()
        path.write_text(path.read_text().replace(str(os.getpid()), str(gone.pid), 1))
        assert str(holder(file_url, "run")) == "another process"


def test_a_server_that_is_not_there_is_one_line() -> None:
    """The password is in no message."""
    url = "postgresql://me:hidden@127.0.0.1:1/none"
    with pytest.raises(LedgerError) as caught:
        holder(url, "run")
    assert caught.value.code == "database"
    assert "hidden" not in str(caught.value)


def test_a_long_host_name_is_cut(
    postgresql_ledger: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL keeps 63 bytes of what a holder says; process and work are among them."""
    url = parse_url(postgresql_ledger.url.render_as_string(hide_password=False))  # type: ignore[attr-defined]
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 80)
    with claim(url, "daemon", what="daemon", wait=False):
        found = holder(url, "daemon")
    assert found is not None
    assert (found.pid, found.what) == (os.getpid(), "daemon")
    assert set(found.host) == {"h"}
    lock = AdvisoryLock(url, "run")
    assert lock.holder() is None
    lock.close()
