"""docs/plugins.md describes every hook with its arguments, and its plugins work."""

import dataclasses
import inspect
import json
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from forecaster.cli import cli
from forecaster.hooks import (
    Executor,
    Quotes,
    Report,
    Reporter,
    RunSummary,
    SeriesReport,
    Source,
    build_registry,
    specs,
)
from forecaster.model import Activation

from .documents import ROOT, blocks

TEXT = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
SIGNATURES = [line for block in blocks("text", "plugins.md") for line in block.text.splitlines()]
EXAMPLES = {
    block.text.splitlines()[0].removeprefix("# plugins/"): block.text
    for block in blocks("python", "plugins.md")
    if block.text.startswith("# plugins/")
}
HOOKS = [value for name, value in vars(specs).items() if name.startswith("forecaster_")]


def written(function: Callable[..., Any]) -> str:
    """Return the first line of a function's definition."""
    signature = str(inspect.signature(function)).replace("'", "")
    return f"def {function.__name__}{signature}"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_is_documented_with_its_arguments(hook: Callable[..., Any]) -> None:
    """A hook stands in the document as it is defined, and in the table of hooks."""
    assert written(hook) in SIGNATURES
    assert f"| [`{hook.__name__}`]" in TEXT


def test_no_other_hook_is_documented() -> None:
    """Each documented hook exists."""
    documented = {line for line in SIGNATURES if line.startswith("def forecaster_")}
    assert documented == {written(hook) for hook in HOOKS}


@pytest.mark.parametrize("method", [Source.fetch, Reporter.report, Executor.map])
def test_every_method_of_a_contract_is_documented(method: Callable[..., Any]) -> None:
    """What a class must have stands in the document as the contract has it."""
    assert written(method) in SIGNATURES


def test_all_three_classes_are_made_alike() -> None:
    """The constructor in the document is that of each contract."""
    for contract in (Source, Reporter, Executor):
        assert written(vars(contract)["__init__"]) in SIGNATURES


@pytest.mark.parametrize("value", [Quotes, Activation, Report, RunSummary, SeriesReport])
def test_every_field_of_a_value_is_documented(value: Any) -> None:
    """No field of what plugins exchange with the program is left out."""
    for field in dataclasses.fields(value):
        assert f"`{field.name}`" in TEXT, f"{value.__name__}.{field.name}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the documented plugins, their prices and their configuration."""
    (tmp_path / "plugins").mkdir()
    for name, text in EXAMPLES.items():
        (tmp_path / "plugins" / name).write_text(text, encoding="utf-8")
    sample = build_registry(only=["forecaster"]).source("sample")
    bars = sample({}, tmp_path).fetch("IBM", date(2011, 1, 1), None).bars
    with sqlite3.connect(tmp_path / "prices.db") as connection:
        connection.execute("CREATE TABLE prices (symbol TEXT, session TEXT, close REAL)")
        rows = [("IBM", str(day)[:10], float(close)) for day, close in bars["close"].items()]
        connection.executemany("INSERT INTO prices VALUES (?, ?, ?)", rows)
    connection.close()
    config = blocks("toml", "plugins.md")[-1].text
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    return tmp_path


def test_the_examples_are_one_of_each_kind(folder: Path) -> None:
    """The four files load without a problem and provide the four kinds."""
    assert len(EXAMPLES) == 4
    names = [Path(name).stem for name in EXAMPLES]
    registry = build_registry([folder / "plugins"], only=names)
    provided = {kind for plugin in registry.plugins() for kind, _ in plugin.provides}
    assert provided == {"source", "activation", "reporter", "executor"}
    assert registry.problems == []


def test_the_examples_work_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with the documented configuration uses all four plugins and is done."""
    monkeypatch.setenv("FORECASTER_SCHEDULE_INITIAL_BACKFILL", "3")
    result = CliRunner().invoke(cli, ["--config", str(folder / "config.toml"), "run", "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["status"], summary["trained"]) == ("done", 1)
    rows = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    assert [row["horizon"] for row in rows] == [1, 2, 3, 4, 5]


def test_a_misspelt_option_of_an_example_is_refused(folder: Path) -> None:
    """The examples check their options as the document asks for."""
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8").replace('file = "prices.db"', 'fil = "prices.db"')
    config.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli, ["--config", str(config), "run"])
    assert result.exit_code == 2
    assert "[plugins.sqlite] fil" in result.stderr


def test_the_examples_pass_their_checks(folder: Path) -> None:
    """The documented answer of `plugins check` is that of the example; the executor passes too."""
    config = str(folder / "config.toml")
    answered = CliRunner().invoke(cli, ["--config", config, "plugins", "check", "asinh"])
    documented = [block.text for block in blocks("", "plugins.md") if "asinh" in block.text]
    assert (answered.exit_code, [answered.stdout]) == (0, documented)
    executor = CliRunner().invoke(cli, ["--config", config, "plugins", "check", "threads"])
    assert executor.exit_code == 0, executor.output


def test_a_wrong_example_gets_the_documented_answer(folder: Path) -> None:
    """A slope a thousandth off is refused with the sentence that stands in the document."""
    path = folder / "plugins" / "asinh.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("np.divide(1.0, out", "np.divide(1.001, out"), encoding="utf-8")
    config = str(folder / "config.toml")
    answered = CliRunner().invoke(cli, ["--config", config, "plugins", "check", "asinh", "--json"])
    (row,) = json.loads(answered.stdout)
    assert (answered.exit_code, row["problem"] in SIGNATURES) == (1, True)
