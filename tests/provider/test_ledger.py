"""The catalogue through `forecaster run`: what of it gets into the ledger, in one night."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

# The folders of the tests are no packages that have a name.
from ..job.project import SMALL, Project, evening  # noqa: TID252
from .catalogue import catalogue
from .entries import DAYS, LAST, LISTING, Entry
from .server import CHART, Reply, YahooServer, send_yahoo_to, serving

QUICK = "[schedule]\ninitial_backfill = 0\n[plugins.yahoo]\ninterval = 0.0\ntries = 1\n"
DOWN = ("network", "provider_down")


def renamed(entry: Entry, symbol: str) -> Reply | None:
    """Return an entry's answer about another symbol, None if that cannot be said so easily."""
    if not isinstance(entry.reply, Reply) or "Content-Encoding" in entry.reply.headers:
        return None
    body = entry.reply.content()
    for name in (LISTING.symbol, LISTING.symbol.lower()):
        body = body.replace(name.encode(), symbol.encode())
    told = entry.reply
    return Reply(told.status, body, told.content_type, told.headers)


def in_turns() -> Iterator[Entry]:
    """Yield entries so that no two in a row say that the provider is down: three shut it.

    Those in which it limits requests shut it at once, and after those in which it wants cookies
    more is sent than prices: they have tests of their own.
    """
    wanted = [
        entry
        for entry in catalogue()
        if entry.code != "rate_limited"
        and not entry.name.startswith(("status_401", "status_403", "body_utf"))
    ]
    down = [entry for entry in wanted if entry.code in DOWN and renamed(entry, "X")]
    others = [entry for entry in wanted if entry.code not in DOWN and renamed(entry, "X")]
    assert len(down) <= len(others)
    for count, entry in enumerate(others):
        yield entry
        yield from down[count : count + 1]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Entry], Project]:
    """Give symbol -> entry, and a project that has pulled every one of them."""
    entries = {f"E{count:03}": entry for count, entry in enumerate(in_turns())}
    answers = {symbol: renamed(entry, symbol) for symbol, entry in entries.items()}
    project = Project(tmp_path_factory.mktemp("catalogue"))
    series = f'[[series]]\nsource = "yahoo"\nsymbols = {list(entries)}\nmissing = "drop"\n'
    project.configure(f"{series}\n{SMALL}\n{QUICK}")
    with pytest.MonkeyPatch.context() as patch, serving() as server:
        send_yahoo_to(server.url, patch)
        server.override = lambda path: answers.get(unquote(path).removeprefix(CHART))
        assert project.run(evening(DAYS[-1])).status == "degraded"
        assert len(server.asked) == len(entries)
    return entries, project


def expected(entry: Entry) -> str:
    """Return what becomes of a pull that is answered with an entry on a first night."""
    if entry.refused or entry.code == "unknown_symbol":  # which is not believed yet
        return "bad_response"
    if entry.code:
        return entry.code
    return "incomplete" if LAST in entry.none else "ok"


def test_outcomes(night: tuple[dict[str, Entry], Project]) -> None:
    """Each answer of the catalogue has the outcome in pull_history that it should have."""
    entries, project = night
    assert len(entries) > 200
    found = project.sql("SELECT symbol, outcome, requests FROM pull_history")
    assert {entries[symbol].name: (outcome, requests) for symbol, outcome, requests in found} == {
        entry.name: (expected(entry), 1) for entry in entries.values()
    }


def test_bars(night: tuple[dict[str, Entry], Project]) -> None:
    """Stored are exactly the bars that can be: finite, positive, settled, once a session."""
    entries, project = night
    stored: dict[str, list[str]] = {symbol: [] for symbol in entries}
    for symbol, session, *values in project.sql(
        "SELECT symbol, session, open, high, low, close FROM bar_history ORDER BY session"
    ):
        stored[symbol].append(session)
        assert all(value is None or (math.isfinite(value) and value > 0) for value in values)
    for symbol, entry in entries.items():
        doubted = {*entry.none, *entry.held}
        right = [day.isoformat() for row, day in enumerate(DAYS) if row not in doubted]
        assert stored[symbol] == ([] if entry.code or entry.refused else right), entry.name


def test_quarantine(night: tuple[dict[str, Entry], Project]) -> None:
    """What was handed over and is not stored is held, with its reason."""
    entries, project = night
    held = project.sql("SELECT symbol, session, what, reason FROM quarantine_history")
    counted = project.sql("SELECT symbol FROM pull_history WHERE held_bars > 0")
    assert {row[0] for row in counted} == {row[0] for row in held}
    assert all(row[3] for row in held)
    for symbol, entry in entries.items():
        if entry.code or entry.refused:
            continue
        mine = [row for row in held if row[0] == symbol]
        sessions = {row[1] for row in mine if row[2] == "bar"}
        assert {DAYS[row].isoformat() for row in entry.held} <= sessions, entry.name
        assert len(sessions) == len(set(entry.held)) + entry.more, entry.name
        assert sum(row[2] == "action" for row in mine) == entry.actions, entry.name


def test_forecasts(night: tuple[dict[str, Entry], Project]) -> None:
    """Whoever has tonight's bar has a forecast, and nobody else."""
    entries, project = night
    found = {row[0] for row in project.sql("SELECT DISTINCT symbol FROM forecast_history")}
    right = {
        symbol
        for symbol, entry in entries.items()
        if expected(entry) == "ok" and LAST not in entry.held
    }
    assert found == right


def test_everything_limited(server: YahooServer, tmp_path: Path) -> None:
    """Each answer that limits requests is one, and shuts the source for all symbols."""
    limits = [entry for entry in catalogue() if entry.code == "rate_limited"]
    assert len(limits) > 10
    project = Project(tmp_path)
    project.follow("AAPL", "MSFT", source="yahoo", settings=QUICK)
    for count, entry in enumerate(limits):
        server.answer_charts(entry.reply)
        assert project.run(evening(DAYS[count])).status == "deferred"
    assert len(server.asked) == len(limits)
    outcomes = project.sql("SELECT DISTINCT outcome FROM pull_history")
    assert outcomes == [("rate_limited",)]
