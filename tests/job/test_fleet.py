"""Many series: what is read and stored together is as if each were alone."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from forecaster.job import report, run, take
from forecaster.job.report import gather
from forecaster.ledger import Ledger
from forecaster.ledger.quotes import Answer, Stored, store_quotes

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
SYMBOLS = [f"S{number}" for number in range(12)]


def fleet(project: Project, symbols: list[str], bars: int) -> None:
    """Quote some symbols, each with a history of its own length, and follow them all."""
    for number, symbol in enumerate(symbols):
        days = DAYS[number:bars]
        volumes = walk(len(days), seed=100 + number, start=1000.0)
        project.quote(symbol, days, walk(len(days), seed=number), volume=volumes)
    project.follow(*symbols, more='calendar = "XNYS"', settings="[schedule]\ninitial_backfill = 2")


def worked(folder: Path) -> dict[str, Any]:
    """Return all that a program stores in three nights."""
    folder.mkdir()
    project = Project(folder)
    for bars in (110, 111, 112):
        fleet(project, SYMBOLS, bars)
        project.run()
        assert project.summaries[-1].status == "done"
    return project.content()


def test_the_size_of_chunks_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One series at a time, five, or all at once: the same rows in the same order."""
    found = []
    for size in (64, 5, 1):
        for module in (run, take, report):
            monkeypatch.setattr(module, "CHUNK", size)
        found.append(worked(tmp_path / str(size)))
    assert found[0] == found[1] == found[2]


def test_long_histories_are_stored_a_few_at_a_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the files, a transaction stays short: other programs wait for its end."""
    monkeypatch.setattr(take, "BARS", 300, raising=False)
    stored = []

    def store(ledger: Ledger, answers: Sequence[Answer], *, now: datetime) -> list[Stored]:
        stored.append(sum(len(one.bars) for one in answers))
        return store_quotes(ledger, answers, now=now)

    monkeypatch.setattr(take, "store_quotes", store)
    fleet(project, SYMBOLS, 110)
    summary = project.run()
    assert (summary.status, summary.bars_pulled) == ("done", sum(stored))
    assert len(stored) > 3
    assert max(stored) < 300 + 110


@pytest.mark.parametrize("size", [64, 1])
def test_fields_of_one_instrument_are_each_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Close and volume of the same instrument are forecast side by side as they are alone."""
    monkeypatch.setattr(run, "CHUNK", size)
    fleet(project, ["S0"], 110)
    one = '[[series]]\nsource = "csv"\nsymbol = "S0"\ncalendar = "XNYS"\n'
    both = f'{one}name = "P"\n{one}name = "V"\nfield = "volume"\n'
    small = (project.folder / "config.toml").read_text().split("[model]")[1]
    project.configure(f"{both}\n[model]{small}")
    project.run()
    assert project.summaries[-1].status == "done"
    last = {
        "P": walk(110, seed=0)[-1],
        "V": walk(110, seed=100, start=1000.0)[-1],
    }
    said = project.said(kind="live")
    assert {name: said[name, str(DAYS[109]), 1][-1] for name in last} == last


def statements(project: Project) -> int:
    """Return how many statements a night and its report take."""
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        with project.job() as job:
            run.run(job)
            gather(job, None)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return seen


def test_a_night_of_many_series_takes_few_statements(tmp_path: Path) -> None:
    """Ten more series are no more than two more statements each, which the report asks for."""
    taken = []
    for count in (2, 12):
        folder = tmp_path / str(count)
        folder.mkdir()
        project = Project(folder)
        for bars in (110, 111):
            fleet(project, SYMBOLS[:count], bars)
            project.run()
        fleet(project, SYMBOLS[:count], 112)
        taken.append(statements(project))
    # A transaction's BEGIN is one as well.
    assert taken[1] - taken[0] <= 10 * 2 * 2
