"""The configuration in force: what is taken over, what is refused, and what is gone back to."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from forecaster.config import Settings
from forecaster.daemon.errand import Errand
from forecaster.daemon.rules import Rules
from forecaster.errors import ConfigError
from forecaster.job.schedule import LADDER

from .simulator import MINUTE, NEW, SECOND, Desk, desk_in, messages
from .standing import DUE, MONDAY, XNYS, fill, settings_of, work

pytestmark = pytest.mark.usefixtures("no_disk")

BAD = "[model]\nlookback = 7\n"
"""Settings that can be read, and that children are said to refuse."""
GOOD = "[model]\nlookback = 5\n"
TYPO = NEW.replace("NEW", "TYPO")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A mind that has seen nothing yet."""
    with desk_in(tmp_path) as found:
        yield found


def quiet(desk: Desk) -> None:
    """Let nothing be due, because a child has worked to its end."""
    desk.tick()
    work(desk.ledger)
    desk.end("done")


class TestConfiguration:
    """A change is taken over at the next tick; what is wrong stays out."""

    def test_a_new_series_is_asked_for(self, desk: Desk) -> None:
        """At the next tick; and while it cannot be had seldom, and ever more so."""
        quiet(desk)
        settings_of(desk.folder, NEW)
        asked = []
        for minute in range(181):
            before = len(desk.started)
            desk.tick(MINUTE)
            if len(desk.started) > before:
                asked.append(minute)
                desk.end("done")
        waits = [b - a for a, b in pairwise(asked)]
        assert asked[0] == 0
        assert waits == sorted(waits)
        assert len(asked) <= 8
        assert max(waits) <= LADDER[-1] / MINUTE + 1

    @pytest.mark.parametrize("others", ["", TYPO])
    def test_a_new_series_waits_for_its_bar_like_any_other(self, desk: Desk, others: str) -> None:
        """Tonight was over when it came, and is tried again for its bar, whoever has none yet."""
        quiet(desk)
        settings_of(desk.folder, NEW + others)
        desk.tick()
        fill(desk.ledger, ["NEW"])
        work(desk.ledger, failing=["NEW"], status="deferred")
        desk.end("done")
        assert [one["state"] for one in desk.history()] == ["degraded"]
        before = len(desk.started)
        for _ in range(3):
            desk.tick(MINUTE)
            if not desk.started[-1].errand.calendars:  # for the one that is misspelt
                desk.end("done")
        begun = [one.errand.calendars for one in desk.started[before:]]
        assert [calendars for calendars in begun if calendars] == [(XNYS,)]

    def test_a_bad_one_is_refused_once(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        """It is told of once, stands in the pulse, and what was in force stays so."""
        caplog.set_level("INFO", "forecaster")
        before = desk.watch.settings
        for _ in range(2):
            settings_of(desk.folder)
            caplog.clear()
            (desk.folder / "config.toml").write_text("lookback = 3\n[modle]\n")
            for _ in range(3):
                assert desk.tick(MINUTE)
            assert len(messages(caplog)) == 1
            assert desk.watch.settings == before
            assert "modle" in desk.problem() or "lookback" in desk.problem()
            settings_of(desk.folder)
            desk.tick(MINUTE)
            assert desk.problem() == ""
            assert len([one for one in messages(caplog, "INFO") if one.startswith("over: ")]) == 1

    def test_a_file_that_is_gone(self, desk: Desk) -> None:
        """What was in force stays so."""
        (desk.folder / "config.toml").unlink()
        assert desk.tick()
        assert len(desk.started) == 1
        assert "config.toml" in desk.problem()

    def test_another_database_is_refused(self, desk: Desk) -> None:
        """The daemon holds the lock of the one that it began with."""
        path = desk.folder / "config.toml"
        path.write_text(path.read_text().replace("ledger.db", "other.db"))
        assert desk.tick()
        assert "another database" in desk.problem()
        assert desk.started[0].errand.settings.database_url().endswith("ledger.db")
        assert not (desk.folder / "other.db").exists()

    def test_the_next_child_works_by_the_new_one(self, desk: Desk) -> None:
        """What did not end well is tried again at once."""
        desk.tick()
        desk.attempt()
        desk.end("refused", "no such source")
        desk.tick(SECOND)
        assert len(desk.started) == 1
        settings_of(desk.folder, "[model]\nlookback = 7\n")
        desk.tick(SECOND)
        assert len(desk.started) == 2
        assert desk.started[1].errand.settings.model.lookback == 7


class TestRefused:
    """What a child refuses gives way to what worked, until somebody corrects it."""

    def refused(self, desk: Desk) -> Settings:
        """Let a child refuse what was changed; return the settings that worked before."""
        quiet(desk)
        before = desk.watch.settings
        settings_of(desk.folder, BAD)
        desk.world.now = DUE + timedelta(days=3)
        desk.tick()
        assert desk.started[-1].errand.settings.model.lookback == 7
        desk.end("refused", "no such activation")
        return before

    def test_the_next_child_works_by_what_worked(self, desk: Desk) -> None:
        """It has its turn at once, and the session has lost no attempt."""
        before = self.refused(desk)
        assert "no such activation" in desk.watch.troubles["configuration"]
        monday = desk.history()[-1]
        assert (monday["session"], monday["state"], monday["attempts"]) == (
            str(MONDAY), "pending", 0,
        )  # fmt: skip
        desk.tick(SECOND)
        assert len(desk.started) == 3
        assert desk.started[-1].errand.settings == before
        assert desk.started[-1].errand.calendars == (XNYS,)

    def test_the_problem_stands_until_it_is_corrected(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The same file is not taken up again, however often it is read; that is told once."""
        before = self.refused(desk)
        for _ in range(3):
            assert desk.tick(MINUTE)
            assert desk.watch.settings == before
            assert "no such activation" in desk.problem()
            assert desk.watch.pulse.problem == desk.problem()
        told = [one for one in messages(caplog) if "no such activation" in one]
        assert len(told) == 2  # that the child ended so, and that its configuration is refused

    def test_it_is_tried_again_seldom(self, desk: Desk) -> None:
        """A plugin that was missing may be there now: an hour later, and no attempt is lost."""
        before = self.refused(desk)
        desk.tick(MINUTE)
        desk.end("busy")
        for minutes, tried in ((57, False), (3, True)):
            desk.tick(minutes * MINUTE)
            assert (desk.started[-1].errand.settings == before) == (not tried)
            desk.end("busy" if not tried else "refused", "no such activation")
        desk.tick(SECOND)
        assert desk.started[-1].errand.settings == before
        assert "no such activation" in desk.problem()
        assert desk.history()[-1]["attempts"] == 0

    def test_a_number_that_is_none_is_no_change(self, desk: Desk) -> None:
        """TOML has nan, which equals nothing: the configuration is still the same."""
        settings_of(desk.folder, "[plugins.own]\nlimit = nan\n")
        desk.tick()
        desk.end("busy")
        taken = desk.watch.settings
        desk.tick(MINUTE)
        assert desk.watch.settings is taken

    def test_closures_of_no_calendar_are_refused(self, desk: Desk) -> None:
        """The line is told of, what was in force stays so, and the work goes on."""
        (desk.folder / "closures.txt").write_text("XFOO 2026-12-24 closed\n")
        for _ in range(2):
            desk.tick(MINUTE)
        assert "XFOO" in desk.problem()
        assert desk.started[-1].errand.calendars == (XNYS,)

    def test_a_child_works_by_the_closures_in_force(self, desk: Desk) -> None:
        """Those of a file that could be read last; the child does not read it."""
        closures = desk.folder / "closures.txt"
        closures.write_text("XNYS 2026-12-24 closed\n")
        desk.tick()
        closures.write_text("XNYS 2026-12-24 shut\n")
        desk.end("busy")
        desk.tick(MINUTE)
        assert "shut" in desk.problem()
        [one] = desk.started[-1].errand.amendments or ()
        assert str(one.day) == "2026-12-24"

    def test_closures_of_no_calendar_end_a_start(self, tmp_path: Path) -> None:
        """In one line, as everything that is wrong with the configuration."""
        settings = settings_of(tmp_path)
        (tmp_path / "closures.txt").write_text("XFOO 2026-12-24 closed\n")
        with pytest.raises(ConfigError, match="XFOO"):
            Rules(lambda: settings, settings)

    def test_a_corrected_file_is_taken_over(self, desk: Desk) -> None:
        """The problem is over with it, and the next child works by it."""
        self.refused(desk)
        desk.tick(SECOND)
        desk.end("busy")
        settings_of(desk.folder, GOOD)
        desk.tick(SECOND)
        assert desk.problem() == ""
        assert desk.started[-1].errand.settings.model.lookback == 5

    def test_what_worked_may_be_written_down_again(self, desk: Desk) -> None:
        """The problem is over; what was refused may be tried after that."""
        before = self.refused(desk)
        settings_of(desk.folder)
        desk.tick(SECOND)
        assert desk.problem() == ""
        assert desk.started[-1].errand.settings == before
        desk.end("busy")
        settings_of(desk.folder, BAD)
        desk.tick(SECOND)
        assert desk.started[-1].errand.settings.model.lookback == 7

    def test_closures_may_be_what_was_wrong(self, desk: Desk) -> None:
        """With another closures file the same configuration is taken up again."""
        self.refused(desk)
        (desk.folder / "closures.txt").write_text("XNYS 2026-12-24 closed\n")
        desk.tick(SECOND)
        assert desk.problem() == ""
        assert desk.started[-1].errand.settings.model.lookback == 7

    def test_what_never_worked_is_still_tried(self, desk: Desk) -> None:
        """With nothing to go back to the attempt has failed, and the same is tried again."""
        settings_of(desk.folder, BAD)
        for count in (1, 2):
            desk.tick(3 * MINUTE)
            assert len(desk.started) == count
            assert desk.started[-1].errand.settings.model.lookback == 7
            desk.end("refused", "no such activation")
            [row] = desk.history()
            assert (row["state"], row["reason_code"], row["attempts"]) == (
                "failed", "refused", count,
            )  # fmt: skip

    def test_another_refusal_of_what_worked(self, desk: Desk) -> None:
        """A plugin that was removed makes a configuration wrong that has worked: it is tried on."""
        quiet(desk)
        desk.world.now = DUE + timedelta(days=3)
        desk.tick()
        desk.end("refused", "no such source")
        assert desk.history()[-1]["state"] == "failed"
        desk.tick(MINUTE)
        assert len(desk.started) == 3
        assert desk.started[-1].errand.settings == desk.watch.settings
        assert desk.problem() == ""

    def test_a_refusal_that_comes_late(self, tmp_path: Path) -> None:
        """What was changed once more, while the child was at work, stays in force."""
        first = settings_of(tmp_path)
        rules = Rules(lambda: settings_of(tmp_path, more), first)
        rules.prove(Errand(rules.settings, None, None))
        more = BAD
        assert rules.reload(DUE)
        bad = Errand(rules.settings, None, None)
        more = GOOD
        assert rules.reload(DUE)
        assert rules.go_back(bad, ConfigError("refused"), DUE)
        assert rules.settings.model.lookback == 5
        assert not rules.reload(DUE)
