"""Prices from Yahoo Finance, through yfinance's `Ticker.history`.

yfinance takes an outage for a delisting, keeps failed answers and adjusts prices for later
splits; this module asks it for raw prices, classifies failures by what the server said, and
hands over prices as they were traded.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import stat
import tempfile
import warnings
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from forecaster import hookimpl
from forecaster.errors import SourceError
from forecaster.hooks import Options, Quotes, Source, read_options

from ..dates import between
from .answers import Answer, failure
from .exchanges import CALENDARS

if TYPE_CHECKING:
    import pandas as pd

SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.\-=^_]{0,31}")
# yfinance would look an ISIN up elsewhere and answer for the symbol that it takes it for.
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
PRICES = ["open", "high", "low", "close"]
# Of the rest one is fetched when it is looked at.
META = ("symbol", "exchangeName", "currency")
TIMEOUT = 20  # seconds for one request


class YahooOptions(Options):
    """The table [plugins.yahoo]."""

    cache: str | None = None
    """A folder in which yfinance may keep cookies; default: a private one, gone at the end."""


class YahooSource:
    """Live prices for any symbol of finance.yahoo.com."""

    name: ClassVar[str] = "yahoo"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        cache_folder = read_options(YahooOptions, options, "plugins.yahoo").cache
        self._cache = None if cache_folder is None else folder / cache_folder

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the bars of a symbol, split and dividend actions included; see Source.

        The last bar may be of a session that is still open.

        Raises:
            SourceError: with the code bad_symbol, network, rate_limited, provider_down,
                bad_response, unknown_symbol (only when Yahoo says so) or no_session.
        """
        _check_symbol(symbol)
        history, meta = _history(symbol, start, _private(self._cache))
        if str(meta.get("symbol", "")).upper() != symbol.upper():
            raise _bad(symbol, f"the answer is about {meta.get('symbol')!r}")
        try:
            bars, actions = _as_traded(history)
        except (KeyError, ValueError, TypeError) as error:
            raise _bad(symbol, f"{type(error).__name__}: {error}") from error
        return Quotes(
            between(bars, start, end),
            actions=between(actions, start, end),
            calendar=CALENDARS.get(str(meta.get("exchangeName", ""))),
            currency=meta.get("currency"),
            attribution="Yahoo Finance",
        )


def _history(symbol: str, start: date | None, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return what yfinance makes of Yahoo's answer from `start` to now, and the answer's meta."""
    import yfinance  # noqa: PLC0415 - 1 s that only a fetch needs
    from yfinance.data import YfData  # noqa: PLC0415 - as above

    answer = Answer()
    # It logs what it also raises, and warns of its own use of pandas.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yfinance.config.debug.hide_exceptions = False
            yfinance.config.network.retries = 0
            yfinance.set_tz_cache_location(str(folder))
            YfData.cache_get.cache_clear()
            ticker = yfinance.Ticker(symbol, session=answer.session())
            # Saves the request for the zone, whose failure would be taken for a delisting. The
            # zone only places `start`; the answer brings the exchange's own for the sessions.
            ticker._tz = "UTC"  # noqa: SLF001 - yfinance has no other door for it
            history = ticker.history(**_arguments(start))
            meta = ticker.get_history_metadata()
            return history, {key: meta.get(key) for key in META}
        # Besides its own errors it lets through those of curl, json, pandas and peewee.
        except Exception as error:
            raise failure(symbol, error, answer) from error


def _arguments(start: date | None) -> dict[str, Any]:
    """Return every argument of `history`, whose defaults have changed before.

    The end is always left open: prices are adjusted for every split until now, so that an answer
    that stopped earlier would lack splits that its prices are adjusted for.
    """
    return {
        "period": "max" if start is None else None,
        "interval": "1d",
        # A session starts up to a day before the same date does in UTC.
        "start": None if start is None else (start - timedelta(days=1)).isoformat(),
        "end": None,
        "prepost": False,
        "actions": True,
        "auto_adjust": False,
        "back_adjust": False,
        "repair": False,
        "keepna": True,
        "rounding": False,
        "timeout": TIMEOUT,
    }


def _as_traded(history: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return bars and actions by session, with the adjustment for later splits undone.

    Yahoo divides prices and dividends by the splits after them, and multiplies volumes.
    """
    import pandas as pd  # noqa: PLC0415 - yfinance has loaded it

    # The index is local midnight on the exchange: the date is right only before a conversion.
    index = pd.DatetimeIndex(pd.DatetimeIndex(history.index).tz_localize(None).normalize())
    frame = history.set_axis(index.rename("date")).rename(columns=str.lower)
    split = frame["stock splits"].where(frame["stock splits"] > 0, 1.0)
    upto_next = split[::-1].cumprod()[::-1]
    later = upto_next / split
    bars = frame[PRICES].mul(later, axis=0)
    bars["volume"] = frame["volume"] / later
    # A row without any price is a session that Yahoo has not posted: no bar.
    bars = bars[frame[PRICES].notna().any(axis=1)]
    # A dividend is per share as held before a split of the same session.
    actions = pd.DataFrame({"split": split, "dividend": frame["dividends"] * upto_next})
    return bars, actions[(split != 1.0) | (actions["dividend"] != 0.0)]


def _check_symbol(symbol: str) -> None:
    if not SYMBOL.fullmatch(symbol) or ".." in symbol:
        raise SourceError(
            f"{symbol!r} cannot be a symbol",
            remedy="letters, digits and . - = ^ _ only, such as BRK-B, ^GSPC or EURUSD=X",
            code="bad_symbol",
        )
    if ISIN.fullmatch(symbol.upper()):
        raise SourceError(
            f"{symbol} is an ISIN, not a symbol",
            remedy="look its symbol up on finance.yahoo.com",
            code="bad_symbol",
        )


def _bad(symbol: str, what: str) -> SourceError:
    return SourceError(
        f"Yahoo's answer for {symbol} cannot be used: {what}",
        remedy="try again later",
        code="bad_response",
    )


def _private(folder: Path | None) -> Path:
    """Return the folder for yfinance's files, which nobody else may write: it unpickles cookies."""
    if folder is None:
        return _temporary()
    own = folder / "yfinance"
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = own.lstat()
    except OSError as error:
        raise SourceError(
            f"[plugins.yahoo] cache: {own} cannot be made: {error.strerror}",
            remedy="name a folder that can be written",
            code="cache",
        ) from error
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != os.getuid():
        raise SourceError(
            f"[plugins.yahoo] cache: {own} is open to others",
            remedy=f"remove it, or chmod 700 {own}",
            code="cache",
        )
    return own


@cache
def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="forecaster-yahoo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the source `yahoo`."""
    return [YahooSource]
