"""`backtest` on the command line."""

import csv
import io
import json
from typing import Any

import pytest

from forecaster.cli.backtesting import verdict

from .conftest import Call

WHOLE = {
    "rel_rmse": 1.0001, "dm": 0.5, "dm_p": 0.6, "rel_score80": 0.981, "rel_score95": 1.012,
    "coverage80": 0.8011, "coverage95": 0.9489,
}  # fmt: skip


def test_json_holds_everything(call: Call) -> None:
    """The document has the id, the summary, the rows of each series, and all results."""
    result = call("backtest", "--cutoffs", "3", "--horizon", "2", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(document) == {"backtest_id", "summary", "series", "results"}
    assert [(row["series"], row["horizon"], row["n"]) for row in document["series"]] == [
        ("EURUSD", 1, 3), ("EURUSD", 2, 3), ("IBM", 1, 3), ("IBM", 2, 3),
    ]  # fmt: skip
    assert [(row["series"], row["method"]) for row in document["results"][::3]] == [
        (series, method)
        for series in ("EURUSD", "IBM", "all")
        for method in ("forecaster", "naive")
    ]


def test_csv_is_all_results(call: Call) -> None:
    """--csv prints the rows of backtest_result_history, with rivals by any spelling of case."""
    result = call("backtest", "--cutoffs", "3", "--against", "DRIFT", "--csv", "--series", "IBM")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 2 * 3 * 6
    assert {row["method"] for row in rows} == {"forecaster", "naive", "drift"}


def test_table_is_narrow_and_ends_in_a_sentence(call: Call) -> None:
    """A line a series, a line a method, each within 100 columns, then what it comes to."""
    result = call("backtest", "--cutoffs", "70", "--horizon", "2", "--against", "drift")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["series", "EURUSD", "IBM"]
    assert lines[3:5] == ["", "All series:"]
    assert [line.split()[0] for line in lines[5:9]] == ["method", "forecaster", "naive", "drift"]
    assert max(map(len, lines[:9])) <= 100
    assert lines[10].startswith("The forecasts are ")
    assert lines[11].startswith("Report: ")


@pytest.mark.parametrize("every", ["0", "-3", "sometimes", "1.5"])
def test_every_is_a_number_or_a_word(call: Call, every: str) -> None:
    """--every takes sessions, always or never, and refuses anything else."""
    result = call("backtest", "--every", every)
    assert result.exit_code == 2
    assert "no number of sessions" in result.stderr


def test_every_reaches_the_job(call: Call) -> None:
    """--every always trains at each cutoff, --every 2 at each second one, never only once."""
    for every, trainings in (("always", 4), ("2", 2), ("never", 1)):
        result = call("backtest", "--cutoffs", "4", "--series", "IBM", "--every", every, "--json")
        (row, *_) = json.loads(result.stdout)["series"]
        assert row["trainings"] == trainings


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "no better than the last price (relative RMSE 1.0001, p = 0.6)"),
        ({"dm": None, "dm_p": None, "rel_rmse": 1.0}, "price (relative RMSE 1.0000);"),
        ({"dm": -3.0, "dm_p": 0.003, "rel_rmse": 0.98}, "are better than the last price (relative"),
        ({"dm": 3.0, "dm_p": 0.003}, "are worse than the last price"),
        ({}, "1.9 % better at 80 % and 1.2 % worse at 95 % than naive quantiles"),
        ({}, "80.1 % and 94.9 % of the outcomes lay inside."),
        ({"rel_score80": None}, "(relative RMSE 1.0001, p = 0.6); 80.1 %"),
        ({"rel_rmse": None}, "nothing to compare"),
    ],
)  # fmt: skip
def test_verdict_says_no_more_than_there_is_evidence_for(found: dict[str, Any], words: str) -> None:
    """Better or worse is said only where chance is not likely to have made the difference."""
    assert words in verdict({**WHOLE, **found})
