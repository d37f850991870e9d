import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import Result

Call = Callable[..., Result]
Write = Callable[[str, str], None]

CONFIG = """
[[series]]
source = "sample"
symbol = "IBM"

[plugins]
dirs = ["plugins"]
"""
ACTIVATIONS = """
    import numpy as np

    from forecaster import hookimpl
    from forecaster.model import Activation


    def value(z, out):
        np.arcsinh(z, out=out)


    def slope(z, out):
        np.divide(1.0, np.hypot(1.0, z), out=out)


    def wrong_slope(z, out):
        np.divide(1.001, np.hypot(1.0, z), out=out)


    @hookimpl
    def forecaster_activations():
        return [
            Activation("asinh", value, slope, needs_input=True),
            Activation("bsinh", value, wrong_slope, needs_input=True),
        ]
"""
EXECUTORS = """
    from forecaster import hookimpl
    from forecaster.hooks import Options, read_options


    class Count(Options):
        workers: int = 1


    class Backwards:
        name = "backwards"

        def __init__(self, options, folder):
            read_options(Count, options, "plugins.backwards")

        def map(self, function, items):
            return iter([function(item) for item in items][::-1])


    class Leaving(Backwards):
        name = "leaving"

        def map(self, function, items):
            raise SystemExit(3)


    @hookimpl
    def forecaster_executors():
        return [Backwards, Leaving]
"""
SOURCE = """
    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Options, Quotes, read_options


    class Source:
        name = "{name}"

        def __init__(self, options, folder):
            read_options(Options, options, "plugins.{name}")

        def fetch(self, symbol, start, end):
            import pandas as pd

            print("asked")
            if symbol != "A":
                raise SourceError("no such symbol", code="unknown_symbol")
            days = pd.bdate_range("2024-01-01", periods=20)
            frame = pd.DataFrame({"close": range(1, 21)}, index=days)
            return Quotes(frame.loc[str(start or days[0]):str(end or days[-1])], historical=True)


    @hookimpl
    def forecaster_sources():
        return [Source]
"""

HOOK = """
from forecaster import hookimpl

@hookimpl
def forecaster_KIND():
    return []
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with a configuration and a folder of plugins, in which nothing was run."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def write(workspace: Path) -> Write:
    """Return a function that puts a plugin into the folder of `[plugins] dirs`."""

    def written(name: str, code: str) -> None:
        (workspace / "plugins" / f"{name}.py").write_text(dedent(code))

    return written


def found(result: Result) -> list[tuple[Any, ...]]:
    """Return the rows of `--json` as tuples, the problem last."""
    return [tuple(row.values()) for row in json.loads(result.stdout)]


@pytest.mark.parametrize("name", ["tanh", "gelu", "leaky_relu"])
def test_an_activation_that_keeps_its_promises(call: Call, name: str) -> None:
    """One row, ok, exit code 0; nothing on standard error."""
    result = call("plugins", "check", name, "--json")
    assert result.exit_code == 0, result.output
    assert found(result) == [("activation", name, "activations", "ok", None)]
    assert result.stderr == ""


def test_a_plugin_is_checked_with_all_that_it_provides(call: Call) -> None:
    """The name of a plugin stands for everything in it."""
    rows = found(call("plugins", "check", "activations", "--json"))
    assert len(rows) == 8
    assert {(row[0], row[2], row[3]) for row in rows} == {("activation", "activations", "ok")}


def test_an_executor_is_put_to_work_as_configured(call: Call, workspace: Path) -> None:
    """`serial` passes; an option that it does not have is its failure."""
    assert found(call("plugins", "check", "serial", "--json"))[0][3] == "ok"
    with (workspace / "config.toml").open("a") as file:
        file.write("[plugins.serial]\nspeed = 3\n")
    result = call("plugins", "check", "serial", "--json")
    assert (result.exit_code, found(result)[0][3]) == (1, "failed")
    assert "[plugins.serial] speed" in found(result)[0][4]


def test_of_a_reporter_the_shape_is_checked_and_the_result_says_so(call: Call) -> None:
    """Reporters are not tried out, as they would tell somebody; no row claims that they were."""
    result = call("plugins", "check", "html")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["reporter", "html", "html", "shape", "only"]


def test_a_source_is_asked_for_the_symbol(call: Call, write: Write) -> None:
    """With --symbol it is asked a dozen times, and what it promises is compared."""
    write("quiet", SOURCE.replace("{name}", "quiet"))
    result = call("plugins", "check", "quiet", "--symbol", "A", "--json")
    assert found(result) == [("source", "quiet", "quiet", "ok", None)]
    assert 10 < result.stderr.count("asked") < 16
    write("loose", SOURCE.replace("{name}", "loose").replace("end or", "days[-1] or"))
    result = call("plugins", "check", "loose", "--symbol", "A", "--json")
    assert (result.exit_code, found(result)[0][3]) == (1, "failed")
    assert "a bar of 2024-01-19 was not asked for" in found(result)[0][4]


def test_a_source_is_not_asked_without_a_symbol(call: Call, write: Write) -> None:
    """Only its options are looked at, and the result says so; a misspelt one must be refused."""
    write("quiet", SOURCE.replace("{name}", "quiet"))
    result = call("plugins", "check", "quiet", "--json")
    assert found(result) == [("source", "quiet", "quiet", "options only", None)]
    assert result.stderr == ""
    write("loose", SOURCE.replace("{name}", "loose").replace("read_options(O", "print(O"))
    (row,) = found(call("plugins", "check", "loose", "--json"))
    assert row[3:] == ("failed", "source 'loose': an option that it does not have is ignored")


def test_a_source_of_files_is_asked_for_the_symbol_of_a_series(
    call: Call, workspace: Path, write: Write
) -> None:
    """Asking this machine sends nothing: `sample` is asked for IBM, which the series names."""
    assert found(call("plugins", "check", "sample", "--json"))[0][3] == "ok"
    assert found(call("plugins", "check", "csv", "--json"))[0][3] == "options only"
    local = SOURCE.replace("{name}", "near").replace(
        "def __init__", "local = True\n\n        def __init__", 1
    )
    write("near", local)
    with (workspace / "config.toml").open("a") as file:
        file.write('[[series]]\nsource = "near"\nsymbol = "A"\n')
    result = call("plugins", "check", "near", "--json")
    assert found(result)[0][3] == "ok"
    assert "asked" in result.stderr


def test_a_wrong_derivative_is_refused_with_its_point(call: Call, write: Write) -> None:
    """An activation of a folder, 0.1 % off: exit code 1, one line that says where."""
    write("curves", ACTIVATIONS)
    assert call("plugins", "check", "asinh").exit_code == 0
    result = call("plugins", "check", "bsinh", "--csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (result.exit_code, row["result"], row["plugin"]) == (1, "failed", "curves")
    assert result.stderr.count("\n") == 1
    assert "activation bsinh of plugin curves: activation 'bsinh': slope(" in result.stderr
    assert "the central difference of its value there is" in result.stderr


def test_one_line_for_each_problem(call: Call, write: Write) -> None:
    """All of a plugin is checked, however much of it is broken, whatever it does."""
    write("pools", EXECUTORS)
    result = call("plugins", "check", "pools", "--json")
    assert [row[1:4] for row in found(result)] == [
        ("backwards", "pools", "failed"), ("leaving", "pools", "failed"),
    ]  # fmt: skip
    order, left = result.stderr.splitlines()
    assert "executor backwards of plugin pools: executor 'backwards', the first time: " in order
    assert "executor leaving of plugin pools: called sys.exit(3) when checked" in left
    assert result.exit_code == 1


def test_a_good_thing_of_a_plugin_with_a_bad_one(call: Call, write: Write) -> None:
    """The plugin fails for its worse half, and the better one is ok."""
    write("curves", ACTIVATIONS)
    result = call("plugins", "check", "curves", "--json")
    assert [row[1:4:2] for row in found(result)] == [("asinh", "ok"), ("bsinh", "failed")]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_this_name\n", "raised ModuleNotFoundError"),
        ("", "has no hook"),
        (HOOK.replace("KIND", "sources"), "provides nothing"),
        (
            HOOK.replace("KIND", "activations").replace("[]", "[max]"),
            "that is no forecaster.model.Activation",
        ),
    ],
)
def test_a_plugin_that_does_not_load_fails(
    call: Call, write: Write, code: str, problem: str
) -> None:
    """It is a row and a line with what went wrong; exit code 1."""
    write("broken", code)
    result = call("plugins", "check", "broken", "--json")
    assert result.exit_code == 1
    (row,) = found(result)
    assert row[:4] == (None, None, "broken", "failed")
    assert problem in row[4]
    assert result.stderr == f"forecaster: broken: {row[4]}\n"


def test_a_name_claimed_twice_fails_for_both(call: Call, write: Write) -> None:
    """A source named like one of the program's: each claim is a row, none is ok."""
    write("mine", SOURCE.replace("{name}", "sample"))
    result = call("plugins", "check", "sample", "--json")
    assert [row[:4] for row in found(result)] == [
        ("source", "sample", "mine", "failed"), ("source", "sample", "sample", "failed"),
    ]  # fmt: skip
    assert result.stderr.count("is claimed by plugin mine (") == 2
    assert result.exit_code == 1


def test_an_unknown_name(call: Call, write: Write) -> None:
    """Exit code 2, the name that comes near, and the plugins that might have had it."""
    result = call("plugins", "check", "sigmoidd")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "forecaster: no plugin is named 'sigmoidd', and none provides anything of that name; "
        "did you mean sigmoid?\n"
    )
    write("broken", "1 / 0\n")
    assert "did you mean sigmoid? (plugins with problems: broken)" in (
        call("plugins", "check", "sigmoidd").stderr
    )


def test_what_a_plugin_prints_is_not_the_answer(call: Call, write: Write) -> None:
    """Standard output is one document, whatever a plugin says on being loaded or tried out."""
    loud = ACTIVATIONS.replace(
        "from forecaster import", 'print("hello")\n    from forecaster import'
    )
    write("mine", loud.replace("np.arcsinh(", 'print("z"); np.arcsinh('))
    result = call("plugins", "check", "asinh", "--json")
    assert json.loads(result.stdout)[0]["result"] == "ok"
    assert "hello" in result.stderr
    assert json.loads(call("plugins", "list", "--json").stdout)
