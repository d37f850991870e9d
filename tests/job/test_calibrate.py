"""Trackers: fed once for each outcome, in order, and never with what a night could not know."""

from datetime import timedelta
from typing import Any

import pytest

from forecaster.job.backfill import backfill
from forecaster.job.learn import relearn
from forecaster.ledger.check import check_ledger
from forecaster.model import start_quantile

from .project import Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
CLOSES = walk(len(DAYS))
STEPS = {0.80: 0.02, 0.95: 0.04}
NO_BACKFILL = "[schedule]\ninitial_backfill = 0"

States = dict[tuple[int, float], tuple[float, int]]


def following(project: Project, settings: str = NO_BACKFILL) -> Project:
    """Let a project follow one series of the feed."""
    project.quote("A", DAYS, CLOSES)
    project.follow("A", source="feed", settings=settings)
    return project


def states(project: Project) -> States:
    """Return quantile and outcomes of each tracker by (horizon, level)."""
    return {
        row[:2]: row[2:]
        for row in project.sql("SELECT horizon, level, quantile, outcomes FROM tracker")
    }


def recomputed(project: Project) -> States:
    """Return the same from the scores alone."""
    found = {}
    for level, column in ((0.80, "inside80"), (0.95, "inside95")):
        for horizon in (1, 2, 3):
            hits = project.sql(
                f"SELECT o.{column} FROM forecast f JOIN score o ON o.forecast_id = f.id "
                "WHERE f.horizon = ? ORDER BY f.cutoff", horizon,
            )  # fmt: skip
            found[horizon, level] = (ruled(level, hits), len(hits))
    return found


def ruled(level: float, hits: list[tuple[Any, ...]]) -> float:
    """Return where a tracker is after these outcomes: the rule, written out."""
    q = start_quantile(level)
    for (inside,) in hits:
        q = max(0.0, q + STEPS[level] * ((1 - inside) - (1 - level)))
    return q


def test_first_intervals_come_from_the_start_quantiles(feed: Project) -> None:
    """A series without outcomes reaches as far as a Student t does, in volatilities."""
    following(feed).run(evening(DAYS[80]))
    rows = feed.sql("SELECT quantile80, quantile95, horizon, scale FROM forecast ORDER BY horizon")
    assert {row[:2] for row in rows} == {(start_quantile(0.80), start_quantile(0.95))}
    assert rows[2][3] == pytest.approx(rows[0][3] * 3**0.5)


def test_trackers_learn_each_outcome_once_in_order(feed: Project) -> None:
    """After many nights each tracker equals a recomputation over its outcomes."""
    following(feed)
    for session in DAYS[80:100]:
        feed.run(evening(session))
    found = states(feed)
    assert found == recomputed(feed)
    assert [found[h, 0.8][1] for h in (1, 2, 3)] == [19, 18, 17]


def test_wrong_tracker_is_found(feed: Project) -> None:
    """The recomputation, and `db check`, notice a tracker that learned an outcome twice."""
    following(feed)
    for session in DAYS[80:84]:
        feed.run(evening(session))
    with feed.job() as job:
        assert all(one.ok for one in check_ledger(job.ledger, relearn))
    feed.write("UPDATE tracker SET quantile = quantile - 0.004 WHERE horizon = 1 AND level = 0.8")
    assert states(feed) != recomputed(feed)
    with feed.job() as job:
        wrong = [c for c in check_ledger(job.ledger, relearn) if not c.ok]
    assert [one.name for one in wrong] == ["trackers"]


def test_states_are_the_same_after_a_pause(
    feed: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Outcomes that come nightly, or late in one batch, lead to the same states."""
    other = Project(tmp_path_factory.mktemp("other"))
    other.plugin("feed", (feed.folder / "plugins" / "feed.py").read_text())
    for each in (feed, other):
        following(each, "[schedule]\ninitial_backfill = 20")
        each.run(evening(DAYS[100]))
    for session in DAYS[101:104]:
        feed.run(evening(session))
    other.run(evening(DAYS[103]))
    cutoffs = (
        "SELECT count(*) FROM score o JOIN forecast f ON f.id = o.forecast_id WHERE cutoff <= ?"
    )
    known = [each.sql(cutoffs, str(DAYS[100])) for each in (feed, other)]
    assert known[0] == known[1]
    # The nights in between said things of their own; what was learned from is what differs.
    assert states(other) == recomputed(other)
    assert states(feed) == recomputed(feed)
    assert states(feed)[3, 0.8] == states(other)[3, 0.8]


def test_late_backfill_uses_what_was_known_by_then(
    feed: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A night made up for later says what it would have said in time, intervals included."""
    in_time = Project(tmp_path_factory.mktemp("in_time"))
    in_time.plugin("feed", (feed.folder / "plugins" / "feed.py").read_text())
    following(in_time), following(feed)
    skipped = DAYS[95]
    for session in DAYS[80:96]:
        in_time.run(evening(session))
    for session in [*DAYS[80:95], DAYS[96]]:
        feed.run(evening(session))
    kept = states(feed)
    with feed.job(evening(DAYS[96])) as job:
        assert backfill(job, first=skipped, last=skipped).status == "done"
    mine, theirs = (
        {cell: said for cell, said in each.said().items() if cell[1] == str(skipped)}
        for each in (feed, in_time)
    )
    assert mine == theirs
    assert states(feed) == kept


def test_backfill_before_the_first_live_night_leaves_the_trackers_alone(feed: Project) -> None:
    """Older sessions are calibrated by their own outcomes; the kept trackers do not move."""
    following(feed)
    for session in DAYS[100:106]:
        feed.run(evening(session))
    kept = feed.sql("SELECT * FROM tracker")
    with feed.job(evening(DAYS[105])) as job:
        backfill(job, first=DAYS[70], last=DAYS[99])
    assert feed.sql("SELECT * FROM tracker") == kept
    fed = feed.sql(
        "SELECT DISTINCT o.eta FROM score o JOIN forecast f ON f.id = o.forecast_id "
        "WHERE f.cutoff < ?", str(DAYS[100]),
    )  # fmt: skip
    assert fed == [(None,)]
    # Walked in order from the start, the older sessions calibrate as a fresh series would.
    quantiles = feed.sql(
        "SELECT quantile80 FROM forecast WHERE horizon = 1 AND cutoff < ? ORDER BY cutoff",
        str(DAYS[100]),
    )
    assert quantiles[0] == (start_quantile(0.80),)
    hits = feed.sql(
        "SELECT o.inside80 FROM score o JOIN forecast f ON f.id = o.forecast_id "
        "WHERE f.horizon = 1 AND f.target_session <= ? ORDER BY f.cutoff", str(DAYS[99]),
    )  # fmt: skip
    assert quantiles[-1] == (ruled(0.80, hits),)


def test_intervals_are_nested_even_when_trackers_cross(feed: Project) -> None:
    """Where the 80 % tracker has overtaken the 95 % one, both intervals are the wider."""
    following(feed)
    feed.run(evening(DAYS[80]))
    feed.run(evening(DAYS[81]))
    feed.write("UPDATE tracker SET quantile = 9.0 WHERE level = 0.8")
    feed.run(evening(DAYS[82]))
    rows = feed.sql(
        "SELECT lo95 <= lo80, hi80 <= hi95, lo80 <= forecast, forecast <= hi80 "
        "FROM forecast_history"
    )
    assert set(rows) == {(1, 1, 1, 1)}
    crossed = feed.sql("SELECT quantile80 = quantile95 FROM forecast WHERE cutoff = ? "
                       "AND horizon = 1", str(DAYS[82]))  # fmt: skip
    assert crossed == [(1,)]


def test_later_run_on_the_same_evening_learns_nothing_more(feed: Project) -> None:
    """Running again on the same evening feeds no tracker a second time."""
    following(feed)
    for session in DAYS[80:84]:
        feed.run(evening(session))
    kept = states(feed)
    assert feed.run(evening(DAYS[83]) + timedelta(hours=2)).status == "nothing"
    assert states(feed) == kept


def test_a_changed_eta_is_no_damage(feed: Project) -> None:
    """Each outcome keeps the step it was learned with: another eta later is proved right, too."""
    following(feed)
    for session in DAYS[80:90]:
        feed.run(evening(session))
    following(feed, settings=f"{NO_BACKFILL}\n[intervals]\neta = 0.05")
    for session in DAYS[90:95]:
        feed.run(evening(session))
    with feed.job() as job:
        assert all(one.ok for one in check_ledger(job.ledger, relearn))
    assert len(feed.sql("SELECT DISTINCT eta FROM score")) == 2
