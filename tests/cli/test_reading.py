import csv
import io
import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]

VIEWS = {
    "forecasts": "latest_forecast",
    "forecasts --past --limit 9999": "forecast_history",
    "forecasts --past --parts --limit 9999": "forecast_parts",
    "accuracy": "accuracy",
    "calibration": "calibration",
    "decisions": "decision_history",
    "decisions --evidence": "decision_history",
    "runs": "run_history",
    "models list": "model_history",
}


def stored(workspace: Path, view: str) -> list[dict[str, object]]:
    """Return the rows of a view without the program."""
    connection = sqlite3.connect(workspace / "forecaster.db")
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute(f"select * from {view}")]
    connection.close()
    return rows


def by_text(rows: list[dict[str, object]]) -> list[str]:
    """Return rows in an order of their own."""
    return sorted(json.dumps(row) for row in rows)


@pytest.mark.parametrize(("command", "view"), VIEWS.items())
def test_json_is_the_view(call: Call, workspace: Path, command: str, view: str) -> None:
    """--json gives every row of the view with exactly its columns and values."""
    result = call(*command.split(), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = stored(workspace, view)
    assert rows
    assert by_text(json.loads(result.stdout)) == by_text(rows)


@pytest.mark.parametrize(("command", "view"), VIEWS.items())
def test_csv_is_the_view(call: Call, workspace: Path, command: str, view: str) -> None:
    """--csv gives the same as --json, as text."""
    result = call(*command.split(), "--csv")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    shown = [
        {k: "" if v is None else str(v) for k, v in r.items()} for r in stored(workspace, view)
    ]
    assert by_text([dict(row) for row in rows]) == by_text([dict(row) for row in shown])


@pytest.mark.parametrize(("command", "view"), VIEWS.items())
def test_a_table_has_a_line_a_row(call: Call, workspace: Path, command: str, view: str) -> None:
    """The table for people has every row under a header of the view's names."""
    result = call("-q", *command.split())
    header, *lines = result.stdout.splitlines()
    rows = stored(workspace, view)
    assert set(header.split()) <= set(rows[0])
    assert len(lines) == len(rows)


def test_sessions_are_iso_dates(call: Call) -> None:
    """A session is a date, never a moment."""
    rows = json.loads(call("forecasts", "--json").stdout)
    for name in ("cutoff", "target_session"):
        assert all(date.fromisoformat(row[name]).isoformat() == row[name] for row in rows)


def test_forecasts_are_the_coming_sessions(call: Call) -> None:
    """A row per series and horizon; the intervals lie in one another around the forecast."""
    rows = json.loads(call("forecasts", "--json").stdout)
    assert [(row["series"], row["horizon"]) for row in rows] == [
        (name, horizon) for name in ("EURUSD", "IBM") for horizon in range(1, 6)
    ]
    for row in rows:
        assert row["status"] == "ok"
        assert row["lo95"] <= row["lo80"] < row["forecast"] < row["hi80"] <= row["hi95"]


def test_numbers_agree_between_commands(call: Call) -> None:
    """The accuracy of a horizon is what its past forecasts say, and so is its calibration."""
    past = json.loads(
        call("forecasts", "--past", "--series", "IBM", "--limit", "999", "--json").stdout
    )
    errors = [row["abs_error"] for row in past if row["horizon"] == 1 and row["actual"]]
    inside = [row["inside80"] for row in past if row["horizon"] == 1 and row["actual"]]
    accuracy = json.loads(call("accuracy", "--series", "IBM", "--json").stdout)[0]
    calibration = json.loads(call("calibration", "--series", "IBM", "--json").stdout)[0]
    assert accuracy["n"] == calibration["n"] == len(errors) > 0
    assert math.isclose(accuracy["mae"], sum(errors) / len(errors))
    assert math.isclose(accuracy["skill_mae"], 1 - accuracy["mae"] / accuracy["baseline_mae"])
    assert calibration["covered"] == sum(inside)


def test_series_and_kind_choose_rows(call: Call) -> None:
    """--series and --kind narrow what is shown; together they are both required."""
    rows = json.loads(call("forecasts", "--kind", "backfill", "--series", "IBM", "--json").stdout)
    assert {(row["kind"], row["series"]) for row in rows} == {("backfill", "IBM")}
    assert json.loads(call("accuracy", "--kind", "backtest", "--json").stdout) == []


def test_a_limit_that_cuts_says_so(call: Call) -> None:
    """The rows stand alone on standard output; that there are more, on standard error."""
    cut = call("sql", "select * from forecast_history", "--limit", "3", "--json")
    assert len(json.loads(cut.stdout)) == 3
    assert cut.stderr == "forecaster: only the first 3 rows are shown: --limit shows more\n"
    exact = call("sql", "select 1 as x", "--limit", "1")
    assert (exact.stdout, exact.stderr) == ("x\n1\n", "")


def test_accuracy_ends_with_the_verdicts_of_the_view(call: Call, workspace: Path) -> None:
    """Below the table stands which series are not better than the last price, by kind."""
    said = call("accuracy").stdout.splitlines()
    assert said[-2:] == ["", "Not better than the last price (backfill): EURUSD, IBM."]
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection, connection:
        connection.execute(
            "UPDATE tally SET n = 99, gain_t = 2.5 WHERE horizon = 2 AND series_id = "
            "(SELECT id FROM series WHERE name = 'IBM')"
        )
    said = call("accuracy").stdout.splitlines()
    assert set(said[-2:]) == {
        "Not better than the last price (backfill): EURUSD, IBM (horizon 1, 3, 4, 5).",
        "Better than the last price (backfill): IBM (horizon 2).",
    }
    assert "IBM" not in call("accuracy", "--series", "EURUSD").stdout


def test_the_parts_of_the_newest_forecasts_have_their_ids(call: Call, workspace: Path) -> None:
    """`forecasts --parts` is about the coming sessions, and each id can be explained."""
    newest = {row["forecast_id"] for row in stored(workspace, "latest_forecast")}
    rows = json.loads(call("forecasts", "--parts", "--json").stdout)
    assert {row["forecast_id"] for row in rows} == newest
    assert {row["spread"] for row in rows} <= {"linear", "ewma"}
    mine = json.loads(call("forecasts", "--parts", "--series", "IBM", "--json").stdout)
    assert [row["horizon"] for row in mine] == [1, 2, 3, 4, 5]
    assert {row["series"] for row in mine} == {"IBM"}


def test_alarms_are_shown_where_there_are_any(call: Call, workspace: Path) -> None:
    """The column stands in the table of decisions only when it says something."""
    assert "alarms" not in call("decisions").stdout
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection, connection:
        connection.execute("UPDATE decision SET alarms = 'huge move' WHERE id = 1")
    assert "huge move" in call("decisions").stdout
    assert "huge move" in call("decisions", "--evidence").stdout


def test_a_formula_from_the_database_is_neutralised(call: Call) -> None:
    """A text that a spreadsheet would run begins with an apostrophe in CSV."""
    result = call("sql", "select '=1+1' as a, -1 as b, '+x' as c", "--csv")
    assert result.stdout == "a,b,c\n'=1+1,-1,'+x\n"


def test_a_number_that_json_lacks_is_null(call: Call) -> None:
    """Infinity is null in JSON: the document always parses."""
    assert json.loads(call("sql", "select 9e999 as x", "--json").stdout) == [{"x": None}]


def test_an_empty_ledger_says_what_to_do(call: Call) -> None:
    """Before the first run, a command that reads says so and is not wrong."""
    assert call("--database", "new.db", "db", "upgrade").exit_code == 0
    result = call("--database", "new.db", "accuracy")
    assert (result.exit_code, result.stdout) == (
        0, "Nothing is stored yet: run `forecaster run`.\n",
    )  # fmt: skip
