"""What people install: the wheel, in an environment of its own, away from the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def isolated() -> dict[str, str]:
    """Return the environment without anything that points to another Python or configuration."""
    foreign = ("PYTHON", "FORECASTER_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; what it says is shown if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=isolated(), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the project's files: the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for each in filter(None, listed.stdout.split("\0")):
        if (ROOT / each).is_file():
            copy = folder / "source" / each
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / each, copy)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    run(*build, cwd=folder / "source")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with what it needs into an empty environment; return its programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    # This environment's pip installs into the other one: unpacking pip itself takes as long.
    run(
        sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet",
        "--disable-pip-version-check", "--no-compile", wheel, cwd=folder,
    )  # fmt: skip
    return folder / "bin"


def test_the_wheel_holds_what_the_program_needs(wheel: Path) -> None:
    """Code, plugins, migrations, sample prices, templates and type marker; nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    needed = (
        "forecaster/py.typed", "forecaster/__main__.py", "forecaster/config/template.toml",
        "forecaster/plugins/sample.py", "forecaster/migrations/env.py",
    )  # fmt: skip
    assert set(needed) <= set(names)
    for folder, count in (("plugins/sample_prices", 8), ("migrations/versions/0", 1)):
        assert sum(each.startswith(f"forecaster/{folder}") for each in names) >= count
    tops = {re.sub(r"-[\d.]+(\w*)\.dist-info", "", each.partition("/")[0]) for each in names}
    assert tops == {"forecaster"}
    assert not [each for each in names if re.search(r"(^|/)(tests?|test_\w+|bench|docs)[/.]", each)]


def test_the_wheel_holds_every_file_of_its_folders(wheel: Path) -> None:
    """Whatever is not Python in the packages (templates, SQL, prices) is shipped too."""
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = run("git", "ls-files", "forecaster", "plugins", "migrations", cwd=ROOT).stdout.split()
    there = [each for each in listed if (ROOT / each).is_file()]
    missing = [
        each for each in there
        if (each if each.startswith("forecaster/") else f"forecaster/{each}") not in names
    ]  # fmt: skip
    assert len(there) > 100
    assert missing == []


def test_the_wheel_declares_what_it_is(wheel: Path) -> None:
    """The metadata name the program, its plugins, its licence and its dependencies."""
    archive = zipfile.ZipFile(wheel)
    (points,) = (each for each in archive.namelist() if each.endswith("entry_points.txt"))
    text = archive.read(points).decode()
    assert "forecaster = forecaster.cli:main" in text
    for plugin, module in PROJECT["project"]["entry-points"]["forecaster"].items():
        assert f"{plugin} = {module}" in text
    (metadata,) = (each for each in archive.namelist() if each.endswith("METADATA"))
    declared = archive.read(metadata).decode()
    assert "License-Expression: MIT" in declared
    assert "Requires-Python: >=3.11" in declared
    assert any(each.endswith("licenses/LICENSE") for each in archive.namelist())


def test_the_installed_program_does_its_job(installed: Path, tmp_path: Path) -> None:
    """Away from the checkout: init, run, forecasts, plugins list, db current and db check.

    This is the slowest test: it installs every dependency from the package index.
    """
    program = installed / "forecaster"
    where = run(
        installed / "python", "-c", "import forecaster; print(forecaster.__file__)", cwd=tmp_path
    ).stdout
    assert str(installed.parent) in where
    run(program, "init", cwd=tmp_path)
    told = run(program, "run", cwd=tmp_path)
    assert told.stdout.startswith("Done in ")
    assert told.stderr == ""
    assert (tmp_path / "report" / "index.html").exists()
    forecasts = json.loads(run(program, "forecasts", "--json", cwd=tmp_path).stdout)
    assert len({(row["series"], row["horizon"]) for row in forecasts}) == len(forecasts) == 40
    plugins = json.loads(run(program, "plugins", "list", "--json", cwd=tmp_path).stdout)
    assert {row["plugin"] for row in plugins} == set(
        PROJECT["project"]["entry-points"]["forecaster"]
    )
    assert {row["problem"] for row in plugins} == {None}
    current = json.loads(run(program, "db", "current", "--json", cwd=tmp_path).stdout)
    assert current[0]["schema"] == current[0]["program"]
    run(program, "db", "check", cwd=tmp_path)
    assert run(program, "run", cwd=tmp_path).stdout.startswith("Nothing to do")
