"""How often the source asks, how long it waits, and when it gives up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random

import pytest
from forecaster.plugins.yahoo import YahooSource
from forecaster.plugins.yahoo.pace import JITTER, Pace
from forecaster.plugins.yahoo.session import retry_after

from forecaster.errors import ConfigError, SourceError

from .listings import Listing, prices
from .server import CHART, Fault, Reply, Sends, Wire, YahooServer, failed

DOWN = Reply(503, "<html>", "text/html")
LISTING = Listing("AAPL", prices(5))


class Clock:
    """A clock that goes on only while somebody waits for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands still."""
    return Clock()


@pytest.fixture
def source(server: YahooServer, clock: Clock) -> YahooSource:
    """Give a source with the default options whose clock is ours."""
    server.list(LISTING)
    made = YahooSource({}, Path())
    made.pace = Pace(1.0, 60.0, monotonic=lambda: clock.now, sleep=clock.sleep, random=Random(3))
    return made


def then(server: YahooServer, *answers: Sends | None) -> None:
    """Answer requests for prices in this order, then as the listings have it."""
    left: Iterator[Sends | None] = iter(answers)
    server.override = lambda path: next(left, None) if path.startswith(CHART) else None


def refused(source: YahooSource, symbol: str = "AAPL") -> SourceError:
    """Fetch and return the error."""
    with pytest.raises(SourceError) as caught:
        source.fetch(symbol, None, None)
    return caught.value


class TestRequests:
    def test_one_a_fetch_and_nothing_else(self, source: YahooSource, server: YahooServer) -> None:
        """Three symbols cost three requests: none for cookies, crumbs or zones."""
        for symbol in ("A", "B", "C"):
            server.list(Listing(symbol, prices(5)))
            source.fetch(symbol, None, None)
        paths = [path.partition("?")[0] for path in server.asked]
        assert paths == [CHART + "A", CHART + "B", CHART + "C"]
        assert source.requests == 3
        assert all("crumb" not in path for path in server.asked)

    def test_none_before_the_first_fetch(self) -> None:
        """A source that was not asked has sent nothing."""
        assert YahooSource({}, Path()).requests == 0

    @pytest.mark.parametrize("status", [404, 429])
    def test_one_where_asking_again_is_useless(
        self, source: YahooSource, server: YahooServer, clock: Clock, status: int
    ) -> None:
        """A symbol that does not exist and a limit are not asked about twice."""
        then(server, *[failed(status, "Not Found", "No data found")] * 9)
        refused(source)
        assert (len(server.asked), source.requests, clock.waits) == (1, 1, [])

    def test_cookies_only_when_prices_are_refused_without(
        self, source: YahooSource, server: YahooServer
    ) -> None:
        """After a 401 the next try has a cookie and a crumb, which last for what follows."""
        then(server, Reply(401, failed(401, "Unauthorized", "Invalid Crumb").body))
        assert len(source.fetch("AAPL", None, None).bars) == 5
        assert "crumb=crumb" in server.charts_asked()[-1]
        spent = source.requests
        assert spent == len(server.asked)
        source.fetch("AAPL", None, None)
        assert source.requests == spent + 1

    def test_a_limit_on_cookies_ends_the_fetch(
        self, source: YahooSource, server: YahooServer
    ) -> None:
        """A 429 for the crumb is a 429: the prices are not asked for after it."""

        def answer(path: str) -> Reply:
            return Reply(401) if path.startswith(CHART) else Reply(429, "Too Many Requests")

        server.override = answer
        assert refused(source).code == "rate_limited"
        assert len(server.charts_asked()) == 1
        assert len(server.asked) == 2


class TestTries:
    @pytest.mark.parametrize(
        "answer",
        [DOWN, Reply(200, "oops"), Fault(Wire.reset), Reply(404, "<html>"), Reply(403, "no")],
        ids=["down", "nonsense", "reset", "page", "refused"],
    )
    def test_what_passes_is_tried_again(
        self, source: YahooSource, server: YahooServer, answer: Sends
    ) -> None:
        """Two failures that may pass cost two more requests and no error."""
        then(server, answer, answer)
        assert len(source.fetch("AAPL", None, None).bars) == 5
        assert len(server.charts_asked()) == 3

    def test_the_third_failure_is_the_answer(
        self, source: YahooSource, server: YahooServer, clock: Clock
    ) -> None:
        """Three tries, with pauses of about one and three seconds, and then an error."""
        then(server, *[DOWN] * 9)
        source.pace = Pace(0.0, 60.0, monotonic=lambda: clock.now, sleep=clock.sleep)
        assert refused(source).code == "provider_down"
        assert len(server.asked) == 3
        first, second = clock.waits
        assert 1 - JITTER <= first <= 1 + JITTER
        assert 3 * (1 - JITTER) <= second <= 3 * (1 + JITTER)

    def test_pauses_differ(self) -> None:
        """Programs that failed together do not come back together."""
        clock = Clock()
        for seed in range(50):
            pace = Pace(0, 60, monotonic=lambda: clock.now, sleep=clock.sleep, random=Random(seed))
            pace.begin()
            assert pace.pause(1)
        assert len(set(clock.waits)) == 50
        assert max(clock.waits) - min(clock.waits) > JITTER

    def test_options(self, server: YahooServer) -> None:
        """One try is one request."""
        server.override = lambda _path: DOWN
        refused(YahooSource({"tries": 1}, Path()))
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        "options",
        [
            {"tries": 0}, {"tries": 11}, {"tries": 1.5}, {"interval": -1.0}, {"interval": "1"},
            {"deadline": 0.0}, {"deadline": float("inf")}, {"pause": 1},
        ],
    )  # fmt: skip
    def test_bad_options(self, options: dict[str, object]) -> None:
        """An option that cannot be is named with its table."""
        with pytest.raises(ConfigError, match=r"plugins\.yahoo"):
            YahooSource(options, Path())


class TestTime:
    def test_an_interval_between_requests(
        self, source: YahooSource, server: YahooServer, clock: Clock
    ) -> None:
        """The next request waits for what is left of a second since the one before."""
        source.fetch("AAPL", None, None)
        clock.now += 0.25
        source.fetch("AAPL", None, None)
        clock.now += 5
        source.fetch("AAPL", None, None)
        assert clock.waits == [0.75]

    def test_no_pause_beyond_the_deadline(
        self, source: YahooSource, server: YahooServer, clock: Clock
    ) -> None:
        """When the next pause would outlast the time of the fetch it ends at once."""
        then(server, *[DOWN] * 9)
        source.pace = Pace(0, 2.0, monotonic=lambda: clock.now, sleep=clock.sleep)
        assert refused(source).code == "provider_down"
        assert len(server.asked) == 2
        assert clock.now < 2.0

    def test_no_request_without_time(
        self, source: YahooSource, server: YahooServer, clock: Clock
    ) -> None:
        """A fetch whose turn comes after its deadline sends nothing."""
        source.fetch("AAPL", None, None)
        source.pace = Pace(5, 2.0, monotonic=lambda: clock.now, sleep=clock.sleep)
        source._opened = None
        source.fetch("AAPL", None, None)
        assert refused(source).code == "network"
        assert len(server.asked) == 2

    @pytest.mark.parametrize("what", ["head", "body", "silence"])
    def test_dripping_servers(self, server: YahooServer, what: str) -> None:
        """A server that sends a byte now and then for ever is left at the deadline."""
        head, body = Reply().head(10_000), b" " * 10_000
        server.answer_charts(
            {
                "head": Fault(lambda wire: wire.drip(head, 0.03)),
                "body": Fault(lambda wire: (wire.send(head), wire.drip(body, 0.03))[1]),
                "silence": Fault(Wire.hush),
            }[what]
        )
        begun = time.monotonic()
        error = refused(YahooSource({"deadline": 0.4, "interval": 0.0}, Path()))
        assert error.code == "network"
        assert 0.3 < time.monotonic() - begun < 3
        assert len(server.asked) == 1


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_is_handed_on(self, source: YahooSource, server: YahooServer, status: int) -> None:
        """What the server asks for is in the error, and it is not asked again before."""
        then(server, *[Reply(status, "", headers={"Retry-After": "1800"})] * 9)
        error = refused(source)
        assert error.retry_after == 1800
        assert len(server.asked) == 1

    def test_without_one(self, source: YahooSource, server: YahooServer) -> None:
        """A server that does not ask for a time gets the core's."""
        then(server, Reply(429))
        assert refused(source).retry_after is None

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("120", 120.0), (" 7 ", 7.0), ("0", None), ("-5", None), ("", None), (None, None),
            ("soon", None), ("1e9", None), ("\uff19", None), ("1.5", None), ("9" * 400, 86_400.0),
            ("Thu, 99 Foo 2026 00:00:00 GMT", None), ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ],
    )  # fmt: skip
    def test_is_read(self, header: str | None, seconds: float | None) -> None:
        """Seconds are read, nonsense is none, and nobody may ask for more than a day."""
        assert retry_after(header, 1_700_000_000.0) == seconds

    def test_a_date_is_read(self) -> None:
        """A date is as far away as it is from now."""
        now = datetime(2026, 11, 23, 1, tzinfo=UTC)
        header = format_datetime(now + timedelta(minutes=10), usegmt=True)
        assert retry_after(header, now.timestamp()) == 600


class TestConnections:
    def test_recovers_at_once(self, source: YahooSource, server: YahooServer) -> None:
        """A failed answer is not kept: the next fetch asks the server."""
        then(server, *[DOWN] * 3)
        assert refused(source).code == "provider_down"
        assert len(source.fetch("AAPL", None, None).bars) == 5

    def test_another_protocol_in_the_way(
        self, server: YahooServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A port that answers TLS with something else is the network's fault."""
        from .server import send_yahoo_to

        monkeypatch.undo()
        send_yahoo_to(server.url.replace("http:", "https:"), monkeypatch)
        error = refused(YahooSource({"tries": 1}, Path()))
        assert error.code == "network"
        assert "SSL" in str(error)
