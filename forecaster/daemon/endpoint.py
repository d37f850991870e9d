"""The optional HTTP endpoint, for programs on this machine: /healthz and /metrics."""

import json
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Self

from forecaster.config import Settings
from forecaster.daemon.health import Health, check_health, overdue_sessions
from forecaster.daemon.metrics import Figures, StageSeconds, exposition
from forecaster.errors import ForecasterError
from forecaster.job.schedule import sessions_due
from forecaster.ledger import Ledger
from forecaster.logs import LOG
from forecaster.market import Calendars

LOOPBACK = "127.0.0.1"
NAMES = frozenset(("localhost", LOOPBACK, "[::1]"))
"""What this machine calls itself. A page in a browser that had its own name lead here would be
refused: it comes with that name."""

_HOST = re.compile(r"(\[[0-9a-f:]+\]|[^:\[\]]+)(:[0-9]+)?")

SECONDS = 5.0
"""For a request to arrive and for an answer to be taken."""

AT_ONCE = 8
"""Requests; one more is closed without an answer."""

BELIEVED = timedelta(minutes=1)
"""For which the metrics' number of overdue sessions is: with ten thousand series it costs 0.2 s."""

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

TEXT = "text/plain; charset=utf-8"

INSTALL = "there are no metrics here: pip install 'forecaster[metrics]'\n"


class Endpoint:
    """Serves in threads of its own, which end with the process.

    Args:
        port: of this machine; 0 takes a free one.
        health: returns how the program stands.
        metrics: returns the metrics as Prometheus reads them, with their content type; None if
            prometheus-client is not installed.

    Raises:
        ForecasterError: the port is taken, or may not be.
    """

    def __init__(
        self,
        port: int,
        health: Callable[[], Health],
        metrics: Callable[[], tuple[bytes, str]] | None,
    ) -> None:
        self._health, self._metrics = health, metrics
        self._one = Lock()  # what many ask at once costs what one costs at a time
        try:
            self._server = _Server((LOOPBACK, port), self._answer)
        except OSError as error:
            raise ForecasterError(  # not of the configuration: it may be free again
                f"port {port} cannot be used: {error.strerror}",
                remedy="choose another one ([daemon] port)",
                code="port",
            ) from error
        self._thread = Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Answer nobody any more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> Answer:
        with self._one:
            if path == "/healthz":
                found = self._health()
                body = json.dumps(found.document(), indent=2).encode()
                return 200 if found.ok else 503, "application/json", body
            if path == "/metrics":
                if self._metrics is None:
                    return 501, TEXT, INSTALL.encode()
                text, kind = self._metrics()
                return 200, kind, text
        return 404, TEXT, b"there are /healthz and /metrics\n"


class _Server(ThreadingHTTPServer):
    """A server with so many threads at most."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = AT_ONCE

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self._free = BoundedSemaphore(AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without asking a name server who this is."""
        self.allow_reuse_address = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or not at all if there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and let the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  as it is called
        """Note what went wrong; whoever went away before the answer is no failure."""
        LOG.debug("the endpoint could not answer", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    timeout = SECONDS
    server: "_Server"

    def do_GET(self) -> None:
        """Answer."""
        self._send(*self._found(), body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._send(*self._found(), body=False)

    def _found(self) -> Answer:
        if not _is_ours(self.headers.get_all("Host") or []):
            return 403, TEXT, b"only for localhost\n"
        try:
            return self.server.answer(self.path.partition("?")[0])
        except Exception as error:  # noqa: BLE001  whatever it is, somebody waits for an answer
            LOG.exception("the endpoint failed")
            return 500, TEXT, f"{type(error).__name__}; the log says more\n".encode()

    def _send(self, status: int, kind: str, content: bytes, *, body: bool) -> None:
        self.send_response_only(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request in one line, without saying which program this is."""
        del explain
        self.close_connection = True
        with suppress(OSError, AttributeError):
            self._send(code, TEXT, f"{message or 'refused'}\n".encode(), body=True)

    def log_message(self, *_: Any) -> None:
        """Log nothing: what is asked may hold anything."""


def _is_ours(hosts: list[str]) -> bool:
    """Say whether a request was meant for this machine, by the name that it calls."""
    if len(hosts) != 1:
        return False
    found = _HOST.fullmatch(hosts[0].strip().lower())
    return found is not None and found[1] in NAMES


def open_endpoint(
    port: int,
    ledger: Ledger,
    rules: Callable[[], tuple[Settings, Calendars]],
    clock: Callable[[], datetime],
) -> Endpoint:
    """Return the daemon's endpoint, answering; from now on the seconds of stages are summed.

    Args:
        port: of this machine.
        ledger: open.
        rules: returns the settings and calendars in force.
        clock: what time it is.

    Raises:
        ForecasterError: the port cannot be used.
    """

    def health() -> Health:
        settings, calendars = rules()
        return check_health(settings, ledger, clock(), calendars)

    counted: list[tuple[datetime, int]] = []

    def overdue() -> int:
        (settings, calendars), moment = rules(), clock()
        if not counted or not timedelta() <= moment - counted[0][0] < BELIEVED:
            arrivals = sessions_due(ledger, settings, calendars, moment)
            found = overdue_sessions(ledger, arrivals, moment)
            counted[:] = [(moment, len(found))]
        return counted[0][1]

    stages = StageSeconds()
    endpoint = Endpoint(port, health, exposition(Figures(ledger, stages, overdue, clock)))
    LOG.addHandler(stages)
    return endpoint.start()
