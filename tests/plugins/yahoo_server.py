"""A server on a loopback socket that speaks Yahoo's chart JSON, for the real yfinance client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

CHART = "/v8/finance/chart/"
Row = tuple[float | None, float | None, float | None, float | None, int | None]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"


@dataclass(frozen=True)
class Listing:
    """What really happened to one instrument, told the way Yahoo tells it: adjusted for splits.

    Attributes:
        bars: session -> open, high, low, close, volume as traded; None is null.
        splits: session -> numerator, denominator.
        dividends: session -> amount per share as held before a split of the same session.
    """

    symbol: str
    bars: Mapping[date, Row]
    splits: Mapping[date, tuple[int, int]] = field(default_factory=dict)
    dividends: Mapping[date, float] = field(default_factory=dict)
    exchange: str = "NMS"
    zone: str = "America/New_York"
    opens: time = time(9, 30)
    currency: str = "USD"
    instrument: str = "EQUITY"

    def reply(self, start: datetime, end: datetime) -> Reply:
        """Return the chart of the sessions that open in [start, end)."""
        days = [day for day in sorted(self.bars) if start <= self._opening(day) < end]
        return Reply(body=json.dumps({"chart": {"result": [self._result(days)], "error": None}}))

    def _result(self, days: Sequence[date]) -> dict[str, Any]:
        meta = {
            "symbol": self.symbol,
            "currency": self.currency,
            "exchangeName": self.exchange,
            "exchangeTimezoneName": self.zone,
            "instrumentType": self.instrument,
            "priceHint": 2,
            "validRanges": ["1d", "5d", "1mo", "1y", "10y", "max"],
            "dataGranularity": "1d",
        }
        if not days:
            return {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        quote = {
            name: [self._adjusted(day, column) for day in days]
            for column, name in enumerate(("open", "high", "low", "close", "volume"))
        }
        return {
            "meta": meta,
            "timestamp": [self._stamp(day) for day in days],
            "events": self._events(days[0]),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]},
        }

    def _events(self, first: date) -> dict[str, Any]:
        return {
            "splits": {
                str(self._stamp(day)): {
                    "date": self._stamp(day),
                    "numerator": numerator,
                    "denominator": denominator,
                    "splitRatio": f"{numerator}:{denominator}",
                }
                for day, (numerator, denominator) in self.splits.items()
                if day >= first
            },
            "dividends": {
                str(self._stamp(day)): {
                    "date": self._stamp(day),
                    "amount": amount / self._later_splits(day) / self._split(day),
                }
                for day, amount in self.dividends.items()
                if day >= first
            },
        }

    def _adjusted(self, day: date, column: int) -> float | None:
        value = self.bars[day][column]
        if value is None:
            return None
        later = self._later_splits(day)
        return value * later if column == 4 else value / later

    def _later_splits(self, day: date) -> float:
        product = 1.0
        for split_day in self.splits:
            product *= self._split(split_day) if split_day > day else 1.0
        return product

    def _split(self, day: date) -> float:
        numerator, denominator = self.splits.get(day, (1, 1))
        return numerator / denominator

    def _opening(self, day: date) -> datetime:
        return datetime.combine(day, self.opens, tzinfo=ZoneInfo(self.zone))

    def _stamp(self, day: date) -> int:
        return int(self._opening(day).timestamp())


class YahooServer:
    """Answers for its listings; `override` answers instead of them where it returns a Reply."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.listings: dict[str, Listing] = {}
        self.override: Callable[[str], Reply | None] = lambda _path: None
        self.asked: list[str] = []

    def list(self, *listings: Listing) -> None:
        """Offer instruments."""
        self.listings.update({each.symbol: each for each in listings})

    def charts_asked(self) -> list[str]:
        """Return the paths of the requests for prices."""
        return [path for path in self.asked if path.startswith(CHART)]

    def reply(self, target: str) -> Reply:
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
        listing = self.listings.get(parts.path.removeprefix(CHART))
        if listing is None:
            return not_found()
        query = parse_qs(parts.query)
        first, last = (
            datetime.fromtimestamp(int(query[name][0]), UTC) for name in ("period1", "period2")
        )
        return listing.reply(first, last)


def not_found() -> Reply:
    """Return what Yahoo says about a symbol that it does not know."""
    return failed(404, "Not Found", "No data found, symbol may be delisted")


def failed(status: int, code: str, description: str) -> Reply:
    """Return an error in Yahoo's JSON."""
    error = {"code": code, "description": description}
    return Reply(status, json.dumps({"chart": {"result": None, "error": error}}))


@contextmanager
def serving() -> Iterator[YahooServer]:
    """Run a YahooServer on a free loopback port."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server = YahooServer(f"http://127.0.0.1:{httpd.server_address[1]}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = server.reply(self.path)
            body = reply.body.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    httpd.RequestHandlerClass = Handler
    # A short poll, because the thread is waited for at the end of each test.
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
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
