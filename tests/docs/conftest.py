from pathlib import Path

import pytest
from click.testing import CliRunner

from forecaster.cli import cli

CONFIG = """
[[series]]
source = "sample"
symbols = ["AAPL", "MSFT", "EURUSD"]
[model]
epochs = 6
[schedule]
initial_backfill = 40
[reporters.console]
"""


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration whose ledger holds a run and a backtest."""
    path = tmp_path_factory.mktemp("history") / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    for command in (["run"], ["backtest", "--cutoffs", "10"]):
        result = CliRunner().invoke(cli, ["--config", str(path), "-q", *command])
        assert result.exit_code == 0, result.output
    return path
