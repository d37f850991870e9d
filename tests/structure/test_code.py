"""Rules that keep the rooms liveable, read from the code itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "forecaster").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
PROGRAM = [*CORE, *PLUGINS, *sorted((ROOT / "migrations").rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

RAISING = frozenset(("raises", "warns", "fail", "parse", "loads", "exec"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60

PLACE = re.compile(rb"(?<![\w}.])/(work|tmp|root)/|\.\./shared")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    """Return a file's place in the project."""
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    """Return the parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    """Yield every function and method."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def imported(module: ast.AST) -> Iterator[str]:
    """Yield the absolute names that are imported, wherever in the file that happens."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def foreign_rooms(module: ast.AST) -> list[str]:
    """Return what a first-party plugin must not import: the rooms that are not for plugins."""
    closed = ("forecaster.cli", "forecaster.job", "forecaster.ledger", "forecaster.daemon")
    mine = ("plugins", "migrations", "forecaster.migrations")
    return [each for each in imported(module) if f"{each}.".startswith(_dotted(closed + mine))]


def _dotted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{each}." for each in names)


def asserts(test: Function, raising: frozenset[str] = RAISING) -> bool:
    """Say whether a test can fail by what it finds: it asserts, or calls what raises if not so."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in raising or called.startswith(("assert", "check")):
                return True
            if any(
                each.arg == "check" and ast.unparse(each.value) == "True" for each in node.keywords
            ):
                return True
    return False


def swallows(handler: ast.ExceptHandler) -> bool:
    """Say whether an exception disappears without a word: `except: pass`."""
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )


def test_imports_go_downward_only() -> None:
    """The floors of the design are kept by every import, at any depth."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Imports go downward only KEPT" in done.stdout


def test_the_core_never_imports_plugins() -> None:
    """Plugins come in through entry points, whoever wrote them."""
    found = [
        (name(path), each)
        for path in CORE
        for each in imported(tree(path))
        if f"{each}.".startswith(("plugins.", "forecaster.plugins."))
    ]
    assert len(CORE) > 50
    assert found == []


def test_plugins_import_what_any_plugin_may() -> None:
    """First-party plugins use the rooms that are open to others, and each other relatively."""
    assert len(PLUGINS) > 8
    assert {name(path): found for path in PLUGINS if (found := foreign_rooms(tree(path)))} == {}


def test_the_check_of_plugins_finds_what_it_should() -> None:
    """A plugin that reached into the ledger, or into the checkout, would be found."""
    code = "def f():\n    from forecaster.ledger.door import Ledger\nimport plugins.yahoo\n"
    assert len(foreign_rooms(ast.parse(code))) == 2
    assert foreign_rooms(ast.parse("from forecaster import hookimpl\nfrom . import x")) == []


def test_modules_are_short() -> None:
    """No module of the program is longer than 400 lines."""
    lengths = {name(path): len(path.read_text().splitlines()) for path in PROGRAM}
    # A migration is the history of a schema, written once and never edited.
    lengths = {path: n for path, n in lengths.items() if "migrations/versions" not in path}
    assert {path: n for path, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_functions_are_short() -> None:
    """No function is longer than 60 lines."""
    long = {
        f"{name(path)}:{each.name}": lines
        for path in PROGRAM
        if "migrations/versions" not in name(path)
        for each in functions(path)
        if (lines := (each.end_lineno or 0) - each.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def all_tests() -> Iterator[tuple[str, Function, frozenset[str]]]:
    """Yield every test with its place and the names of what raises when something is not so."""
    for path in TESTS:
        if path.name.startswith("test_"):
            found = list(functions(path))
            helpers = {each.name for each in found if asserts(each)}
            for each in found:
                if each.name.startswith("test_"):
                    yield f"{name(path)}:{each.name}", each, RAISING | helpers


def test_every_test_states_a_behaviour_and_asserts_it() -> None:
    """A test has a docstring that is a sentence, and at least one assertion."""
    tests = list(all_tests())
    assert len(tests) > 200
    silent = [where for where, test, _ in tests if not (ast.get_docstring(test) or "").strip()]
    idle = [where for where, test, raising in tests if not asserts(test, raising)]
    assert (silent, idle) == ([], [])


def test_the_check_of_tests_finds_what_it_should() -> None:
    """A test without an assertion would be found."""
    idle, busy = ast.parse("def test_a():\n    run()\ndef test_b():\n    assert run()\n").body
    assert isinstance(idle, Function)
    assert isinstance(busy, Function)
    assert (asserts(idle), asserts(busy)) == (False, True)


def sleeps(code: ast.Module) -> list[int]:
    """Return the lines that wait for the clock alone: in a loop something is looked at."""
    looped = {
        id(node)
        for loop in ast.walk(code)
        if isinstance(loop, ast.While | ast.For)
        for node in ast.walk(loop)
    }
    return [
        node.lineno
        for node in ast.walk(code)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sleep"
        and id(node) not in looped
    ]


def test_tests_do_not_sleep() -> None:
    """No test waits for the clock, but in a loop that looks whether something has happened."""
    found = [f"{name(path)}:{line}" for path in TESTS for line in sleeps(tree(path))]
    assert found == []
    code = "time.sleep(1)\nwhile not done():\n    time.sleep(0.1)\n"
    assert sleeps(ast.parse(code)) == [1]


def test_nothing_is_pickled() -> None:
    """No module imports anything that runs code when it reads data."""
    unsafe = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    found = [
        (name(path), each)
        for path in PROGRAM
        for each in imported(tree(path))
        if each.partition(".")[0] in unsafe
    ]
    allowed = [name(path) for path in PROGRAM if "allow_pickle=True" in path.read_text()]
    assert (found, allowed) == ([], [])


def test_no_failure_is_swallowed() -> None:
    """There is no `except: pass` and no bare `except`."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path in PROGRAM
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or swallows(node))
    ]
    assert found == []


def test_the_check_of_handlers_finds_what_it_should() -> None:
    """A handler that only passes would be found, with or without a docstring in it."""
    code = "try:\n    x()\nexcept ValueError:\n    'never mind'\n    pass\n"
    handler = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.ExceptHandler))
    assert swallows(handler)


def tracked() -> list[Path]:
    """Return the files of the project: what git tracks, not what else somebody keeps there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for each in listed.stdout.split(b"\0") if (path := ROOT / each.decode()).is_file()]


def test_no_file_names_a_place_outside_the_project() -> None:
    """Nothing depends on where somebody keeps things; only CI looks beside the checkout."""
    found = [
        (name(path), each[0].decode())
        for path in tracked()
        if path != ROOT / ".ci" / "run"
        for each in PLACE.finditer(path.read_bytes())
    ]
    assert found == []


def test_the_check_of_places_finds_what_it_should() -> None:
    """An absolute path of some machine would be found, a folder of a project would not."""
    for place in ("work", "tmp", "root"):
        assert PLACE.search(f'open("/{place}/x")'.encode())
    assert PLACE.search(b"cd .." + b"/shared/data")
    assert not PLACE.search(b"project/work/x")
