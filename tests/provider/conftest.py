from collections.abc import Iterator

import pytest

from .server import YahooServer, send_yahoo_to, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooServer]:
    """Give a server that the client takes for Yahoo."""
    with serving() as running:
        send_yahoo_to(running.url, monkeypatch)
        yield running
