import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import click
import pytest
from click.testing import Result

from forecaster.cli.failures import explained
from forecaster.errors import ConfigError, LedgerError

Call = Callable[..., Result]
Start = Callable[..., "subprocess.CompletedProcess[str]"]

SOURCE = """
    import os, signal
    from forecaster import hookimpl

    class Odd:
        name = "odd"

        def __init__(self, options, folder):
            pass

        def fetch(self, symbol, start, end):
            {act}

    @hookimpl
    def forecaster_sources():
        return [Odd]
"""


def add_odd_source(workspace: Path, act: str) -> None:
    """Let the workspace forecast one more series, from a source that does something odd."""
    (workspace / "plugins" / "odd.py").write_text(dedent(SOURCE).format(act=act))
    with (workspace / "config.toml").open("a") as config:
        config.write('\n[[series]]\nsource = "odd"\nsymbol = "ODD"\n')


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (ConfigError("it is wrong", remedy="mend it"), "it is wrong; mend it", 2),
        (LedgerError("it is gone"), "it is gone", 1),
        (click.UsageError("No such\noption."), "no such option; see `forecaster --help`", 2),
        (click.ClickException("something"), "something", 1),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device; free some space and run it again", 1,
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.txt"),
            "Permission denied (a.txt); make it accessible, or choose another place", 1,
        ),
        (TimeoutError(), "TimeoutError", 1),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_and_an_exit_code(error: Exception, line: str, code: int) -> None:
    """What, why, what to do; 2 where the command line or the configuration was wrong."""
    assert explained(error) == (line, code)


def test_what_could_not_be_foreseen_is_raised() -> None:
    """A mistake of the program keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        explained(ZeroDivisionError())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["bogus"], "no such command 'bogus'; see `forecaster --help`"),
        (["run", "--bogus"], "no such option '--bogus'; see `forecaster run --help`"),
        (["run", "--as-of", "soon"], "see `forecaster run --help`"),
        (["backfill", "--from", "2012-01-01"], "missing option '--to'"),
        (["backfill", "--from", "2012-01-02", "--to", "2012-01-01"], "give the earlier session"),
        (["accuracy", "--limit", "1"], "no such option"),
        (["forecasts", "--past", "--limit", "0"], "invalid value for '--limit'"),
        (["run", "--series", "IMB"], "there is no series 'IMB'; did you mean IBM?"),
        (["forecasts", "--series", "IMB"], "the ledger has no series 'IMB'; did you mean IBM?"),
        (["models", "show", "99"], "there is no model 99; `forecaster models list` shows them"),
        (["sql", "delete from forecast"], "`sql` only reads"),
        (["sql", "select * from nowhere"], "SQL: no such table: nowhere"),
        (["sql", "select 1 as a, 2 as a", "--json"], "two columns are named 'a'"),
        (["backfill", "--from", "1950-01-01", "--to", "1950-12-31"], "choose within"),
        (["run", "--retrain", "--reuse"], "exclude each other"),
        (["--config", "no\nwhere.toml", "runs"], "no configuration file no where.toml"),
        (["--config", "nowhere.toml", "runs"], "there is no configuration file nowhere.toml"),
        (["--database", "mysql://host/name", "runs"], "--database: database.url"),
        (["series", "pause", "GOOG"], "the ledger has no series 'GOOG'"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(call: Call, args: list[str], said: str) -> None:
    """Exit code 2, nothing on standard output, one line on standard error."""
    result = call(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("forecaster: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--database", "/dev/null/x.db", "run"], "cannot write database /dev/null/x.db"),
        (["--database", "absent.db", "forecasts"], "there is no database"),
        (["--database", "config.toml", "runs"], "not a forecaster database"),
        (["backtest", "--series", "IBM", "--split", "0.001"], "at least"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(call: Call, args: list[str], said: str) -> None:
    """Exit code 1, nothing on standard output, one line on standard error."""
    result = call(*args)
    assert (result.exit_code, result.stdout) == (1, ""), result.stderr
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_verbose_shows_where_a_failure_comes_from(start: Start) -> None:
    """-v adds the traceback before the line and changes neither the line nor the exit code."""
    plain, verbose = start("models", "show", "99"), start("-v", "models", "show", "99")
    assert verbose.returncode == plain.returncode == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.endswith(plain.stderr)


def test_verbose_shows_where_a_plugin_raised(start: Start, workspace: Path) -> None:
    """A source that raises fails its own series alone; -v shows the line in the plugin."""
    add_odd_source(workspace, "raise ValueError('odd indeed')")
    plain, verbose = start("run"), start("-v", "run")
    assert plain.returncode == verbose.returncode == 1
    assert "Traceback" not in plain.stdout + plain.stderr
    assert "forecaster: ODD: source odd raised ValueError: odd indeed" in plain.stderr
    assert plain.stderr.endswith("forecaster: the run ended degraded\n")
    assert "odd.py" in verbose.stderr


def test_an_interrupt_is_told_in_one_line(start: Start, workspace: Path) -> None:
    """Ctrl-C says what is stored and how to go on, without a traceback."""
    add_odd_source(workspace, "os.kill(os.getpid(), signal.SIGINT)")
    result = start("run", "--series", "ODD")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.strip() == (
        "forecaster: interrupted; what was finished is stored, and the same command goes on from it"
    )


def test_a_pipe_that_closes_is_no_failure_to_talk_about(workspace: Path) -> None:
    """`forecaster forecasts | head -1` prints a line and nothing on standard error."""
    program = f"{sys.executable} -m forecaster"
    script = f"{program} forecasts --past --csv --limit 1000 | head -1; {program} run | true"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=workspace, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("forecast_id,")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_a_full_disk_under_the_output_is_told(start: Start) -> None:
    """Output that cannot be written is exit code 1 and one line, not two tracebacks."""
    with Path("/dev/full").open("w") as full:
        result = start("forecasts", stdout=full.fileno())
    assert result.returncode == 1
    assert result.stderr == (
        "forecaster: No space left on device; free some space and run it again\n"
    )


def test_an_encoding_that_lacks_a_letter_is_no_failure(start: Start) -> None:
    """What a terminal cannot encode is shown as an escape."""
    result = start("sql", "select 'λ' as letter", env={"PYTHONIOENCODING": "latin-1"})
    assert (result.returncode, result.stdout) == (0, "letter\n\\u03bb\n")


def test_hostile_texts_reach_neither_terminal_nor_log(start: Start, workspace: Path) -> None:
    """Names of plugins and messages with control characters are shown escaped."""
    add_odd_source(workspace, "raise ValueError('\\\\x1b[2Jgone\\\\x07')")
    result = start("run")
    assert "\x1b" not in result.stdout + result.stderr
    assert "\\x1b[2Jgone\\x07" in result.stderr
