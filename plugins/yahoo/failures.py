"""What follows from the server's answer when yfinance gives no prices.

yfinance does not look at HTTP status codes and calls any empty answer "possibly delisted".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from forecaster.errors import SourceError

if TYPE_CHECKING:
    from .session import Answer

LATER = "try again later"
DOWN = b"Will be right back"
LIMITED = b"Too Many Requests"
# Whoever gives no prices, server or yfinance, says that this may be the reason.
DELISTED, NOTHING = "delisted", "no prices in it"
REFUSED = (401, 403, 407, 451)
TIMED_OUT = 408
SAID = {
    "rate_limited": (
        "Yahoo limits requests (asked for {symbol})",
        "nothing to do: it is asked again when the pause is over",
    ),
    "provider_down": ("Yahoo is down (HTTP {status} for {symbol})", LATER),
    "refused": (
        "Yahoo refuses this program (HTTP {status} for {symbol})",
        "try again later; if it stays so, update yfinance or take another source",
    ),
    "network": (
        "Yahoo could not be reached for {symbol}: {what}",
        "check the network; the next run asks again",
    ),
    "unknown_symbol": ("Yahoo knows no symbol {symbol}: {what}", "look it up on finance.yahoo.com"),
    "bad_response": (
        "Yahoo's answer for {symbol} cannot be used (HTTP {status}): {what}",
        LATER,
    ),
}


def failure(symbol: str, error: Exception, answer: Answer) -> SourceError:
    """Return the SourceError for a try that `error` ended, from what the server said.

    What the status says goes before what the body says, and that before what yfinance says.
    """
    told, description = _reason(answer.body)
    code = _by_status(answer) or _by_body(answer, told, description)
    if code == "no_session":
        return no_session(symbol)
    message, remedy = SAID[code]
    known = code == "unknown_symbol"
    what = (one_line if known else _described)(description) if description else _first_line(error)
    return SourceError(
        message.format(symbol=symbol, status=answer.status or "none", what=what),
        remedy=remedy,
        code="provider_down" if code == "refused" else code,
        retry_after=answer.retry_after,
    )


def bad_answer(symbol: str, what: str) -> SourceError:
    """Return the SourceError for an answer that makes no sense."""
    return SourceError(
        f"Yahoo's answer for {symbol} cannot be used: {what}", remedy=LATER, code="bad_response"
    )


def no_session(symbol: str) -> SourceError:
    """Return the SourceError for an answer that is right and has no prices."""
    return SourceError(
        f"Yahoo has no session of {symbol} in that time", remedy=LATER, code="no_session"
    )


def one_line(text: object, limit: int = 200) -> str:
    """Return foreign text as one short line without control characters."""
    words = " ".join(str(text)[: 4 * limit].split())
    line = "".join(character for character in words if character.isprintable())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def chart(body: bytes) -> dict[str, Any]:
    """Return the object that the body holds, or an empty one."""
    try:
        return dict(json.loads(body)["chart"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}


def _by_status(answer: Answer) -> str:
    """Return which of SAID the status says, or a blank."""
    status = answer.status
    if answer.limited or LIMITED in answer.body[:2000]:
        return "rate_limited"
    if status in REFUSED:
        return "refused"
    if status >= 500 or status == TIMED_OUT or (status == 200 and DOWN in answer.body):
        return "provider_down"
    return ""


def _by_body(answer: Answer, told: str, description: str) -> str:
    """Return which of SAID the body says, or no_session."""
    if answer.lost:
        return "network"
    if answer.status == 404 and told == "Not Found":
        return "unknown_symbol"
    nothing = answer.status in (400, 422) and description.startswith("Data doesn't exist")
    if nothing or (answer.status == 200 and _empty(answer.body)):
        return "no_session"
    return "bad_response"


def _reason(body: bytes) -> tuple[str, str]:
    """Return the code and the description of the error that the body holds, or two blanks."""
    error = chart(body).get("error")
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code", "")), str(error.get("description", ""))


def _empty(body: bytes) -> bool:
    """Return whether the body describes the symbol but has no bars."""
    result = chart(body).get("result")
    if not (isinstance(result, list) and result and isinstance(result[0], dict)):
        return False
    return isinstance(result[0].get("meta"), dict) and not result[0].get("timestamp")


def _first_line(error: Exception) -> str:
    said = one_line((str(error).splitlines() or [""])[0])
    # Of what curl's binding says, the part that curl said itself.
    said = said.removeprefix("Failed to perform, ").partition(" See https://curl.se")[0].rstrip(".")
    line = f"{type(error).__name__}: {said}"
    return NOTHING if DELISTED in line else line


def _described(description: str) -> str:
    """Return what the server says, unless it guesses at a delisting."""
    return NOTHING if DELISTED in description else one_line(description)
