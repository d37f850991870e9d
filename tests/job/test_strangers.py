"""A series that never had a bar, and has its first one while a session of its calendar is open.

A daemon asks for such series without knowing whose calendar theirs is: what is open there is the
others', and waits for their turn.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forecaster.job.run import run

from .project import evening
from .venue import COMING, DAYS, Venue

BRIEF = "[schedule]\ninitial_backfill = 4\ncatch_up = 'all'"
DUE = datetime(2023, 7, 3, 19, tzinfo=UTC)
"""When the first of the coming sessions is to be worked: it is a short day."""

XNYS = ("XNYS",)


@pytest.fixture(params=["B", "BC"])
def venue(tmp_path: Path, request: pytest.FixtureRequest) -> Venue:
    """Return a project with A, which is forecast, and with B, which comes late.

    C, where there is one, is spelt wrong: it never comes.
    """
    found = Venue(tmp_path)
    found.trade("A", len(DAYS))
    found.follow("A", source="venue", settings=BRIEF)
    assert found.run(evening(DAYS[-1])).status == "done"
    found.follow("A", *request.param, source="venue", settings=BRIEF)
    if "C" in request.param:
        (tmp_path / "C.fault").write_text("unknown_symbol")
    found.trade("B", len(DAYS) + 1)
    found.asked()
    return found


def ask(venue: Venue, before: datetime, after: datetime | None = None) -> None:
    """Work as the child does that asks for series without a bar; `after`: when it was answered."""
    asked = venue.folder / "asked.txt"
    with venue.job(before) as job:
        run(replace(job, clock=lambda: after if after and asked.exists() else before), calendars=())
    assert {line.split()[0] for line in venue.asked()} - {"C"} == {"B"}


def told(venue: Venue) -> tuple[object, ...]:
    """Return how the run of the first of the coming sessions stands."""
    [row] = venue.sql(
        "SELECT kind, state, attempts, reason_code, next_attempt_at, late FROM run"
        " WHERE session = ?",
        str(COMING[0]),
    )
    return row


def speakers(venue: Venue) -> list[str]:
    """Return whose forecasts from the first of the coming sessions are stored."""
    query = "SELECT series FROM forecast_history WHERE cutoff = ? AND horizon = 1 ORDER BY series"
    return [row[0] for row in venue.sql(query, str(COMING[0]))]


@pytest.mark.parametrize("bars", [len(DAYS), len(DAYS) + 1])
def test_a_session_that_became_due_meanwhile(venue: Venue, bars: int) -> None:
    """It is still to be begun for the others, whether or not the stranger could speak of it."""
    for symbol in "AB":
        venue.trade(symbol, bars if symbol == "B" else len(DAYS) + 1)
    spoke = ["B"] * (bars - len(DAYS))
    ask(venue, DUE - timedelta(minutes=1), DUE + timedelta(minutes=1))
    assert told(venue) == ("live", "pending", 0, "", None, 0)
    assert speakers(venue) == spoke
    venue.run(DUE + timedelta(minutes=2), calendars=XNYS)
    state = "done" if spoke else "degraded"
    assert told(venue)[:3] == ("live", state, 1)
    assert (told(venue)[4] is None) == (state == "done")
    assert speakers(venue) == ["A", *spoke]


@pytest.mark.parametrize("wait", [timedelta(seconds=10), timedelta(hours=2)])
def test_a_session_that_waits_for_its_next_attempt(venue: Venue, wait: timedelta) -> None:
    """It goes on waiting as it was, also where its time comes while the stranger is asked for."""
    with venue.fault("unknown_symbol", "B"):
        venue.run(DUE, calendars=XNYS)
    before = told(venue)
    assert before[:4] == ("live", "deferred", 1, "incomplete")
    again = datetime.fromisoformat(str(before[4]))
    venue.asked()
    ask(venue, DUE + wait)
    assert told(venue) == before
    assert speakers(venue) == ["B"]
    venue.trade("A", len(DAYS) + 1)
    venue.run(max(again, DUE + wait), calendars=XNYS)
    assert told(venue)[:5] == ("live", "done", 2, "ok", None)
    assert speakers(venue) == ["A", "B"]


def test_a_late_session_that_waits_for_its_bar(venue: Venue) -> None:
    """One that the stranger's first backfill walks over is the others' as well."""
    for symbol in "AB":
        venue.trade(symbol, len(DAYS) + 2, without=COMING[:1] if symbol == "A" else ())
    with venue.fault("unknown_symbol", "B"):
        venue.run(evening(COMING[1]), calendars=XNYS)
    before = told(venue)
    assert before[:2] == ("backfill", "deferred")
    venue.asked()
    ask(venue, evening(COMING[1]) + timedelta(seconds=10))
    assert told(venue) == before
    assert speakers(venue) == ["B"]
    venue.trade("A", len(DAYS) + 2)
    venue.run(evening(COMING[1]) + timedelta(days=1), calendars=XNYS)
    assert told(venue)[:5] == ("backfill", "done", 2, "ok", None)
    assert speakers(venue) == ["A", "B"]
