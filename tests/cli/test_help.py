import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from forecaster.cli import cli

HEAVY = {"numpy", "scipy", "pandas", "sklearn", "yfinance", "sqlalchemy", "plotly"}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_command_of_the_daily_job_is_there() -> None:
    """The commands that people and scripts rely on exist under their names."""
    named = """
        init, run, backfill, backtest, forecasts, accuracy, calibration, decisions, runs,
        models list, models show, models pin, models unpin, models prune, explain, replay,
        prove-no-leak, series list, series add, series pause, series resume, report,
        sql, plugins list, plugins check, config show, config check, config schema, db upgrade,
        db current, db check
    """
    wanted = {tuple(each.split()) for each in named.split(",")}
    assert wanted <= set(commands(cli))


@pytest.mark.parametrize("path", [(), *commands(cli)], ids=" ".join)
def test_help_is_whole(path: tuple[str, ...]) -> None:
    """Every command explains itself, and no line of a list of commands is cut off."""
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5
    cut = [line for line in result.stdout.splitlines() if line.endswith("...")]
    assert all(line.startswith("Usage:") for line in cut)
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("path", list(commands(cli)), ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    """No option of any command stands there without a word."""
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def test_help_loads_nothing_heavy() -> None:
    """`--help` imports none of the libraries that take their time."""
    script = (
        "import sys; from forecaster.cli import cli\n"
        "from click.testing import CliRunner; CliRunner().invoke(cli, ['--help'])\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & (HEAVY | {"alembic", "pydantic", "rich", "exchange_calendars"})


@pytest.mark.soak
def test_help_is_immediate(tmp_path: Path) -> None:
    """`--help` takes less than a quarter of a second: the best of five tries."""

    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "forecaster", "--help"],
            cwd=tmp_path, env=os.environ, check=True, capture_output=True,
        )  # fmt: skip
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.25
