"""docs/article.md: its data can be fetched as it says, and its numbers are what comes out."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.cli import cli
from forecaster.hooks import build_registry

from .documents import ROOT, blocks

ARTICLE = ROOT / "docs/article.md"


def test_the_fetched_file_is_one_that_the_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that fetch GOOGL.csv write what the csv source takes."""
    asked: dict[str, Any] = {}

    def history(**arguments: Any) -> pd.DataFrame:
        asked.update(arguments)
        index = pd.date_range("2020-04-01", periods=3, tz="America/New_York", name="Date")
        columns = ["Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends"]
        return pd.DataFrame({name: [1.5, 1.5, 1.5] for name in columns}, index=index)

    fake = SimpleNamespace(Ticker=lambda _: SimpleNamespace(history=history))
    monkeypatch.setitem(sys.modules, "yfinance", fake)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    exec(blocks("python", "article.md")[0].text, {})
    csv = build_registry(only=["forecaster"]).source("csv")({}, tmp_path / "examples")
    quotes = csv.fetch("GOOGL", None, None)
    assert list(quotes.bars.columns) == ["open", "high", "low", "close", "volume"]
    assert str(quotes.bars.index[0]) == "2020-04-01 00:00:00"
    assert asked == {"start": "2020-04-01", "end": "2023-04-01", "auto_adjust": False}


def documented(name: str) -> list[float]:
    """Return the numbers in a row of the table of results."""
    text = ARTICLE.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [float(number) for number in re.findall(r"\d+\.?\d*", row)]


def measured(folder: Path, series: str) -> dict[str, float]:
    """Return what `backtest` gives on the article's prices, which are not part of the project."""
    data = os.environ.get("FORECASTER_TEST_DATA")
    if not data or not (Path(data) / "article/GOOGL.csv").exists():
        pytest.skip("FORECASTER_TEST_DATA names no folder with article/GOOGL.csv")
    shutil.copy(Path(data) / "article/GOOGL.csv", folder)
    shutil.copy(ROOT / "examples/article.toml", folder)
    arguments = ["--config", str(folder / "article.toml"), "backtest", "--series", series]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    row: dict[str, float] = json.loads(result.stdout)["series"][0]
    return row


def check(row: dict[str, float], name: str) -> None:
    """Compare a row of `backtest_accuracy` with the documented one."""
    rmse, mae, ratio, in80, in95, _ = documented(name)
    assert row["n"] == 101
    assert row["rmse"] == pytest.approx(rmse, rel=0.01)
    assert row["mae"] == pytest.approx(mae, rel=0.01)
    assert row["relative_rmse"] == pytest.approx(ratio, rel=0.01)
    assert 100 * row["coverage80"] == pytest.approx(in80, abs=1.1)
    assert 100 * row["coverage95"] == pytest.approx(in95, abs=1.1)
    assert row["baseline_rmse"] == pytest.approx(documented("the last price")[0], abs=0.001)


def test_the_programs_own_settings_reach_what_is_documented(tmp_path: Path) -> None:
    """The last row of the table is what the command measures."""
    row = measured(tmp_path, "GOOGL.own")
    check(row, "the program's own settings")
    assert row["training_seconds"] < 1


@pytest.mark.soak
def test_the_articles_settings_reach_what_is_documented(tmp_path: Path) -> None:
    """So is the row of the article's settings, which takes some twenty seconds."""
    row = measured(tmp_path, "GOOGL.article")
    check(row, "the article's settings")
    assert row["relative_rmse"] > 1, "documented as worse than the last price"
