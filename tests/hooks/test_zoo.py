"""Bad plugins: each fails alone, is named, and leaves the good one beside it working."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.errors import PluginError
from forecaster.hooks import PluginProblem, build_registry

Install = Callable[..., None]

HEAD = "from forecaster import hookimpl\n"
HOOK = HEAD + "@hookimpl\ndef forecaster_sources():\n"
THING = HOOK + "    return [Thing]\nclass Thing:\n"

ON_IMPORT = {
    "import nothing_of_this_name": "raised ModuleNotFoundError: No module named",
    "def broken(:": "raised SyntaxError",
    "raise SystemExit(3)": "called sys.exit(3) on import",
    "class Odd(BaseException): pass\nraise Odd('a\\nb')": "raised Odd: a b on import",
    "raise ValueError": "raised ValueError on import",
    "import warnings\nwarnings.warn('old', stacklevel=1)": "raised UserWarning: old on import",
    "": "has no hook",
    "def forecaster_sources(): return []": "forecaster_sources that is not marked with @forecaster",
    HEAD + "@hookimpl\ndef forecaster_sorces(): return []": "a hook forecaster_sorces, which does "
    "not exist; did you mean forecaster_sources?",
    HEAD + "@hookimpl\ndef forecaster_sources(config): return []": "raised PluginValidationError",
    "def __getattr__(name): raise OSError('never')": "raised OSError: never when registered",
}

WHEN_ASKED = {
    HOOK + "    raise RuntimeError('no')": "raised RuntimeError: no in forecaster_sources",
    HOOK + "    raise SystemExit('bye')": "called sys.exit('bye') in forecaster_sources",
    HOOK + "    return None": "forecaster_sources returned NoneType instead of a list",
    HOOK + "    return dict": "forecaster_sources returned type instead of a list",
    HOOK + "    yield dict": "forecaster_sources returned generator instead of a list",
    HOOK + "    return [3]": "provides as source 3 that is no class",
    THING + "    pass": "provides as source Thing without a name",
    THING + "    name = 3": "without a method fetch",
    THING + "    name = 'x'\n    fetch = 3": "without a method fetch",
    THING + "    name = 'x'\n    def fetch(self): ...": "does not take (options, folder)",
    THING
    + "    name = ''\n    def __init__(self, o, f): ...\n    def fetch(self): ...": "whose name"
    " is '' and no string",
    THING.replace("[Thing]", "[Thing()]")
    + "    def __repr__(self): raise OSError": "raised OSError when looked at",
}


def problems_beside_a_good_one(install: Install, good: str, bad: str) -> list[PluginProblem]:
    """Return the problems of a bad plugin, having used the good ones before and after it."""
    install("aaa", good)
    install("bad", bad.replace("{", "{{").replace("}", "}}"))
    install("zzz", good)
    registry = build_registry(only=["aaa", "bad", "zzz"])
    assert [registry.source(name).name for name in ("aaa", "zzz")] == ["aaa", "zzz"]
    assert set(registry.provided("source")) == {"aaa", "zzz"}
    return registry.problems


@pytest.mark.parametrize(("bad", "expected"), [*ON_IMPORT.items(), *WHEN_ASKED.items()])
def test_a_bad_plugin_fails_alone(install: Install, good: str, bad: str, expected: str) -> None:
    """Whatever a plugin does, it is named with what it did, and the others work."""
    (problem,) = problems_beside_a_good_one(install, good, bad)
    assert (problem.plugin, problem.where) == ("bad", "dist-bad 1.2")
    assert expected in problem.message
    assert "\n" not in str(problem)


def test_an_interrupt_is_not_held_back(install: Install) -> None:
    """Ctrl-C during the import of a plugin stops the program."""
    install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        build_registry(only=["bad"]).plugins()


def test_a_bad_thing_leaves_the_good_ones_of_its_plugin(install: Install, good: str) -> None:
    """A plugin with one good and one bad source provides the good one."""
    install("half", good.replace("[Good]", "[Good, 3]"))
    registry = build_registry(only=["half"])
    assert set(registry.provided("source")) == {"half"}
    assert len(registry.problems) == 1


def test_something_else_than_an_activation_is_refused(install: Install) -> None:
    """An activation is a value of one class; a bare function is none."""
    install("bad", HEAD + "@hookimpl\ndef forecaster_activations():\n    return [max]")
    registry = build_registry(only=["bad", "activations"])
    assert registry.activation("tanh").name == "tanh"
    (problem,) = registry.problems
    assert "that is no forecaster.model.Activation" in problem.message


def test_a_name_claimed_twice_is_an_error_naming_both(install: Install, good: str) -> None:
    """Neither of two plugins wins a name; other names of theirs work."""
    second = good.replace("[Good]", '[Good, type("Other", (Good,), dict(name="other"))]')
    install("prices", good, distribution="dist-a")
    install("quotes", second.replace('"{name}"', '"prices"'), distribution="dist-b")
    registry = build_registry(only=["prices", "quotes"])
    assert registry.source("other").name == "other"
    assert set(registry.provided("source")) == {"other"}
    with pytest.raises(PluginError) as caught:
        registry.source("prices")
    both = "plugin prices (dist-a 1.2) and plugin quotes (dist-b 1.2)"
    assert f"the source name 'prices' is claimed by {both}" in str(caught.value)
    assert caught.value.code == "ambiguous_plugin"
    assert {each.plugin for each in registry.problems} == {"prices", "quotes"}
    assert all(both in each.message for each in registry.problems)


def test_two_distributions_may_name_their_plugins_alike(install: Install, good: str) -> None:
    """The name of a plugin is its own affair; what it provides must differ."""
    install("same", good, distribution="dist-a")
    install("same", good.replace('"{name}"', '"second"'), distribution="dist-b")
    registry = build_registry(only=["same"])
    assert set(registry.provided("source")) == {"same", "second"}
    assert registry.problems == []
    assert [each.provides for each in registry.plugins()] == [
        (("source", "same"),),
        (("source", "second"),),
    ]


def test_one_module_under_two_names_is_loaded_once(install: Install, good: str) -> None:
    """Two entry points for one module are one plugin, and the second is reported."""
    entry_points = "[forecaster]\none = zoo_0_one\ntwo = zoo_0_one\n"
    install("one", good, entry_points=entry_points)
    registry = build_registry(only=["dist-one"])
    assert registry.source("one").name == "one"
    assert [each.message for each in registry.problems] == ["is the same object as plugin one"]


def test_broken_metadata_is_a_problem_of_its_distribution(install: Install, good: str) -> None:
    """An unreadable list of entry points is reported and stops nothing."""
    install("good", good)
    install("bad", "", entry_points="[forecaster]\nnothing but words\n")
    registry = build_registry(only=["good"])
    assert registry.source("good").name == "good"
    (problem,) = registry.problems
    assert problem.plugin.startswith("dist_bad")
    assert "in its metadata" in problem.message


def test_bad_files_of_a_folder_fail_alone(good: str, tmp_path: Path) -> None:
    """The zoo in a folder of plugins: each is reported, the good one works."""
    for number, code in enumerate([*ON_IMPORT, *WHEN_ASKED]):
        (tmp_path / f"bad{number}.py").write_text(code)
    (tmp_path / "good.py").write_text("\n".join(line[4:] for line in good.splitlines()))
    registry = build_registry([tmp_path], only=[each.stem for each in tmp_path.iterdir()])
    assert set(registry.provided("source")) == {"{name}"}
    reported = {each.plugin for each in registry.problems}
    assert len(reported) == len(ON_IMPORT) + len(WHEN_ASKED)
    assert all(each.where.startswith(str(tmp_path)) for each in registry.problems)
