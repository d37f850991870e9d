"""`models`: which version is in use, and why; holding a series to one; what may go."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Call = Callable[..., Result]


def rows(workspace: Path, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query without the program."""
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def model_of(workspace: Path, series: str) -> int:
    """Return the version that a series has in use."""
    [row] = rows(workspace, f"SELECT * FROM model_history WHERE series = '{series}' AND in_use = 1")
    return int(row["model_id"])


def reject(workspace: Path, series: str) -> int:
    """Store a rejected version of a series, later than the one in use; return its id."""
    with closing(sqlite3.connect(workspace / "forecaster.db")) as connection, connection:
        connection.execute("CREATE TEMP TABLE copy AS SELECT * FROM model_version")
        connection.execute("DELETE FROM copy WHERE id <> ?", (model_of(workspace, series),))
        connection.execute(
            "UPDATE copy SET id = 100, cutoff = date(cutoff, '+1 day'), status = 'rejected', "
            "incumbent_loss = 0.5"
        )
        connection.execute("INSERT INTO model_version SELECT * FROM copy")
    return 100


def test_the_version_in_use_is_marked(call: Call, workspace: Path) -> None:
    """Of each series one version is in use; a rejected one is shown as such, and is not."""
    rejected = reject(workspace, "IBM")
    found = json.loads(call("models", "list", "--json").stdout)
    assert {(row["series"], row["status"], row["in_use"]) for row in found} == {
        ("IBM", "accepted", 1), ("IBM", "rejected", 0), ("EURUSD", "accepted", 1),
    }  # fmt: skip
    lines = call("models", "list", "--series", "IBM").stdout.splitlines()
    assert lines[0].split() == [
        "model_id", "series", "cutoff", "status", "validation_loss", "baseline_loss", "in_use",
        "pinned",
    ]  # fmt: skip
    first, second = (line.split() for line in lines[1:])
    assert (first[0], first[3], first[-2:]) == (str(rejected), "rejected", ["no", "no"])
    assert (second[3], second[-2:]) == ("accepted", ["yes", "no"])


def test_a_model_is_shown_whole(call: Call, workspace: Path) -> None:
    """`models show` gives every column of the view, and the forecasts that it has a part in."""
    lines = call("models", "show", "1").stdout.splitlines()
    shown = json.loads(call("models", "show", "1", "--json").stdout)
    assert [line.split()[0] for line in lines if line[0] != " "] == list(shown)
    assert json.loads(shown["settings"])["epochs"] == 2
    assert json.loads(shown["environment"])["kernel"]
    assert len(shown["sha256"]) == 64
    assert max(map(len, lines)) <= 85
    of_model = "SELECT kind, count(*) AS n FROM forecast_history WHERE model_id = 1 GROUP BY 1"
    assert [(use["kind"], use["forecasts"]) for use in shown["forecasts"]] == [
        (row["kind"], row["n"]) for row in rows(workspace, of_model)
    ]
    assert sum(use["forecasts"] for use in shown["forecasts"]) == 45


def test_a_series_is_held_and_let_go(call: Call, workspace: Path) -> None:
    """A pinned version is marked, and in use even where a newer one is not."""
    mine = model_of(workspace, "IBM")
    assert call("models", "pin", "IBM", str(mine)).stdout == f"IBM is held to model {mine}.\n"
    [row] = json.loads(call("models", "list", "--series", "IBM", "--json").stdout)
    assert (row["pinned"], row["in_use"]) == (1, 1)
    assert call("models", "unpin", "IBM").stdout == "IBM is held to no model.\n"
    [row] = json.loads(call("models", "list", "--series", "IBM", "--json").stdout)
    assert (row["pinned"], row["in_use"]) == (0, 1)
    wrong = call("models", "unpin", "IBMM")
    assert (wrong.exit_code, wrong.stderr) == (
        2, "forecaster: the ledger has no series 'IBMM'; did you mean IBM?\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("IBM", "EURUSD"), "is one of EURUSD, not of IBM"),
        (("IBM", "rejected"), "was rejected: it was no better"),
        (("IBM", "999"), "there is no model 999"),
        (("IBMM", "IBM"), "no series 'IBMM' is configured; did you mean IBM?"),
    ],
)
def test_what_cannot_be_pinned_is_refused(
    call: Call, workspace: Path, words: tuple[str, str], told: str
) -> None:
    """Another series' version, a rejected one, none at all: one line, and nothing is pinned."""
    name, which = words
    ids = {"rejected": reject(workspace, "IBM"), "EURUSD": model_of(workspace, "EURUSD"),
           "IBM": model_of(workspace, "IBM")}  # fmt: skip
    result = call("models", "pin", name, str(ids.get(which, which)))
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any(row["pinned"] for row in rows(workspace, "SELECT pinned FROM model_history"))


def test_a_model_of_other_settings_cannot_be_pinned(
    call: Call, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed is named, and nothing is pinned."""
    mine = str(model_of(workspace, "IBM"))
    monkeypatch.setenv("FORECASTER_MODEL_LOOKBACK", "9")
    result = call("models", "pin", "IBM", mine)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "lookback 10 to 9" in result.stderr
    assert rows(workspace, "SELECT max(pinned) AS pinned FROM model_history") == [{"pinned": 0}]


def test_pruning_takes_what_nothing_needs(call: Call, workspace: Path) -> None:
    """Rejected parameters go, once; replay and `db check` find everything they need."""
    rejected = reject(workspace, "IBM")
    [size] = rows(workspace, f"SELECT bytes FROM model_history WHERE model_id = {rejected}")
    _, line, told = call("models", "prune", "--dry-run").stdout.splitlines()
    assert line.split()[:2] == [str(rejected), "IBM"]
    assert line.split()[-1] == str(size["bytes"])
    assert told == f"The parameters of 1 model, {size['bytes']:,} bytes, would go."
    assert call("models", "prune", "--keep", "1").stdout.startswith("Nothing to prune")
    [kept] = rows(workspace, f"SELECT bytes FROM model_history WHERE model_id = {rejected}")
    assert kept == size
    gone = json.loads(call("models", "prune", "--json").stdout)
    assert [(one["model_id"], one["bytes"]) for one in gone] == [(rejected, size["bytes"])]
    assert json.loads(call("models", "prune", "--json").stdout) == []
    after = {
        row["model_id"]: row["bytes"] for row in rows(workspace, "SELECT * FROM model_history")
    }
    assert after[rejected] == 0
    assert min(bytes_ for id_, bytes_ in after.items() if id_ != rejected) > 1000
    assert call("db", "check").exit_code == 0
    runs = rows(workspace, "SELECT DISTINCT run_id FROM forecast_history WHERE kind = 'live'")
    for run in runs:
        assert call("replay", "--run", str(run["run_id"])).exit_code == 0
