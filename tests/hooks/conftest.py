import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., None]

GOOD_SOURCE = """
    from forecaster import hookimpl

    class Good:
        name = "{name}"

        def __init__(self, options, folder):
            self.options = options

        def fetch(self, symbol, start, end):
            raise NotImplementedError

    @hookimpl
    def forecaster_sources():
        return [Good]
"""


@pytest.fixture
def good() -> str:
    """Return the code of a plugin with one good source, named like the plugin."""
    return GOOD_SOURCE


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution with one plugin, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    number = itertools.count()
    modules = set(sys.modules)

    def write(name: str, code: str, *, distribution: str = "", entry_points: str = "") -> None:
        module = f"zoo_{next(number)}_{name}"
        distribution = distribution or f"dist-{name}"
        (site / f"{module}.py").write_text(dedent(code).format(name=name))
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        with (info / "entry_points.txt").open("a") as file:
            file.write(entry_points or f"[forecaster]\n{name} = {module}\n")

    yield write
    for module in set(sys.modules) - modules:
        if module.startswith(("zoo_", "forecaster_dirs_")):
            del sys.modules[module]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that puts a plugin into a folder of plugins and returns the folder."""

    def write(file: str, code: str) -> Path:
        path = tmp_path / "plugins" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(code).format(name=path.stem))
        return tmp_path / "plugins"

    return write
