"""What a source says is held against what is stored: jumps, other pasts, revisions."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from forecaster.job.backfill import backfill
from forecaster.job.intake import pull_bars
from forecaster.ledger.instruments import read_instruments
from forecaster.ledger.quarantine import accept

from .project import evening
from .venue import BRIEF, COMING, DAYS, EVERY, Venue

TODAY = len(DAYS)
TONIGHT = evening(DAYS[-1])


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    """Return a project that follows A and has been run up to the last of DAYS."""
    venue = Venue(tmp_path)
    venue.trade("A", TODAY)
    venue.follow("A", source="venue", settings=BRIEF)
    assert venue.run(TONIGHT).status == "done"
    return venue


def held(venue: Venue) -> list[tuple[Any, ...]]:
    """Return (session, what, reason code, resolution) of all that was ever held."""
    return venue.sql(
        "SELECT session, what, reason_code, resolution FROM quarantine_history ORDER BY session"
    )


def accepted(venue: Venue) -> None:
    """Believe all that is held of A."""
    with venue.job(TONIGHT) as job:
        found = read_instruments(job.ledger)["venue", "A"]
        accept(job.ledger, found.id, now=job.clock())


def at_new_level(venue: Venue, count: int, factor: float = 3.0) -> None:
    """Quote `count` more sessions, the prices of which are another level's."""
    closes = venue.trade("A", TODAY + count)
    new = {day: round(factor * close, 2) for day, close in zip(EVERY, closes, strict=False)
           if day > DAYS[-1]}  # fmt: skip
    venue.trade("A", TODAY + count, changed=new)


class TestJumps:
    """A close that moves too far is held until it is seen to be real."""

    def test_while_it_is_held(self, venue: Venue) -> None:
        """The nights wait, nothing is trained, forecast or scored, and what is stored stays."""
        before = venue.said(), venue.sql("SELECT * FROM bar")
        models = venue.sql("SELECT count(*) FROM model_history")
        for k in range(1, 4):
            at_new_level(venue, k)
            summary = venue.run(evening(COMING[k - 1]))
            assert (summary.status, summary.trained, summary.scored) == ("deferred", 0, 0)
            assert venue.night(COMING[k - 1]) == ("deferred", "deferred", "held")
            assert "bars accept" in summary.problems[0]
            assert [row[1:] for row in held(venue)] == [("bar", "jump", None)] * k
        assert (venue.said(), venue.sql("SELECT * FROM bar")) == before
        assert venue.sql("SELECT count(*) FROM model_history") == models

    def test_three_later_sessions_confirm_it(self, venue: Venue) -> None:
        """With the fourth bar at the new level all are stored, and the rows say so."""
        at_new_level(venue, 3)
        venue.run(evening(COMING[2]))
        at_new_level(venue, 4)
        summary = venue.run(evening(COMING[3]))
        assert (summary.status, summary.bars_pulled, summary.problems) == ("done", 4, ())
        assert [row[-1] for row in held(venue)] == ["confirmed"] * 3
        assert venue.night(COMING[3]) == ("done", "done", "ok")
        # Those that were waiting for these sessions have their outcomes, at the new level.
        actual = venue.sql(
            "SELECT actual / baseline FROM forecast_history WHERE cutoff = ?", str(DAYS[-1])
        )
        assert all(2.5 < ratio < 3.5 for (ratio,) in actual)

    def test_accepted_at_once(self, venue: Venue) -> None:
        """What somebody believes is stored, and tonight is forecast from it."""
        at_new_level(venue, 1)
        venue.run(evening(COMING[0]))
        accepted(venue)
        assert held(venue)[0][-1] == "accepted"
        assert venue.run(evening(COMING[0])).status == "done"
        (baseline,) = venue.sql(
            "SELECT DISTINCT baseline FROM forecast_history WHERE cutoff = ?", str(COMING[0])
        )
        assert baseline[0] > 250
        at_new_level(venue, 2)
        assert venue.run(evening(COMING[1])).status == "done"
        assert len(held(venue)) == 1

    def test_a_price_in_another_unit(self, venue: Venue) -> None:
        """One close of a hundred times the others is held; corrected, nothing is left of it."""
        closes = venue.trade("A", TODAY + 2)
        wrong = {COMING[0]: round(100 * closes[TODAY], 2)}
        venue.trade("A", TODAY + 2, changed=wrong)
        assert venue.run(evening(COMING[1])).status == "deferred"
        assert held(venue) == [(str(COMING[0]), "bar", "jump", None)]
        assert venue.night(COMING[1]) == ("deferred", "deferred", "held")
        venue.trade("A", TODAY + 3)
        assert venue.run(evening(COMING[2])).status == "done"
        assert held(venue) == [(str(COMING[0]), "bar", "jump", "corrected")]
        assert venue.sql("SELECT max(close), max(revision) FROM bar_history")[0][1] == 1

    def test_a_stored_price_becomes_wrong(self, venue: Venue) -> None:
        """A hundredfold value of a stored session is held, and the good one stays in use."""
        closes = venue.trade("A", TODAY + 1)
        wrong = {DAYS[-3]: round(100 * closes[TODAY - 3], 2)}
        venue.trade("A", TODAY + 1, changed=wrong)
        summary = venue.run(evening(COMING[0]))
        assert (summary.status, summary.forecasts) == ("degraded", 3)
        assert held(venue) == [(str(DAYS[-3]), "bar", "jump", None)]
        assert venue.sql("SELECT max(revision) FROM bar_history") == [(1,)]
        assert venue.night(COMING[0])[1] == "done"

    def test_everything_in_another_unit(self, tmp_path: Path) -> None:
        """Where the newest bars of all symbols are held, nobody takes it for a closed exchange."""
        venue = Venue(tmp_path)
        for symbol in "AB":
            venue.trade(symbol, TODAY)
        venue.follow("A", "B", source="venue", settings=BRIEF)
        venue.run(TONIGHT)
        for symbol in "AB":
            venue.trade(symbol, TODAY + 1, changed={COMING[0]: 1e5})
        summary = venue.run(evening(COMING[0]))
        assert all("is held" in one for one in summary.problems)
        assert not any("closures" in one for one in summary.problems)

    def test_nothing_is_held_where_jumps_are_allowed(self, tmp_path: Path) -> None:
        """With jump = 0 a price three times as high is one like any other."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY)
        venue.follow("A", source="venue", more="jump = 0.0", settings=BRIEF)
        venue.run(TONIGHT)
        at_new_level(venue, 1)
        assert venue.run(evening(COMING[0])).status == "done"
        assert held(venue) == []

    def test_an_early_jump_of_the_first_pull(self, tmp_path: Path) -> None:
        """A crash long ago that three later sessions confirm is believed at once."""
        venue = Venue(tmp_path)
        closes = venue.trade("A", TODAY)
        fallen = {day: round(close / 2, 2) for day, close in zip(EVERY, closes, strict=False)
                  if day > DAYS[40]}  # fmt: skip
        venue.trade("A", TODAY, changed=fallen)
        venue.follow("A", source="venue", settings=BRIEF)
        assert venue.run(TONIGHT).status == "done"
        assert held(venue) == []


class TestAnswers:
    """A whole answer that cannot be right is held as one."""

    def test_refused_by_the_border(self, venue: Venue) -> None:
        """A frame that is no table of bars is held with its reason, and the data stay."""
        before = venue.sql("SELECT * FROM bar")
        venue.trade("A", TODAY + 1)
        text = (venue.folder / "A.csv").read_text()
        (venue.folder / "A.csv").write_text(text.replace("close", "closing"))
        summary = venue.run(evening(COMING[0]))
        assert summary.status in ("deferred", "failed")
        assert [row[:2] + row[3:] for row in held(venue)] == [(None, "answer", None)]
        assert venue.sql("SELECT * FROM bar") == before
        assert venue.outcomes()[-1] == "bad_response"
        (venue.folder / "A.csv").write_text(text)
        assert venue.run(evening(COMING[0])).status == "done"
        assert held(venue)[0][-1] == "corrected"

    def other_past(self, venue: Venue, count: int) -> list[float]:
        """Quote another walk under the same name."""
        return venue.trade("A", count, seed=7)

    def test_another_companys_past(self, venue: Venue) -> None:
        """It is held until somebody accepts it, and then believed from the first session on."""
        before = venue.sql("SELECT * FROM bar")
        for k in (1, 2, 3, 4, 5):
            self.other_past(venue, TODAY + k)
            assert venue.run(evening(COMING[k - 1])).status == "deferred"
            assert venue.night(COMING[k - 1]) == ("deferred", "deferred", "held")
            assert held(venue) == [(None, "answer", "another_past", None)]
        assert venue.sql("SELECT * FROM bar") == before
        accepted(venue)
        venue.asked()
        closes = self.other_past(venue, TODAY + 5)
        summary = venue.run(evening(COMING[4]))
        assert venue.asked() == ["A None"]
        assert (summary.status, summary.problems) == ("done", ())
        assert held(venue)[0][-1] == "accepted"
        newest = venue.sql(
            "SELECT close FROM bar b WHERE revision = (SELECT max(revision) FROM bar c "
            "WHERE c.session = b.session) ORDER BY session"
        )
        assert [row[0] for row in newest] == closes
        assert venue.run(evening(COMING[4])).status == "nothing"

    def test_trust_is_for_one_answer(self, venue: Venue) -> None:
        """After the accepted past a third one is held again."""
        self.other_past(venue, TODAY + 1)
        venue.run(evening(COMING[0]))
        accepted(venue)
        venue.run(evening(COMING[0]))
        venue.trade("A", TODAY + 2, seed=8)
        assert venue.run(evening(COMING[1])).status == "deferred"
        assert [row[-1] for row in held(venue)] == ["accepted", None]

    def test_currency_is_stored(self, tmp_path: Path) -> None:
        """What a source says its prices are in is with the instrument."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY)
        settings = f'[plugins.venue]\ncurrency = "GBp"\n{BRIEF}'
        venue.follow("A", source="venue", settings=settings)
        venue.run(TONIGHT)
        assert venue.sql("SELECT symbol, currency FROM instrument") == [("A", "GBp")]


class TestRevisions:
    """A stored price that is told otherwise later."""

    def revise(self, venue: Venue, share: float, count: int = 1) -> float:
        """Quote one more session, and change the close of DAYS[-2]; return the old one."""
        closes = venue.trade("A", TODAY + count)
        old = closes[TODAY - 2]
        venue.trade("A", TODAY + count, changed={DAYS[-2]: round(old * (1 + share), 4)})
        return old

    def test_beyond_the_tolerance(self, venue: Venue) -> None:
        """It is stored as a revision and told once: in the run, and in the ledger."""
        self.revise(venue, 0.02)
        summary = venue.run(evening(COMING[0]))
        assert (summary.status, len(summary.alerts)) == ("done", 1)
        assert f"A: the close of {DAYS[-2]} was" in summary.alerts[0]
        query = "SELECT symbol, session, code FROM alert_history"
        assert venue.sql(query) == [("A", str(DAYS[-2]), "revised")]
        self.revise(venue, 0.02, count=2)
        again = venue.run(evening(COMING[1]))
        assert (again.status, again.alerts) == ("done", ())
        assert len(venue.sql(query)) == 1

    def test_what_stays_alarming_is_told_once(self, venue: Venue) -> None:
        """A split that the source no longer tells of is kept, and one run says so."""
        alerts = []
        for k in range(1, 6):
            closes = venue.trade("A", TODAY + k)
            told = {COMING[1]: 4.0} if k == 2 else {}
            changed = {
                day: round(close / 4, 4)
                for day, close in zip(EVERY, closes, strict=False)
                if day >= COMING[1] or k > 2
            }
            venue.trade("A", TODAY + k, changed=changed, split=told)
            summary = venue.run(evening(COMING[k - 1]))
            assert (summary.status, summary.problems) == ("done", ())
            alerts += summary.alerts
        assert len(alerts) == 1
        assert f"no longer tells of the split on {COMING[1]}" in alerts[0]

    def test_within_the_tolerance(self, venue: Venue) -> None:
        """It is a revision as well, and nobody is told."""
        self.revise(venue, 0.004)
        summary = venue.run(evening(COMING[0]))
        assert (summary.status, summary.alerts) == ("done", ())
        revised = venue.sql("SELECT session FROM bar_history WHERE revision = 2")
        assert revised == [(str(DAYS[-2]),)]
        assert venue.sql("SELECT count(*) FROM alert_history") == [(0,)]

    def test_noise_is_no_revision(self, venue: Venue) -> None:
        """The same price with other last digits is the same price."""
        self.revise(venue, 1e-9)
        assert venue.run(evening(COMING[0])).bars_pulled == 1
        assert venue.sql("SELECT max(revision) FROM bar_history") == [(1,)]

    def test_a_past_night_sees_what_was_known_then(self, venue: Venue) -> None:
        """Backfilled, a session that was revised later is forecast from what was known of it."""
        old = venue.trade("A", TODAY + 2)[-1]
        with venue.job(evening(COMING[1])) as job:
            pull_bars(job)
        new = round(1.02 * old, 2)
        venue.trade("A", TODAY + 3, changed={COMING[1]: new})
        assert len(venue.run(evening(COMING[2])).alerts) == 1
        with venue.job(evening(COMING[2])) as job:
            backfill(job, first=COMING[1], last=COMING[1])
        rows = venue.sql(
            "SELECT DISTINCT kind, baseline FROM forecast_history WHERE cutoff = ?", str(COMING[1])
        )
        assert rows == [("backfill", old)]
        # What had been said before is held against what is known now.
        actual = venue.sql(
            "SELECT DISTINCT actual FROM forecast_history "
            "WHERE target_session = ? AND kind = 'live'",
            str(COMING[1]),
        )
        assert actual == [(new,)]


def test_nothing_is_trained_on_what_is_held(tmp_path: Path) -> None:
    """A first pull with a wrong price in the middle has no night; without it, it has one."""
    venue = Venue(tmp_path)
    venue.trade("A", TODAY, changed={DAYS[60]: 1e6})
    venue.follow("A", source="venue", settings=BRIEF)
    assert venue.run(TONIGHT).forecasts == 0
    assert venue.sql("SELECT count(*) FROM model_history") == [(0,)]
    assert venue.night(DAYS[-1])[1:] == ("deferred", "held")
    venue.trade("A", TODAY)
    venue.follow("A", source="venue", settings=BRIEF)
    assert venue.run(TONIGHT + timedelta(days=3)).forecasts == 0  # the past is not asked for again
    with venue.job(TONIGHT) as job:
        pull_bars(job, everything=True)
    assert venue.run(TONIGHT).forecasts == 3
