"""What reporters get: rows of the views, prices in the basis of the last session."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import event

from forecaster.errors import ConfigError
from forecaster.hooks import SeriesReport
from forecaster.job.backfill import backfill
from forecaster.job.backtest import backtest
from forecaster.job.report import gather, report

from .project import Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
SPLIT = 100  # position of the session from which there are two shares for one


def split_prices() -> tuple[list[float], list[float], list[str]]:
    """Return closes and volumes as traded around a 2:1 split, and the column of splits."""
    closes = walk(len(DAYS))
    volumes = walk(len(DAYS), seed=1, start=1000.0)
    halved = [price / 2 if k >= SPLIT else price for k, price in enumerate(closes)]
    doubled = [volume * 2 if k >= SPLIT else volume for k, volume in enumerate(volumes)]
    return halved, doubled, ["2.0" if k == SPLIT else "" for k in range(len(DAYS))]


def reported(feed: Project, field: str) -> SeriesReport:
    """Return the report of a series with a split in its last weeks."""
    closes, volumes, splits = split_prices()
    feed.quote("A", DAYS, closes, volume=volumes, split=splits)
    feed.follow(
        "A", source="feed", more=f'name = "A"\nfield = "{field}"',
        settings=f"[schedule]\ninitial_backfill = {len(DAYS) - SPLIT + 5}",
    )  # fmt: skip
    feed.run(evening(DAYS[-1]))
    with feed.job(evening(DAYS[-1])) as job:
        backtest(job, cutoffs=len(DAYS) - SPLIT + 5)
        (found,) = gather(job, None).series
    return found


@pytest.mark.parametrize("field", ["close", "volume"])
def test_everything_is_told_in_the_basis_of_the_last_session(feed: Project, field: str) -> None:
    """Over a split prices and forecasts are told in today's shares, volumes likewise."""
    found = reported(feed, field)
    now = dict(zip(map(str, DAYS), walk(len(DAYS)), strict=True))
    if field == "close":
        now = {day: price / 2 for day, price in now.items()}
    else:
        now = dict(zip(map(str, DAYS), walk(len(DAYS), seed=1, start=1000.0), strict=True))
        now = {day: 2 * volume for day, volume in now.items()}
    assert dict(found.prices) == pytest.approx(now)
    before = str(DAYS[SPLIT])
    for rows in (found.past, found.backtest):
        assert any(row["cutoff"] < before for row in rows)
        assert any(row["cutoff"] >= before for row in rows)
        for row in rows:
            assert row["baseline"] == pytest.approx(now[row["cutoff"]])
            assert row["actual"] == pytest.approx(now[row["target_session"]])
            assert row["error"] == pytest.approx(row["forecast"] - row["actual"])
    assert [row["baseline"] for row in found.coming] == pytest.approx([now[str(DAYS[-1])]] * 3)


def test_rows_are_those_of_the_views(project: Project) -> None:
    """Without a split what is told is what the views say, in the order a reader expects."""
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A")
    summary = project.run()
    with project.job() as job:
        gathered = gather(job, summary)
    (found,) = gathered.series
    assert gathered.summary is summary
    assert gathered.database == str(project.folder / "forecaster.db")

    def view(query: str) -> list[tuple[object, ...]]:
        return project.sql(query)

    assert [tuple(row.values()) for row in found.coming] == view(
        "SELECT * FROM latest_forecast ORDER BY horizon"
    )
    assert [tuple(row.values()) for row in found.past] == view(
        "SELECT * FROM forecast_history WHERE actual IS NOT NULL ORDER BY cutoff, horizon"
    )
    assert [tuple(row.values()) for row in found.accuracy] == view(
        "SELECT * FROM accuracy ORDER BY kind, horizon"
    )
    assert [tuple(row.values()) for row in found.calibration] == view(
        "SELECT * FROM calibration ORDER BY kind, level, horizon"
    )
    assert [row["session"] for row in found.decisions] == [str(day) for day in DAYS[:-11:-1]]
    assert found.backtest == ()
    assert found.prices[-1] == (str(DAYS[-1]), walk(len(DAYS))[-1])


def test_series_without_a_bar_is_left_out(project: Project) -> None:
    """A series that never had a bar has nothing to tell; the others do."""
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", "GONE")
    project.run()
    with project.job() as job:
        assert [one.name for one in gather(job, None).series] == ["A"]


def test_failing_reporter_is_named_and_the_rest_goes_on(project: Project) -> None:
    """What a reporter raises is told beside what the others wrote."""
    project.plugin(
        "loud",
        """
        from forecaster import hookimpl

        class Loud:
            name = "loud"

            def __init__(self, options, folder):
                pass

            def report(self, report):
                raise ZeroDivisionError("too loud")

        @hookimpl
        def forecaster_reporters():
            return [Loud]
        """,
    )
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", settings="[reporters.loud]\n[reporters.html]\n")
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace("[reporters]\n", ""))
    summary = project.run()
    with project.job() as job:
        told = {one.reporter: one for one in report(job, summary)}
    assert "loud raised ZeroDivisionError: too loud" in str(told["loud"].problem)
    assert told["html"].path == project.folder / "report" / "index.html"
    assert told["html"].problem is None


def test_unknown_reporter_is_refused_before_the_work(project: Project) -> None:
    """A name that no plugin has is a mistake in the configuration: nothing is pulled."""
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", settings="[reporters.nobody]\n")
    with pytest.raises(ConfigError, match="no reporter is named 'nobody'"):
        project.run()
    assert project.sql("SELECT count(*) FROM bar") == [(0,)]


def test_wrong_option_of_a_reporter_is_refused_before_the_work(project: Project) -> None:
    """A reporter's options are checked before anything is done, not after."""
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", settings="[reporters.html]\nfolders = 'x'\n")
    with pytest.raises(ConfigError, match="folders"):
        project.run()
    assert project.sql("SELECT count(*) FROM bar") == [(0,)]


def test_split_of_the_sample_is_told_in_new_shares(tmp_path: Path) -> None:
    """Forecasts made before Apple's split of 2005 are told at half their price afterwards."""
    project = Project(tmp_path)
    project.follow("AAPL", source="sample")
    with project.job() as job:
        backfill(job, first=date(2005, 2, 24), last=date(2005, 2, 28))
        (found,) = gather(job, None).series
    rows = {(row["cutoff"], row["horizon"]): row for row in found.past}
    stored = dict(project.sql("SELECT cutoff, baseline FROM forecast_history WHERE horizon = 1"))
    assert rows["2005-02-25", 1]["baseline"] == stored["2005-02-25"] / 2


def test_what_is_held_and_noticed_is_told_of_its_own_series(feed: Project) -> None:
    """Open rows and alerts of the last 30 days; the other series has none of them."""
    now = evening(DAYS[-1])
    closes = walk(len(DAYS))
    for symbol in "AB":
        feed.quote(symbol, DAYS[:-1], closes[:-1])
    feed.follow("A", "B", source="feed", settings="[schedule]\ninitial_backfill = 0")
    feed.run(evening(DAYS[-2]))
    feed.quote("A", DAYS, [*closes[:-3], closes[-3] * 1.05, closes[-2], closes[-1] / 3])
    feed.quote("B", DAYS, closes)
    feed.write(
        "INSERT INTO alert (instrument_id, session, code, message, raised_at) "
        "VALUES (1, '2023-05-01', 'revised', 'long ago', '2023-05-01T00:00:00.000000+00:00')"
    )
    summary = feed.run(now)
    with feed.job(now) as job:
        told = {one.name: one for one in gather(job, summary).series}
    [held], [alert] = told["A"].held, told["A"].alerts
    assert (held["session"], held["reason_code"], held["resolved_at"]) == (
        str(DAYS[-1]), "jump", None,
    )  # fmt: skip
    assert list(held) == [
        row[1] for row in feed.sql("SELECT * FROM pragma_table_info('quarantine_history')")
    ]
    assert alert["code"] == "revised"
    assert str(DAYS[-3]) in alert["message"]
    assert summary.alerts == (f"A: {alert['message']}",)
    assert (told["B"].held, told["B"].alerts) == ((), ())


def test_many_series_without_doubts_cost_two_statements(feed: Project) -> None:
    """What is held and noticed is read for many series together."""
    names = [f"S{k}" for k in range(5)]
    for name in names:
        feed.quote(name, DAYS, walk(len(DAYS)))
    feed.follow(*names, source="feed", settings="[schedule]\ninitial_backfill = 0")
    feed.run(evening(DAYS[-1]))
    asked: list[str] = []
    with feed.job(evening(DAYS[-1])) as job:
        event.listen(
            job.ledger.engine, "before_cursor_execute", lambda *args: asked.append(args[2])
        )
        gather(job, None)
    for view in ("quarantine_history", "alert_history"):
        assert sum(view in statement for statement in asked) == 1


def test_what_forecasts_are_made_of_and_judged_by_is_told(feed: Project) -> None:
    """Parts of the coming forecasts, gates without those of backtests, the verdict by kind."""
    found = reported(feed, "close")
    assert [row["forecast_id"] for row in found.parts] == [
        row["forecast_id"] for row in found.coming
    ]
    assert [row["baseline"] for row in found.parts] == [row["baseline"] for row in found.coming]
    assert {row["backtest_id"] for row in found.gates} == {None}
    assert {(row["head"], row["horizon"]) for row in found.gates} >= {("mean", 1), ("mean", 3)}
    judged = {(row["kind"], row["horizon"]): row["verdict"] for row in found.skill}
    assert judged.keys() == {(row["kind"], row["horizon"]) for row in found.accuracy}
    assert set(judged.values()) == {"not better than the last price"}
