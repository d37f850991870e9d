"""The session that yfinance sends through: it sends little, and remembers what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from curl_cffi import requests
from curl_cffi.curl import CURL_WRITEFUNC_ERROR

from .pace import Pace

PRICES = "/v8/finance/chart/"
LARGEST = 16 * 1024 * 1024  # bytes; the prices of a hundred years take four million
# Of curl: the body cannot be decoded, or is larger than it may be. All others are the network's.
BODY_CODES = (61, 23)
LONGEST = 86_400.0  # seconds that a server may ask to be left alone for
LIMITED = (429, 999)  # 999 is Yahoo's own
COOKIES = (401, 403)  # what a server says that wants cookies


@dataclass
class Answer:
    """What the server said to one try.

    Attributes:
        status: of the answer with the prices; 0 if there was none.
        body: of the same.
        lost: the prices did not arrive whole.
        limited: some request was answered that there are too many.
        retry_after: seconds after which the server wants to be asked again, if it said so.
    """

    status: int = 0
    body: bytes = b""
    lost: bool = False
    limited: bool = False
    retry_after: float | None = None

    def record(self, response: requests.Response, *, prices: bool) -> None:
        """Remember an answer, which an error in the middle of its body may have cut."""
        self.limited |= response.status_code in LIMITED
        if response.status_code >= 400:
            self.retry_after = retry_after(response.headers.get("Retry-After"), time())
        if prices:
            self.status, self.body = response.status_code, response.content


class YahooSession(requests.Session[requests.Response]):
    """Sends one request a try: the one for prices.

    Before the first prices yfinance asks for cookies and a crumb, three or four requests, and
    after any status of 400 and more it does so again and asks for the same prices once more.
    Prices need neither, so those are refused here as if there were no network, which yfinance
    takes well, and the repeated question gets the answer that is known already. Only when Yahoo
    refuses prices without cookies does the next try let them pass, each page once.

    Attributes:
        answer: what was said since `begin`.
        sent: how many requests have gone out.
        with_cookies: whether requests for cookies are sent.
    """

    def __init__(self, pace: Pace) -> None:
        # Yahoo refuses clients that do not look like a browser.
        super().__init__(impersonate="chrome")
        self.answer = Answer()
        self.sent = 0
        self.with_cookies = False
        self._pace = pace
        self._known: dict[str, requests.Response] = {}

    def begin(self) -> None:
        """Forget the answer to the last try, and let cookies pass if it was refused for them."""
        if self.answer.status in COOKIES:
            # Those that we have do not help: without them at first, then with new ones.
            self.with_cookies = not self.with_cookies
            self._known.clear()
        self.answer = Answer()
        self._known.pop(PRICES, None)

    # yfinance gives nothing but the URL by position.
    def request(  # type: ignore[override]
        self, method: Any, url: str, **settings: Any
    ) -> requests.Response:
        """Send a request, or say why not in the way that yfinance understands."""
        prices = PRICES in url
        page = PRICES if prices else url
        if page in self._known:
            return self._known[page]
        if self.answer.limited or not (prices or self.with_cookies):
            raise requests.exceptions.DNSError("not sent")
        seconds = self._pace.turn()
        if not seconds:
            self.answer.lost |= prices
            raise requests.exceptions.Timeout("no time left")
        # Nothing legitimate sends prices elsewhere; curl's timeout is for the whole transfer.
        settings |= {"timeout": seconds} | ({"allow_redirects": False} if prices else {})
        response = self._send(method, url, settings, prices=prices)
        if prices or response.status_code not in LIMITED:
            self._known[page] = response
        return response

    def _send(
        self, method: Any, url: str, settings: dict[str, Any], *, prices: bool
    ) -> requests.Response:
        body = bytearray()

        def take(chunk: bytes) -> int:
            body.extend(chunk)
            return len(chunk) if len(body) <= LARGEST else CURL_WRITEFUNC_ERROR

        self.sent += 1
        try:
            response = super().request(method, url, content_callback=take, **settings)
        except requests.exceptions.RequestException as error:
            self.answer.lost |= prices and error.code not in BODY_CODES
            if isinstance(error.response, requests.Response):
                self.answer.record(error.response, prices=prices)
            raise
        response.content = bytes(body)
        self.answer.record(response, prices=prices)
        return response


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, None for none or nonsense.

    Args:
        header: a number of seconds, or a date of HTTP.
        now: seconds since the epoch.
    """
    text = (header or "").strip()
    try:
        if text.isascii() and text.isdigit():
            seconds = float(text[:12])
        else:
            seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError, TypeError):
        return None
    return min(seconds, LONGEST) if seconds > 0 else None
