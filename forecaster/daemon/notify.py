"""What systemd is told (sd_notify(3)): that the daemon is ready, alive, and how it stands."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from math import inf

from forecaster.logfile import escaped


class Notifier:
    """Tells the service manager that started this process, if one did; it never raises.

    Args:
        environ: the environment, in which the service manager says where it listens.

    Attributes:
        interval: seconds from one sign of life to the next, half of what the service manager
            waits; infinity if it waits for none.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.interval = _interval(environ)

    def ready(self) -> None:
        """Tell that the start is over: what follows may rely on it."""
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """Tell in a line what is going on; `systemctl status` shows it."""
        self._tell(f"STATUS={escaped(text)}")

    def watchdog(self) -> None:
        """Tell that work goes on; without that for too long the service is restarted."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if self._address is None:
            return
        # A service manager that does not read must not hold up the work.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.setblocking(False)
            end.sendto(text.encode("utf-8", "backslashreplace"), self._address)


def _address(place: str) -> str | None:
    """Return the address of a socket: a path, or a name that begins with @ and is in no folder."""
    if place.startswith("/"):
        return place
    return f"\0{place[1:]}" if place.startswith("@") and len(place) > 1 else None


def _interval(environ: Mapping[str, str]) -> float:
    """Return half of what the service manager waits for a sign of life, if it waits for ours."""
    text, owner = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    mine = owner in ("", str(os.getpid()))
    return int(text) / 2e6 if mine and text.isdecimal() and int(text) else inf
