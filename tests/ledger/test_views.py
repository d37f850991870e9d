"""The views: their columns to the letter, their values worked out by hand, on both databases."""

import math
from dataclasses import fields

import pytest
from sqlalchemy import insert, text

from forecaster.ledger import Ledger, Series
from forecaster.ledger.backtests import (
    BacktestResult,
    finish_backtest,
    start_backtest,
)
from forecaster.ledger.history import read_view
from forecaster.ledger.schema import tally

from .small import (
    NOW,
    add_series,
    backfill,
    backtest,
    live,
    rows,
    walk,
)

LATEST = (
    "forecast_id", "run_id", "kind", "series", "source", "symbol", "field", "cutoff", "horizon",
    "target_session", "issued_at", "model_id", "status", "forecast", "lo80", "hi80", "lo95",
    "hi95", "baseline",
)  # fmt: skip
COLUMNS = {
    "forecast_history": (
        *LATEST, "actual", "error", "abs_error", "baseline_abs_error", "inside80", "inside95",
        "scored_at",
    ),
    "latest_forecast": LATEST,
    "accuracy": (
        "series", "kind", "horizon", "n", "mae", "rmse", "baseline_mae", "baseline_rmse",
        "skill_mae", "skill_rmse", "bias",
    ),
    "calibration": (
        "series", "kind", "horizon", "level", "n", "covered", "coverage", "mean_width",
    ),
    "skill": ("series", "kind", "horizon", "n", "skill_mae", "skill_rmse", "t", "verdict"),
    "decision_history": (
        "decision_id", "run_id", "kind", "series", "session", "verdict", "reason_code", "reason",
        "model_id", "age_sessions", "allowed_age", "fingerprint", "model_fingerprint", "intervals",
        "decided_at", "new_bars", "revised_bars", "skill", "skill_t", "spread_t",
        "coverage_error80", "coverage_error95", "alarms",
    ),
    "model_history": (
        "model_id", "series", "run_id", "backtest_id", "cutoff", "created_at", "fingerprint",
        "seed", "bars", "windows", "epochs", "best_epoch", "train_loss", "validation_loss",
        "baseline_loss", "seconds", "sha256", "settings", "version", "environment", "restarts",
        "status", "incumbent_loss", "data_sha256", "pinned", "in_use", "bytes",
    ),
    "backtest_result_history": (
        "backtest_id", "series", *(one.name for one in fields(BacktestResult)[1:])
    ),
}  # fmt: skip


@pytest.mark.parametrize("view", COLUMNS)
def test_views_have_the_documented_columns(ledger: Ledger, view: str) -> None:
    """Names and order of the columns are the interface."""
    assert read_view(ledger, view).columns == COLUMNS[view]


def test_forecast_history_holds_what_was_said_and_what_happened(
    ledger: Ledger, series: Series
) -> None:
    """Outcome, error and hits stand beside the forecast, and are empty until they are known."""
    found = rows(ledger, "forecast_history", "cutoff", "horizon")
    facts = ("horizon", "target_session", "forecast", "actual", "error", "abs_error",
             "baseline_abs_error", "inside80", "inside95")  # fmt: skip
    assert [tuple(row[name] for name in facts) for row in found] == [
        (1, "2024-01-02", 101.0, 103.0, -2.0, 2.0, 3.0, 0, 1),
        (2, "2024-01-03", 102.0, 102.0, 0.0, 0.0, 2.0, 1, 1),
        (1, "2024-01-03", 104.0, 102.0, 2.0, 2.0, 2.0, 0, 1),
        (2, "2024-01-04", 100.0, None, None, None, None, None, None),
        (1, "2024-01-04", 100.0, None, None, None, None, None, None),
        (2, "2024-01-05", 100.0, None, None, None, None, None, None),
    ]
    first = found[0]
    assert (first["series"], first["source"], first["symbol"]) == ("a", "sample", "A")
    assert (first["kind"], first["field"], first["status"]) == ("live", "close", "ok")
    assert (first["lo95"], first["lo80"], first["hi80"], first["hi95"]) == (99, 100, 102, 103)
    assert first["issued_at"] == first["scored_at"] == "2024-03-01T22:00:00.000000+00:00"


def test_values_have_the_same_types_everywhere(ledger: Ledger, series: Series) -> None:
    """Numbers are int or float, hits 0 or 1, sessions and moments ISO text, on both databases."""
    found = rows(ledger, "forecast_history", "cutoff", "horizon")[0]
    kinds = {name: type(value) for name, value in found.items()}
    whole = {"forecast_id", "run_id", "horizon", "model_id", "inside80", "inside95"}
    written = {"kind", "series", "source", "symbol", "field", "cutoff", "target_session",
               "issued_at", "status", "scored_at"}  # fmt: skip
    assert {name for name, kind in kinds.items() if kind is int} == whole
    assert {name for name, kind in kinds.items() if kind is str} == written
    assert {name for name, kind in kinds.items() if kind is float} == set(kinds) - whole - written


def test_hits_can_be_added_up(ledger: Ledger, series: Series) -> None:
    """sum(inside80) is a count on both databases."""
    query = "SELECT sum(inside80) AS a, sum(inside95) AS b FROM forecast_history"
    with ledger.reading() as connection:
        assert tuple(connection.execute(text(query)).one()) == (1, 3)


def test_accuracy_is_what_a_pencil_gives(ledger: Ledger, series: Series) -> None:
    """Errors -2 and 2 against 3 and 2 of the baseline; then 0 against 2."""
    first, second = rows(ledger, "accuracy", "horizon")
    assert first == pytest.approx(
        {
            "series": "a", "kind": "live", "horizon": 1, "n": 2, "mae": 2.0, "rmse": 2.0,
            "baseline_mae": 2.5, "baseline_rmse": math.sqrt(13 / 2), "skill_mae": 1 - 2 / 2.5,
            "skill_rmse": 1 - 2 / math.sqrt(13 / 2), "bias": 0.0,
        }
    )  # fmt: skip
    assert second == {
        "series": "a", "kind": "live", "horizon": 2, "n": 1, "mae": 0.0, "rmse": 0.0,
        "baseline_mae": 2.0, "baseline_rmse": 2.0, "skill_mae": 1.0, "skill_rmse": 1.0, "bias": 0.0,
    }  # fmt: skip


def test_calibration_is_what_a_pencil_gives(ledger: Ledger, series: Series) -> None:
    """One of three outcomes lay in the 80 % interval, all in the 95 % one."""
    found = rows(ledger, "calibration", "horizon", "level")
    assert [tuple(row.values()) for row in found] == [
        ("a", "live", 1, 0.8, 2, 0, 0.0, 2.0),
        ("a", "live", 1, 0.95, 2, 2, 1.0, 4.0),
        ("a", "live", 2, 0.8, 1, 1, 1.0, 2.0),
        ("a", "live", 2, 0.95, 1, 1, 1.0, 4.0),
    ]


def test_accuracy_agrees_with_the_history_it_sums(ledger: Ledger, series: Series) -> None:
    """The running sums give what a query over all scores gives."""
    walk(ledger, [live(number) for number in range(3, 9)], series)
    query = text(
        "SELECT horizon, count(actual) AS n, avg(abs_error) AS mae, avg(error) AS bias, "
        "avg(baseline_abs_error) AS baseline_mae FROM forecast_history WHERE actual IS NOT NULL "
        "GROUP BY horizon ORDER BY horizon"
    )
    with ledger.reading() as connection:
        expected = [dict(row) for row in connection.execute(query).mappings()]
    found = rows(ledger, "accuracy", "horizon")
    assert [{name: row[name] for name in expected[0]} for row in found] == [
        pytest.approx(row) for row in expected
    ]


def test_a_perfect_baseline_gives_no_skill(ledger: Ledger) -> None:
    """Where the baseline was never wrong there is nothing to divide by: NULL, no error."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(0), live(1), live(2)], one)
    for row in rows(ledger, "accuracy"):
        assert (row["mae"], row["baseline_mae"]) == (0.0, 0.0)
        assert (row["skill_mae"], row["skill_rmse"]) == (None, None)


def test_sums_of_nothing_give_null(ledger: Ledger) -> None:
    """A cell without a score has no ratio, in any of the views that divide."""
    [one] = add_series(ledger, "a")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    nothing = {
        column.name: 0 for column in tally.c if column.name not in ("id", "kind", "backtest_id")
    }
    with ledger.writing() as connection:
        for kind, backtest_id in (("live", None), ("backtest", trial)):
            row = nothing | {"series_id": one.id, "kind": kind, "backtest_id": backtest_id}
            connection.execute(insert(tally), [row])
    for view, empty in (
        ("accuracy", ("mae", "baseline_mae", "skill_mae", "skill_rmse", "bias")),
        ("calibration", ("coverage", "mean_width")),
        ("skill", ("skill_mae", "skill_rmse")),
        ("backtest_accuracy", ("mae", "relative_mae", "relative_rmse", "coverage80")),
    ):
        for row in rows(ledger, view):
            assert [row[name] for name in empty] == [None] * len(empty)


def test_latest_is_the_newest_live_cutoff_of_each_series(ledger: Ledger) -> None:
    """Backfill and backtest are never the latest, and each series has its own newest session."""
    one, two, three = add_series(ledger, "a", "b", "c")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    walk(ledger, [live(0), live(2)], one)
    walk(ledger, [live(1)], two)
    walk(ledger, [backfill(5), backtest(7, trial)], one, two, three)
    found = rows(ledger, "latest_forecast", "series", "horizon")
    assert [(row["series"], row["kind"], row["cutoff"], row["horizon"]) for row in found] == [
        ("a", "live", "2024-01-03", 1),
        ("a", "live", "2024-01-03", 2),
        ("b", "live", "2024-01-02", 1),
        ("b", "live", "2024-01-02", 2),
    ]


def test_kinds_are_never_mixed(ledger: Ledger) -> None:
    """Accuracy, calibration and revisions of live forecasts hold no backfill, and of backtests
    the newest finished one counts.
    """
    [one] = add_series(ledger, "a")
    walk(ledger, [backfill(0), backfill(1), backfill(2), live(3), live(4)], one)
    for nights, finished in ((6, True), (4, True), (5, False)):
        trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
        walk(ledger, [backtest(number, trial) for number in range(nights)], one)
        if finished:
            finish_backtest(ledger, trial, now=NOW)
    found = {(row["kind"], row["horizon"]): row["n"] for row in rows(ledger, "accuracy")}
    assert found == {
        ("backfill", 1): 3, ("backfill", 2): 3, ("live", 1): 1, ("backtest", 1): 3,
        ("backtest", 2): 2,
    }  # fmt: skip
    for row in rows(ledger, "calibration"):
        assert row["n"] == found[row["kind"], row["horizon"]]
    history = rows(ledger, "forecast_history")
    assert {row["kind"] for row in history} == {"backfill", "live", "backtest"}
    moved = rows(ledger, "forecast_revision", kind="live", target_session="2024-01-05")
    assert [row["previous_forecast"] for row in moved] == [None]


def test_a_revision_is_how_a_sessions_forecast_moved(ledger: Ledger, series: Series) -> None:
    """The forecast of one session, cutoff by cutoff, with its change since the one before."""
    found = rows(ledger, "forecast_revision", "cutoff", target_session="2024-01-03")
    assert [tuple(row.values()) for row in found] == [
        ("a", "live", "2024-01-03", "2024-01-01", 2, 102.0, None, None),
        ("a", "live", "2024-01-03", "2024-01-02", 1, 104.0, 102.0, 2.0),
    ]


def test_rows_are_filtered_ordered_and_cut(ledger: Ledger, series: Series) -> None:
    """One value, several values, no value; either direction; and whether there was more."""
    found = read_view(
        ledger,
        "forecast_history",
        where={"cutoff": ["2024-01-01", "2024-01-02"], "horizon": 2, "series": None},
        order=("-cutoff",),
        limit=1,
    )
    assert [row["cutoff"] for row in found.as_dicts()] == ["2024-01-02"]
    assert found.cut
    assert not read_view(ledger, "forecast_history", limit=6).cut
    assert read_view(ledger, "forecast_history", where={"series": []}).rows == ()


PLANS = {
    "latest_forecast": "SELECT * FROM latest_forecast WHERE series = 'a'",
    "accuracy": "SELECT * FROM accuracy WHERE series = 'a'",
    "calibration": "SELECT * FROM calibration WHERE series = 'a'",
    "skill": "SELECT * FROM skill WHERE series = 'a'",
    "forecast_parts": "SELECT * FROM forecast_parts WHERE series = 'a' AND cutoff > '2024'",
    "one forecast's parts": "SELECT * FROM forecast_parts WHERE forecast_id = 1",
    "forecast_history": "SELECT * FROM forecast_history WHERE series = 'a' AND cutoff > '2024'",
    "all that is latest": "SELECT * FROM latest_forecast",
}


@pytest.mark.parametrize("name", PLANS)
def test_one_series_is_found_without_reading_all(sqlite_ledger: Ledger, name: str) -> None:
    """No question about one series, nor about what is latest, walks through all forecasts."""
    with sqlite_ledger.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {PLANS[name]}").fetchall()
    steps = [row[3] for row in plan]
    walked = [step for step in steps if step.split()[:2] in (["SCAN", x] for x in "fnot")]
    assert walked == [], steps
