"""What may be a symbol of Yahoo's: checked before anything is sent."""

from __future__ import annotations

import re

from forecaster.errors import SourceError

# yfinance puts the symbol into the path of a URL as it stands.
SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.\-=^_]{0,31}")
# yfinance would look an ISIN up elsewhere and answer for the symbol that it takes it for.
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")


def check_symbol(symbol: str) -> None:
    """Raise a SourceError with the code bad_symbol unless `symbol` can be one of Yahoo's."""
    if not SYMBOL.fullmatch(symbol) or ".." in symbol:
        raise SourceError(
            f"{symbol[:80]!r} cannot be a symbol of Yahoo's",
            remedy="letters, digits and . - = ^ _ only, such as BRK-B, ^GSPC or EURUSD=X",
            code="bad_symbol",
        )
    if ISIN.fullmatch(symbol.upper()):
        raise SourceError(
            f"{symbol} is an ISIN, not a symbol",
            remedy="look its symbol up on finance.yahoo.com",
            code="bad_symbol",
        )
