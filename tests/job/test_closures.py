"""The configured calendars are those of the whole job: closures, extra sessions, half days."""

from datetime import UTC, date, datetime, timedelta

import pytest

from forecaster.errors import ConfigError

from .project import Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
CLOSED = DAYS[-2]
HALF_DAY = date(2023, 11, 24)


def closing(feed: Project, *lines: str) -> None:
    """Write closures.txt."""
    (feed.folder / "closures.txt").write_text("\n".join(lines) + "\n")


def quote_without(feed: Project, *missing: date) -> None:
    """Write prices of two symbols that lack some sessions, and follow them."""
    kept = [day for day in DAYS if day not in missing]
    for seed, symbol in enumerate("AB"):
        feed.quote(symbol, kept, walk(len(kept), seed))
    feed.follow("A", "B", source="feed", settings="[schedule]\ninitial_backfill = 3")


def test_a_closure_that_the_library_does_not_know(feed: Project) -> None:
    """A session without a bar stands in the way of every night until the file closes it."""
    quote_without(feed, CLOSED)
    first = feed.run(evening(DAYS[-1]))
    assert first.status in ("degraded", "failed")
    assert all(f"{CLOSED}" in problem for problem in first.problems)
    closing(feed, f"XNYS {CLOSED} closed")
    second = feed.run(evening(DAYS[-1]))
    assert (second.status, second.problems) == ("done", ())
    assert {cutoff for _, cutoff, _ in feed.said(kind="live")} == {str(DAYS[-1])}


def test_no_forecast_is_made_for_a_closed_day(feed: Project) -> None:
    """The horizons after a cutoff pass over it."""
    quote_without(feed)
    coming = xnys("2023-07-01", "2023-07-31")
    closing(feed, f"XNYS {coming[0]} closed")
    assert feed.run(evening(DAYS[-1])).status == "done"
    targets = sorted({row[0] for row in feed.said(series="A", kind="live").values()})
    assert targets == [str(day) for day in coming[1:4]]


def test_an_extra_session_is_one_like_any_other(feed: Project) -> None:
    """Its bar is no stranger, and the night after it is worked."""
    saturday = date(2023, 7, 1)
    days = [*DAYS, saturday]
    feed.quote("A", days, walk(len(days)))
    feed.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 3")
    closing(feed, f"XNYS {saturday} open 18:00")
    at_close = datetime(2023, 7, 1, 18, tzinfo=UTC)
    assert feed.run(at_close + timedelta(hours=1)).status == "done"
    assert feed.run(at_close + timedelta(hours=2)).status == "done"
    cutoffs = [row[0] for row in feed.sql("SELECT session FROM run WHERE kind = 'live'")]
    assert cutoffs == [str(DAYS[-1]), str(saturday)]


def test_a_half_day_settles_at_its_early_close(feed: Project) -> None:
    """New York closed at 18:00 UTC: two hours later, and not before, its bar is forecast from."""
    days = xnys("2023-06-01", str(HALF_DAY))
    feed.quote("A", days, walk(len(days)))
    feed.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 0")
    settled = datetime(2023, 11, 24, 20, tzinfo=UTC)
    feed.run(settled - timedelta(minutes=1))
    feed.run(settled)
    cutoffs = [row[0] for row in feed.sql("SELECT session FROM run WHERE kind = 'live'")]
    assert cutoffs == [str(days[-2]), str(HALF_DAY)]


@pytest.mark.parametrize(
    ("line", "why"), [("XNYX 2023-06-29 closed", "did you mean .*XNYS"), ("XNYS", "line 1")]
)
def test_a_wrong_line_stops_the_run(feed: Project, line: str, why: str) -> None:
    """A file that means nothing is refused before anything is asked or stored."""
    quote_without(feed)
    closing(feed, line)
    with pytest.raises(ConfigError, match=why):
        feed.run(evening(DAYS[-1]))
