"""Prices from Yahoo Finance, through yfinance's `Ticker.history`.

yfinance takes an outage for a delisting, keeps failed answers and adjusts prices for later
splits; this module asks it for raw prices, classifies failures by what the server said, and
hands over prices as they were traded.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from forecaster import hookimpl
from forecaster.errors import SourceError
from forecaster.hooks import Options, Quotes, Source, read_options

from ..dates import between
from .exchanges import CALENDARS
from .failures import bad_answer, chart, failure, no_session, one_line
from .folder import open_files, private_folder
from .pace import Pace
from .symbols import check_symbol
from .traded import arguments, as_traded

if TYPE_CHECKING:
    import pandas as pd

    from .session import YahooSession

# Of the rest one is fetched when it is looked at.
META = ("symbol", "exchangeName", "exchangeTimezoneName", "currency", "dataGranularity")
CURRENCY = re.compile(r"[A-Za-z]{3,5}")
PASSING = ("network", "provider_down", "bad_response")


class YahooOptions(Options):
    """The table [plugins.yahoo]."""

    cache: str | None = None
    """A folder in which yfinance may keep cookies; default: a private one, gone at the end."""

    interval: float = Field(default=1.0, ge=0, le=3600)
    """Seconds from one request to the next, at least."""

    tries: int = Field(default=3, ge=1, le=10)
    """How often a symbol is asked for in one pull when Yahoo cannot be reached, is down or answers
    nonsense. After "too many requests" it is never asked again at once."""

    deadline: float = Field(default=60.0, gt=0, le=3600)
    """Seconds that one symbol may take in one pull, with all tries and pauses."""


class YahooSource:
    """Live prices for any symbol of finance.yahoo.com."""

    name: ClassVar[str] = "yahoo"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        chosen = read_options(YahooOptions, options, "plugins.yahoo")
        self.pace = Pace(chosen.interval, chosen.deadline)
        self._tries = chosen.tries
        self._cache = None if chosen.cache is None else folder / chosen.cache
        self._opened: YahooSession | None = None

    @property
    def requests(self) -> int:
        """How many requests have been sent; in the normal case one a fetch."""
        return 0 if self._opened is None else self._opened.sent

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the bars of a symbol, split and dividend actions included; see Source.

        The last bar may be of a session that is still open. Rows that cannot be true are handed
        over as they are.

        Raises:
            SourceError: with the code bad_symbol, cache, network, rate_limited, provider_down,
                bad_response, unknown_symbol (only when Yahoo says so) or no_session.
        """
        check_symbol(symbol)
        folder = private_folder(self._cache)
        self.pace.begin()
        tries = 0
        while True:
            tries += 1
            try:
                with quiet():
                    return self._ask(symbol, start, end, folder)
            except SourceError as error:
                passing = error.code in PASSING and error.retry_after is None
                if not passing or tries >= self._tries or not self.pace.pause(tries):
                    raise

    def _ask(self, symbol: str, start: date | None, end: date | None, folder: Path) -> Quotes:
        session = self._session()
        history, meta = _history(symbol, start, folder, session)
        if session.answer.status != 200:
            raise failure(symbol, ValueError("prices with a failure"), session.answer)
        fault = _fault(symbol, meta)
        if fault:
            raise bad_answer(symbol, fault)
        try:
            bars, actions = as_traded(history, chart(session.answer.body)["result"][0])
            bars, actions = between(bars, start, end), between(actions, start, end)
        # Numbers that no frame can hold end in many kinds of errors.
        except Exception as error:
            raise failure(symbol, error, session.answer) from error
        if bars.empty:
            raise no_session(symbol)
        return Quotes(
            bars,
            actions=actions,
            calendar=CALENDARS.get(str(meta.get("exchangeName", ""))),
            currency=_currency(meta.get("currency")),
            attribution="Yahoo Finance",
        )

    def _session(self) -> YahooSession:
        """Return the session, whose connection is used again."""
        from .session import YahooSession  # noqa: PLC0415 - curl, which only a fetch needs

        if self._opened is None:
            self._opened = YahooSession(self.pace)
        return self._opened


@contextmanager
def quiet() -> Iterator[None]:
    """Keep yfinance from logging what it also raises and from warning of its own use of pandas."""
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _history(
    symbol: str, start: date | None, folder: Path, session: YahooSession
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return what yfinance makes of Yahoo's answer from `start` to now, and the answer's meta."""
    for anew in (False, True):
        try:
            return _asked(symbol, start, folder, session, anew=anew)
        # Besides its own errors it lets through those of curl, json, pandas and peewee.
        except Exception as error:
            if type(error).__module__ != "peewee":
                raise failure(symbol, error, session.answer) from error
            cause = error
    raise SourceError(
        f"yfinance cannot use its files in {folder}: {one_line(cause)}",
        remedy="remove that folder",
        code="cache",
    ) from cause


def _asked(
    symbol: str, start: date | None, folder: Path, session: YahooSession, *, anew: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Ask once.

    Args:
        symbol: one that the grammar allows.
        start: the first session wanted.
        folder: for yfinance's files.
        session: remembers what was answered.
        anew: with no files of yfinance's, because it could not use those that are there.
    """
    import yfinance  # noqa: PLC0415 - 1 s that only a fetch needs
    from yfinance.data import YfData  # noqa: PLC0415 - as above

    yfinance.config.debug.hide_exceptions = False
    yfinance.config.network.retries = 0
    open_files(folder, anew=anew)
    YfData.cache_get.cache_clear()
    session.begin()
    ticker = yfinance.Ticker(symbol, session=session)
    # Saves the request for the zone, whose failure would be taken for a delisting. The zone only
    # places `start`; the answer brings the exchange's own for the sessions.
    ticker._tz = "UTC"  # noqa: SLF001 - yfinance has no other door for it
    history = ticker.history(**arguments(start))
    meta = ticker.get_history_metadata()
    return history, {key: meta.get(key) for key in META if key in meta}


def _fault(symbol: str, meta: Mapping[str, Any]) -> str:
    """Return why prices with this meta are not the symbol's prices by session, or a blank."""
    if str(meta.get("symbol", "")).upper() != symbol.upper():
        return f"it is about {one_line(repr(meta.get('symbol')), 60)}"
    if meta.get("dataGranularity", "1d") != "1d":
        return "its bars are not those of days"
    if not isinstance(meta.get("exchangeTimezoneName"), str):
        return "it names no time zone, without which its times are no dates"
    return ""


def _currency(told: object) -> str | None:
    return told if isinstance(told, str) and CURRENCY.fullmatch(told) else None


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the source `yahoo`."""
    return [YahooSource]
