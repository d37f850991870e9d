"""`db check`: silent on a whole ledger, and not silent on any of the faults it looks for."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.backtests import start_backtest
from forecaster.ledger.check import check_ledger
from forecaster.ledger.panels import store_panel

from .small import (
    NOW,
    STAMP,
    add_series,
    backfill,
    backtest,
    day,
    failed,
    live,
    model,
    relearn,
    store,
    walk,
    worked,
)

NAMES = [
    "integrity", "foreign keys", "scores", "running sums", "model parameters", "rejected models",
    "waiting forecasts", "nights", "moves", "trackers", "gates",
]  # fmt: skip


def fill(url: str) -> None:
    """Store live nights, backfill, a failure, and a backtest."""
    with open_ledger(url, create=True) as ledger:
        one, two = add_series(ledger, "a", "b")
        walk(ledger, [backfill(0), backfill(1), live(2), live(3), live(4), backfill(1)], one, two)
        store(ledger, live(5), worked(ledger, live(5), one), failed(two))
        trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
        walk(ledger, [backtest(number, trial) for number in range(4)], one)
        # A backtest's last night scores, and says nothing more.
        last = worked(ledger, backtest(4, trial), one)
        store(ledger, backtest(4, trial), replace(last, decision=None, model=None, forecasts=()))


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a filled SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("filled") / "ledger.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def filled_database(postgresql: Any) -> str:
    """Return the name of a filled PostgreSQL database, to be copied."""
    fill(postgresql.create("filled"))
    return "filled"


@pytest.fixture
def walked(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """Return a ledger after live nights, backfill, a failure and a backtest."""
    if dialect == "sqlite":
        shutil.copy(request.getfixturevalue("filled_file"), tmp_path / "ledger.db")
        urls = iter([f"sqlite:///{tmp_path / 'ledger.db'}"])
    else:
        name = request.getfixturevalue("filled_database")
        urls = request.getfixturevalue("postgresql").lend(name)
    for url in urls:
        with open_ledger(url) as ledger:
            yield ledger


def wrong(ledger: Ledger) -> list[str]:
    """Return the names of the checks that failed."""
    found = check_ledger(ledger, relearn)
    assert [one.name for one in found] == NAMES
    assert all((one.detail == "ok") == one.ok for one in found)
    return [one.name for one in found if not one.ok]


def test_a_whole_ledger_passes(walked: Ledger) -> None:
    """Nothing is wrong with a ledger that the program alone has written."""
    assert wrong(walked) == []


def test_an_empty_ledger_passes(ledger: Ledger) -> None:
    """Nothing is wrong with nothing."""
    assert wrong(ledger) == []


FAULTS = {
    "a sum was changed": ("UPDATE tally SET sum_error = sum_error + 0.001 WHERE id = 1",
                          ["running sums"]),
    "a count was changed": ("UPDATE tally SET covered95 = covered95 + 1 WHERE id = 2",
                            ["running sums"]),
    "a sum was deleted": ("DELETE FROM tally WHERE id = 1", ["running sums"]),
    "a sum is of nothing": ("UPDATE tally SET horizon = 9 WHERE id = 1", ["running sums"]),
    "a score was changed": ("UPDATE score SET error = 5, abs_error = 5 WHERE forecast_id = 1",
                            ["scores", "running sums"]),
    "an outcome was changed": ("UPDATE score SET actual = actual + 0.001 WHERE forecast_id = 1",
                               ["scores"]),
    "an error lost its size": (
        "UPDATE score SET abs_error = abs_error + 1e-10 WHERE forecast_id = 1", ["scores"]
    ),
    "a hit was changed": ("UPDATE score SET inside80 = 1 - inside80 WHERE forecast_id = 1",
                          ["scores", "running sums", "trackers"]),
    "a tracker was changed": ("UPDATE tracker SET quantile = quantile + 0.5 WHERE id = 1",
                              ["trackers"]),
    "a tracker's coverage was changed": (
        "UPDATE tracker SET coverage = coverage + 0.001 WHERE id = 3", ["trackers"]),
    "a tracker learned of nothing": ("UPDATE tracker SET horizon = 9 WHERE id = 1", ["trackers"]),
    "a gate was changed": ("UPDATE gate SET gain = gain + 0.001 WHERE id = 1", ["gates"]),
    "a gate was opened": ("UPDATE gate SET weight = 1.0 WHERE id = 2", ["gates"]),
    "a gate was deleted": ("DELETE FROM gate WHERE id = 1", ["gates"]),
    "a gate learned of nothing": ("UPDATE gate SET head = 'spread' WHERE id = 1", ["gates"]),
    "a move was changed": (
        "UPDATE score SET actual_move = actual_move + 1 WHERE forecast_id = 1", ["gates"]),
    "a move was lost": ("UPDATE score SET actual_move = NULL WHERE forecast_id = 1",
                        ["moves", "gates"]),
    "a gain was changed": ("UPDATE tally SET sum_gain = sum_gain + 0.001 WHERE id = 1",
                           ["running sums"]),
    "a rejected model speaks": ("UPDATE model_version SET status = 'rejected' WHERE id = 1",
                                ["rejected models"]),
    "a tracker forgot": ("UPDATE tracker SET outcomes = outcomes - 1 WHERE id = 2", ["trackers"]),
    "a tracker was deleted": ("DELETE FROM tracker WHERE id = 1", ["trackers"]),
    "a model's bytes were changed": ("UPDATE model_version SET parameters = settings_bytes",
                                     ["model parameters"]),
    "a forecast was forgotten": (
        "DELETE FROM awaiting WHERE forecast_id = (SELECT max(forecast_id) FROM awaiting)",
        ["waiting forecasts"]),
    "a scored forecast waits": (
        "INSERT INTO awaiting SELECT id, series_id, target_session FROM forecast WHERE id = 1",
        ["waiting forecasts"]),
    "a failure says done": ("UPDATE run_series SET status = 'done' WHERE status = 'failed'",
                            ["nights"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(walked: Ledger, fault: str) -> None:
    """Each planted fault fails the check that looks for it, and no other."""
    change, expected = FAULTS[fault]
    other = "x'00'" if walked.url.get_backend_name() == "sqlite" else "'x'::bytea"
    with walked.writing() as connection:
        changed = connection.execute(text(change.replace("settings_bytes", other)))
        assert changed.rowcount
    assert wrong(walked) == expected


def test_an_outcome_that_is_not_positive_has_no_move(ledger: Ledger) -> None:
    """To a price of nothing there is no log return: the score has no move, and that is no fault."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(0)], one)
    result = worked(ledger, live(1), one, actuals={day(1): 0.0})
    scores = tuple(replace(it, actual_move=None, eta=None) for it in result.scores)
    store(ledger, live(1), replace(result, scores=scores, trackers=(), gates=()))
    assert wrong(ledger) == []


def test_a_panel_that_was_rejected_is_found(ledger: Ledger) -> None:
    """A forecast may no more be made of a rejected panel than of a rejected network."""
    [one] = add_series(ledger, "a")
    panel = store_panel(ledger, model(0), backtest_id=None, stamp=STAMP)
    result = worked(ledger, live(1), one)
    spoken = tuple(replace(it, panel_id=panel) for it in result.forecasts)
    store(ledger, live(1), replace(result, forecasts=spoken))
    assert wrong(ledger) == []
    with ledger.writing() as connection:
        change = "UPDATE model_version SET status = 'rejected' WHERE series_id IS NULL"
        connection.execute(text(change))
    assert wrong(ledger) == ["rejected models"]


def test_a_night_that_decided_and_said_nothing_is_found(ledger: Ledger) -> None:
    """Only a backtest's last night may be done without a forecast; one that decided may not."""
    [one] = add_series(ledger, "a")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    silent = replace(worked(ledger, backtest(0, trial), one), forecasts=(), model=model(0))
    store(ledger, backtest(0, trial), silent)
    assert wrong(ledger) == ["nights"]


def without_foreign_keys(ledger: Ledger, change: Callable[[Connection], None]) -> None:
    """Change the file as another program would, that does not look at foreign keys."""
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN")
        change(connection)
        connection.commit()
        connection.invalidate()


def test_a_lost_parent_is_found(sqlite_ledger: Ledger) -> None:
    """A row whose parent is gone fails the check of foreign keys."""
    [one] = add_series(sqlite_ledger, "a")
    walk(sqlite_ledger, [live(0)], one)
    without_foreign_keys(
        sqlite_ledger, lambda it: it.execute(text("DELETE FROM instrument")) and None
    )
    assert wrong(sqlite_ledger) == ["foreign keys"]


def test_a_damaged_index_is_found(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    """A page of an index that holds something else fails the check of integrity."""
    [one] = add_series(sqlite_ledger, "a")
    walk(sqlite_ledger, [live(number) for number in range(3)], one)
    with sqlite_ledger.reading() as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_forecast_target'"
        page = connection.exec_driver_sql(query).scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    sqlite_ledger.close()
    path = tmp_path / "only.db"
    content = bytearray(path.read_bytes())
    middle = (page - 1) * size + size - 20
    content[middle : middle + 10] = b"\1" * 10
    path.write_bytes(content)
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert "integrity" in wrong(ledger)
