"""Every answer of the catalogue, through the real yfinance client and a real socket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from forecaster.plugins.yahoo import YahooSource, session

from forecaster.errors import DataError, SourceError
from forecaster.hooks import Quotes

from .catalogue import catalogue
from .entries import DAYS, LISTING, Entry
from .judging import judged
from .server import YahooServer

ENTRIES = {entry.name: entry for entry in catalogue()}
# A second is long for a drip, and a megabyte for a chart of sixty sessions.
QUICK = {"tries": 1, "interval": 0.0, "deadline": 1.0}
TYPED = {
    "network", "provider_down", "rate_limited", "unknown_symbol", "no_session", "bad_response"
}  # fmt: skip


def fetched(server: YahooServer, entry: Entry) -> Quotes:
    """Return what the source makes of an entry."""
    server.answer_charts(entry.reply)
    return YahooSource(QUICK, Path()).fetch(LISTING.symbol, None, None)


def test_there_are_enough() -> None:
    """The catalogue has its hundreds, each with a name of its own and an outcome that exists."""
    assert len(ENTRIES) == len(catalogue()) >= 100
    assert {entry.code for entry in catalogue()} == TYPED | {""}


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.code])
def test_what_cannot_be_used(
    server: YahooServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each answer without usable prices ends in its own kind of failure, said on one line."""
    monkeypatch.setattr(session, "LARGEST", 1_000_000)
    with pytest.raises(SourceError) as caught:
        fetched(server, ENTRIES[name])
    said = str(caught.value)
    assert caught.value.code == ENTRIES[name].code, said
    assert said.isprintable()
    assert len(said) < 400
    assert ("delisted" in said) <= (caught.value.code == "unknown_symbol")
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.code])
def test_what_is_handed_over(server: YahooServer, name: str) -> None:
    """Each other answer is handed over as it was told, rows that cannot be included."""
    entry = ENTRIES[name]
    sessions = fetched(server, entry).bars.index.to_numpy().astype("datetime64[D]").tolist()
    told = {day for row, day in enumerate(DAYS) if row not in entry.none}
    if not entry.refused:
        assert set(sessions) & set(DAYS) == told
        assert len(set(sessions) - set(DAYS)) == entry.more
    assert sessions == sorted(sessions)
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.code])
def test_what_the_border_believes(server: YahooServer, name: str) -> None:
    """Of what is handed over exactly the rows and actions that cannot be are held."""
    entry = ENTRIES[name]
    quotes = fetched(server, entry)
    if entry.refused:
        with pytest.raises(DataError):
            judged(quotes)
        return
    bars, held = judged(quotes)
    doubted = {DAYS[row] for row in (*entry.none, *entry.held)}
    assert bars.sessions.tolist() == [day for day in DAYS if day not in doubted]
    assert {one.session for one in held if one.what == "bar"} >= {DAYS[row] for row in entry.held}
    assert sum(one.what == "action" for one in held) == entry.actions
    for name_ in ("open", "high", "low", "close"):
        values = bars.field(name_)
        assert (np.isnan(values) | (np.isfinite(values) & (values > 0))).all()
    if name != "halved_and_confirmed":
        right = [LISTING.bars[day][3] for day in bars.sessions.tolist()]
        np.testing.assert_allclose(bars.close, right, rtol=2e-3)
