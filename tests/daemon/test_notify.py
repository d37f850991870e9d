"""What systemd is told, over a real socket."""

import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def listening(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket and how the environment names it."""
    place = str(tmp_path / "notify") if request.param == "path" else f"@forecaster-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(place.replace("@", "\0", 1) if place.startswith("@") else place)
        end.settimeout(5)
        yield end, place


def test_each_word_arrives_as_a_datagram(listening: tuple[socket.socket, str]) -> None:
    """READY, STATUS, WATCHDOG and STOPPING are said as sd_notify(3) has them."""
    end, place = listening
    notifier = Notifier({"NOTIFY_SOCKET": place})
    notifier.ready()
    notifier.status("waiting for\nXNYS 2026-11-20 \N{EURO SIGN}")
    notifier.watchdog()
    notifier.stopping()
    told = [end.recv(4096).decode() for _ in range(4)]
    assert told == [
        "READY=1", r"STATUS=waiting for\nXNYS 2026-11-20 €", "WATCHDOG=1", "STOPPING=1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "place", ["", "@", "relative", "/nowhere/at/all", "/" + "x" * 200, "@" + "x" * 200]
)
def test_without_a_listener_nothing_happens(place: str) -> None:
    """No socket, a wrong one, or one that nobody listens on: silence, and no exception."""
    assert Notifier({"NOTIFY_SOCKET": place}).ready() is None  # type: ignore[func-returns-value]


def test_a_listener_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """When its queue is full, words are dropped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(5000):
            notifier.watchdog()
        assert end.recv(64) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, math.inf),
        ({"WATCHDOG_USEC": "300000000"}, 150.0),
        ({"WATCHDOG_USEC": "300000000", "WATCHDOG_PID": str(os.getpid())}, 150.0),
        ({"WATCHDOG_USEC": "300000000", "WATCHDOG_PID": "1"}, math.inf),
        ({"WATCHDOG_USEC": "0"}, math.inf),
        ({"WATCHDOG_USEC": "soon"}, math.inf),
    ],
)
def test_signs_of_life_come_twice_as_often_as_they_must(
    environ: dict[str, str], interval: float
) -> None:
    """Half of WATCHDOG_USEC, if it is meant for this process."""
    assert Notifier(environ).interval == interval
