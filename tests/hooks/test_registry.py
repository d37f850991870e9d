"""How plugins are found, loaded late, and resolved by name."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.errors import PluginError
from forecaster.hooks import Registry, build_registry

Install = Callable[..., None]
Folder = Callable[[str, str], Path]


def only(*names: str, dirs: tuple[Path, ...] = ()) -> Registry:
    """Return a registry of nothing but the plugins of a test."""
    return build_registry(dirs, only=names)


def test_an_installed_plugin_is_found(install: Install, good: str) -> None:
    """An entry point of any distribution provides under the names that it gives."""
    install("mine", good, distribution="my-prices")
    registry = only("mine")
    assert registry.source("mine").name == "mine"
    assert registry.problems == []
    (plugin,) = registry.plugins()
    assert (plugin.name, plugin.distribution, plugin.version) == ("mine", "my-prices", "1.2")
    assert plugin.provides == (("source", "mine"),)
    provided = registry.provided("source")["mine"]
    assert (provided.plugin, provided.where) == ("mine", "my-prices 1.2")


def test_files_and_packages_of_a_folder_are_plugins(folder: Folder, good: str) -> None:
    """A file, or a package with its own modules, is a plugin; private and other files are not."""
    folder("one.py", good)
    folder("two/__init__.py", "from .inner import forecaster_sources")
    folder("two/inner.py", good)
    folder("_private.py", "raise AssertionError")
    folder("notes.txt", "raise AssertionError")
    path = folder("empty/notes.txt", "")
    registry = build_registry([path], only=["one", "two"])
    assert [each.name for each in registry.plugins()] == ["one", "two"]
    assert registry.source("one").name == "one"
    assert registry.source("inner").name == "inner"
    assert registry.plugins()[0].path == str(path / "one.py")
    assert registry.problems == []


def test_two_folders_may_hold_files_of_one_name(folder: Folder, good: str, tmp_path: Path) -> None:
    """Files of one name in two folders are two modules."""
    one = folder("same.py", good)
    other = tmp_path / "other"
    other.mkdir()
    (other / "same.py").write_text((one / "same.py").read_text().replace('"same"', '"changed"'))
    assert set(only("same", dirs=(one, other)).provided("source")) == {"same", "changed"}


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """A missing folder is reported and stops nothing."""
    registry = only("executors", dirs=(tmp_path / "none",))
    assert registry.executor("serial").name == "serial"
    assert [str(each) for each in registry.problems] == [
        f"plugin none ({tmp_path}/none): is not a folder; see [plugins] dirs"
    ]


def test_nothing_is_loaded_before_a_kind_is_asked_for(install: Install) -> None:
    """Building a registry imports no plugin; asking does, once, and asks for one kind only."""
    code = """
        from forecaster import hookimpl
        asked = []

        @hookimpl
        def forecaster_sources():
            asked.append("sources")
            return []

        @hookimpl
        def forecaster_reporters():
            asked.append("reporters")
            return []
    """
    install("late", code)
    registry = only("late")
    assert not [each for each in sys.modules if each.endswith("_late")]
    registry.provided("source")
    registry.provided("source")
    (module,) = [sys.modules[each] for each in sys.modules if each.endswith("_late")]
    assert module.asked == ["sources"]


def test_an_allow_list_takes_plugins_and_distributions(install: Install, good: str) -> None:
    """Only what is named is loaded; a name that nothing has is reported."""
    install("one", good, distribution="dist-a")
    install("two", good, distribution="dist-a")
    install("three", good, distribution="dist-b")
    assert set(only("dist-a").provided("source")) == {"one", "two"}
    assert set(only("one", "dist-b").provided("source")) == {"one", "three"}
    assert only().plugins() == []
    assert [each.message for each in only("four").problems] == ["is not installed"]


def test_an_unknown_name_has_near_matches(install: Install, good: str) -> None:
    """Asking for a name that nothing has says what was probably meant, else what there is."""
    install("prices", good)
    with pytest.raises(PluginError, match=r"no source is named 'price'; did you mean prices\?"):
        only("prices").source("price")
    with pytest.raises(PluginError, match="no source is named 'x'; known are prices") as caught:
        only("prices").source("x")
    assert caught.value.code == "unknown_plugin"
    with pytest.raises(PluginError, match="install a plugin that provides a reporter"):
        only("prices").reporter("x")


def test_a_broken_plugin_is_named_when_it_is_wanted(install: Install) -> None:
    """Asking for a name that a broken plugin would have had says why it has not."""
    install("prices", "import nothing_of_this_name")
    with pytest.raises(PluginError, match=r"plugin prices \(dist-prices 1.2\): raised ModuleNotF"):
        only("prices").source("prices")
    with pytest.raises(PluginError, match=r"\(plugins with problems: prices\)"):
        only("prices").source("x")


def test_first_party_plugins_come_in_like_others() -> None:
    """The program's own activations and executor are registered by entry points."""
    registry = only("activations", "executors")
    assert {"tanh", "relu", "sigmoid", "identity"} <= set(registry.provided("activation"))
    assert registry.activation("tanh").name == "tanh"
    assert {each.distribution for each in registry.plugins()} == {"forecaster"}
    assert registry.problems == []


def test_asking_for_executors_loads_nothing_heavy() -> None:
    """The program's own plugin modules import none of the numeric libraries."""
    heavy = "{'numpy', 'scipy', 'pandas', 'sklearn', 'yfinance', 'sqlalchemy', 'plotly'}"
    code = (
        "import sys; from forecaster.hooks import build_registry as build;"
        f"build().executor('serial'); print({heavy} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "set()"


def test_the_serial_executor_keeps_the_order(tmp_path: Path) -> None:
    """Items are worked in order, each when the one before was taken."""
    executor = only("executors").executor("serial")({}, tmp_path)
    worked: list[int] = []

    def work(item: int) -> int:
        worked.append(item)
        return -item

    outcomes = executor.map(work, [3, 1, 2])
    assert next(outcomes) == -3
    assert worked == [3]
    assert list(outcomes) == [-1, -2]
