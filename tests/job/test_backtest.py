"""Backtests: the stages of the daily job, apart from what was said live."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from forecaster.config import load_settings
from forecaster.job.backfill import backfill
from forecaster.job.backtest import Evaluation, backtest
from forecaster.job.context import open_job
from forecaster.model import network_from_bytes

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-09-29")
DATA = os.environ.get("FORECASTER_TEST_DATA")
EXAMPLE = Path(__file__).parents[2] / "examples" / "article.toml"

SAID = (
    "SELECT cutoff, horizon, target_session, forecast, lo80, hi80, lo95, hi95, baseline, actual, "
    "error FROM forecast_history WHERE kind = ? AND cutoff BETWEEN ? AND ? ORDER BY 1, 2"
)
APART = (
    "SELECT * FROM forecast WHERE kind <> 'backtest'",
    "SELECT * FROM tracker WHERE backtest_id IS NULL",
    "SELECT * FROM model_version WHERE backtest_id IS NULL",
    "SELECT * FROM accuracy WHERE kind <> 'backtest'",
    "SELECT * FROM calibration WHERE kind <> 'backtest'",
    "SELECT * FROM latest_forecast",
    "SELECT * FROM decision_history WHERE kind <> 'backtest'",
    "SELECT a.* FROM awaiting a JOIN forecast f ON f.id = a.forecast_id WHERE kind <> 'backtest'",
)


def make(folder: Path, settings: str = "[retrain]\nevery = 8\n") -> Project:
    """Return a project that follows A."""
    folder.mkdir(exist_ok=True)
    project = Project(folder)
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", settings=f"[schedule]\ninitial_backfill = 6\n{settings}")
    return project


def evaluated(project: Project, **options: Any) -> Evaluation:
    """Run a backtest."""
    with project.job() as job:
        return backtest(job, **options)


def test_backtest_says_what_the_job_would_have_said(tmp_path: Path) -> None:
    """At each cutoff a backtest gives the numbers of the job walked over the same sessions."""
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    evaluated(one, cutoffs=20)
    first, last = one.sql("SELECT min(cutoff), max(cutoff) FROM forecast_history")[0]
    assert last == str(DAYS[-4])  # the newest whose three outcomes are all known
    with other.job() as job:
        backfill(job, first=DAYS[-23], last=DAYS[-1])
    rows = one.sql(SAID, "backtest", first, last)
    assert len(rows) == 20 * 3
    assert rows == other.sql(SAID, "backfill", first, last)
    assert None not in {row[-1] for row in rows}


def test_backtest_leaves_what_is_live_alone(tmp_path: Path) -> None:
    """Forecasts, trackers, models and views of the daily job stay, and it goes on as ever."""
    project, other = make(tmp_path / "one"), make(tmp_path / "other")
    project.run(), other.run()
    before = [project.sql(query) for query in APART]
    evaluated(project, cutoffs=20)
    assert [project.sql(query) for query in APART] == before
    assert project.run().status == "nothing"
    assert project.said(kind="live") == other.said(kind="live")


def test_backtests_leave_each_other_alone(tmp_path: Path) -> None:
    """A second backtest starts from nothing and comes to the same numbers."""
    project = make(tmp_path)
    one, other = evaluated(project, cutoffs=10), evaluated(project, cutoffs=10)
    assert one.backtest_id != other.backtest_id
    left, right = ([row[2:-1] for row in each.rows.rows] for each in (one, other))
    assert left == right
    assert [row[3] for row in one.rows.rows] == [10, 10, 10]


def test_split_trains_once_on_the_first_share(tmp_path: Path) -> None:
    """With a split one model is trained, on the first share alone, its scaling included."""
    project = make(tmp_path)
    closes = [100.0 + k + (k % 7) / 10 for k in range(len(DAYS))]  # ever higher
    project.quote("A", DAYS, closes)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace("[model]", '[model]\ninputs = "minmax"'))
    found = evaluated(project, split=0.8)
    share = -(-len(DAYS) * 8 // 10)
    ((cutoff, parameters, bars),) = project.sql(
        "SELECT cutoff, parameters, bars FROM model_version"
    )
    assert cutoff == str(DAYS[share - 1])
    assert bars == share
    encoding: Any = network_from_bytes(parameters).encoding
    assert (encoding.low, encoding.high) == (min(closes), closes[share - 1])
    assert project.sql("SELECT min(cutoff), max(cutoff) FROM forecast") == [
        (str(DAYS[share + 2]), str(DAYS[-4]))
    ]
    decisions = project.sql("SELECT verdict, count(*) FROM decision GROUP BY 1")
    n = found.rows.as_dicts()[0]["n"]
    assert decisions == [("retrain", 1), ("reuse", n - 1)]


def results(project: Project) -> list[tuple[Any, ...]]:
    """Return what was found, less what a clock says."""
    columns = [row[1] for row in project.sql("PRAGMA table_info(backtest_result)")]
    kept = [name for name in columns if not name.endswith("seconds")]
    return project.sql(f"SELECT {', '.join(kept)} FROM backtest_result ORDER BY id")


def test_killed_backtest_is_resumed(tmp_path: Path) -> None:
    """SIGKILL a backtest anywhere; the next one completes it with the numbers of a whole one."""
    command = [sys.executable, "-m", "forecaster", "-q", "backtest", "--cutoffs", "25", "--json"]
    whole = make(tmp_path / "whole")
    start = time.perf_counter()
    subprocess.run(command, cwd=whole.folder, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    for share in (0.5, 0.7, 0.85):
        project = make(tmp_path / str(share))
        with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(timeout=share * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        # To ask what is not there would make an empty file, which the program refuses.
        begun = (project.folder / "forecaster.db").exists() and project.sql(
            "SELECT 1 FROM sqlite_master WHERE name = 'backtest'"
        )
        if not begun or not project.sql("SELECT 1 FROM backtest WHERE finished_at IS NOT NULL"):
            evaluated(project, cutoffs=25)
        content, expected = project.content(), whole.content()
        assert content == expected
        assert results(project) == results(whole) != []
        assert project.sql("SELECT count(*) FROM backtest WHERE finished_at IS NULL") == [(0,)]


def test_interrupted_backtest_is_not_mixed_with_newer_bars(tmp_path: Path) -> None:
    """Bars that came since make another backtest: it covers as many cutoffs as were asked for."""
    project = make(tmp_path)
    project.quote("A", DAYS[:-5], walk(len(DAYS))[:-5])
    evaluated(project, cutoffs=10)
    project.write("UPDATE backtest SET finished_at = NULL")
    project.quote("A", DAYS, walk(len(DAYS)))
    found = evaluated(project, cutoffs=10)
    assert {row["n"] for row in found.rows.as_dicts()} == {10}


def test_backtest_command_tells_its_rows(tmp_path: Path) -> None:
    """The command prints a row per series and horizon, held against the baseline."""
    project = make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "forecaster", "backtest", "--cutoffs=5", "--horizon=2", "--json"],
        cwd=project.folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert [(row["series"], row["horizon"], row["n"]) for row in document["series"]] == [
        ("A", 1, 5), ("A", 2, 5),
    ]  # fmt: skip
    for row in document["series"]:
        assert row["relative_rmse"] == pytest.approx(row["rmse"] / row["baseline_rmse"])


@pytest.fixture
def article(tmp_path: Path) -> Path:
    """Return the folder of the article's experiment."""
    if DATA is None or not (Path(DATA) / "article" / "GOOGL.csv").is_file():
        pytest.skip("FORECASTER_TEST_DATA names no folder with article/GOOGL.csv")
    shutil.copy(Path(DATA) / "article" / "GOOGL.csv", tmp_path)
    shutil.copy(EXAMPLE, tmp_path / "article.toml")
    return tmp_path


@pytest.mark.parametrize("options", [{"split": 0.8}, {"cutoffs": 101, "horizon": 1}])
def test_own_settings_hold_their_own_on_the_articles_prices(
    article: Path, options: dict[str, Any]
) -> None:
    """Over the article's 101 test sessions the program is at most 1 % worse than the last price."""
    settings = load_settings(article / "article.toml", environ={})
    with open_job(settings) as job:
        found = backtest(job, names=["GOOGL.own"], **options)
    (row,) = found.rows.as_dicts()
    assert row["n"] == 101
    assert row["relative_rmse"] <= 1.01
    assert row["training_seconds"] < 1.0 * row["trainings"]
