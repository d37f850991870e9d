"""A machine that is set up otherwise: no home, another language, another zone, another encoding."""

import os
from pathlib import Path

import pytest

from .project import THREADS, Content, content, forecaster, make

HARD = {name: os.environ[name] for name in ("PATH", "OPENBLAS_CORETYPE") if name in os.environ}
"""What numbers and finding programs depend on."""

MATRIX = {
    "nothing at all": {},
    "no home, an odd zone, a narrow screen": {
        "HOME": "/nonexistent/home", "TZ": "Asia/Kathmandu", "COLUMNS": "1", "TERM": "dumb",
    },
    "a file as home, ASCII, beyond the date line": {
        "HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii",
    },
    "a locale and a zone that are not there, threads": {
        "LC_ALL": "xx_YY.UTF-8", "LANG": "xx_YY", "TZ": "Nowhere/AtAll", "PYTHONHASHSEED": "1",
        "OPENBLAS_NUM_THREADS": "8",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What a run here stores."""
    folder = make(tmp_path_factory.mktemp("usual") / "project")
    assert forecaster(folder, "run", env=os.environ | THREADS).returncode == 0
    return content(folder)


@pytest.mark.parametrize("name", MATRIX)
def test_it_works_the_same(tmp_path: Path, usual: Content, name: str) -> None:
    """A run stores the same to the last bit, and all is well."""
    folder = make(tmp_path / "project")
    for command in (["run"], ["health", "--json"]):
        done = forecaster(folder, *command, env=HARD | MATRIX[name])
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert content(folder) == usual


def test_another_run_would_be_noticed(tmp_path: Path, usual: Content) -> None:
    """The comparison fails for other prices."""
    folder = make(tmp_path / "project")
    prices = folder / "A.csv"
    prices.write_text(prices.read_text().replace("2024-04-10,", "2024-04-10,1"))
    assert forecaster(folder, "run", env=HARD).returncode in (0, 1)
    assert content(folder) != usual
