import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]


def change(workspace: Path, statement: str) -> None:
    """Change the database behind the program's back."""
    connection = sqlite3.connect(workspace / "forecaster.db")
    connection.execute("pragma foreign_keys = off")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_current_database(call: Call, workspace: Path) -> None:
    """`db current` names the database and both schemas; `db upgrade` has nothing to do."""
    row = json.loads(call("db", "current", "--json").stdout)[0]
    assert row["database"] == str(workspace / "forecaster.db")
    assert row["schema"] == row["program"]
    upgraded = call("db", "upgrade")
    assert (upgraded.exit_code, "already" in upgraded.stdout) == (0, True)


def test_a_missing_database(call: Call, workspace: Path) -> None:
    """`db current` says that there is none; `db upgrade` creates it; then it is current."""
    found = call("--database", "new.db", "db", "current", "--json")
    assert (found.exit_code, json.loads(found.stdout)[0]["schema"]) == (1, None)
    assert "run `forecaster run` or `forecaster db upgrade`" in found.stderr
    assert not (workspace / "new.db").exists()
    assert call("--database", "new.db", "db", "check").exit_code == 1
    assert call("--database", "new.db", "db", "upgrade").exit_code == 0
    assert call("--database", "new.db", "db", "current").exit_code == 0


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("update alembic_version set version_num = '9999'", "upgrade the program"),
        ("drop table alembic_version", "another program's, or damaged"),
    ],
)
@pytest.mark.parametrize("command", ["run", "forecasts", "db check", "db current"])
def test_another_schema_is_refused(
    call: Call, workspace: Path, statement: str, remedy: str, command: str
) -> None:
    """A newer schema, or an unknown one, is refused with what to do; exit code 1."""
    change(workspace, statement)
    result = call(*command.split())
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert remedy in result.stderr


def test_a_newer_schema_is_not_touched(call: Call, workspace: Path) -> None:
    """`db upgrade` refuses what it does not know."""
    change(workspace, "update alembic_version set version_num = '9999'")
    result = call("db", "upgrade")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a newer program made it" in result.stderr


def test_a_whole_ledger_passes(call: Call) -> None:
    """`db check` finds nothing wrong after a run."""
    result = call("db", "check", "--json")
    assert result.exit_code == 0
    assert {row["ok"] for row in json.loads(result.stdout)} == {True}


def test_a_broken_ledger_is_found(call: Call, workspace: Path) -> None:
    """Parameters that were tampered with are named; exit code 1."""
    change(workspace, "update model_version set parameters = x'00' where id = 1")
    result = call("db", "check", "--json")
    assert result.exit_code == 1
    assert [row["check"] for row in json.loads(result.stdout) if not row["ok"]] == [
        "model parameters"
    ]
    assert "the ledger is not whole: model parameters; restore a backup" in result.stderr


def test_plugins_are_listed_with_where_they_come_from(call: Call) -> None:
    """Every first-party plugin comes from the distribution, through its entry point."""
    rows = json.loads(call("plugins", "list", "--json").stdout)
    named = {(row["kind"], row["name"]) for row in rows}
    assert {
        ("source", "sample"), ("source", "yahoo"), ("source", "csv"), ("activation", "tanh"),
        ("reporter", "console"), ("reporter", "html"), ("executor", "serial"),
        ("executor", "local"), ("executor", "dask"),
    } <= named  # fmt: skip
    assert {row["distribution"] for row in rows} == {"forecaster"}
    assert {row["problem"] for row in rows} == {None}


def test_a_broken_plugin_is_shown_and_the_rest_goes_on(call: Call, workspace: Path) -> None:
    """A plugin that fails to import is named with its reason; the daily job does its work."""
    (workspace / "plugins" / "broken.py").write_text("import nothing_of_this_name\n")
    result = call("plugins", "list", "--json")
    rows = json.loads(result.stdout)
    broken = [row for row in rows if row["problem"]]
    assert (result.exit_code, [row["plugin"] for row in broken]) == (0, ["broken"])
    assert "ModuleNotFoundError" in broken[0]["problem"]
    assert len(rows) > 5
    assert "nothing_of_this_name" in call("plugins", "list").stdout
    run = call("run")
    assert run.exit_code == 0
    assert run.stderr.startswith("forecaster: plugin broken (")
    assert run.stderr.count("\n") == 1


def test_the_environment_allows_plugins(
    call: Call, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FORECASTER_PLUGINS names the plugins or distributions that load; no other code runs."""
    mark = workspace / "loaded"
    (workspace / "plugins" / "wild.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.setenv("FORECASTER_PLUGINS", "forecaster")
    assert call("run").exit_code == 0
    assert call("plugins", "list").exit_code == 0
    assert not mark.exists()
    monkeypatch.setenv("FORECASTER_PLUGINS", "sample, absent")
    rows = json.loads(call("plugins", "list", "--json").stdout)
    assert [(row["plugin"], row["problem"]) for row in rows] == [
        ("sample", None), ("absent", "is not installed"),
    ]  # fmt: skip
    monkeypatch.delenv("FORECASTER_PLUGINS")
    call("plugins", "list")
    assert mark.exists()
