"""`explain`: one screen for a person, one document for a program."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
SCREEN = 60


def one(workspace: Path, where: str) -> dict[str, object]:
    """Return the first row of forecast_history for which something is so."""
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection:
        connection.row_factory = sqlite3.Row
        query = f"SELECT * FROM forecast_history WHERE {where} ORDER BY forecast_id"
        return dict(connection.execute(query).fetchone())


@pytest.mark.parametrize("where", ["kind = 'live'", "kind = 'backfill' AND actual IS NOT NULL"])
def test_the_account_fits_a_screen(call: Call, workspace: Path, where: str) -> None:
    """No line is wider than 80 columns, and there are few; every part has its heading."""
    row = one(workspace, where)
    result = call("explain", str(row["forecast_id"]))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= SCREEN
    for words in ("Forecast ", "Worked again: every bit is the same", "The mean: the baseline",
                  "closed", "The spread: ", "What the network read", "The decision: ", "Model ",
                  "kernel", "deviations to each side"):  # fmt: skip
        assert words in result.stdout
    known = row["actual"] is not None
    assert ("not known yet" in result.stdout) != known
    assert (" units): " in result.stdout) == known


def test_every_session_read_is_a_line(call: Call, workspace: Path) -> None:
    """The last one is the cutoff, with its value, its revision and what it adds."""
    row = one(workspace, "kind = 'live' AND series = 'IBM'")
    lines = call("explain", str(row["forecast_id"])).stdout.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("What the network read"))
    sessions = [line.split()[0] for line in lines[start + 2 : start + 2 + 11]]
    assert len(set(sessions)) == 11  # 10 moves lie between 11 sessions
    last = lines[start + 12].split()
    assert last[0] == row["cutoff"]
    assert float(last[1]) == float(last[2]) == row["baseline"]
    assert last[3] == "1"


def test_json_and_csv_hold_the_same(call: Call, workspace: Path) -> None:
    """The document has the forecast's row of the view; CSV names each place in the document."""
    row = one(workspace, "kind = 'backfill' AND actual IS NOT NULL")
    document = json.loads(call("explain", str(row["forecast_id"]), "--json").stdout)
    assert document["forecast"] == row
    assert document["replayed"]["differences"] == []
    assert document["mean"]["weight"] == 0.0
    assert len(document["steps"]) == 11
    table = call("explain", str(row["forecast_id"]), "--csv").stdout
    cells = dict(csv.reader(io.StringIO(table)))
    assert cells["mean.baseline"] == str(document["mean"]["baseline"])
    assert cells["steps.11.session"] == row["cutoff"]
    assert cells["decision.reason"] == document["decision"]["reason"]


def test_a_panel_is_explained_with_its_features(
    call: Call, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both heads of the geometric mean stand with what they say, and what their features add."""
    monkeypatch.setenv("FORECASTER_INTERVALS_SCALE", "panel")
    assert call("run", "--series", "IBM", "--as-of", "2012-06-05").exit_code == 0
    row = one(workspace, "cutoff = '2012-06-05'")
    document = json.loads(call("explain", str(row["forecast_id"]), "--json").stdout)
    spread = document["spread"]
    assert (spread["used"], spread["order"]) == ("panel", "panel > linear > ewma")
    both = (spread["says"]["panel"] * spread["says"]["linear"]) ** 0.5
    assert spread["scale"] == pytest.approx(both)
    assert {feature["head"] for feature in spread["features"]} == {"panel", "linear"}
    assert document["panel"]["series"] is None
    text = call("explain", str(row["forecast_id"])).stdout
    assert "The spread: panel" in text
    assert "log panel" in text
    assert f"Panel {document['panel']['model_id']}: " in text


def test_a_difference_is_told_twice(call: Call, workspace: Path) -> None:
    """In the account, and on standard error: these are not the numbers that were stored."""
    row = one(workspace, "kind = 'live'")
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection, connection:
        connection.execute("UPDATE bar SET close = close * 1.01")
    result = call("explain", str(row["forecast_id"]))
    assert result.exit_code == 0
    assert "numbers of this night come out otherwise" in " ".join(result.stdout.split())
    assert result.stderr == (
        "forecaster: this is not what was stored: `forecaster replay` shows every difference\n"
    )


def test_an_unknown_forecast_is_one_line(call: Call) -> None:
    """It says what is wrong and where the ids are."""
    result = call("explain", "99999")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("forecaster: there is no forecast 99999; ")
    assert result.stderr.count("\n") == 1
