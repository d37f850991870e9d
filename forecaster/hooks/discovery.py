"""Where plugins are: entry points of installed distributions, and folders of Python files."""

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from forecaster.hooks.problem import PluginProblem, attempt

GROUP = "forecaster"


@dataclass(frozen=True)
class Candidate:
    """A plugin that can be loaded."""

    name: str
    distribution: str
    version: str
    path: str
    load: Callable[[], object] = field(repr=False, compare=False)

    @property
    def where(self) -> str:
        """Where it comes from: a distribution and its version, or a file."""
        return f"{self.distribution} {self.version}".strip() or self.path

    def problem(self, message: str) -> PluginProblem:
        """Return a problem of this plugin."""
        return PluginProblem(self.name, self.where, message)


def find_candidates(
    dirs: Sequence[Path], only: Sequence[str] | None
) -> tuple[list[Candidate], list[PluginProblem]]:
    """Return the plugins that can be loaded, and what stood in the way of finding others.

    Args:
        dirs: folders of Python files and packages, each a plugin.
        only: names of plugins or distributions; all others are left alone. None takes all.
    """
    candidates: list[Candidate] = []
    problems: list[PluginProblem] = []
    for found in [*_installed(), *(each for folder in dirs for each in _in_folder(folder))]:
        if isinstance(found, PluginProblem):
            problems.append(found)
        elif only is None or {found.name, found.distribution} & set(only):
            candidates.append(found)
    candidates.sort(key=lambda each: (each.name, each.where))
    known = {word for each in candidates for word in (each.name, each.distribution)}
    missing = [name for name in only or () if name not in known]
    problems += [PluginProblem(name, "allowed plugins", "is not installed") for name in missing]
    return candidates, problems


def _installed() -> Iterator[Candidate | PluginProblem]:
    """Yield the entry points, each distribution read alone; the first of a name wins."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        text, _ = attempt(lambda each=distribution: each.read_text("entry_points.txt"), "")  # type: ignore[misc]
        if not text or f"[{GROUP}]" not in text:
            continue
        found, trouble = attempt(lambda each=distribution: _entry_points(each), "in its metadata")  # type: ignore[misc]
        if found is None:
            folder = str(getattr(distribution, "_path", "unknown distribution"))
            yield PluginProblem(Path(folder).stem, folder, trouble)
        elif found and found[0].distribution not in seen:
            seen.add(found[0].distribution)
            yield from found


def _entry_points(distribution: importlib.metadata.Distribution) -> list[Candidate]:
    name, version = distribution.metadata["Name"], distribution.version
    return [
        Candidate(point.name, name, version, point.value, point.load)
        for point in distribution.entry_points
        if point.group == GROUP
    ]


def _in_folder(folder: Path) -> Iterator[Candidate | PluginProblem]:
    if not folder.is_dir():
        yield PluginProblem(folder.name, str(folder), "is not a folder; see [plugins] dirs")
        return
    paths, trouble = attempt(lambda: sorted(folder.iterdir()), "when its folder was listed")
    if trouble:
        yield PluginProblem(folder.name, str(folder), trouble)
    for path in paths or ():
        file = path / "__init__.py" if path.is_dir() else path
        if path.name.startswith(("_", ".")) or file.suffix != ".py" or not file.is_file():
            continue
        yield Candidate(path.stem, "", "", str(path), lambda file=file: _import_file(file))  # type: ignore[misc]


def _import_file(file: Path) -> ModuleType:
    """Import a file, or a package by its `__init__.py`, under a name that no other has."""
    package = file.name == "__init__.py"
    stem = file.parent.name if package else file.stem
    name = f"forecaster_dirs_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{stem}"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
