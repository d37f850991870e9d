"""Killed at any moment and run again, or run twice at once: the same as undisturbed."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from forecaster.job.learn import relearn
from forecaster.ledger.check import check_ledger

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
COMMAND = [sys.executable, "-m", "forecaster", "-q", "run"]
KILL_POINTS = Path(__file__).with_name("kill_points.py")

Content = dict[str, list[tuple[Any, ...]]]


def make(folder: Path) -> Project:
    """Return a project of three series with twenty sessions to walk over."""
    folder.mkdir()
    project = Project(folder)
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    project.follow(*"ABC", settings="[schedule]\ninitial_backfill = 20\n[retrain]\nevery = 8")
    return project


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Content, float]:
    """Return what the command stores when nothing disturbs it, and how long it takes."""
    project = make(tmp_path_factory.mktemp("undisturbed") / "project")
    start = time.perf_counter()
    subprocess.run(COMMAND, cwd=project.folder, check=True)
    seconds = time.perf_counter() - start
    content = project.content()
    assert len(content["forecast"]) == 3 * 21 * 3
    return content, seconds


def assert_whole(project: Project, content: Content) -> None:
    """Demand what an undisturbed run stored, to the bit, in a ledger without a fault."""
    cells = project.sql(
        "SELECT series_id, kind, cutoff, horizon, count(*) FROM forecast GROUP BY 1, 2, 3, 4"
    )
    assert {row[4] for row in cells} == {1}
    assert project.content() == content
    with project.job() as job:
        findings = check_ledger(job.ledger, relearn)
    assert [one for one in findings if not one.ok] == []


@pytest.mark.parametrize("part", range(5))
def test_killed_command_is_completed_by_the_next(
    tmp_path: Path, undisturbed: tuple[Content, float], part: int
) -> None:
    """SIGKILL the command at moments spread over its life; the next run completes it."""
    content, seconds = undisturbed
    for k in range(3):
        project = make(tmp_path / str(k))
        share = (5 * k + part + 0.5) / 15
        with subprocess.Popen(COMMAND, cwd=project.folder) as process:
            try:
                process.wait(timeout=share * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        project.run()
        assert_whole(project, content)


def killed_at(folder: Path, *points: int) -> list[tuple[Project, int]]:
    """Return projects whose run was killed at these contacts with the database, and its end."""
    projects = []
    for point in points:
        projects.append(make(folder / f"at{point}"))
        (projects[-1].folder / "kill_at").write_text(str(point))
    ended = subprocess.run(
        [sys.executable, str(KILL_POINTS), *(str(each.folder) for each in projects)],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    return list(zip(projects, map(int, ended), strict=True))


@pytest.fixture(scope="module")
def contacts(tmp_path_factory: pytest.TempPathFactory, undisturbed: tuple[Content, float]) -> int:
    """Return how often an undisturbed run comes to the database."""
    ((project, ended),) = killed_at(tmp_path_factory.mktemp("contacts"), 10**9)
    assert ended == 0
    assert_whole(project, undisturbed[0])
    return int((project.folder / "contacts").read_text())


@pytest.mark.parametrize("part", range(3))
def test_kill_at_any_statement_is_completed_by_the_next_run(
    tmp_path: Path, undisturbed: tuple[Content, float], contacts: int, part: int
) -> None:
    """Killed before or after a statement or at a commit, anywhere in the run: nothing is amiss."""
    # A prime step meets every kind of statement, and the whole of the run.
    points = [1 + (137 * (8 * part + k)) % contacts for k in range(8)]
    for project, ended in killed_at(tmp_path, *points):
        assert ended == -9
        project.run()
        assert_whole(project, undisturbed[0])


@pytest.mark.soak
def test_kill_at_every_statement(
    tmp_path: Path, undisturbed: tuple[Content, float], contacts: int
) -> None:
    """The same for every seventh contact of the whole run."""
    for start in range(1, contacts, 70):
        for project, ended in killed_at(tmp_path, *range(start, min(start + 70, contacts), 7)):
            assert ended == -9
            project.run()
            assert_whole(project, undisturbed[0])
            shutil.rmtree(project.folder)


def test_killed_again_and_again(tmp_path: Path, undisturbed: tuple[Content, float]) -> None:
    """A run that is killed six times in a row still comes to the same end."""
    content, _ = undisturbed
    project = make(tmp_path / "again")
    (project.folder / "kill_at").write_text("170")
    script = [sys.executable, KILL_POINTS, *[project.folder] * 6]
    ended = subprocess.run(script, check=True, capture_output=True, text=True).stdout.split()
    assert ended == ["-9"] * 6
    project.run()
    assert_whole(project, content)


def test_two_runs_at_once_do_the_work_of_one(
    tmp_path: Path, undisturbed: tuple[Content, float]
) -> None:
    """Two commands started together both end well and store what one stores."""
    content, _ = undisturbed
    project = make(tmp_path / "twice")
    with (
        subprocess.Popen(COMMAND, cwd=project.folder) as one,
        subprocess.Popen(COMMAND, cwd=project.folder) as other,
    ):
        ended = [one.wait(timeout=60), other.wait(timeout=60)]
    assert ended == [0, 0]
    assert_whole(project, content)


def test_a_cell_written_twice_would_be_noticed(
    tmp_path: Path, undisturbed: tuple[Content, float]
) -> None:
    """The comparison with the undisturbed run fails when a row is lost or a number differs."""
    content, _ = undisturbed
    project = make(tmp_path / "wrong")
    project.run()
    project.write("UPDATE tally SET sum_error = sum_error + 1e-12 WHERE id = 1")
    with pytest.raises(AssertionError):
        assert_whole(project, content)
