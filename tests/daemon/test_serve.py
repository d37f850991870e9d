"""What the daemon tells from its tick: that it lives, and that its place is unsafe."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster.daemon import serve
from forecaster.daemon.serve import _warn_of_place
from forecaster.ledger import open_ledger

from .markets import BEGINNING, Templates, fake_clock
from .nursery import Nursery, until

AT_ONCE = 1000
"""Words that are awaited at most."""


class Manager:
    """A service manager, which hears what services tell."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(place)
        self._end.settimeout(20)

    def until(self, word: str) -> list[str]:
        """Return what is told up to a word."""
        told = []
        while not told or word not in told[-1]:
            assert len(told) < AT_ONCE
            told.append(self._end.recv(4096).decode())
        return told

    def close(self) -> None:
        """Listen no more."""
        self._end.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager at a place of its own."""
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


def test_a_service_lives_while_its_ledger_can_be_used(
    manager: Manager, nursery: Nursery, templates: Templates, tmp_path: Path
) -> None:
    """No sign of life while it cannot be, but the reason; when it can be again, as before."""
    markets = templates.copy("worked", tmp_path / "markets")
    environ = {"NOTIFY_SOCKET": manager.place, "SPARE": "20"} | fake_clock(BEGINNING)
    daemon = nursery.start("daemon", markets.folder, **environ)
    assert manager.until("READY")[-1] == "READY=1"
    assert manager.until("WATCHDOG")[-1] == "WATCHDOG=1"
    assert manager.until("STATUS")[-1] == "STATUS=all is well"
    assert until(lambda: not markets.open_runs())
    away = markets.database.with_name("away")
    markets.database.rename(away)
    manager.until("was removed or replaced")
    silent = [word for _ in range(3) for word in manager.until("STATUS")]
    assert all(word.startswith("STATUS=database ") for word in silent)
    away.rename(markets.database)
    manager.until("WATCHDOG")
    assert manager.until("STATUS")[-1] == "STATUS=all is well"
    daemon.signal(signal.SIGTERM)
    assert manager.until("STOPPING")[-1] == "STOPPING=1"
    assert daemon.wait(10) == 0


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "ext4"])
def test_a_place_where_locks_do_not_hold_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Of a database on another machine's disk the log says that it is not safe there."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"dev / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(serve, "MOUNTS", mounts)
    with open_ledger(f"sqlite:///{tmp_path / 'forecaster.db'}", create=True) as ledger:
        _warn_of_place(ledger)
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    unsafe = f"the database is on {kind} at {tmp_path}: its locks are not safe there"
    assert told == ([] if kind == "ext4" else [unsafe])
