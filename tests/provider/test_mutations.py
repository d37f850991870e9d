"""Thousands of bodies that were good once, through the real client."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from forecaster.plugins.yahoo import YahooSource

from forecaster.errors import DataError, SourceError

from .judging import judged
from .mutations import LISTING, TEXT, mutated
from .server import Reply, YahooServer

QUICK = {"tries": 1, "interval": 0.0}
BODIES = {"no_session", "bad_response", "rate_limited", "provider_down"}
PART = 250


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give a list whose last body is what every request is answered with, without a socket."""
    from curl_cffi import requests
    from yfinance.data import SingletonMeta

    bodies: list[bytes] = []

    def answer(self: Any, method: Any, url: str, **settings: Any) -> requests.Response:
        settings["content_callback"](bodies[-1])
        response = requests.Response()
        response.url = url
        return response

    monkeypatch.setattr(requests.Session, "request", answer)
    monkeypatch.setattr(SingletonMeta, "_instances", {})
    return bodies


def outcome(source: YahooSource) -> str:
    """Return what comes of a fetch, and see that nothing is believed that cannot be."""
    try:
        quotes = source.fetch(LISTING.symbol, None, None)
        bars, _held = judged(quotes)
    except SourceError as error:
        return failed(error.code, str(error))
    except DataError as error:
        return f"refused: {error.code}"
    assert (np.diff(bars.sessions).astype(int) > 0).all()
    assert np.isfinite(bars.close).all()
    assert (bars.close > 0).all()
    return "prices"


def failed(code: str, said: str) -> str:
    """Return the code of a failure that is one of those that a body can be the cause of."""
    assert code in BODIES, said
    assert said.isprintable()
    assert len(said) < 400
    assert "possibly delisted" not in said
    assert "may be delisted" not in said
    return code


def check_part(answers: list[bytes], seed: int) -> Counter[str]:
    """Check some mutated bodies and return how often each thing came of them."""
    random = Random(seed)
    source = YahooSource(QUICK, Path())
    found: Counter[str] = Counter()
    for _ in range(PART):
        answers.append(mutated(random))
        found[outcome(source)] += 1
    return found


@pytest.mark.parametrize("seed", range(8))
def test_two_thousand_mutated_bodies(answers: list[bytes], seed: int) -> None:
    """Whatever is in a body: a typed failure, or bars of which the border believes the good."""
    found = check_part(answers, seed)
    assert found.total() == PART
    # The mutations are neither all deadly nor all harmless.
    assert found["prices"] > PART / 10
    assert found["bad_response"] > PART / 10


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 180))
def test_twenty_thousand_mutated_bodies(answers: list[bytes], seed: int) -> None:
    """The same, ten times as many."""
    assert check_part(answers, seed).total() == PART


def test_two_hundred_mutated_bodies_over_a_socket(server: YahooServer) -> None:
    """A socket changes nothing about that."""
    random = Random(1)
    source = YahooSource(QUICK, Path())
    found: Counter[str] = Counter()
    for _ in range(200):
        server.answer_charts(Reply(body=mutated(random)))
        found[outcome(source)] += 1
    assert found.total() == len(server.asked) == source.requests == 200


def test_the_good_body_is_good(answers: list[bytes]) -> None:
    """What is mutated is believed whole when it is not."""
    answers.append(TEXT)
    bars, held = judged(YahooSource(QUICK, Path()).fetch(LISTING.symbol, None, None))
    assert bars.sessions.tolist() == sorted(LISTING.bars)
    assert bars.close.tolist() == [row[3] for row in LISTING.bars.values()]
    assert held == []
