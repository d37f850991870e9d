"""The Yahoo source, through the real yfinance client and a real socket."""

from __future__ import annotations

import inspect
import socket
import stat
from dataclasses import replace
from datetime import date, time
from pathlib import Path

import exchange_calendars
import numpy as np
import pytest
from forecaster.plugins.yahoo import YahooSource
from forecaster.plugins.yahoo.exchanges import CALENDARS
from forecaster.plugins.yahoo.traded import arguments

from forecaster.errors import ConfigError, SourceError
from forecaster.hooks import Quotes
from forecaster.market import actions_from_frame, bars_from_frame
from forecaster.testing import check_source

from .listings import Listing, Row, prices
from .server import Reply, YahooServer, failed, send_yahoo_to

QUICK = {"tries": 1, "interval": 0.0}


def fetch(symbol: str, start: date | None = None, end: date | None = None) -> Quotes:
    """Fetch once, without pauses."""
    return YahooSource(QUICK, Path()).fetch(symbol, start, end)


def refused(symbol: str) -> SourceError:
    """Fetch and return the error."""
    with pytest.raises(SourceError) as caught:
        fetch(symbol)
    return caught.value


def traded(quotes: Quotes) -> dict[date, Row]:
    """Return the bars of an answer as the server's listings write them."""
    bars = bars_from_frame(quotes.bars)
    columns = (bars.sessions, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return {day.item(): tuple(map(float, row)) for day, *row in zip(*columns, strict=True)}


class TestAnswers:
    def test_three_symbols_come_as_traded(self, server: YahooServer) -> None:
        """Each symbol's bars arrive as they were traded, with calendar and currency."""
        listings = [
            Listing("AAPL", prices(30)),
            Listing(
                "VOD.L",
                prices(30, 70.0),
                exchange="LSE",
                zone="Europe/London",
                opens=time(8),
                currency="GBp",
            ),
            Listing(
                "7203.T",
                prices(30, 2000.0),
                exchange="JPX",
                zone="Asia/Tokyo",
                opens=time(9),
                currency="JPY",
            ),
        ]
        server.list(*listings)
        for listing in listings:
            quotes = fetch(listing.symbol)
            assert traded(quotes) == listing.bars
            assert quotes.currency == listing.currency
            assert quotes.calendar == CALENDARS[listing.exchange]
            assert not quotes.historical
            assert actions_from_frame(quotes.actions).sessions.size == 0

    def test_one_request_for_prices_per_symbol(self, server: YahooServer) -> None:
        """A fetch asks for prices once; the exchange's zone costs no request of its own."""
        server.list(Listing("AAPL", prices(5)))
        fetch("AAPL")
        assert len(server.charts_asked()) == 1

    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "Pacific/Auckland"])
    def test_the_range_is_in_the_exchange_s_dates(self, server: YahooServer, zone: str) -> None:
        """From start to end, both included, whatever the exchange's distance from UTC."""
        listing = Listing("X", prices(30), zone=zone, opens=time(9))
        server.list(listing)
        days = sorted(listing.bars)
        found = traded(fetch("X", days[3], days[10]))
        assert sorted(found) == days[3:11]

    def test_rates_open_at_midnight_of_summer_time(self, server: YahooServer) -> None:
        """A currency's session is its local date although in UTC it opens the day before."""
        listing = Listing(
            "EURUSD=X",
            prices(30, 1.0, date(2024, 6, 3)),
            exchange="CCY",
            zone="Europe/London",
            opens=time(0),
            instrument="CURRENCY",
        )
        server.list(listing)
        quotes = fetch("EURUSD=X")
        assert sorted(traded(quotes)) == sorted(listing.bars)
        assert quotes.calendar == "weekdays"

    def test_unknown_exchange_has_no_calendar(self, server: YahooServer) -> None:
        """An exchange code without a calendar leaves it to be inferred."""
        server.list(Listing("X", prices(5), exchange="QQQ"))
        assert fetch("X").calendar is None

    def test_null_rows_are_no_bars(self, server: YahooServer) -> None:
        """A session that Yahoo lists without prices is left out, in the middle and at the end."""
        bars = prices(10)
        days = sorted(bars)
        nulls: Row = (None, None, None, None, 5)
        server.list(Listing("X", bars | {days[4]: nulls, days[9]: nulls}))
        assert sorted(traded(fetch("X"))) == days[:4] + days[5:9]

    def test_every_mapped_calendar_exists(self) -> None:
        """No exchange code leads to a calendar that there is not."""
        known = exchange_calendars.get_calendar_names(include_aliases=False)
        assert set(CALENDARS.values()) <= {*known, "24/7", "weekdays"}


class TestPromises:
    def test_what_every_source_promises(self, server: YahooServer) -> None:
        """The suite for sources finds nothing, with splits and dividends in the prices."""
        days = sorted(prices(30))
        bars = prices(30, 400.0) | {
            day: row for day, row in prices(30, 100.0).items() if day >= days[8]
        }
        server.list(Listing("X", bars, {days[8]: (4, 1)}, {days[5]: 0.5, days[20]: 0.25}))
        source = YahooSource(QUICK, Path())
        check_source(source, "X")
        assert source.requests == len(server.asked)

    def test_every_argument_of_the_client_is_said(self) -> None:
        """No default of yfinance's counts, and nothing is adjusted or repaired by it."""
        from yfinance.scrapers.history import PriceHistory

        there_are = set(inspect.signature(PriceHistory.history).parameters)
        said = arguments(None)
        assert there_are - {"self", "raise_errors"} == set(said)  # the latter is deprecated
        assert not any(said[name] for name in ("auto_adjust", "back_adjust", "repair", "rounding"))


class TestSplits:
    def test_prices_as_traded_are_recovered_exactly(self, server: YahooServer) -> None:
        """Two splits, a reverse one among them, and dividends are taken out of the prices."""
        bars = prices(30)
        days = sorted(bars)
        listing = Listing(
            "X",
            bars,
            splits={days[8]: (4, 1), days[20]: (1, 2)},
            dividends={days[5]: 0.5, days[20]: 0.25, days[25]: 0.125},
        )
        server.list(listing)
        quotes = fetch("X")
        assert traded(quotes) == bars
        actions = actions_from_frame(quotes.actions)
        assert actions.sessions.tolist() == [days[5], days[8], days[20], days[25]]
        assert actions.splits.tolist() == [1.0, 4.0, 0.5, 1.0]
        assert actions.dividends.tolist() == [0.5, 0.0, 0.25, 0.125]

    def test_split_of_three_is_recovered_to_rounding(self, server: YahooServer) -> None:
        """A ratio that binary numbers cannot hold costs no more than rounding."""
        bars = prices(10)
        server.list(Listing("X", bars, splits={sorted(bars)[5]: (3, 2)}))
        found = traded(fetch("X"))
        np.testing.assert_allclose(list(found.values()), list(bars.values()), rtol=1e-12)

    def test_split_after_the_end_asked_for_counts(self, server: YahooServer) -> None:
        """A range that ends before a split is as traded all the same."""
        bars = prices(20)
        days = sorted(bars)
        server.list(Listing("X", bars, splits={days[15]: (2, 1)}))
        quotes = fetch("X", days[2], days[9])
        assert traded(quotes) == {day: bars[day] for day in days[2:10]}
        assert actions_from_frame(quotes.actions).sessions.size == 0


class TestFailures:
    def test_unknown_symbol_only_when_yahoo_says_so(self, server: YahooServer) -> None:
        """A 404 with Yahoo's own words is the one answer that means unknown."""
        error = refused("NOPE")
        assert error.code == "unknown_symbol"
        assert "\n" not in str(error)

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            (Reply(500, "<html>oops</html>", "text/html"), "provider_down"),
            (Reply(503, "", "text/html"), "provider_down"),
            (failed(503, "Not Found", "No data found, symbol may be delisted"), "provider_down"),
            (Reply(200, "<h1>Will be right back...</h1>", "text/html"), "provider_down"),
            (Reply(404, "<html>not here</html>", "text/html"), "bad_response"),
            (Reply(200, '{"chart": {"result": [{"meta"'), "bad_response"),
            (Reply(200, "[]"), "bad_response"),
            (Reply(200, ""), "bad_response"),
            (Reply(200, '{"chart": {"result": [], "error": null}}'), "bad_response"),
            (Reply(401, '{"finance": {"error": {"code": "Unauthorized"}}}'), "provider_down"),
            (Reply(429, "Too Many Requests", "text/plain"), "rate_limited"),
            (failed(400, "Bad Request", "Data doesn't exist for startDate = 1"), "no_session"),
        ],
    )
    def test_each_failure_has_its_code(self, server: YahooServer, reply: Reply, code: str) -> None:
        """An outage is never taken for a delisting, whatever it looks like."""
        server.override = lambda path: reply if "/chart/" in path else None
        error = refused("AAPL")
        assert error.code == code
        assert "\n" not in str(error)
        assert "delisted" not in str(error) or code == "unknown_symbol"

    def test_everything_rate_limited(self, server: YahooServer) -> None:
        """A 429 on the cookies too is the same outcome after few requests."""
        server.override = lambda _path: Reply(429, "Too Many Requests", "text/plain")
        assert refused("AAPL").code == "rate_limited"
        assert len(server.charts_asked()) <= 2

    def test_no_bars_is_no_session(self, server: YahooServer) -> None:
        """A known symbol without bars is not an unknown one."""
        server.list(Listing("X", {}))
        assert refused("X").code == "no_session"

    def test_another_symbol_s_prices_are_refused(self, server: YahooServer) -> None:
        """An answer about another symbol is no answer."""
        server.list(Listing("X", prices(5)))
        server.listings["X"] = replace(server.listings["X"], symbol="Y")
        assert refused("X").code == "bad_response"

    def test_recovers_at_once(self, server: YahooServer) -> None:
        """A failed answer is not kept: the next try asks the server."""
        server.list(Listing("X", prices(5)))
        server.override = lambda path: Reply(500, "oops") if "/chart/" in path else None
        assert refused("X").code == "provider_down"
        server.override = lambda _path: None
        assert len(fetch("X").bars) == 5

    def test_connection_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A closed port is the network's fault."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        send_yahoo_to(f"http://127.0.0.1:{port}", monkeypatch)
        assert refused("AAPL").code == "network"

    def test_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that does not resolve is the network's fault."""
        from curl_cffi import requests

        def unresolved(*args: object, **settings: object) -> None:
            raise requests.exceptions.DNSError("Could not resolve host")

        send_yahoo_to("http://127.0.0.1:1", monkeypatch)
        monkeypatch.setattr(requests.Session, "request", unresolved)
        assert refused("AAPL").code == "network"


class TestBeforeAnythingIsSent:
    @pytest.mark.parametrize(
        "symbol",
        [
            "",
            "..",
            "../../etc",
            "A B",
            "AAPL?x=1",
            "AAPL\n",
            "A/B",
            "%41",
            "<b>",
            "A..B",
            "-A",
            "A" * 33,
            "Ä",
            "US0378331005",
            "us0378331005",
        ],
    )
    def test_symbol_grammar(self, server: YahooServer, symbol: str) -> None:
        """A text that is no symbol is refused without a request."""
        assert refused(symbol).code == "bad_symbol"
        assert server.asked == []

    def test_unknown_option(self) -> None:
        """An option that does not exist is an error naming the table and the key."""
        with pytest.raises(ConfigError, match=r"plugins\.yahoo.*cachee"):
            YahooSource({"cachee": "x"}, Path())

    def test_cache_folder_is_private(self, server: YahooServer, tmp_path: Path) -> None:
        """The folder that yfinance unpickles cookies from is its own and closed to others."""
        server.list(Listing("X", prices(5)))
        YahooSource({"cache": "cache"}, tmp_path).fetch("X", None, None)
        assert stat.S_IMODE((tmp_path / "cache" / "yfinance").stat().st_mode) == 0o700

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
    def test_open_cache_folder_is_refused(
        self, server: YahooServer, tmp_path: Path, mode: int
    ) -> None:
        """A folder that others can read or write is not used."""
        (tmp_path / "yfinance").mkdir()
        (tmp_path / "yfinance").chmod(mode)
        with pytest.raises(SourceError, match="open to others"):
            YahooSource({"cache": "."}, tmp_path).fetch("X", None, None)
        assert server.asked == []

    def test_default_cache_folder_is_private(self) -> None:
        """Without the option a temporary folder of mode 0700 is used."""
        from forecaster.plugins.yahoo.folder import _temporary

        assert stat.S_IMODE(_temporary().stat().st_mode) == 0o700
