"""The daily run: what it does, does again, and does not do."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest

from forecaster.errors import ConfigError
from forecaster.job.backfill import backfill
from forecaster.market import get_calendar

from .project import SMALL, Project, evening, walk, xnys

SHARES, RATES = ("AAPL", "GOOG", "IBM", "MSFT"), ("EURUSD", "EURGBP", "EURJPY", "EURCHF")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project in which the embedded sample was run once, as a newcomer would."""
    project = Project(tmp_path_factory.mktemp("sample"))
    project.configure(
        f'[[series]]\nsource = "sample"\nsymbols = {[*SHARES, *RATES]}\n'
        "[model]\nepochs = 1\n[reporters]\n"
    )
    project.run()
    return project


def test_sample_gives_eight_series_by_five_horizons(sample: Project) -> None:
    """The first run forecasts five sessions of each of the eight series, all ok."""
    rows = sample.sql("SELECT series, horizon, status, kind FROM latest_forecast ORDER BY 1, 2")
    assert rows == [(s, h, "ok", "live") for s in sorted(SHARES + RATES) for h in range(1, 6)]
    (summary,) = sample.summaries
    assert (summary.status, summary.kind, summary.historical, summary.problems) == (
        "done", "live", True, (),
    )  # fmt: skip
    assert summary.forecasts == 8 * 61 * 5


def test_sample_is_backfilled_over_sixty_sessions(sample: Project) -> None:
    """Every series is walked over its sixty sessions before today, and each outcome is scored."""
    rows = sample.sql(
        "SELECT series, count(DISTINCT cutoff), sum(actual IS NULL) FROM forecast_history "
        "WHERE kind = 'backfill' GROUP BY series"
    )
    # Forecasts of the last four sessions before today still wait: 4 + 3 + 2 + 1 of them.
    assert rows == [(s, 60, 10) for s in sorted(SHARES + RATES)]
    assert sample.sql("SELECT DISTINCT state FROM run") == [("done",)]
    assert sample.sql("SELECT count(*) FROM series WHERE backfilled_at IS NULL") == [(0,)]


def test_sample_targets_follow_the_calendar(sample: Project) -> None:
    """Each target is the calendar's h-th session after the cutoff, over holidays and month ends."""
    rows = sample.sql(
        "SELECT DISTINCT calendar, cutoff, horizon, target_session FROM forecast_history f "
        "JOIN series s ON s.name = f.series JOIN instrument i ON i.id = s.instrument_id"
    )
    targets = {(row[1], row[0]): row[3] for row in rows if row[2] == 1}
    assert targets["2012-12-24", "XNYS"] == "2012-12-26"  # Christmas
    assert targets["2012-12-31", "XNYS"] == "2013-01-02"  # the year's end
    assert targets["2013-02-15", "XNYS"] == "2013-02-19"  # Presidents' Day
    for calendar, cutoff, horizon, target in rows:
        sessions = get_calendar(calendar).after(date.fromisoformat(cutoff), horizon)
        assert target == sessions[-1].isoformat()


def test_second_run_changes_nothing(sample: Project) -> None:
    """Run again at once, it finds nothing to do and the database keeps its bytes."""
    database = sample.folder / "forecaster.db"

    def fingerprint() -> tuple[str, list[tuple[int]]]:
        content = sample.content()
        return hashlib.sha256(repr(content).encode()).hexdigest(), sample.sql("PRAGMA data_version")

    before, data = fingerprint(), database.read_bytes()
    summary = sample.run()
    assert summary.status == "nothing"
    assert (summary.sessions, summary.forecasts, summary.trained, summary.bars_pulled) == (0,) * 4
    assert fingerprint() == before
    assert database.read_bytes() == data


def test_one_model_serves_its_sixty_sessions(sample: Project) -> None:
    """A model is reused until it is 63 sessions old: one was trained for the whole first run."""
    rows = sample.sql("SELECT verdict, reason_code, count(*) FROM decision GROUP BY 1, 2")
    assert rows == [("retrain", "no_model", 8), ("reuse", "fresh", 480)]


def test_new_series_of_a_file_is_backfilled_and_leaves_the_others_untouched(
    project: Project,
) -> None:
    """A series added later is walked over its past at once; not a bit of the others changes."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("OLD", days, walk(len(days), 1))
    project.follow("OLD")
    project.run()
    before = project.said(series="OLD")
    rows = project.sql("SELECT * FROM forecast ORDER BY id")
    project.quote("NEW", days, walk(len(days), 2))
    project.follow("OLD", "NEW")
    summary = project.run()
    assert (summary.status, summary.trained) == ("done", 1)
    assert project.said(series="OLD") == before
    assert project.sql("SELECT * FROM forecast ORDER BY id")[: len(rows)] == rows
    new = project.said(series="NEW")
    assert len(new) == 3 * min(61, len(days) - 55)
    assert len(project.said(series="NEW", kind="live")) == 3


def test_appended_row_makes_a_session(project: Project) -> None:
    """A row appended to a file is scored against, and forecast from."""
    days = xnys("2023-01-03", "2023-06-30")
    closes = walk(len(days))
    project.follow("A")
    project.quote("A", days[:-1], closes[:-1])
    project.run()
    project.quote("A", days, closes)
    summary = project.run()
    assert (summary.status, summary.sessions, summary.bars_pulled) == ("done", 1, 1)
    assert (summary.scored, summary.forecasts) == (3, 3)
    cutoffs = project.sql("SELECT DISTINCT cutoff FROM latest_forecast")
    assert cutoffs == [(days[-1].isoformat(),)]


def test_changed_value_becomes_a_revision(project: Project) -> None:
    """A value that changes in the file is kept beside the old one, and the newest one counts."""
    days = xnys("2023-01-03", "2023-06-30")
    closes = walk(len(days))
    project.follow("A")
    project.quote("A", days[:-1], closes[:-1])
    project.run()
    closes[-3] = 123.0
    project.quote("A", days, closes)
    assert project.run().bars_pulled == 2
    rows = project.sql(
        "SELECT revision, close FROM bar WHERE session = ? ORDER BY 1", str(days[-3])
    )
    assert [row[0] for row in rows] == [1, 2]
    assert rows[1][1] == 123.0


def test_stored_outcome_outlives_a_revision(project: Project) -> None:
    """An outcome that was stored stays as it was when a later revision arrives."""
    days = xnys("2023-01-03", "2023-06-30")
    closes = walk(len(days))
    project.follow("A")
    project.quote("A", days[:-1], closes[:-1])
    project.run()
    before = project.sql("SELECT * FROM score")
    closes[-2] = 123.0
    project.quote("A", days, closes)
    project.run()
    assert set(before) < set(project.sql("SELECT * FROM score"))


@pytest.mark.parametrize("name", ["XNYS", "weekdays", "24/7"])
def test_calendar_of_a_file_is_inferred_once(project: Project, name: str) -> None:
    """A file without a calendar gets the one its rows follow, which few new rows do not flip."""
    days = get_calendar(name).sessions(date(2023, 1, 2), date(2023, 6, 30)).tolist()
    closes = walk(len(days) + 1)
    project.follow("A")
    project.quote("A", days, closes[:-1])
    project.run()
    assert project.sql("SELECT calendar FROM instrument") == [(name,)]
    # Ten days back from here every calendar looks like every other.
    days += get_calendar(name).after(days[-1], 1)
    project.quote("A", days, closes)
    assert project.run().status == "done"
    assert project.sql("SELECT calendar FROM instrument") == [(name,)]


def test_only_the_named_series_are_worked(project: Project) -> None:
    """--series leaves the others alone; they are done by the next run."""
    days = xnys("2023-01-03", "2023-06-30")
    for seed, symbol in enumerate("AB"):
        project.quote(symbol, days, walk(len(days), seed))
    project.follow("A", "B")
    project.run(names=["B"])
    assert project.sql("SELECT name FROM series") == [("B",)]
    project.run()
    assert len(project.said(series="A")) == len(project.said(series="B"))


def test_paused_series_is_left_alone(project: Project) -> None:
    """A paused series is not forecast; resumed, it is."""
    from forecaster.ledger.instruments import set_paused

    days = xnys("2023-01-03", "2023-06-30")
    project.quote("A", days[:-1], walk(len(days))[:-1])
    project.follow("A")
    project.run()
    with project.job() as job:
        assert set_paused(job.ledger, "A", paused=True)
    project.quote("A", days, walk(len(days)))
    assert project.run().status == "nothing"
    with project.job() as job:
        set_paused(job.ledger, "A", paused=False)
    assert project.run().forecasts == 3


def test_past_as_of_is_a_backfill(project: Project) -> None:
    """A past --as-of does that one session as a backfill; on a holiday, the session before."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("A", days, walk(len(days)))
    project.follow("A")
    summary = project.run(as_of=date(2023, 5, 29))  # Memorial Day, a Monday
    assert (summary.kind, summary.sessions) == ("backfill", 1)
    assert project.sql("SELECT DISTINCT kind, cutoff FROM forecast_history") == [
        ("backfill", "2023-05-26")
    ]
    assert project.run(as_of=date(2023, 5, 26)).status == "nothing"


def test_switched_source_keeps_the_old_history(project: Project) -> None:
    """A name that now means another instrument starts anew; what was said before stays."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("A", days, walk(len(days), 1))
    project.quote("B", days, walk(len(days), 2))
    project.follow("A", more='name = "mine"')
    project.run()
    before = project.sql("SELECT * FROM forecast ORDER BY id")
    project.follow("B", more='name = "mine"')
    project.run()
    assert project.sql("SELECT * FROM forecast ORDER BY id")[: len(before)] == before
    symbols = project.sql("SELECT DISTINCT symbol FROM forecast_history WHERE series = 'mine'")
    assert sorted(symbols) == [("A",), ("B",)]
    assert project.sql("SELECT DISTINCT symbol FROM latest_forecast") == [("B",)]
    project.follow("A", more='name = "mine"')
    assert project.run().status == "nothing"  # and back again: all is there already
    assert project.sql("SELECT DISTINCT symbol FROM latest_forecast") == [("A",)]


def test_switched_field_is_a_new_series_even_while_the_source_is_down(feed: Project) -> None:
    """A series of another field starts anew from stored bars; nothing goes to the old one."""
    days = xnys("2023-01-03", "2023-06-30")
    feed.quote("A", days, walk(len(days), 1), open=walk(len(days), 2))
    settings = "[schedule]\ninitial_backfill = 2"
    feed.follow("A", source="feed", more='name = "mine"', settings=settings)
    feed.run(evening(days[-1]))
    (feed.folder / "A.down").touch()
    feed.follow("A", source="feed", more='name = "mine"\nfield = "open"', settings=settings)
    summary = feed.run(evening(days[-1]))
    assert summary.forecasts == 9
    assert summary.problems == ()  # nothing is missing: it is not asked
    opens = {price for (price,) in feed.sql("SELECT open FROM bar")}
    said = feed.sql("SELECT field, baseline FROM forecast_history")
    assert {name for name, _ in said} == {"open", "close"}
    assert all((baseline in opens) == (name == "open") for name, baseline in said)


def test_unsettled_bar_is_not_used(feed: Project) -> None:
    """A bar of a session that has only just closed is neither stored nor forecast from."""
    days = xnys("2023-01-03", "2023-06-30")
    feed.quote("A", days, walk(len(days)))
    feed.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 0")
    early = evening(days[-1]) - timedelta(hours=5)  # 21:00 UTC: one hour after the close
    feed.run(early)
    assert feed.sql("SELECT max(session) FROM bar") == [(days[-2].isoformat(),)]
    assert feed.sql("SELECT DISTINCT cutoff FROM forecast") == [(days[-2].isoformat(),)]
    feed.run(early + timedelta(hours=1))
    assert feed.sql("SELECT max(cutoff) FROM forecast") == [(days[-1].isoformat(),)]


def test_late_bar_defers_the_night(feed: Project) -> None:
    """Without tonight's bar the night is deferred, with the reason, and done once it is there."""
    days = xnys("2023-01-03", "2023-06-30")
    closes = walk(len(days))
    feed.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 0")
    feed.quote("A", days[:-1], closes[:-1])
    summary = feed.run(evening(days[-1]))
    assert "no bar of A for session 2023-06-30" in summary.problems[0]
    assert summary.status == "deferred"
    assert feed.sql("SELECT status, reason_code FROM run_series") == [("deferred", "incomplete")]
    assert feed.sql("SELECT state FROM run") == [("deferred",)]
    assert feed.sql("SELECT count(*) FROM forecast") == [(0,)]
    feed.quote("A", days, closes)
    assert feed.run(evening(days[-1]) + timedelta(hours=1)).status == "done"
    assert feed.sql("SELECT status FROM run_series") == [("done",)]
    assert feed.sql("SELECT state FROM run") == [("done",)]


@pytest.mark.parametrize(("catch_up", "worked"), [('"latest"', 1), ("3", 3), ('"all"', 250)])
def test_year_of_downtime_is_caught_up(feed: Project, catch_up: str, worked: int) -> None:
    """After 250 missed sessions all, some or the latest are worked; each is accounted for."""
    days = xnys("2022-01-03", "2023-06-30")
    closes = walk(len(days))
    schedule = f"[schedule]\ninitial_backfill = 5\ncatch_up = {catch_up}"
    feed.follow("A", source="feed", settings=schedule)
    feed.quote("A", days, closes)
    feed.run(evening(days[99]))
    waiting = feed.sql("SELECT count(*) FROM awaiting")[0][0]
    assert waiting == 6
    summary = feed.run(evening(days[349]))
    assert (summary.status, summary.sessions) == ("done", worked)
    assert summary.scored == waiting + 3 * (worked - 1) - sum(range(min(worked, 3)))
    assert feed.sql("SELECT max(cutoff) FROM forecast") == [(days[349].isoformat(),)]
    told = feed.sql(
        "SELECT session, kind, state, late, reason_code FROM run_history WHERE session > ?"
        " ORDER BY session",
        days[99].isoformat(),
    )
    late = ("backfill", "done", 1, "ok")
    missed = ("backfill", "missed", 1, "catch_up")
    rows = [missed] * (250 - worked) + [late] * (worked - 1)
    ago = [(day.isoformat(), *row) for day, row in zip(days[100:349], rows, strict=True)]
    assert told == [*ago, (days[349].isoformat(), "live", "done", 0, "ok")]


@pytest.mark.parametrize("catch_up", ['"latest"', '"all"'])
def test_downtime_longer_than_the_history_loses_no_outcome(feed: Project, catch_up: str) -> None:
    """An outcome is scored even when its session is older than all that training may see."""
    days = xnys("2022-01-03", "2023-06-30")
    feed.quote("A", days, walk(len(days)))
    schedule = f"[schedule]\ninitial_backfill = 5\ncatch_up = {catch_up}"
    feed.follow("A", source="feed", settings=schedule)
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("[model]", "[model]\nhistory = 60"))
    feed.run(evening(days[99]))
    summary = feed.run(evening(days[349]))
    assert summary.status == "done"
    assert summary.scored == 6 + (0 if "latest" in catch_up else 249 * 3 - 3)
    assert set(feed.sql("SELECT target_session FROM awaiting ORDER BY 1")) == {
        (day.isoformat(),) for day in get_calendar("XNYS").after(days[349], 3)
    }


def test_hole_in_what_is_due_changes_no_number(project: Project) -> None:
    """A backfill around sessions done earlier gives what one without them gives."""
    days = xnys("2022-01-03", "2023-06-30")
    other = Project(project.folder / "other")
    other.folder.mkdir()
    for each in (project, other):
        each.quote("A", days, walk(len(days)))
        each.follow("A", settings='[retrain]\nevery = "always"')
        text = (each.folder / "config.toml").read_text()
        each.configure(text.replace("[model]", "[model]\nhistory = 60"))
    with project.job() as job:
        backfill(job, first=days[120], last=days[199])
        backfill(job, first=days[110], last=days[210])
    with other.job() as job:
        backfill(job, first=days[110], last=days[119])
    assert other.said().items() <= project.said().items()


def test_no_series_is_refused(project: Project) -> None:
    """Without a series there is nothing to do, and the command to add one is named."""
    project.configure("[reporters]\n")
    with pytest.raises(ConfigError, match="series add"):
        project.run()


def test_unknown_series_is_refused_before_anything_is_done(project: Project) -> None:
    """A mistyped --series is refused with the near name, and nothing is stored."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("AAPL", days, walk(len(days)))
    project.follow("AAPL")
    with pytest.raises(ConfigError, match="AAPL"):
        project.run(names=["APPL"])
    assert project.sql("SELECT count(*) FROM bar") == [(0,)]


def test_an_instrument_keeps_its_calendar_whichever_series_is_run(project: Project) -> None:
    """The calendar that one series names holds for another one of the same instrument, too."""
    series = '[[series]]\nsource = "sample"\nsymbol = "AAPL"\nmissing = "drop"\n'
    project.configure(
        f'{series}calendar = "weekdays"\n{series}field = "open"\n'
        f"{SMALL}\n[schedule]\ninitial_backfill = 0\n"
    )
    project.run(names=["AAPL.open"])
    assert project.sql("SELECT calendar FROM instrument") == [("weekdays",)]


def test_corrected_file_is_read_again_from_its_beginning(project: Project) -> None:
    """A wrong price long ago is held until it is corrected; then the series is forecast."""
    days, closes = xnys("2023-01-03", "2023-06-30"), walk(124)
    project.quote("A", days, [*closes[:60], 0.0, *closes[61 : len(days)]])
    project.follow("A")
    assert f"the bar of {days[60]} is held: no positive close" in project.run().problems[0]
    assert f"{days[60]}" in project.run().problems[0]
    project.quote("A", days, closes[: len(days)])
    assert project.run().status == "done"
    stored = project.sql("SELECT close FROM bar WHERE session = ?", str(days[60]))
    assert stored == [(closes[60],)]
    assert project.sql("SELECT resolution FROM quarantine") == [("corrected",)]


def test_prices_of_the_future_are_refused(project: Project) -> None:
    """A typo in a year does not move today into the future."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("A", days, walk(len(days)))
    project.follow("A")
    early = datetime(2023, 6, 1, tzinfo=UTC)
    (problem,) = project.run(early).problems
    assert "19 sessions are in the future, first 2023-06-05" in problem


def test_impossible_price_fails_its_series_alone(project: Project) -> None:
    """A price that no table would take is held, with its series and session; the rest goes on."""
    days = xnys("2023-01-03", "2023-06-30")
    project.quote("A", days, walk(len(days)))
    project.quote("B", days, [*walk(len(days))[:-1], 1e301])
    project.follow("A", "B")
    summary = project.run()
    assert (summary.status, len(project.said(series="A", kind="live"))) == ("degraded", 3)
    (problem,) = summary.problems
    assert problem.startswith(
        f"B: the bar of {days[-1]} is held: an impossible close (close 1e+301)"
    )
    # The last good data stays in use.
    assert {cutoff for _, cutoff, _ in project.said(series="B", kind="live")} == {str(days[-2])}
    told = project.sql(
        "SELECT session, status, reason_code FROM series_history WHERE kind = 'live'"
    )
    assert set(told) == {(str(days[-1]), "done", "ok"), (str(days[-2]), "done", "held")}
    states = project.sql("SELECT session, state FROM run_history WHERE kind = 'live'")
    assert set(states) == {(str(days[-1]), "done"), (str(days[-2]), "degraded")}


def test_initial_backfill_is_complete_when_every_night_is(project: Project) -> None:
    """Nights of the initial backfill that failed are made up for by a later run."""
    days, closes = xnys("2023-01-03", "2023-06-30"), walk(124)
    project.quote("A", days, [*closes[:58], 0.0, *closes[59 : len(days)]])
    project.follow(
        "A", more="[series.model]\nhistory = 60", settings="[schedule]\ninitial_backfill = 10"
    )
    summary = project.run()
    assert summary.status == "degraded"
    before = project.sql("SELECT kind, count(*) FROM forecast GROUP BY 1 ORDER BY 1")
    assert before[0][1] < 30
    assert before[1] == ("live", 3)
    project.quote("A", days, closes[: len(days)])
    assert project.run().status == "done"
    after = project.sql("SELECT kind, count(*) FROM forecast GROUP BY 1 ORDER BY 1")
    assert after == [("backfill", 30), ("live", 3)]
