"""What is no symbol is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from forecaster.plugins.yahoo import YahooSource

from forecaster.errors import SourceError

from .listings import Listing, prices
from .server import YahooServer

HOSTILE = [
    "", " ", "..", "../../etc/passwd", "..%2f..%2fetc", "/etc/passwd", "C:\\Windows", "A/B", "A\\B",
    "A..B", "~root", "$HOME", "`id`", "$(id)", "A;rm -rf .", "A|B", "A&B", "A B", "AAPL\n",
    "\rAAPL", "AAPL\x00", "\x1b[31mAAPL", "AAPL\u202e", "\u0391APL", "Ä", "AAPL?x=1", "AAPL#x",
    "%41APL", "AAPL&crumb=1", "http://evil.example/", "@SUM(A1)", "=1+1", "+1", "-A", "<b>",
    "<script>x</script>", "'; DROP TABLE bar; --", '"AAPL"', "A,B", "A" * 33, "A" * 100_000,
    "US0378331005", "us0378331005", ".A", "_A", "A:B", "A*", "(A)", "[A]", "{A}", "A\tB",
    "A\u2028B", "\ufeffAAPL", "\uff11\uff12",
]  # fmt: skip
REAL = ["AAPL", "BRK-B", "^GSPC", "EURUSD=X", "0700.HK", "BTC-USD", "GC=F", "VOD.L", "600519.SS"]


def test_there_are_forty() -> None:
    """Forty and more, each another."""
    assert len(set(HOSTILE)) == len(HOSTILE) >= 40


@pytest.mark.parametrize("symbol", HOSTILE, ids=ascii)
def test_hostile_symbols(server: YahooServer, symbol: str) -> None:
    """A text that is no symbol is refused on one line, and nothing is sent."""
    source = YahooSource({}, Path())
    with pytest.raises(SourceError) as caught:
        source.fetch(symbol, None, None)
    said = str(caught.value)
    assert caught.value.code == "bad_symbol"
    assert (said.isprintable(), len(said) < 300) == (True, True)
    assert (server.asked, source.requests) == ([], 0)


@pytest.mark.parametrize("symbol", REAL)
def test_symbols_as_yahoo_has_them(server: YahooServer, symbol: str) -> None:
    """Every kind of symbol that Yahoo has arrives there as it is."""
    server.list(Listing(symbol, prices(5)))
    assert len(YahooSource({}, Path()).fetch(symbol, None, None).bars) == 5
