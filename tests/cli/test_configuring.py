import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
IBM = '[[series]]\nsource = "sample"\nsymbol = "IBM"\n'


def test_show_is_a_configuration(call: Call, workspace: Path) -> None:
    """`config show` is TOML that says the same, with where each value comes from."""
    text = call("config", "show").stdout
    assert tomllib.loads(text)["model"]["epochs"] == 2
    assert "epochs = 2  # file" in text
    assert "hidden_size = 16  # default" in text
    (workspace / "copy.toml").write_text(text)
    again = call("--config", "copy.toml", "config", "show").stdout
    assert tomllib.loads(again) == tomllib.loads(text)


def test_show_names_what_overrides(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value from the environment or the command line is shown with its origin."""
    monkeypatch.setenv("FORECASTER_MODEL_EPOCHS", "3")
    rows = json.loads(call("--database", "x.db", "config", "show", "--json").stdout)
    found = {(row["table"], row["key"]): (row["value"], row["origin"]) for row in rows}
    assert found["model", "epochs"] == (3, "environment variable FORECASTER_MODEL_EPOCHS")
    assert found["database", "url"][1] == "--database"


def test_the_environment_names_the_configuration(
    call: Call, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    """FORECASTER_CONFIG stands for --config, which wins."""
    monkeypatch.chdir("/")
    monkeypatch.setenv("FORECASTER_CONFIG", str(workspace / "config.toml"))
    assert call("forecasts").exit_code == 0
    assert call("--config", "absent.toml", "forecasts").exit_code == 2


def test_a_good_configuration_passes(call: Call) -> None:
    """`config check` says that the file is fine."""
    result = call("config", "check")
    assert (result.exit_code, result.output) == (0, "config.toml is fine.\n")


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("[retrain]\nevery = 0", "config.toml: retrain.every = 0: must be at least 1"),
        ("[retrain]\nevry = 3", "retrain.evry is not a known key; did you mean every?"),
        ("[executor]\nname = 'serail'", "did you mean serial?"),
        ("[reporters.fax]", "[reporters.fax]: no reporter is named 'fax'"),
        ("[[series]]\nsource = 'smaple'\nsymbol = 'X'", "did you mean sample?"),
        ("[[series]]\nsource = 'sample'", "needs exactly one of symbol"),
        ("nonsense", "config.toml is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_explained(
    call: Call, workspace: Path, addition: str, said: str
) -> None:
    """Exit code 2 and a line that names the file or table, the key and what is allowed."""
    with (workspace / "config.toml").open("a") as config:
        config.write(f"\n{addition}\n")
    result = call("config", "check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_every_fault_has_its_line(call: Call, workspace: Path) -> None:
    """`config check` lists all that is wrong; another command names the first and counts."""
    with (workspace / "config.toml").open("a") as config:
        config.write("\n[retrain]\nevery = 0\n[backtest]\ncutoffs = 'many'\n[wrong]\n")
    checked, ran = call("config", "check"), call("run")
    assert (checked.exit_code, ran.exit_code) == (2, 2)
    assert checked.stderr.count("\n") == 3
    assert "(and 2 more)" in ran.stderr


def test_the_schema_is_json_schema(call: Call) -> None:
    """`config schema` describes every table."""
    schema = json.loads(call("config", "schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"model", "series", "schedule", "reporters"} <= set(schema["properties"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{IBM}[plugins.cvs]\nfolder = "x"', "plugins.cvs"),
        (f'{IBM}calendar = "XXXX"', "series IBM"),
        ("", "names no series"),
    ],
)
def test_check_finds_what_only_plugins_know(
    call: Call, workspace: Path, text: str, said: str
) -> None:
    """Options of no plugin, an unknown calendar and an empty list of series are told."""
    (workspace / "config.toml").write_text(text)
    result = call("config", "check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert call("run").exit_code == 2
