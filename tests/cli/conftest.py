import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli

SMALL = """
[[series]]
source = "sample"
symbols = ["IBM", "EURUSD"]

[schedule]
initial_backfill = 8

[model]
epochs = 2
history = 300

[plugins]
dirs = ["plugins"]
"""

Call = Callable[..., Result]
Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FORECASTER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Call:
    """Return a function that runs a command in this process, in the workspace."""
    monkeypatch.chdir(workspace)
    return lambda *args: CliRunner().invoke(cli, args)


@pytest.fixture
def start(workspace: Path) -> Start:
    """Return a function that runs a command in a process of its own, in the workspace."""

    def started(
        *args: str, stdout: int = subprocess.PIPE, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "forecaster", *args],
            cwd=workspace, env={**os.environ, **(env or {})}, stdout=stdout,
            stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip

    return started


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the daily job has run once on two series."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "config.toml").write_text(SMALL)
    (folder / "plugins").mkdir()
    result = CliRunner().invoke(cli, ["--config", str(folder / "config.toml"), "run"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    """Return a copy of the prepared folder."""
    return shutil.copytree(prepared, tmp_path / "workspace")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the working folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
