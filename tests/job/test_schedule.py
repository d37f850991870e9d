"""What is due, when it is tried again, and what is said when the last attempt is over."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecaster.config import Settings
from forecaster.errors import DataError
from forecaster.job.backfill import backfill
from forecaster.job.schedule import FEWEST, STALE, next_attempt, scheduled
from forecaster.ledger.runs import Run
from forecaster.market import Calendar, get_calendar

from .project import evening
from .test_replay import require_exact
from .venue import BRIEF, COMING, DAYS, Venue

SESSION = date(2023, 7, 3)
CLOSE = datetime(2023, 7, 3, 17, tzinfo=UTC)  # a short day: 13:00 in New York
DUE = CLOSE + timedelta(hours=2)
RUN = Run(1, "live", "XNYS", SESSION, "pending", DUE)


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    """Return a project whose source quotes A up to the last session before the coming ones."""
    found = Venue(tmp_path)
    found.trade("A", len(DAYS))
    return found


def told(venue: Venue) -> tuple[object, ...]:
    """Return how the newest run on the schedule stands."""
    [row] = venue.sql(
        "SELECT state, attempts, reason_code, next_attempt_at IS NOT NULL FROM run"
        " WHERE due_at IS NOT NULL ORDER BY session DESC LIMIT 1"
    )
    return row


def attempts(run: Run, settings: Settings, start: datetime) -> list[timedelta]:
    """Return after how long each attempt is made that fails, until it is given up."""
    calendar, now, found = get_calendar(run.calendar), start, []
    while True:
        found.append(now - start)
        again = next_attempt(run, settings, calendar, now, not_before=now)
        if again is None:
            return found
        run, now = replace(run, attempts=run.attempts + 1), again


def test_the_ladder_is_short_first_and_ends_in_time() -> None:
    """Attempts come within minutes first and hourly later, until half a day after it was due."""
    found = attempts(RUN, Settings(), DUE)
    assert found == sorted(found)
    assert len(found) > FEWEST
    assert found[1] < timedelta(minutes=1)
    assert timedelta(hours=10) < found[-1] <= timedelta(hours=12)


def test_a_late_beginning_still_has_some_attempts() -> None:
    """What begins after the time to give up is tried as often as the ladder has steps."""
    assert len(attempts(RUN, Settings(), DUE + timedelta(hours=13))) == FEWEST


def test_nothing_is_said_live_after_the_next_session() -> None:
    """An attempt that would come after the next session's close is not awaited."""
    close = get_calendar("XNYS").close(get_calendar("XNYS").after(SESSION, 1)[0])
    assert len(attempts(RUN, Settings(), close - timedelta(seconds=10))) == 1
    found = attempts(RUN, Settings(), close - timedelta(minutes=30))
    assert 1 < len(found) <= FEWEST


def test_what_is_late_is_tried_with_each_newer_session() -> None:
    """After half a day it has one attempt a session, with the newest one's, for ten of them."""
    late = replace(RUN, kind="backfill", started_at=DUE)
    calendar = get_calendar("XNYS")
    moments = [DUE + each for each in attempts(late, Settings(), DUE)]
    hourly = [each for each in moments if each <= DUE + timedelta(hours=12)]
    coming = calendar.after(SESSION, STALE)
    assert len(hourly) > FEWEST
    assert moments[len(hourly) :] == [calendar.close(day) + timedelta(hours=2) for day in coming]


def test_what_a_bar_comes_late_for_is_said_late(venue: Venue) -> None:
    """It waits for its bar while newer sessions are forecast, and is a backfill in the end."""
    venue.follow("A", source="venue", settings=f'{BRIEF}\ncatch_up = "all"')
    venue.run(evening(DAYS[-1]))
    venue.trade("A", len(DAYS) + 2, without=[COMING[0]])
    venue.run(evening(COMING[1]))
    query = "SELECT kind, state, next_attempt_at IS NULL FROM run WHERE session = ?"
    assert venue.sql(query, str(COMING[0])) == [("backfill", "deferred", 0)]
    venue.trade("A", len(DAYS) + 2)
    venue.run(evening(COMING[1]) + timedelta(days=1))
    assert venue.sql(query, str(COMING[0])) == [("backfill", "done", 1)]


def test_a_source_that_rests_is_waited_for() -> None:
    """The next attempt comes when the source wants to be asked again."""
    until = DUE + timedelta(minutes=45)
    again = next_attempt(RUN, Settings(), get_calendar("XNYS"), DUE, not_before=until)
    assert again == until


def test_the_last_attempt_writes_a_fallback(venue: Venue) -> None:
    """While it is tried again nothing is said; in the end the last value is, with its spread."""
    venue.follow("A", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    now = evening(COMING[0])
    for _ in range(40):
        venue.run(now)
        state, count, code, again = told(venue)
        if not again:
            break
        assert (state, code) == ("deferred", "incomplete")
        assert venue.sql("SELECT count(*) FROM forecast WHERE status = 'fallback'") == [(0,)]
        [(text,)] = venue.sql("SELECT max(next_attempt_at) FROM run")
        now = datetime.fromisoformat(text)
    assert (state, code) == ("degraded", "incomplete")
    assert count > FEWEST
    assert timedelta(hours=10) < now - DUE <= timedelta(hours=12)
    rows = venue.sql(
        "SELECT forecast, baseline, hi80 - lo80, cutoff FROM forecast_history"
        " WHERE status = 'fallback' ORDER BY horizon"
    )
    [(last,)] = venue.sql("SELECT close FROM bar ORDER BY session DESC LIMIT 1")
    assert [row[:2] for row in rows] == [(last, last)] * 3
    assert {row[3] for row in rows} == {COMING[0].isoformat()}
    assert np.all(np.diff([row[2] for row in rows]) > 0)


def test_a_fallback_is_as_wide_as_its_value_is_old(venue: Venue) -> None:
    """One session ahead of a value of the session before is two sessions ahead of it."""
    venue.follow("A", source="venue", settings=f"{BRIEF}\ngive_up = 0")
    venue.run(evening(DAYS[-1]))
    [(two,)] = venue.sql("SELECT ewma_scale FROM forecast WHERE kind = 'live' AND horizon = 2")
    for k in range(FEWEST):
        venue.run(evening(COMING[0]) + timedelta(hours=k / 10))
    [(one,)] = venue.sql("SELECT scale FROM forecast WHERE status = 'fallback' AND horizon = 1")
    assert one == two


def test_a_fallback_is_scored_and_replayed(venue: Venue) -> None:
    """It is held against what happened, and can be computed again when the price is there."""
    venue.follow("A", source="venue", settings=f"{BRIEF}\ngive_up = 0")
    venue.run(evening(DAYS[-1]))
    for k in range(FEWEST):
        venue.run(evening(COMING[0]) + timedelta(hours=k / 10))
    venue.trade("A", len(DAYS) + 3)
    venue.run(evening(COMING[2]))
    [(scored,)] = venue.sql(
        "SELECT count(*) FROM forecast_history WHERE status = 'fallback' AND actual IS NOT NULL"
    )
    assert scored == 2
    assert require_exact(venue, fallback=True) == 3


def test_a_run_of_some_series_leaves_the_others_due(venue: Venue) -> None:
    """A session is not done for the schedule when only a series that was named is."""
    venue.trade("B", len(DAYS))
    venue.follow("A", "B", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    for symbol in "AB":
        venue.trade(symbol, len(DAYS) + 1)
    venue.run(evening(COMING[0]), names=["A"])
    assert told(venue)[0] == "pending"
    venue.run(evening(COMING[0]))
    assert told(venue)[:2] == ("done", 2)


def test_what_a_wrong_clock_made_due_is_taken_back(venue: Venue) -> None:
    """Sessions that are not due any more when the clock is right again are none of the schedule."""
    venue.follow("A", source="venue", settings=f'{BRIEF}\ncatch_up = "all"')
    venue.run(evening(DAYS[-1]))
    with venue.job(evening(COMING[5])) as job:
        ahead = scheduled(job.ledger, job.settings, job.calendars, job.clock())
        assert [one.session for one in ahead] == COMING[:6]
    with venue.job(evening(COMING[0])) as job:
        right = scheduled(job.ledger, job.settings, job.calendars, job.clock())
        assert [(one.session, one.kind, one.late) for one in right] == [(COMING[0], "live", False)]


def test_some_series_made_up_for_by_hand_leave_the_others_due(venue: Venue) -> None:
    """What is backfilled of one series is still worked for the others, without doubling it."""
    venue.trade("B", len(DAYS))
    venue.follow("A", "B", source="venue", settings=f'{BRIEF}\ncatch_up = "all"')
    venue.run(evening(DAYS[-1]))
    for symbol in "AB":
        venue.trade(symbol, len(DAYS) + 4)
    now = evening(COMING[3])
    with venue.job(now) as job:
        backfill(job, first=COMING[0], last=COMING[1], names=["A"])
    venue.run(now, as_of=COMING[2], names=["A"])
    venue.run(now)
    query = (
        "SELECT cutoff, count(*), count(DISTINCT series) FROM forecast_history"
        " WHERE cutoff > ? AND horizon = 1 GROUP BY cutoff ORDER BY cutoff"
    )
    assert venue.sql(query, str(DAYS[-1])) == [(str(day), 2, 2) for day in COMING[:4]]
    assert venue.sql("SELECT DISTINCT state FROM run") == [("done",)]


def test_a_backfill_up_to_today_does_not_end_it_for_who_waits(venue: Venue) -> None:
    """A series whose bar was not there is tried again, though the others were made up for."""
    venue.trade("B", len(DAYS))
    venue.follow("A", "B", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    venue.trade("A", len(DAYS) + 1)
    with venue.job(evening(COMING[0])) as job:
        backfill(job, first=COMING[0], last=COMING[0])
    assert told(venue)[0] == "pending"
    venue.run(evening(COMING[0]))
    assert told(venue) == ("degraded", 2, "incomplete", 1)


def test_a_longer_delay_puts_off_what_was_due(venue: Venue) -> None:
    """A session that has not settled any more is not ended: it has its turn when it has."""
    venue.follow("A", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    venue.run(DUE)
    before = told(venue)
    assert before[:2] == ("deferred", 1)
    venue.follow("A", source="venue", settings=f"{BRIEF}\nsettle_delay = 360")
    venue.run(DUE + timedelta(hours=1))
    assert told(venue) == before
    venue.trade("A", len(DAYS) + 1)
    venue.run(CLOSE + timedelta(hours=6))
    assert told(venue)[:2] == ("done", 2)


def test_a_session_that_was_none_is_taken_off(venue: Venue) -> None:
    """When the closures file says that the exchange was closed, nothing is awaited any more."""
    venue.trade("B", len(DAYS))
    venue.follow("A", "B", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    venue.run(evening(COMING[0]))
    assert told(venue)[2] == "unknown_closure"
    (venue.folder / "closures.txt").write_text(f"XNYS {COMING[0]} closed\n")
    venue.run(evening(COMING[0]))
    assert venue.sql("SELECT session FROM run WHERE due_at IS NOT NULL") == [(str(DAYS[-1]),)]


def test_sessions_from_before_there_was_a_schedule_are_made_up_for(venue: Venue) -> None:
    """Where an older program forecast last, the schedule begins."""
    venue.follow("A", source="venue", settings=f'{BRIEF}\ncatch_up = "all"')
    venue.run(evening(DAYS[-1]))
    venue.write("UPDATE run SET due_at = NULL")
    venue.trade("A", len(DAYS) + 3)
    venue.run(evening(COMING[2]))
    rows = venue.sql("SELECT session, kind, late FROM run WHERE due_at IS NOT NULL ORDER BY 1")
    late = [(str(day), "backfill", 1) for day in COMING[:2]]
    assert rows == [*late, (str(COMING[2]), "live", 0)]


def test_a_calendar_that_ends_stops_no_other(venue: Venue) -> None:
    """The library knows Bombay for some years only; New York goes on, and the run says why."""
    code = venue.folder / "plugins" / "venue.py"
    of_b = 'calendar="XBOM" if symbol == "B" else "XNYS"'
    code.write_text(code.read_text().replace('calendar="XNYS"', of_b))
    new_york, bombay = get_calendar("XNYS"), get_calendar("XBOM")
    if not _ends(bombay):
        pytest.skip("the library knows it for longer now")
    end = bombay.sessions(date(2026, 12, 1), date(2026, 12, 31)).tolist()[-1]
    for symbol, calendar in (("A", new_york), ("B", bombay)):
        days = calendar.before(end, 70)
        venue.quote(symbol, days, [100.0 + k % 7 for k in range(len(days))])
    venue.follow("A", "B", source="venue", settings=BRIEF)
    venue.run(evening(new_york.before(end, 1)[0]))
    days = [*new_york.before(end, 70), *new_york.sessions(end, end + timedelta(days=5)).tolist()]
    venue.quote("A", days, [100.0 + k % 7 for k in range(len(days))])
    summary = venue.run(evening(days[-1]))
    assert ["XBOM knows no sessions after" in each for each in summary.problems] == [True]
    query = "SELECT count(*) FROM forecast_history WHERE series = 'A' AND cutoff = ?"
    assert venue.sql(query, str(days[-1])) == [(3,)]


def test_a_run_begins_at_a_moment_like_any_other(venue: Venue) -> None:
    """When a run of the schedule was begun is stored with its zone, as all moments are."""
    venue.follow("A", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    [(text,)] = venue.sql("SELECT started_at FROM run WHERE due_at IS NOT NULL")
    assert datetime.fromisoformat(text) == evening(DAYS[-1])


def test_a_daemon_works_what_is_due_alone(venue: Venue) -> None:
    """What waits for its next attempt goes on waiting; a person does not wait."""
    venue.follow("A", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    venue.run(DUE, calendars=("XNYS",))
    before = told(venue)
    assert before[:2] == ("deferred", 1)
    venue.trade("A", len(DAYS) + 1)
    soon = DUE + timedelta(seconds=5)
    venue.run(soon, calendars=("XNYS",))
    assert told(venue) == before
    query = "SELECT count(*) FROM forecast WHERE cutoff = ?"
    assert venue.sql(query, str(COMING[0])) == [(0,)]
    venue.run(soon)
    assert told(venue)[:2] == ("done", 2)


@pytest.mark.parametrize(
    ("calendars", "after", "late"),
    [
        (("XNYS",), timedelta(minutes=61), 1),
        (("XNYS",), timedelta(minutes=59), 0),
        (None, timedelta(hours=5), 0),
    ],
)
def test_a_daemon_that_begins_late_says_so(
    venue: Venue, calendars: tuple[str, ...] | None, after: timedelta, late: int
) -> None:
    """More than an hour after it was due a session is late, unless a person chose the hour.

    What is tried once more was begun when it was: that makes it neither late nor early.
    """
    venue.follow("A", source="venue", settings=BRIEF)
    venue.run(evening(DAYS[-1]))
    query = "SELECT late, attempts, state FROM run WHERE session = ?"
    venue.run(DUE + after, calendars=calendars)
    assert venue.sql(query, str(COMING[0])) == [(late, 1, "deferred")]
    venue.trade("A", len(DAYS) + 1)
    venue.run(DUE + after + timedelta(hours=3), calendars=("XNYS",))
    assert venue.sql(query, str(COMING[0])) == [(late, 2, "done")]


def _ends(calendar: Calendar) -> bool:
    try:
        calendar.last_closed(datetime(2027, 1, 8, tzinfo=UTC))
    except DataError:
        return True
    return False
