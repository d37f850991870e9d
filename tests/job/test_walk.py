"""Many nights are shared out by series among processes, and come out as if they were not."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from forecaster.job import walk as module
from forecaster.job.backfill import backfill
from forecaster.job.learn import relearn
from forecaster.job.run import run
from forecaster.ledger.check import check_ledger

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
TWO = "[executor]\nname = 'local'\n[plugins.local]\nworkers = 2\n"
ALONE = "[executor]\nname = 'serial'\n"
BACKFILL = "[schedule]\ninitial_backfill = 24\n[retrain]\nevery = 8\n"


def make(folder: Path, executor: str) -> Project:
    """Return a project of three series with 24 sessions to walk over."""
    folder.mkdir()
    project = Project(folder)
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    project.follow(*"ABC", settings=executor + BACKFILL)
    return project


def assert_whole(project: Project) -> None:
    """Demand that what is derived agrees with the rest."""
    with project.job() as job:
        assert [one for one in check_ledger(job.ledger, relearn) if not one.ok] == []


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share out even a little work, in rounds that are short."""
    monkeypatch.setattr(module, "MANY", 1)
    monkeypatch.setattr(module, "SHORTEST", 7)


@pytest.mark.usefixtures("shared")
def test_shared_nights_are_as_if_worked_alone(tmp_path: Path) -> None:
    """Every row is the same but for ids and times, and the same things are counted."""
    two, alone = make(tmp_path / "two", TWO), make(tmp_path / "alone", ALONE)
    summaries = [project.run() for project in (two, alone)]
    assert two.content(ids=False) == alone.content(ids=False)
    for name in ("status", "sessions", "trained", "reused", "forecasts", "scored", "problems"):
        assert getattr(summaries[0], name) == getattr(summaries[1], name), name
    assert summaries[0].forecasts == 3 * 25 * 3
    assert two.sql("SELECT state, count(*) FROM run GROUP BY 1") == [("done", 25)]
    assert_whole(two)
    assert two.run().status == "nothing"


@pytest.mark.usefixtures("shared")
def test_a_series_that_fails_in_another_process_is_told_of_once(tmp_path: Path) -> None:
    """Its nights fail, the others are worked, and the runs say so."""
    project = make(tmp_path / "project", TWO)
    closes = walk(len(DAYS), 1)
    closes[-3] = -1.0
    project.quote("B", DAYS, closes)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace('"B"\n', '"B"\nvalues = "difference"\n[series.model]\n'
                                   'extra_inputs = ["close", "volume"]\n', 1))  # fmt: skip
    summary = project.run()
    assert summary.status == "degraded"
    assert [line.split(":")[0] for line in summary.problems] == ["B"]
    counted = project.sql("SELECT status, count(*) FROM run_series GROUP BY 1 ORDER BY 1")
    assert counted == [("done", 50), ("failed", 25)]
    assert project.sql("SELECT DISTINCT state FROM run") == [("degraded",)]


@pytest.mark.usefixtures("shared")
def test_progress_is_told_round_by_round(tmp_path: Path) -> None:
    """Nights done so far, of all."""
    project, told = make(tmp_path / "project", TWO), []
    with project.job() as job:
        run(replace(job, progress=lambda *words: told.append(words)))
    worked = [words for words in told if words[0] == "working sessions"]
    assert worked == [("working sessions", done, 25) for done in (7, 14, 21, 25)]


@pytest.mark.usefixtures("shared")
def test_a_past_filled_in_by_two_processes_leaves_the_states_alone(tmp_path: Path) -> None:
    """Nights older than what trackers and gates have seen are shared out too."""
    contents = []
    for executor in (TWO, ALONE):
        project = make(tmp_path / executor[20:24], executor)
        project.run()
        with project.job() as job:
            summary = backfill(job, first=DAYS[70], last=DAYS[90])
        assert summary.problems == ()
        assert_whole(project)
        contents.append(project.content(ids=False))
    assert contents[0] == contents[1]


KILLED = """
import sys
from forecaster.job import walk
walk.MANY, walk.SHORTEST = 1, 7
from forecaster.cli import main
sys.argv = ["forecaster", "-q", "run"]
main()
"""


@pytest.mark.parametrize(
    "share",
    [pytest.param(0.5, marks=pytest.mark.soak), 0.7, pytest.param(0.9, marks=pytest.mark.soak)],
)
def test_a_kill_while_nights_are_shared_out_is_completed_by_the_next_run(
    tmp_path: Path, share: float
) -> None:
    """SIGKILL the command; its workers end with it, and nothing is done twice or left out."""
    whole = make(tmp_path / "whole", TWO)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", KILLED], cwd=whole.folder, check=True)
    seconds = time.perf_counter() - start
    project = make(tmp_path / "killed", TWO)
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=project.folder) as process:
        try:
            process.wait(timeout=share * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    project.run()
    assert project.content(ids=False) == whole.content(ids=False)
    assert_whole(project)


def test_little_work_is_not_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost more than it saves, and ids follow the order of the sessions."""
    monkeypatch.setattr(module, "_walk_shared", lambda *_: pytest.fail("shared"))
    project = make(tmp_path / "project", TWO)
    assert project.run().status == "done"
    cutoffs = [row[0] for row in project.sql("SELECT cutoff FROM forecast ORDER BY id")]
    assert cutoffs == sorted(cutoffs)
