"""A folder that an older program left: what it says, what it takes, and that it then goes on."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from .prices import write_prices

Call = Callable[..., Result]

OLD = Path(__file__).parents[1] / "ledger" / "schema_0001.db.gz"
ROWS = 84  # of the prices that it was made from
CONFIG = """
[[series]]
source = "csv"
symbol = "WALK"
calendar = "weekdays"

[schedule]
initial_backfill = 3

[model]
lookback = 4
horizon = 2
hidden_size = 3
epochs = 2
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a program of schema 0001, with the prices of one more session."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    (folder / "forecaster.db").write_bytes(gzip.decompress(OLD.read_bytes()))
    write_prices(folder / "WALK.csv", ROWS + 1)
    return folder


@pytest.mark.parametrize("command", ["run", "forecasts", "models list", "sql 'SELECT 1'"])
def test_an_older_ledger_is_refused_with_the_command_to_run(
    call: Call, workspace: Path, command: str
) -> None:
    """Whatever is asked for: one line that names both schemas and the command; exit code 1."""
    before = (workspace / "forecaster.db").read_bytes()
    result = call(*command.split(maxsplit=1))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "has schema 0001" in result.stderr
    assert "run `forecaster db upgrade`" in result.stderr
    assert (workspace / "forecaster.db").read_bytes() == before


def test_an_upgraded_ledger_goes_on_where_it_was(call: Call, workspace: Path) -> None:
    """After `db upgrade` the new session is worked, and what waited for it is scored."""
    upgraded = call("db", "upgrade")
    assert upgraded.exit_code == 0, upgraded.stderr
    assert "0001" in upgraded.stdout
    history = json.loads(call("sql", "SELECT * FROM forecast_history", "--json").stdout)
    result = call("run", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["sessions"], told["bars_pulled"], told["scored"]) == (1, 1, 2)
    now = json.loads(call("sql", "SELECT * FROM forecast_history", "--json").stdout)
    said = ("forecast_id", "cutoff", "horizon", "forecast", "lo95", "hi95", "baseline")
    kept = {tuple(row[name] for name in said) for row in now}
    assert kept >= {tuple(row[name] for name in said) for row in history}
    assert len(now) == len(history) + 2
    restarts = json.loads(call("sql", "SELECT restarts FROM model_history", "--json").stdout)
    assert {row["restarts"] for row in restarts} == {0}
    assert call("db", "check").exit_code == 0
