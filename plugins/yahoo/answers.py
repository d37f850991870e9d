"""What Yahoo's server said, and what follows from it when yfinance gives no prices.

yfinance does not look at HTTP status codes and calls any empty answer "possibly delisted".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forecaster.errors import SourceError

if TYPE_CHECKING:
    from curl_cffi.requests import Response, Session

PRICES = "/v8/finance/chart/"
LATER = "try again later"


@dataclass
class Answer:
    """The last answer of the server that serves the prices, filled in while yfinance works.

    Attributes:
        statuses: the status codes of all requests, those for cookies included.
        status: of the last request for prices; 0 if none was answered.
        body: of the same.
    """

    statuses: list[int] = field(default_factory=list)
    status: int = 0
    body: str = ""

    def session(self) -> Session[Response]:
        """Return a session for yfinance that records what it is answered."""
        from curl_cffi import requests  # noqa: PLC0415 - only a fetch needs it

        answer = self

        class RecordingSession(requests.Session[requests.Response]):
            # yfinance gives nothing but the URL by position.
            def request(  # type: ignore[override]
                self, method: Any, url: str, **settings: Any
            ) -> Response:
                if PRICES in url:
                    answer.status, answer.body = 0, ""
                response = super().request(method, url, **settings)
                answer.record(url, response)
                return response

        # Yahoo refuses clients that do not look like a browser.
        return RecordingSession(impersonate="chrome")

    def record(self, url: str, response: Response) -> None:
        """Remember an answer."""
        self.statuses.append(response.status_code)
        if PRICES in url:
            self.status, self.body = response.status_code, response.text

    def chart(self) -> dict[str, Any]:
        """Return the object that the body holds, or an empty one."""
        try:
            return dict(json.loads(self.body)["chart"])
        except (ValueError, TypeError, KeyError):
            return {}

    def reason(self) -> tuple[str, str]:
        """Return the code and the description of the error that the body holds, or two blanks."""
        error = self.chart().get("error")
        if not isinstance(error, dict):
            return "", ""
        return str(error.get("code", "")), str(error.get("description", ""))[:200]

    def empty(self) -> bool:
        """Return whether the body describes the symbol but has no bars."""
        result = self.chart().get("result")
        if not (isinstance(result, list) and result and isinstance(result[0], dict)):
            return False
        return isinstance(result[0].get("meta"), dict) and not result[0].get("timestamp")


def failure(symbol: str, error: Exception, answer: Answer) -> SourceError:
    """Return the SourceError for a fetch that `error` ended, from what the server said."""
    code, description = answer.reason()
    if answer.status == 429 or type(error).__name__ == "YFRateLimitError":
        return SourceError(
            f"Yahoo limits requests (asked for {symbol})",
            remedy="wait for an hour or more before asking again",
            code="rate_limited",
        )
    if answer.status == 0 and isinstance(error, OSError):
        return SourceError(
            f"Yahoo could not be reached for {symbol}: {_first_line(error)}",
            remedy="check the network; the next run asks again",
            code="network",
        )
    if answer.status >= 500 or "Will be right back" in answer.body:
        return SourceError(
            f"Yahoo is down (HTTP {answer.status} for {symbol})", remedy=LATER, code="provider_down"
        )
    if answer.status == 404 and code == "Not Found":
        return SourceError(
            f"Yahoo knows no symbol {symbol}: {description}",
            remedy="look it up on finance.yahoo.com",
            code="unknown_symbol",
        )
    if (answer.status == 200 and answer.empty()) or description.startswith("Data doesn't exist"):
        return SourceError(
            f"Yahoo has no session of {symbol} since then", remedy=LATER, code="no_session"
        )
    return SourceError(
        f"Yahoo's answer for {symbol} cannot be used (HTTP {answer.status or 'none'}): "
        f"{description or _first_line(error)}",
        remedy=LATER,
        code="bad_response",
    )


def _first_line(error: Exception) -> str:
    if type(error).__name__.startswith("YF"):
        return "no prices in it"  # yfinance's own words are a guess at a delisting
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
