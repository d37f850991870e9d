"""`forecaster run` with the source yahoo: the real client and a provider, day after day."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from forecaster.cli import cli
from forecaster.hooks import RunSummary

# The folders of the tests are no packages that have a name.
from ..job.project import SMALL, Project, evening, xnys  # noqa: TID252
from .listings import Listing, Row
from .server import CHART, Reply, YahooServer, asked_for
from .test_symbols import HOSTILE

SYMBOLS = ("AAPL", "MSFT", "VOD.L")
DAYS = xnys("2021-09-01", "2024-09-30")
BEGUN = DAYS.index(date(2024, 9, 3))  # three years are known on the first evening
QUICK = "[schedule]\ninitial_backfill = 1\n[plugins.yahoo]\ninterval = 0.0\ntries = 1\n"


def truth(seed: int) -> dict[date, Row]:
    """Return what is traded on every session; from the third evening on a quarter of it."""
    random = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(DAYS))))
    bars: dict[date, Row] = {}
    for day, exact in zip(DAYS, closes.tolist(), strict=True):
        close = round(exact, 2)
        bars[day] = (close, close + 1.25, close - 1.5, close + 0.25, 1000)
    return bars


class World:
    """What the provider knows on an evening, and a project that follows it."""

    def __init__(self, server: YahooServer, project: Project) -> None:
        self.server = server
        self.project = project
        self.listings = {
            symbol: Listing(symbol, truth(seed)) for seed, symbol in enumerate(SYMBOLS)
        }
        self.at = BEGUN

    @property
    def today(self) -> date:
        """The session whose evening it is."""
        return DAYS[self.at]

    def split(self, symbol: str, ratio: int) -> None:
        """Split a share today."""
        listing = self.listings[symbol]
        rows = {
            day: row if day < self.today else _divided(row, ratio)
            for day, row in listing.bars.items()
        }
        self.listings[symbol] = replace(listing, bars=rows, splits={self.today: (ratio, 1)})

    def known(self, symbol: str) -> dict[date, Row]:
        """Return the bars up to today."""
        return {day: row for day, row in self.listings[symbol].bars.items() if day <= self.today}

    def run(self, minutes: int = 0, **unposted: date) -> RunSummary:
        """Do the daily job this evening.

        Args:
            minutes: after the evening's beginning.
            unposted: symbol -> the session whose prices are null still.
        """
        self.server.asked.clear()
        for symbol, listing in self.listings.items():
            rows = dict(self.known(symbol))
            if symbol in unposted:
                rows[unposted[symbol]] = (None, None, None, None, 5)
            self.server.list(replace(listing, bars=rows))
        return self.project.run(evening(self.today) + timedelta(minutes=minutes))

    def pulls(self) -> list[tuple[str, str, int, int, int, int]]:
        """Return what became of the last pull of each symbol that was pulled since midnight."""
        rows = self.project.sql(
            "SELECT symbol, outcome, requests, new_bars, revised_bars, held_bars FROM pull_history"
            " WHERE pull_id IN (SELECT max(pull_id) FROM pull_history GROUP BY symbol)"
            " AND pulled_at >= ? ORDER BY symbol",
            evening(self.today).strftime("%Y-%m-%d"),
        )
        return [(r[0], r[1], r[2], r[3], r[4], r[5]) for r in rows]

    def bars(self, symbol: str) -> dict[str, tuple[float, ...]]:
        """Return the bars that are stored, of which there must be no revisions."""
        rows = self.project.sql(
            "SELECT session, open, high, low, close, volume FROM bar_history WHERE symbol = ?",
            symbol,
        )
        assert len(rows) == len({row[0] for row in rows})
        return {row[0]: row[1:] for row in rows}

    def check_bars(self) -> None:
        """See that the ledger has exactly what was traded up to today, as it was traded."""
        for symbol in SYMBOLS:
            assert self.bars(symbol) == {
                day.isoformat(): row for day, row in self.known(symbol).items()
            }

    def cutoffs(self) -> set[str]:
        """Return the newest cutoff of each series."""
        return {row[0] for row in self.project.sql("SELECT max(cutoff) FROM latest_forecast")}


def _divided(row: Row, ratio: int) -> Row:
    open_, high, low, close, volume = (value or 0 for value in row)
    return open_ / ratio, high / ratio, low / ratio, close / ratio, int(volume)


@pytest.fixture
def world(server: YahooServer, tmp_path: Path) -> World:
    """Give three symbols with three years of prices and a project that follows them."""
    project = Project(tmp_path)
    project.follow(*SYMBOLS, source="yahoo", settings=QUICK)
    return World(server, project)


def ok(new: int) -> list[tuple[str, str, int, int, int, int]]:
    """Return what pulls of so many new bars each look like."""
    return [(symbol, "ok", 1, new, 0, 0) for symbol in SYMBOLS]


def test_three_symbols_day_after_day(world: World) -> None:
    """Three years, a next day, a split, a day of 429, one of 500 and one with a null last bar."""
    first = world.run()
    assert (first.status, first.requests, len(world.server.asked)) == ("done", 3, 3)
    assert first.forecasts == 2 * 3 * 3  # tonight and one night back, three horizons
    assert world.pulls() == ok(BEGUN + 1)
    world.check_bars()

    _a_next_day(world)
    _a_split(world)
    _a_day_of_429(world)
    _a_day_of_500(world)
    _a_null_last_bar(world)

    world.check_bars()
    scores = world.project.sql("SELECT abs_error / baseline FROM forecast_history WHERE actual > 0")
    assert len(scores) > 20
    assert max(row[0] for row in scores) < 0.1  # a split is no error of 75 %
    assert world.project.sql("SELECT count(*) FROM quarantine_history") == [(0,)]


def _a_next_day(world: World) -> None:
    """Pull the new session and the overlap; a second run has nothing to do."""
    before = world.today
    world.at += 1
    done = world.run()
    assert (done.status, done.requests, done.bars_pulled) == ("done", 3, 3)
    assert world.pulls() == ok(1)
    ranges = [asked_for(path) for path in world.server.asked]
    assert {first.date() for first, _ in ranges} == {before - timedelta(days=11)}
    assert world.cutoffs() == {world.today.isoformat()}
    world.check_bars()
    again = world.run(minutes=5)
    assert (again.status, again.requests, world.server.asked) == ("nothing", 0, [])


def _a_split(world: World) -> None:
    """A split divides all that the provider tells of the past, and nothing that is stored."""
    world.at += 1
    world.split("AAPL", 4)
    done = world.run()
    assert (done.status, done.requests, done.bars_pulled) == ("done", 3, 3)
    assert world.pulls() == ok(1)
    assert done.alerts == ()
    actions = world.project.sql(
        "SELECT symbol, session, split, dividend, origin FROM action_history"
    )
    assert actions == [("AAPL", world.today.isoformat(), 4.0, 0.0, "told")]
    world.check_bars()


def _a_day_of_429(world: World) -> None:
    """One request finds out; none follows for a quarter of an hour; then all is well."""
    world.at += 1
    world.server.answer_charts(Reply(429, "Too Many Requests", "text/plain"))
    refused = world.run()
    assert refused.status == "deferred"
    assert (refused.requests, len(world.server.asked)) == (1, 1)
    assert len(refused.problems) == 3
    assert {row[1] for row in world.pulls()} == {"rate_limited"}
    world.run(minutes=10)
    assert world.server.asked == []
    world.server.answer_charts(None)
    done = world.run(minutes=20)
    assert (done.status, done.requests) == ("done", 3)
    assert world.pulls() == ok(1)
    world.check_bars()


def _a_day_of_500(world: World) -> None:
    """An outage costs the night, is called one, and is made good on the next day."""
    world.at += 1
    world.server.answer_charts(Reply(500, "<html>", "text/html"))
    down = world.run()
    assert (down.status, down.requests) == ("deferred", 3)
    assert world.pulls() == [(symbol, "provider_down", 1, 0, 0, 0) for symbol in SYMBOLS]
    assert not any("delisted" in problem or "symbol" in problem for problem in down.problems)
    world.server.answer_charts(None)
    world.at += 1
    done = world.run()
    assert (done.status, done.requests, done.bars_pulled) == ("done", 3, 6)
    assert world.pulls() == ok(2)
    world.check_bars()


def _a_null_last_bar(world: World) -> None:
    """A session without prices yet is waited for by one symbol; the others do not wait."""
    world.at += 1
    missing = world.run(MSFT=world.today)
    assert missing.status == "degraded"
    assert missing.forecasts == 2 * 3
    assert [row[1] for row in world.pulls()] == ["ok", "incomplete", "ok"]
    assert world.today.isoformat() not in world.bars("MSFT")
    done = world.run(minutes=30)
    assert (done.status, done.requests, done.bars_pulled) == ("done", 1, 1)


class TestLimits:
    SYMBOLS = tuple(f"S{n:02}" for n in range(50))

    def test_a_day_and_night_of_429(self, server: YahooServer, tmp_path: Path) -> None:
        """Fifty symbols and a run every 5 minutes for 24 hours: 60 requests at most."""
        project = Project(tmp_path)
        project.configure(
            f'[[series]]\nsource = "yahoo"\nsymbols = {list(self.SYMBOLS)}\n{SMALL}\n{QUICK}'
        )
        days = DAYS[:70]
        server.list(*(Listing(s, {d: truth(0)[d] for d in days[:-1]}) for s in self.SYMBOLS))
        server.answer_charts(Reply(429, "Too Many Requests", "text/plain"))
        begun = evening(days[-2])
        for minutes in range(0, 24 * 60, 5):
            assert project.run(begun + timedelta(minutes=minutes)).status in ("deferred", "failed")
        assert 24 <= len(server.asked) <= 60
        server.answer_charts(None)
        for minutes in range(24 * 60, 25 * 60 + 1, 5):
            if project.run(begun + timedelta(minutes=minutes)).requests >= 50:
                break
        rows = project.sql("SELECT count(DISTINCT symbol) FROM bar_history")
        assert rows == [(50,)]

    def test_the_server_s_own_time_is_kept(self, world: World) -> None:
        """After Retry-After: 7200 nothing is asked for two hours."""
        world.server.answer_charts(Reply(429, headers={"Retry-After": "7200"}))
        world.run()
        world.server.answer_charts(None)
        asked = [(world.run(minutes=minutes).requests) for minutes in (60, 115, 125)]
        assert asked == [0, 0, 3]


class TestUnknown:
    def test_is_believed_on_the_third_night(self, world: World) -> None:
        """Until then it may be an outage, and the others are not troubled by it."""
        world.project.follow(*SYMBOLS, "GONE", source="yahoo", settings=QUICK)
        outcomes = []
        for _ in range(3):
            assert world.run().status == "degraded"
            outcomes.append(
                world.project.sql(
                    "SELECT outcome FROM pull_history WHERE symbol = 'GONE' "
                    "ORDER BY pull_id DESC LIMIT 1"
                )[0][0]
            )
            world.at += 1
        assert outcomes == ["bad_response", "bad_response", "unknown_symbol"]

    def test_never_while_nothing_else_answers(self, world: World) -> None:
        """A server that knows nobody is broken, however often it says so."""
        world.project.follow("GONE", "LOST", source="yahoo", settings=QUICK)
        for _ in range(5):
            world.run()
            world.at += 1
        outcomes = world.project.sql("SELECT DISTINCT outcome FROM pull_history")
        assert outcomes == [("bad_response",)]


class TestHostileSymbols:
    @pytest.mark.parametrize("symbol", [each for each in HOSTILE if len(each) < 99], ids=ascii)
    def test_do_nothing(self, server: YahooServer, tmp_path: Path, symbol: str) -> None:
        """Whatever stands for a symbol in config.toml, one line says no, and nothing is sent."""
        table = f'[[series]]\nname = "x"\nsource = "yahoo"\nsymbol = {json.dumps(symbol)}\n'
        Project(tmp_path).configure(f"{table}\n{SMALL}\n{QUICK}")
        done = CliRunner().invoke(cli, ["--config", str(tmp_path / "config.toml"), "run"])
        assert done.exit_code in (1, 2), done.output
        assert server.asked == []
        assert all(line.isprintable() for line in done.output.splitlines())
        written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
        theirs = {name for name in written if not name.startswith("forecaster.db")}
        assert theirs <= {"config.toml"}

    def test_do_not_stop_others(self, server: YahooServer, tmp_path: Path) -> None:
        """Symbols that other sources may have and Yahoo cannot are refused one by one."""
        project = Project(tmp_path)
        bad = ("_A", "A..B", "US0378331005", "A" * 40)
        project.follow(*bad, "AAPL", source="yahoo", settings=QUICK)
        server.list(Listing("AAPL", truth(0)))
        done = project.run(evening(DAYS[-1]))
        assert (done.status, len(done.problems), done.forecasts) == ("degraded", 4, 6)
        assert [path.partition("?")[0] for path in server.asked] == [CHART + "AAPL"]
        outcomes = project.sql(
            "SELECT DISTINCT outcome, requests FROM pull_history WHERE symbol <> 'AAPL'"
        )
        assert outcomes == [("bad_symbol", 0)]
