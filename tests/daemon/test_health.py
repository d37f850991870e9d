"""Whether all is well: each thing that may be wrong is told, and nothing else."""

import json
import shutil
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from forecaster.config import Settings
from forecaster.daemon import health
from forecaster.errors import LedgerError
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.claim import claim
from forecaster.ledger.instruments import set_paused
from forecaster.ledger.schema import run

from .standing import (
    DUE,
    FRIDAY,
    MONDAY,
    SATURDAY,
    THURSDAY,
    fill,
    healthy_at,
    say,
    schedule,
    settings_of,
    work,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two series of New York's."""
    return settings_of(tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """A ledger that knows them, in which Friday was worked."""
    with open_ledger(settings.database_url(), create=True) as opened:
        fill(opened)
        schedule(opened)
        work(opened)
        yield opened


class TestAllIsWell:
    def test_who_needs_no_daemon_is_well_while_no_session_is_overdue(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """A timer that starts `run` is as good."""
        found = healthy_at(settings, ledger)
        assert found.problems == ()
        assert found.ok
        assert found.facts["daemon"] == {"state": "never started"}
        assert found.facts["calendars"]["XNYS"]["session"] == FRIDAY.isoformat()
        assert found.facts["series"]["AAA"] == {"calendar": "XNYS", "session": "2026-11-20"}

    def test_a_new_database_is_well(self, settings: Settings) -> None:
        """Nothing is known yet, so nothing is late."""
        with open_ledger(settings.database_url(), create=True) as opened:
            assert healthy_at(settings, opened).problems == ()

    def test_a_daemon_that_looks_every_minute_is_well(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """Its lock is held, and its last look is young."""
        with claim(settings.database_url(), "daemon", what="daemon", wait=False):
            say(ledger, SATURDAY)
            found = healthy_at(settings, ledger, SATURDAY + MINUTE)
        assert found.ok
        assert found.facts["daemon"]["state"] == "running"
        assert found.facts["daemon"]["tick_age"] == 60.0

    def test_a_daemon_that_was_stopped_is_no_fault(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """Somebody wanted it so; sessions that become overdue will tell."""
        say(ledger, SATURDAY, stopped_at=SATURDAY)
        found = healthy_at(settings, ledger)
        assert found.ok
        assert found.facts["daemon"]["state"] == "stopped"

    def test_a_daemon_may_take_its_time_to_begin(self, settings: Settings, ledger: Ledger) -> None:
        """Between its lock and its first look a database may be upgraded."""
        say(ledger, SATURDAY, pid=1, stopped_at=SATURDAY)
        with claim(settings.database_url(), "daemon", what="daemon", wait=False):
            found = healthy_at(settings, ledger, SATURDAY)
        assert found.facts["daemon"]["state"] == "starting"

    def test_what_is_known_is_a_json_document(self, settings: Settings, ledger: Ledger) -> None:
        """Programs read the same."""
        say(ledger, SATURDAY)
        document = json.loads(json.dumps(healthy_at(settings, ledger).document(), allow_nan=False))
        assert document["ok"] is False
        assert {"daemon", "overdue", "calendars", "series", "disk", "database"} <= document.keys()


class TestOverdue:
    def test_a_session_that_nobody_looked_at_is_overdue_after_a_quarter_of_an_hour(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """Due on Monday at 23:00 UTC: well until 23:15, and not after."""
        due = DUE + timedelta(days=3)
        assert healthy_at(settings, ledger, due + 15 * MINUTE).ok
        found = healthy_at(settings, ledger, due + 16 * MINUTE)
        [told] = found.problems
        assert told == (
            "XNYS 2026-11-23 is overdue since 2026-11-23 23:00 UTC;"
            " nobody has looked at the schedule since"
        )
        assert found.facts["overdue"][0]["reason_code"] == "unseen"

    def test_a_session_that_waits_is_told_with_its_reason_and_next_attempt(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """Whoever looks knows whether somebody must act."""
        schedule(ledger, MONDAY)
        due, again = DUE + timedelta(days=3), DUE + timedelta(days=3, hours=2)
        with ledger.writing() as connection:
            changes = {
                "state": "deferred", "attempts": 3, "next_attempt_at": again,
                "reason_code": "provider_down", "reason": "the feed is\ndown",
            }  # fmt: skip
            connection.execute(update(run).where(run.c.session == MONDAY).values(changes))
        found = healthy_at(settings, ledger, due + 16 * MINUTE)
        [told] = found.problems
        assert told == (
            r"XNYS 2026-11-23 is overdue since 2026-11-23 23:00 UTC; deferred; the feed is\ndown;"
            " tried again at 2026-11-24 01:00 UTC"
        )
        [fact] = found.facts["overdue"]
        assert (fact["state"], fact["attempts"]) == ("deferred", 3)

    def test_many_overdue_sessions_are_counted(self, settings: Settings, ledger: Ledger) -> None:
        """A downtime of a month is a few lines."""
        found = healthy_at(settings, ledger, SATURDAY + timedelta(days=31))
        assert len(found.problems) == 6
        assert found.problems[-1].endswith("further sessions are overdue")
        assert len(found.facts["overdue"]) > 15

    def test_paused_series_make_nothing_overdue(self, settings: Settings, ledger: Ledger) -> None:
        """A calendar that nobody forecasts is not looked at."""
        for name in ("AAA", "BBB"):
            set_paused(ledger, name, paused=True)
        assert healthy_at(settings, ledger, SATURDAY + timedelta(days=31)).ok

    def test_a_series_that_was_given_up_is_told(self, settings: Settings) -> None:
        """Its calendar's newest night is over and has nothing of it: with the reason."""
        with open_ledger(settings.database_url(), create=True) as opened:
            fill(opened)
            for session in (THURSDAY, FRIDAY):
                schedule(opened, session)
                work(opened, session, failing=["BBB"] if session == FRIDAY else [])
            found = healthy_at(settings, opened)
        assert found.problems == ("BBB: XNYS 2026-11-20 failed for good: its bar is a riddle",)
        assert found.facts["series"]["BBB"]["session"] == THURSDAY.isoformat()


class TestDaemon:
    def test_a_daemon_that_died_is_told(self, settings: Settings, ledger: Ledger) -> None:
        """It did not say that it ends, and its lock is free."""
        say(ledger, SATURDAY)
        found = healthy_at(settings, ledger, SATURDAY + MINUTE)
        assert found.facts["daemon"]["state"] == "dead"
        assert "died after 2026-11-21 12:00 UTC" in found.problems[0]

    def test_a_daemon_that_stopped_looking_is_told(
        self, settings: Settings, ledger: Ledger
    ) -> None:
        """Alive, by its lock, but not at work for more than three minutes, as the clock has it."""
        with claim(settings.database_url(), "daemon", what="daemon", wait=False):
            say(ledger, SATURDAY)
            for ahead in (3, -3):
                assert healthy_at(settings, ledger, SATURDAY + ahead * MINUTE).ok
            for ahead in (4, -4):
                found = healthy_at(settings, ledger, SATURDAY + ahead * MINUTE)
                assert found.facts["daemon"]["state"] == "silent"
                assert "has not looked at the schedule since" in found.problems[0]

    def test_what_troubles_the_daemon_is_told(self, settings: Settings, ledger: Ledger) -> None:
        """A configuration that it refuses, for instance."""
        with claim(settings.database_url(), "daemon", what="daemon", wait=False):
            say(ledger, SATURDAY, problem="config.toml: model.epochs = -1: must be at least 1")
            found = healthy_at(settings, ledger)
        assert found.problems == (
            "the daemon says: config.toml: model.epochs = -1: must be at least 1",
        )

    def test_series_that_never_had_a_bar_are_told(self, tmp_path: Path, ledger: Ledger) -> None:
        """A wrong symbol is noticed, though there is no calendar on which it could be overdue."""
        settings = settings_of(tmp_path, '[[series]]\nsource = "feed"\nsymbol = "TYPO"\n')
        with claim(settings.database_url(), "daemon", what="daemon", wait=False):
            say(ledger, SATURDAY)
            assert healthy_at(settings, ledger).ok
            say(ledger, SATURDAY, started_at=SATURDAY - timedelta(hours=1))
            assert "TYPO: it never had a bar" in healthy_at(settings, ledger).problems[0]


class TestStorage:
    def test_a_database_that_cannot_be_opened_is_told(self, settings: Settings) -> None:
        """What opening raised is the problem, and the disk is looked at all the same."""
        why = LedgerError("it is damaged", remedy="restore a backup")
        found = healthy_at(settings, why)
        assert found.problems == ("it is damaged; restore a backup",)
        assert found.facts["disk"]["free"] > 0

    def test_a_disk_without_room_is_told(
        self, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Less than 256 MB, or than a backup takes."""
        usage = namedtuple("usage", "total used free")  # noqa: PYI024  as the library's own
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 100_000_000))
        assert "has 100 MB left" in healthy_at(settings, ledger).problems[0]

    def test_a_log_that_has_grown_is_told(
        self, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some reader keeps SQLite from emptying it."""
        monkeypatch.setattr(health, "LARGEST_WAL", 1)
        assert "has grown" in healthy_at(settings, ledger).problems[0]

    def test_damage_is_found_by_looking_deep(self, settings: Settings, ledger: Ledger) -> None:
        """The whole file is read only if somebody wants it."""
        assert healthy_at(settings, ledger, deep=True).facts["database"]["damage"] == []
        with ledger.reading() as connection:
            query = text(
                "SELECT rootpage FROM sqlite_master WHERE name = 'ix_quarantine_instrument_id'"
            )
            root = int(connection.scalar(query) or 0)
            page = int(connection.scalar(text("PRAGMA page_size")) or 0)
        ledger.close()  # and so the log is in the file
        with (settings.folder / "ledger.db").open("r+b") as file:
            file.seek((root - 1) * page)
            file.write(b"\xa5" * page)
        with open_ledger(settings.database_url()) as opened:
            found = healthy_at(settings, opened, deep=True)
        assert not found.ok
        assert any("damaged" in each for each in found.problems)

    def test_a_failure_in_between_is_a_problem_and_no_exception(
        self, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What cannot be read is unknown; the rest is told."""

        def locked(_: Ledger) -> None:
            raise LedgerError("locked")

        monkeypatch.setattr(health, "last_done", locked)
        found = healthy_at(settings, ledger)
        assert found.problems == ("locked",)
        assert found.facts["calendars"] is None
        assert found.facts["series"]
