"""A source is asked for what is missing, seldom enough, and believed neither too soon nor late."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .project import evening
from .venue import BRIEF, COMING, DAYS, Venue

TODAY = len(DAYS)
TONIGHT = evening(DAYS[-1])


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    """Return a project that follows A and has been run up to the last of DAYS."""
    venue = Venue(tmp_path)
    return begun(venue, "A")


def begun(venue: Venue, *symbols: str, source: str = "venue") -> Venue:
    """Follow symbols and run up to the last of DAYS."""
    for seed, symbol in enumerate(symbols):
        venue.trade(symbol, TODAY, seed=seed)
    venue.follow(*symbols, source=source, settings=BRIEF)
    assert venue.run(TONIGHT).status == "done"
    assert venue.asked() == [f"{symbol} None" for symbol in symbols]
    return venue


class TestWhoIsAsked:
    """One question for each symbol and night."""

    def test_nothing_is_asked_where_nothing_is_missing(self, venue: Venue) -> None:
        """A second run on the same evening, and one on the morning after, ask nobody."""
        for now in (TONIGHT, TONIGHT + timedelta(hours=9)):
            summary = venue.run(now)
            assert (summary.status, summary.requests) == ("nothing", 0)
        assert venue.asked() == []
        assert venue.outcomes() == ["ok"]

    def test_a_new_session_is_asked_for_with_ten_days_before_the_last(self, venue: Venue) -> None:
        """The question begins ten days before the last stored session, and is one request."""
        venue.trade("A", TODAY + 1)
        summary = venue.run(evening(COMING[0]))
        assert venue.asked() == [f"A {DAYS[-1] - timedelta(days=10)}"]
        assert (summary.status, summary.requests, summary.bars_pulled) == ("done", 1, 1)
        assert venue.sql("SELECT requests, new_bars FROM pull_history ORDER BY pull_id") == [
            (1, TODAY), (1, 1),
        ]  # fmt: skip

    def test_what_is_held_is_asked_for_again_for_two_months(self, venue: Venue) -> None:
        """A bar that is held is corrected though it is older than the overlap."""
        wrong = COMING[2]
        for k in range(14):
            venue.trade("A", TODAY + k + 1, changed={wrong: 12345.0})
            venue.run(evening(COMING[k]))
        assert venue.asked()[-1] == f"A {wrong - timedelta(days=10)}"
        assert venue.sql("SELECT count(*) FROM bar WHERE session = ?", str(wrong)) == [(0,)]
        venue.trade("A", TODAY + 15)
        summary = venue.run(evening(COMING[14]))
        assert (summary.status, summary.bars_pulled) == ("done", 2)
        assert venue.sql("SELECT resolution FROM quarantine") == [("corrected",)]

    def test_a_session_is_missing_when_it_has_settled(self, venue: Venue) -> None:
        """Two hours after the close the source is asked, and not a second sooner."""
        venue.trade("A", TODAY + 1)
        settled = datetime.combine(COMING[0], datetime.min.time(), UTC) + timedelta(hours=19)
        for moment, count in ((settled - timedelta(seconds=1), 0), (settled, 1)):
            venue.run(moment)  # 2023-07-03 is a half day: it closes at 17:00 UTC
            assert len(venue.asked()) == count

    def test_a_local_source_is_asked_each_time(self, tmp_path: Path) -> None:
        """It costs no request, and a pull that brings nothing is not recorded."""
        venue = begun(Venue(tmp_path), "A", source="drawer")
        for _ in range(2):
            assert venue.run(TONIGHT).requests == 0
        assert len(venue.asked()) == 2
        assert venue.sql("SELECT requests, new_bars FROM pull_history") == [(0, TODAY)]

    def test_a_source_that_counts_its_requests(self, venue: Venue) -> None:
        """Three for one question, as with a cookie, are three in the run and in the ledger."""
        path = venue.folder / "plugins" / "venue.py"
        counting = path.read_text().replace(
            "def fetch(self, symbol, start, end):",
            "requests = 7\n\n    def fetch(self, symbol, start, end):\n        self.requests += 3",
        )
        path.write_text(counting)
        for seed, symbol in enumerate("AB"):
            venue.trade(symbol, TODAY + 1, seed=seed)
        venue.follow("A", "B", source="venue", settings=BRIEF)
        assert venue.run(evening(COMING[0])).requests == 6
        counts = venue.sql("SELECT symbol, requests FROM pull_history WHERE pull_id > 1")
        assert sorted(counts) == [("A", 3), ("B", 3)]

    def test_two_series_of_an_instrument_are_one_question(self, venue: Venue) -> None:
        """Close and open of the same symbol are pulled together, and counted once."""
        more = '[[series]]\nsource = "venue"\nsymbol = "A"\nname = "again"\n'
        venue.follow("A", source="venue", settings=more + BRIEF)
        venue.trade("A", TODAY + 1)
        summary = venue.run(evening(COMING[0]))
        assert (summary.requests, summary.bars_pulled) == (1, 1)
        assert len(venue.asked()) == 1


class TestLimits:
    """A source that refuses is left alone, in this process and in the next."""

    def refused(self, venue: Venue, now: datetime) -> None:
        with venue.fault("rate_limited"):
            venue.run(now)

    def test_shut_for_longer_each_time(self, venue: Venue) -> None:
        """After each refusal it rests for 15, 30, 45 and 45 minutes, to the second."""
        now = evening(COMING[0])
        for minutes in (15, 30, 45, 45):
            self.refused(venue, now)
            assert len(venue.asked()) == 1
            now += timedelta(minutes=minutes)
            self.refused(venue, now - timedelta(seconds=1))
            assert venue.asked() == []
        assert venue.outcomes("A") == ["ok", *["rate_limited"] * 4]
        assert venue.night(COMING[0]) == ("deferred", "deferred", "rate_limited")

    def test_recovery_begins_anew(self, venue: Venue) -> None:
        """An answer ends the rest, and the next refusal is the first again."""
        now = evening(COMING[0])
        for minutes in (15, 30):
            self.refused(venue, now)
            now += timedelta(minutes=minutes)
        venue.trade("A", TODAY + 1)
        assert venue.run(now).status == "done"
        assert venue.night(COMING[0]) == ("done", "done", "ok")
        self.refused(venue, now := evening(COMING[1]))
        venue.asked()
        self.refused(venue, now + timedelta(minutes=15))
        assert len(venue.asked()) == 1

    def test_one_probe_for_all_symbols(self, tmp_path: Path) -> None:
        """Of twenty symbols one is asked, and all twenty wait."""
        symbols = [f"S{k}" for k in range(20)]
        venue = begun(Venue(tmp_path), *symbols)
        now = evening(COMING[0])
        for minutes in (0, 1, 15, 16, 45):
            self.refused(venue, now + timedelta(minutes=minutes))
        assert venue.asked() == [f"S0 {DAYS[-1] - timedelta(days=10)}"] * 3
        waiting = venue.sql(
            "SELECT DISTINCT status, reason_code, count(*) FROM series_history "
            "WHERE session = ? AND kind = 'live' GROUP BY 1, 2",
            str(COMING[0]),
        )
        assert waiting == [("deferred", "rate_limited", 20)]
        for symbol in symbols:
            venue.trade(symbol, TODAY + 1, seed=int(symbol[1:]))
        assert venue.run(now + timedelta(minutes=45 + 45)).status == "done"
        assert len(venue.asked()) == 20

    def test_refused_after_some_have_been_answered(self, tmp_path: Path) -> None:
        """The source rests although it answered for another symbol in the same execution."""
        venue = begun(Venue(tmp_path), "A", "B", "C")
        for symbol in "ABC":
            venue.trade(symbol, TODAY + 1, seed="ABC".index(symbol))
        now = evening(COMING[0])
        with venue.fault("rate_limited", "B"):
            assert venue.run(now).status == "degraded"
            assert [line[0] for line in venue.asked()] == ["A", "B"]
            venue.run(now + timedelta(minutes=14))
            assert venue.asked() == []
        assert venue.run(now + timedelta(minutes=15)).status == "done"
        assert [line[0] for line in venue.asked()] == ["B", "C"]

    @pytest.mark.parametrize(
        ("wish", "minutes"),
        [
            ("1", 15),
            ("3600", 60),
            ("1e9", 360),
            ("1e300", 360),
            ("inf", 360),
            ("nan", 15),
            ("-9", 15),
        ],
    )
    def test_what_the_source_wishes(self, venue: Venue, wish: str, minutes: int) -> None:
        """Its own number of seconds counts, between a quarter of an hour and six hours."""
        now = evening(COMING[0])
        with venue.fault(f"rate_limited {wish}"):
            venue.run(now)
            venue.asked()
            venue.run(now + timedelta(minutes=minutes) - timedelta(seconds=1))
            assert venue.asked() == []
            venue.run(now + timedelta(minutes=minutes))
            assert len(venue.asked()) == 1

    def test_a_clock_that_was_wrong(self, venue: Venue) -> None:
        """A rest that was noted by a clock years ahead is not kept: none is that long."""
        self.refused(venue, datetime(2024, 7, 1, 23, tzinfo=UTC))
        self.refused(venue, now := evening(COMING[0]))
        venue.asked()
        self.refused(venue, now + timedelta(minutes=29))
        assert venue.asked() == []
        venue.trade("A", TODAY + 1)
        assert venue.run(now + timedelta(minutes=30)).status == "done"

    def test_another_source_is_asked_meanwhile(self, venue: Venue) -> None:
        """What one source refuses is nothing to the other."""
        more = '[[series]]\nsource = "drawer"\nsymbol = "B"\n'
        venue.follow("A", source="venue", settings=more + BRIEF)
        venue.trade("B", TODAY, seed=1)
        with venue.fault("rate_limited", "A"):
            summary = venue.run(evening(COMING[0]))
        assert [line[0] for line in venue.asked()] == ["A", "B"]
        assert any("told to say rate_limited" in one for one in summary.problems)


class TestOutages:
    """A source that is down is not asked for every symbol."""

    @pytest.mark.parametrize("code", ["network", "provider_down"])
    def test_three_failures_in_a_row(self, tmp_path: Path, code: str) -> None:
        """The fourth symbol is not asked for, another source is, and later all are again."""
        venue = begun(Venue(tmp_path), *"ABCDE")
        more = '[[series]]\nsource = "drawer"\nsymbol = "F"\n'
        venue.follow(*"ABCDE", source="venue", settings=more + BRIEF)
        for seed, symbol in enumerate("ABCDEF"):
            venue.trade(symbol, TODAY + 1, seed=seed)
        for symbol in "ABCDE":
            (venue.folder / f"{symbol}.fault").write_text(code)
        summary = venue.run(evening(COMING[0]))
        assert [line[0] for line in venue.asked()] == [*"ABC", "F"]
        assert (summary.status, summary.requests) == ("degraded", 3)
        problem = next(one for one in summary.problems if one.startswith("E:"))
        assert "not asked, because venue failed 3 times in a row" in problem
        states = venue.sql(
            "SELECT status, reason_code, count(*) FROM series_history "
            "WHERE session = ? GROUP BY 1, 2 ORDER BY 1",
            str(COMING[0]),
        )
        assert states == [("deferred", code, 5), ("done", "ok", 1)]
        assert venue.sql("SELECT state FROM run WHERE session = ?", str(COMING[0])) == [
            ("degraded",)
        ]
        for symbol in "ABCDE":
            (venue.folder / f"{symbol}.fault").unlink()
        assert venue.run(evening(COMING[0])).status == "done"
        assert [line[0] for line in venue.asked()] == [*"ABCDE", "F"]

    def test_an_answer_between_failures(self, tmp_path: Path) -> None:
        """Two failures, an answer and two failures are not three in a row."""
        venue = begun(Venue(tmp_path), *"ABCDE")
        for seed, symbol in enumerate("ABCDE"):
            venue.trade(symbol, TODAY + 1, seed=seed)
        for symbol in "ABDE":
            (venue.folder / f"{symbol}.fault").write_text("network")
        assert venue.run(evening(COMING[0])).forecasts == 3
        assert [line[0] for line in venue.asked()] == [*"ABCDE"]

    @pytest.mark.parametrize("code", ["network", "provider_down", "bad_response", "no_session",
                                      "unsettled", "incomplete"])  # fmt: skip
    def test_the_night_waits_with_the_reason_of_the_pull(self, venue: Venue, code: str) -> None:
        """It is deferred, nothing stored is lost, and once the source answers it is done."""
        before = venue.sql("SELECT * FROM bar_history"), venue.said()
        with venue.fault(code):
            summary = venue.run(evening(COMING[0]))
        assert (summary.status, summary.forecasts) == ("deferred", 0)
        assert venue.night(COMING[0]) == ("deferred", "deferred", code)
        assert (venue.sql("SELECT * FROM bar_history"), venue.said()) == before
        venue.trade("A", TODAY + 1)
        assert venue.run(evening(COMING[0])).status == "done"
        assert venue.night(COMING[0]) == ("done", "done", "ok")

    def test_a_week_of_it(self, venue: Venue) -> None:
        """After five evenings without an answer, one question brings them; they are run late."""
        with venue.fault("provider_down"):
            for session in COMING[:5]:
                venue.run(evening(session))
        venue.asked()
        venue.trade("A", TODAY + 6)
        summary = venue.run(evening(COMING[5]))
        assert (summary.status, summary.requests, summary.bars_pulled) == ("done", 1, 6)
        assert venue.night(COMING[5]) == ("done", "done", "ok")
        # What was said before the outage has its outcomes, and so has what is said of it now.
        assert (summary.sessions, summary.scored) == (6, 3 + 3 + 3 + 3 + 2 + 1)


class TestUnknownSymbols:
    """An outage may look like a delisting, and is none."""

    def days_of(self, venue: Venue, count: int, *, others: bool) -> list[str]:
        """Let B be unknown on some evenings, A with it or not; return B's reason codes."""
        found = []
        for k in range(count):
            venue.trade("A", TODAY + 1 + k)
            with venue.fault("unknown_symbol", "B" if others else "all"):
                for hour in (0, 1, 2):  # asked again on the same day it proves nothing more
                    venue.run(evening(COMING[k]) + timedelta(hours=hour))
            rows = venue.sql(
                "SELECT reason_code FROM series_history WHERE series = 'B' AND session = ?",
                str(COMING[k]),
            )
            found.append(rows[0][0])
        return found

    @pytest.fixture
    def two(self, tmp_path: Path) -> Venue:
        """Return a project that follows A and B."""
        return begun(Venue(tmp_path), "A", "B")

    def test_believed_on_the_third_day(self, two: Venue) -> None:
        """While another symbol is answered, the third day says unknown, and history stays."""
        bars = two.sql("SELECT count(*) FROM bar_history WHERE symbol = 'B'")
        codes = self.days_of(two, 3, others=True)
        assert codes == ["bad_response", "bad_response", "unknown_symbol"]
        assert two.sql("SELECT count(*) FROM bar_history WHERE symbol = 'B'") == bars
        status = two.sql(
            "SELECT status FROM series_history WHERE series = 'B' AND session = ?", str(COMING[2])
        )
        assert status == [("failed",)]  # somebody must act
        assert "series pause" in two.summaries[-1].problems[0]

    def test_an_outage_of_all_is_never_believed(self, two: Venue) -> None:
        """On five days on which no symbol is known, none is unknown."""
        assert self.days_of(two, 5, others=False) == ["bad_response"] * 5

    def test_an_answer_ends_the_doubt(self, two: Venue) -> None:
        """Two days, an answer, and two more days are not three."""
        self.days_of(two, 2, others=True)
        for k, symbol in enumerate("AB"):
            two.trade(symbol, TODAY + 3, seed=k)
        assert two.run(evening(COMING[2])).status == "done"
        for k in (3, 4):
            two.trade("A", TODAY + 1 + k)
            with two.fault("unknown_symbol", "B"):
                two.run(evening(COMING[k]))
        assert two.outcomes("B")[-2:] == ["bad_response"] * 2

    def test_it_may_be_the_first_that_is_asked(self, tmp_path: Path) -> None:
        """Whether others are answered for is known only after all of them are asked."""
        venue = begun(Venue(tmp_path), "B", "A")
        codes = self.days_of(venue, 3, others=True)
        assert codes[-1] == "unknown_symbol"


class TestAnswersWithoutPrices:
    """Days on which there is nothing, and days on which there is nothing yet."""

    def test_an_empty_answer_on_a_holiday(self, tmp_path: Path) -> None:
        """A local source without new bars on Independence Day is no problem."""
        venue = begun(Venue(tmp_path), "A", source="drawer")
        venue.trade("A", TODAY + 1)
        venue.run(evening(COMING[0]))
        (venue.folder / "A.csv").write_text("date,close\n")
        summary = venue.run(datetime(2023, 7, 4, 23, tzinfo=UTC))
        assert (summary.status, summary.problems) == ("nothing", ())

    def test_an_empty_answer_after_a_session(self, venue: Venue) -> None:
        """On a trading day an empty answer is incomplete: the bar may still come."""
        (venue.folder / "A.csv").write_text("date,close\n")
        assert venue.run(evening(COMING[0])).status == "deferred"
        assert venue.night(COMING[0]) == ("deferred", "deferred", "incomplete")

    def test_a_first_pull_before_anything_has_settled(self, tmp_path: Path) -> None:
        """Nothing is stored of a live bar, and the next evening it is one."""
        venue = Venue(tmp_path)
        venue.quote("A", [DAYS[-1]], [100.0])
        venue.follow("A", source="venue", settings=BRIEF)
        noon = datetime.combine(DAYS[-1], datetime.min.time(), UTC) + timedelta(hours=16)
        summary = venue.run(noon)
        assert (summary.status, venue.outcomes()) == ("deferred", ["unsettled"])
        assert venue.sql("SELECT count(*) FROM bar") == [(0,)]
        venue.run(TONIGHT)
        assert venue.sql("SELECT session FROM bar") == [(str(DAYS[-1]),)]

    def test_a_live_bar_is_left_out(self, venue: Venue) -> None:
        """Of an answer during a session only the settled bars count."""
        venue.trade("A", TODAY + 2, changed={COMING[1]: 1.0})
        venue.run(datetime.combine(COMING[1], datetime.min.time(), UTC) + timedelta(hours=19))
        assert venue.sql("SELECT max(session) FROM bar") == [(str(COMING[0]),)]
        assert venue.night(COMING[0]) == ("done", "done", "ok")

    def test_a_null_last_bar(self, venue: Venue) -> None:
        """It is incomplete and no forecast is made; an hour later it is there, and one is."""
        venue.trade("A", TODAY + 1, changed={COMING[0]: ""})
        assert venue.run(evening(COMING[0])).status == "deferred"
        assert venue.night(COMING[0]) == ("deferred", "deferred", "incomplete")
        assert venue.outcomes()[-1] == "incomplete"
        venue.trade("A", TODAY + 1)
        assert venue.run(evening(COMING[0]) + timedelta(hours=1)).status == "done"
        assert venue.night(COMING[0]) == ("done", "done", "ok")

    def test_a_null_last_bar_beside_one_that_stays_held(self, venue: Venue) -> None:
        """What is held since long is not why tonight's bar is not there."""
        saturday = COMING[0] - timedelta(days=2)
        venue.trade("A", TODAY + 1)
        lines = (venue.folder / "A.csv").read_text().splitlines()
        (venue.folder / "A.csv").write_text(
            "\n".join([*lines[:-1], f"{saturday},100.0", lines[-1]]) + "\n"
        )
        venue.run(evening(COMING[0]))
        (venue.folder / "A.csv").write_text(
            "\n".join([*lines[:-1], f"{saturday},100.0", lines[-1], f"{COMING[1]},"]) + "\n"
        )
        summary = venue.run(evening(COMING[1]))
        assert venue.outcomes()[-1] == "incomplete"
        assert venue.night(COMING[1]) == ("deferred", "deferred", "incomplete")
        assert f"no bar of A for session {COMING[1]}" in summary.problems[0]


def test_a_broken_plugin_is_no_outage(venue: Venue) -> None:
    """A source that returns something else is told once, and the night fails."""
    code = (venue.folder / "plugins" / "venue.py").read_text()
    broken = code.replace("return Quotes(table[names]", "return (table[names]")
    (venue.folder / "plugins" / "venue.py").write_text(
        broken.replace('actions=actions, calendar="XNYS", currency=self.currency)', ")")
    )
    assert venue.run(evening(COMING[0])).status == "failed"
