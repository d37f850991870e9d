"""A server on a loopback socket that speaks Yahoo's chart JSON, for the real yfinance client.

It answers byte by byte, so that it can also answer wrongly.
"""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from .listings import Listing

CHART = "/v8/finance/chart/"


class Wire:
    """The server's end of one connection, whose request has been read."""

    def __init__(self, connection: socket.socket, stopped: threading.Event) -> None:
        self.connection = connection
        self.stopped = stopped

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send one byte after the other for as long as somebody listens, then silence."""
        for byte in data:
            self.send(bytes([byte]))
            if self.stopped.wait(every):
                return
        self.hush()

    def hush(self) -> None:
        """Say nothing for as long as somebody listens."""
        self.connection.settimeout(0.05)
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(4096):
                    return

    def reset(self) -> None:
        """End the connection so that the other side sees a reset."""
        now = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.connection.close()


class Sends(Protocol):
    """An answer of some kind."""

    def send(self, wire: Wire) -> None:
        """Answer the request that was read."""


@dataclass(frozen=True)
class Reply:
    """One HTTP answer as it should be."""

    status: int = 200
    body: str | bytes = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the body as bytes."""
        return self.body.encode() if isinstance(self.body, str) else self.body

    def head(self, length: int | None) -> bytes:
        """Return the status line and the headers."""
        known = {each.value: each.phrase for each in HTTPStatus}
        headers = {"Content-Type": self.content_type, "Connection": "close", **self.headers}
        if length is not None:
            headers["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {self.status} {known.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def send(self, wire: Wire) -> None:
        """Answer with the body's true length."""
        content = self.content()
        wire.send(self.head(len(content)) + content)


@dataclass(frozen=True)
class Fault:
    """An answer that is none."""

    act: Callable[[Wire], None]

    def send(self, wire: Wire) -> None:
        """Do what is wrong."""
        self.act(wire)


class YahooServer:
    """Answers for its listings; `override` answers instead of them where it returns something."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.listings: dict[str, Listing] = {}
        self.override: Callable[[str], Sends | None] = lambda _path: None
        self.asked: list[str] = []

    def list(self, *listings: Listing) -> None:
        """Offer instruments."""
        self.listings.update({each.symbol: each for each in listings})

    def charts_asked(self) -> list[str]:
        """Return the paths of the requests for prices."""
        return [path for path in self.asked if path.startswith(CHART)]

    def answer_charts(self, answer: Sends | None) -> None:
        """Answer every request for prices in this way; None: for the listings."""
        self.override = lambda path: answer if path.startswith(CHART) else None

    def reply(self, target: str) -> Sends:
        """Return the answer to a request."""
        self.asked.append(target)
        parts = urlsplit(target)
        override = self.override(parts.path)
        if override is not None:
            return override
        if parts.path.endswith("/getcrumb"):
            return Reply(body="crumb", content_type="text/plain")
        if not parts.path.startswith(CHART):
            return Reply(body="<p></p>", content_type="text/html")
        listing = self.listings.get(unquote(parts.path).removeprefix(CHART))
        if listing is None:
            return not_found()
        first, last = asked_for(target)
        return Reply(body=json.dumps(listing.chart(first, last)))


def asked_for(target: str) -> tuple[datetime, datetime]:
    """Return the range of a request for prices."""
    query = parse_qs(urlsplit(target).query)
    first, last = (
        datetime.fromtimestamp(int(query[name][0]), UTC) for name in ("period1", "period2")
    )
    return first, last


def not_found() -> Reply:
    """Return what Yahoo says about a symbol that it does not know."""
    return failed(404, "Not Found", "No data found, symbol may be delisted")


def failed(status: int, code: str, description: str) -> Reply:
    """Return an error in Yahoo's JSON."""
    error = {"code": code, "description": description}
    return Reply(status, json.dumps({"chart": {"result": None, "error": error}}))


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *args: object) -> None:
        """Take it that the client has gone."""


@contextmanager
def serving() -> Iterator[YahooServer]:
    """Run a YahooServer on a free loopback port."""
    stopped = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(10)
            asked = b""
            while b"\r\n\r\n" not in asked:
                chunk = self.request.recv(65536)
                asked += chunk
                if not chunk or asked[:1] not in b"GP":  # gone, or a TLS handshake
                    self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    return
            server.reply(asked.split(b" ")[1].decode()).send(Wire(self.request, stopped))

    listener = _Listener(("127.0.0.1", 0), Handler)
    server = YahooServer(f"http://127.0.0.1:{listener.server_address[1]}")
    # A short poll, because the thread is waited for at the end of each test.
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopped.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


def send_yahoo_to(address: str, patch: pytest.MonkeyPatch) -> None:
    """Send every request for a host of Yahoo's to `address`; forget what yfinance remembers.

    The base addresses of yfinance are constants that it copies at import, and those of its
    cookies stand in its code; so the one door that all requests take is turned.
    """
    from curl_cffi import requests
    from yfinance.data import SingletonMeta

    original = requests.Session.request

    def turned(self: Any, method: Any, url: str, **settings: Any) -> Any:
        parts = urlsplit(url)
        assert (parts.hostname or "").endswith("yahoo.com"), url
        target = address + parts.path + (f"?{parts.query}" if parts.query else "")
        return original(self, method, target, **settings)

    patch.setattr(requests.Session, "request", turned)
    patch.setattr(SingletonMeta, "_instances", {})
    patch.setenv("no_proxy", "*")
    patch.setenv("NO_PROXY", "*")
