"""The daemon's mind: what it begins, what it makes of an end, and what it says of itself."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from apscheduler.jobstores.memory import MemoryJobStore
from sqlalchemy import insert, update

from forecaster.daemon.notify import Notifier
from forecaster.daemon.serve import _scheduler
from forecaster.daemon.watch import Watch
from forecaster.errors import ConfigError, LedgerError
from forecaster.job.schedule import FEWEST
from forecaster.ledger.claim import claim
from forecaster.ledger.runs import open_runs
from forecaster.ledger.schema import instrument, run

from .simulator import HOUR, MINUTE, NEW, SECOND, Desk, desk_in, ending, messages
from .standing import DUE, FRIDAY, MONDAY, THURSDAY, XNYS, healthy_at, settings_of, work

pytestmark = pytest.mark.usefixtures("no_disk")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A mind that has seen nothing yet."""
    with desk_in(tmp_path) as found:
        yield found


class TestDue:
    """A child is begun where something is to be done, and nowhere else."""

    def test_a_session_that_is_due(self, desk: Desk) -> None:
        """A child is begun for its calendar, and no other beside it."""
        assert desk.tick()
        assert [one.errand.calendars for one in desk.started] == [(XNYS,)]
        assert desk.tick(MINUTE)
        assert len(desk.started) == 1

    def test_a_session_that_is_done(self, desk: Desk) -> None:
        """Nothing is begun until the next one is due, to the minute."""
        desk.tick()
        work(desk.ledger)
        desk.end("done")
        for _ in range(3):
            assert desk.tick(20 * HOUR)
        assert len(desk.started) == 1
        desk.world.now = DUE + timedelta(days=3) - SECOND
        desk.tick()
        assert len(desk.started) == 1
        desk.tick(SECOND)
        assert [one.session for one in open_runs(desk.ledger)] == [MONDAY]
        assert len(desk.started) == 2

    def test_prices_that_have_ended(self, desk: Desk) -> None:
        """With historical series only it idles, and is well."""
        with desk.ledger.writing() as connection:
            connection.execute(update(instrument).values(historical=True))
        url = desk.watch.settings.database_url()
        with claim(url, "daemon", what="daemon", wait=False):
            for _ in range(5):
                assert desk.tick(DUE - datetime(2026, 11, 19, tzinfo=UTC))
            found = healthy_at(desk.watch.settings, desk.ledger, desk.world.now)
        assert desk.started == []
        assert desk.history() == []
        assert found.problems == ()

    def test_a_session_that_was_begun_before(self, desk: Desk) -> None:
        """What a daemon left behind that was killed is begun again, at once."""
        desk.tick()
        desk.attempt()
        desk.watch, count = desk.hire(), len(desk.started)
        desk.tick(SECOND)
        assert len(desk.started) == count + 1
        assert desk.history()[0]["state"] == "running"

    @pytest.mark.parametrize(
        ("wish", "states"),
        [
            ('"all"', ["pending"] * 4),
            ('"latest"', ["missed"] * 3 + ["pending"]),
            ("2", ["missed"] * 2 + ["pending"] * 2),
            ("9", ["pending"] * 4),
        ],
    )
    def test_a_downtime(self, desk: Desk, wish: str, states: list[str]) -> None:
        """Of four sessions as many are made up for as the configuration wants, marked late."""
        desk.tick()
        work(desk.ledger)
        desk.end("done")
        settings_of(desk.folder, f"[schedule]\ncatch_up = {wish}\n")
        desk.watch = desk.hire()
        desk.tick(timedelta(days=7) - 2 * HOUR)  # Thanksgiving is none, and on Friday it is short
        rows = desk.history()[1:]
        assert [row["state"] for row in rows] == states
        assert {row["late"] for row in rows} == {1}
        assert [row["kind"] for row in rows] == ["backfill"] * 3 + ["live"]
        assert all(row["reason"] for row in rows if row["state"] == "missed")

    def test_a_session_that_a_newer_one_has_overtaken(self, desk: Desk) -> None:
        """When the next session is due, what was not said yet is said late."""
        desk.tick()
        desk.world.now = DUE + timedelta(days=3) - SECOND
        desk.tick()
        assert [row["kind"] for row in desk.history()] == ["live"]
        desk.tick(SECOND)
        rows = [(row["session"], row["kind"], row["late"]) for row in desk.history()]
        assert rows == [(str(FRIDAY), "backfill", 1), (str(MONDAY), "live", 0)]

    def test_one_that_waits_is_not_lost_when_it_is_overtaken(self, desk: Desk) -> None:
        """A run that is to be tried again is so after the next session, too."""
        desk.tick()
        desk.attempt()
        desk.end("failed", "a plugin")
        desk.tick(timedelta(days=3) + SECOND)
        rows = [(row["session"], row["kind"], row["state"]) for row in desk.history()]
        assert rows == [
            (str(FRIDAY), "backfill", "pending"),
            (str(MONDAY), "live", "pending"),
        ]


class TestClock:
    """Whatever the clock does, it is right in the end."""

    def test_a_clock_that_was_ahead(self, desk: Desk) -> None:
        """Sessions that are not due after all are taken off, and none is tried in vain."""
        desk.tick()
        desk.tick(timedelta(days=4))
        assert len(desk.history()) == 3
        desk.end("failed", "there were no bars")
        assert {row["state"] for row in desk.history()} == {"failed"}
        desk.tick(-timedelta(days=4))
        rows = desk.history()
        assert [(row["session"], row["kind"], row["state"]) for row in rows] == [
            (str(FRIDAY), "live", "pending")
        ]
        assert rows[0]["attempts"] == 0
        assert "the clock went back" in desk.problem()
        desk.tick(MINUTE)
        assert desk.problem() == ""

    def test_a_clock_that_went_back_while_nobody_looked(self, desk: Desk) -> None:
        """A daemon that is started anew tells of it as well: the ledger knows how late it was."""
        desk.tick()
        desk.world.now -= timedelta(days=8)
        desk.watch = desk.hire()
        desk.tick()
        assert desk.problem() == "the clock went back from 2026-11-20 23:00 to 2026-11-12 23:00 UTC"
        desk.tick(MINUTE)
        assert desk.problem() == ""

    def test_a_start_after_a_downtime_is_no_such_trouble(self, desk: Desk) -> None:
        """Nor is a clock that is behind by less than a day."""
        desk.tick()
        for passed in (timedelta(days=8), -23 * HOUR):
            desk.world.now += passed
            desk.watch = desk.hire()
            desk.tick()
            assert desk.problem() == ""

    def test_a_series_that_was_asked_for_by_such_a_clock(self, desk: Desk) -> None:
        """It is not left alone until that time comes again."""
        desk.tick()
        work(desk.ledger)
        desk.end("done")
        desk.world.wrong = timedelta(days=7)
        with desk.ledger.writing() as connection:
            connection.execute(update(instrument).values(historical=True))  # nothing else is due
        settings_of(desk.folder, NEW)
        desk.tick()
        desk.end("done")
        assert len(desk.started) == 2
        desk.world.wrong = timedelta(0)
        desk.tick(MINUTE)
        assert len(desk.started) == 3


class TestEnds:
    """What a child could not say itself is said for it."""

    def test_who_is_killed_once_goes_on_at_once(self, desk: Desk) -> None:
        """Later sessions build on this one: it keeps its place. Killed again, it has to wait."""
        desk.tick()
        desk.attempt()
        desk.end("killed", "gone")
        desk.tick(SECOND)
        assert len(desk.started) == 2
        desk.attempt()
        desk.end("killed", "gone")
        desk.tick(SECOND)
        assert len(desk.started) == 2

    @pytest.mark.parametrize("how", ["deadline", "memory", "failed", "refused"])
    @pytest.mark.parametrize("begun", [True, False])
    def test_a_bad_end(self, desk: Desk, how: str, begun: bool) -> None:
        """The run has failed, with a reason, and is tried again soon."""
        desk.tick()
        if begun:
            desk.attempt()
        desk.end(how, f"because of {how}")
        [row] = desk.history()
        assert (row["state"], row["reason_code"], row["reason"], row["attempts"]) == (
            "failed", how, f"because of {how}", 1,
        )  # fmt: skip
        again = datetime.fromisoformat(row["next_attempt_at"])
        assert timedelta(0) < again - desk.world.now < MINUTE
        desk.tick(20 * SECOND)
        assert len(desk.started) == 1
        desk.tick(20 * SECOND)
        assert len(desk.started) == 2

    @pytest.mark.parametrize("how", ["done", "busy", "stopped"])
    def test_an_end_that_needs_no_word(self, desk: Desk, how: str) -> None:
        """What the child left in the ledger stays; what it left open is begun at the next tick."""
        desk.tick()
        before = desk.history()
        desk.end(how)
        assert desk.history() == before
        desk.tick(MINUTE)
        assert len(desk.started) == 2

    def test_attempts_end(self, desk: Desk) -> None:
        """Half a day after it was due the last one has been made, and the run has failed."""
        desk.tick()
        while desk.world.now < DUE + 20 * HOUR:
            if desk.started[-1].alive:
                desk.attempt()
                desk.end("killed", "it ended with SIGKILL")
            desk.tick(MINUTE)
        [row] = desk.history()
        assert row["state"] == "failed"
        assert row["next_attempt_at"] is None
        assert row["attempts"] == len(desk.started) > FEWEST
        assert open_runs(desk.ledger) == []

    def test_other_calendars_are_left_as_they_are(self, desk: Desk) -> None:
        """Only what the child was started for has failed with it."""
        desk.tick()
        other = {
            "kind": "live", "calendar": "XTKS", "session": THURSDAY, "state": "pending",
            "seconds": 0.0, "due_at": DUE,
        }  # fmt: skip
        with desk.ledger.writing() as connection:
            connection.execute(insert(run), [other])
        desk.end("killed", "gone")
        states = {row["calendar"]: row["state"] for row in desk.history()}
        assert states == {XNYS: "failed", "XTKS": "pending"}


class TestOthers:
    """Nobody's work is done twice."""

    def test_while_somebody_works_nothing_is_begun(self, desk: Desk) -> None:
        """Whoever holds the lock does what is due as well."""
        with claim(desk.watch.settings.database_url(), "run", what="backfill", wait=False):
            for _ in range(3):
                assert desk.tick(MINUTE)
            assert desk.started == []
        desk.tick(MINUTE)
        assert len(desk.started) == 1

    def test_two_minds_begin_a_session_once(self, desk: Desk) -> None:
        """Of two children that were begun at once one finds the other at work, and leaves."""
        other = desk.hire()
        desk.tick()
        other.tick()
        mine, theirs = desk.started
        url = desk.watch.settings.database_url()
        with claim(url, "run", what="run", wait=False):
            desk.attempt()
            with pytest.raises(LedgerError, match="is being worked on") as refused:
                claim(url, "run", what="run", wait=False).__enter__()
            theirs.alive = False
            theirs.ended(ending(refused.value.code))
            work(desk.ledger)
        mine.alive = False
        mine.ended(ending("done"))
        for watch in (desk.watch, other):
            assert watch.tick()
        assert len(desk.started) == 2
        assert [(row["session"], row["attempts"]) for row in desk.history()] == [(str(FRIDAY), 1)]

    def test_nothing_is_begun_while_it_stops(self, desk: Desk) -> None:
        """A tick at the end starts no child that nobody would end."""
        desk.watch.stopping = True
        assert desk.tick()
        assert desk.started == []


class TestTrouble:
    """A tick never raises: the next one looks again."""

    def test_a_ledger_that_cannot_be_written(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The watchdog is not fed, nothing is begun, and all is well again when it is."""
        self.allow(desk, write=False)
        assert [desk.tick(MINUTE) for _ in range(3)] == [False] * 3
        assert desk.started == []
        assert len(messages(caplog)) == 1
        self.allow(desk, write=True)
        assert desk.tick(MINUTE)
        assert desk.problem() == ""
        assert len(desk.started) == 1

    def allow(self, desk: Desk, *, write: bool) -> None:
        """Let the database be written to, or not."""
        with desk.ledger.reading() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if write else 'ON'}")

    def test_a_database_that_was_removed(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What is open is not written to for ever while nobody can see it: it is said once."""
        place = Path(desk.ledger.place)
        place.rename(place.with_suffix(".away"))
        assert [desk.tick(MINUTE) for _ in range(2)] == [False] * 2
        assert desk.started == []
        told = messages(caplog)[-1]
        assert "was removed or replaced while it was open; restart" in told
        place.with_suffix(".away").rename(place)
        assert desk.tick(MINUTE)

    def test_an_end_that_cannot_be_noted(self, desk: Desk) -> None:
        """The run is found by the next tick as it was left."""
        desk.tick()
        desk.attempt()
        self.allow(desk, write=False)
        desk.end("killed", "gone")
        self.allow(desk, write=True)
        desk.tick(MINUTE)
        assert len(desk.started) == 2

    @pytest.mark.parametrize("error", [RuntimeError("odd"), OSError("odd"), ConfigError("odd")])
    def test_a_configuration_that_raises(self, desk: Desk, error: Exception) -> None:
        """Whatever reading it does, no exception leaves the tick."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk.watch.rules, "_load", lambda: raised(error))
            desk.tick()
        assert desk.tick(MINUTE)
        assert len(desk.started) == 1

    def test_a_child_that_cannot_be_started(self, desk: Desk) -> None:
        """A machine without memory or processes stops one tick, not the daemon."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk.watch, "start", lambda *_: raised(OSError("no process left")))
            assert not desk.tick()
        assert desk.tick(MINUTE)
        assert len(desk.started) == 1


def raised(error: Exception) -> Any:
    """Raise an error."""
    raise error


class TestScheduler:
    """APScheduler does one thing: it calls every minute, and remembers nothing."""

    @pytest.fixture
    def scheduler(self, desk: Desk) -> Iterator[Any]:
        """The daemon's, not started."""
        found = _scheduler(desk.watch, Notifier(), 3600.0)
        yield found
        with suppress(Exception):
            found.shutdown(wait=False)

    def test_it_is_in_memory_and_skips_nothing(self, scheduler: Any) -> None:
        """One job, one instance of it, in UTC, never too late, and never made up for."""
        [(job, _, _)] = scheduler._pending_jobs
        assert {name: type(one) for name, one in scheduler._jobstores.items()} == {
            "default": MemoryJobStore
        }
        assert str(scheduler.timezone) == "UTC"
        assert scheduler._job_defaults == {
            "misfire_grace_time": None, "coalesce": True, "max_instances": 1,
        }  # fmt: skip
        assert job.trigger.interval == HOUR

    def test_a_stall_is_no_misfire(self, scheduler: Any) -> None:
        """After a sleep of three days it ticks once, at once, and nothing counts as missed."""
        heard: list[int] = []
        ticked = Event()

        def listen(event: Any) -> None:
            heard.append(event.code)
            ticked.set()

        scheduler.add_listener(listen, EVENT_JOB_MISSED | EVENT_JOB_EXECUTED)
        [(job, _, _)] = scheduler._pending_jobs
        job.modify(next_run_time=datetime.now(UTC) - timedelta(days=3))
        thread = Thread(target=scheduler.start, daemon=True)
        thread.start()
        assert ticked.wait(10)
        scheduler.shutdown(wait=True)
        thread.join(10)
        assert not thread.is_alive()
        assert heard == [EVENT_JOB_EXECUTED]

    def test_nothing_is_forked(self) -> None:
        """Children are programs of their own: a copy of a process with threads may hang."""
        folder = Path(sys.modules[Watch.__module__].__file__ or "").parent
        texts = {path.name: path.read_text() for path in folder.glob("*.py")}
        assert "watch.py" in texts
        words = ("multiprocessing", "os.fork", "preexec_fn")
        assert [name for name, text in texts.items() if any(word in text for word in words)] == []


def test_what_failed_as_a_whole_is_run_late(desk: Desk) -> None:
    """What its attempts failed by may be mended by the next session: both are worked then."""
    for _ in range(30):
        begun = len(desk.started)
        desk.tick(HOUR)
        if len(desk.started) > begun:
            desk.end("failed", "the cluster cannot be reached")
    [friday] = desk.history()
    assert (friday["kind"], friday["state"], friday["next_attempt_at"]) == ("live", "failed", None)
    desk.world.now = DUE + timedelta(days=3)
    desk.tick(MINUTE)
    rows = [(row["session"], row["kind"], row["state"], row["late"]) for row in desk.history()]
    assert rows == [
        (str(FRIDAY), "backfill", "pending", 1), (str(MONDAY), "live", "pending", 0),
    ]  # fmt: skip


def test_a_session_of_which_each_series_has_failed_stays_as_it_is(desk: Desk) -> None:
    """Each said why: somebody must act, and it is not run late."""
    desk.tick()
    work(desk.ledger, failing=["AAA", "BBB"], status="failed")
    desk.end("done")
    desk.world.now = DUE + timedelta(days=3)
    desk.tick(MINUTE)
    rows = [(row["session"], row["kind"], row["state"]) for row in desk.history()]
    assert rows == [(str(FRIDAY), "live", "failed"), (str(MONDAY), "live", "pending")]


def test_a_changed_configuration_forgets_what_ended_a_process(desk: Desk) -> None:
    """What did may be gone: tonight is tried as if it never had been, and is no fallback."""
    for wait in (0, 3, 10):
        desk.tick(wait * MINUTE)
        desk.attempt()
        desk.end("killed", "gone", run=f"XNYS {FRIDAY}")
    assert [one.has_died for one in open_runs(desk.ledger)] == [True]
    (desk.folder / "config.toml").write_text(
        (desk.folder / "config.toml").read_text() + "\n[model]\nlookback = 7\n"
    )
    desk.tick(SECOND)
    [one] = open_runs(desk.ledger)
    assert (one.state, one.has_died, one.is_due(desk.world.now)) == ("pending", False, True)
    assert desk.started[-1].alive


def test_who_has_lost_the_lock_judges_no_run(desk: Desk) -> None:
    """What its child leaves is another daemon's affair by then."""
    desk.tick()
    desk.attempt()

    def gone() -> None:
        raise LedgerError("another daemon has it", code="busy")

    desk.watch.renew = gone
    assert not desk.tick(MINUTE)
    desk.end("failed", "x")
    assert [(row["state"], row["attempts"]) for row in desk.history()] == [("running", 1)]


def test_a_night_that_ends_its_child_holds_up_no_other(desk: Desk) -> None:
    """Of two late nights the one is charged that the child was at work on; the other goes on."""
    desk.tick()
    desk.end("busy")
    for _ in range(2):
        desk.tick(timedelta(days=2))
    desk.attempt()
    desk.end("killed", "gone", run=f"XNYS {FRIDAY}")
    rows = {row["session"]: row for row in desk.history()}
    assert (rows[str(FRIDAY)]["state"], rows[str(FRIDAY)]["attempts"]) == ("failed", 1)
    others = [row for session, row in rows.items() if session != str(FRIDAY)]
    assert {(row["state"], row["attempts"]) for row in others} == {("interrupted", 0)}
    assert all(row["next_attempt_at"] is None for row in others)


class TestSources:
    """A source at which children end is left alone for a while, so that others have their turn."""

    def end_at(self, desk: Desk, source: str, how: str = "killed", stage: str = "pull") -> None:
        """Begin a child that ends so while it asks a source."""
        count = len(desk.started)
        desk.tick(MINUTE)
        assert len(desk.started) == count + 1
        desk.end(how, "gone", stage=stage, series=f"{source} AAA")

    def avoided(self, desk: Desk, after: timedelta = MINUTE) -> tuple[str, ...]:
        """Return what the next child does not ask, which then does nothing."""
        count = len(desk.started)
        desk.tick(after)
        assert len(desk.started) == count + 1
        desk.end("busy")
        return desk.started[-1].errand.avoid

    @pytest.mark.parametrize("how", ["killed", "memory"])
    def test_two_ends_in_a_row(self, desk: Desk, how: str) -> None:
        """Once may be chance; after the second it is left alone for an hour, and asked again."""
        self.end_at(desk, "feed", how)
        assert self.avoided(desk) == ()
        self.end_at(desk, "feed", how)
        for _ in range(3):
            assert self.avoided(desk, 19 * MINUTE) == ("feed",)
        assert self.avoided(desk, 4 * MINUTE) == ()

    def test_a_source_at_which_a_child_hung(self, desk: Desk) -> None:
        """Once is enough: it took the whole deadline. It is left alone for an hour as well."""
        self.end_at(desk, "feed", "deadline")
        assert self.avoided(desk) == ("feed",)
        assert self.avoided(desk, 58 * MINUTE) == ("feed",)
        assert self.avoided(desk, 2 * MINUTE) == ()

    def test_another_source_in_between(self, desk: Desk) -> None:
        """Two ends at two sources are chance; what lies behind them is told by the third."""
        self.end_at(desk, "feed")
        self.end_at(desk, "other")
        desk.tick(3 * MINUTE)
        assert desk.started[-1].errand.avoid == ()
        desk.end("killed", "gone", stage="pull", series="feed AAA")
        desk.tick(10 * MINUTE)
        assert desk.started[-1].errand.avoid == ()
        desk.end("killed", "gone", stage="pull", series="feed BBB")
        desk.tick(timedelta(minutes=45))
        assert desk.started[-1].errand.avoid == ("feed",)

    def test_a_child_that_is_done_in_between(self, desk: Desk) -> None:
        """A source that has answered meanwhile is no suspect any more."""
        self.end_at(desk, "feed")
        desk.tick(MINUTE)
        work(desk.ledger)
        desk.end("done")
        desk.tick(timedelta(days=3))
        desk.end("killed", "gone", stage="pull", series="feed AAA")
        assert self.avoided(desk) == ()

    def test_an_error_in_between(self, desk: Desk) -> None:
        """A child that failed told why, by its exit code: no source has ended its process."""
        for how in ("failed", "failed", "killed"):
            self.end_at(desk, "feed", how)
            desk.tick(10 * MINUTE)
            assert desk.started[-1].errand.avoid == ()
            desk.end("busy")

    def test_an_end_that_is_no_sources_doing(self, desk: Desk) -> None:
        """What ends a process while it trains makes no source a suspect, however often."""
        for wait in (0, 3, 10):
            desk.tick(wait * MINUTE)
            assert desk.started[-1].errand.avoid == ()
            desk.end("killed", "gone", stage="train", series="feed AAA")
        desk.tick(45 * MINUTE)
        assert len(desk.started) == 4
        assert desk.started[-1].errand.avoid == ()
