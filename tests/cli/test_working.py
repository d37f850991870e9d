import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli
from forecaster.cli.invocation import called_as

from .prices import write_prices

Call = Callable[..., Result]
Start = Callable[..., "subprocess.CompletedProcess[str]"]

LOADED = (
    "import sys\n"
    "from forecaster.cli import main\n"
    "sys.argv = ['forecaster', *sys.argv[1:]]\n"
    "try: main()\n"
    "finally: print('loaded', *{name.partition('.')[0] for name in sys.modules})\n"
)


def loaded_by(workspace: Path, *args: str) -> set[str]:
    """Return the libraries that a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *args],
        cwd=workspace, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


def count(call: Call, table: str) -> int:
    """Return how many rows a table or view has."""
    rows = json.loads(call("sql", f"select count(*) as n from {table}", "--json").stdout)
    return int(rows[0]["n"])


def test_run_tells_things_in_their_order(empty: Path) -> None:
    """What was done, the coming sessions, the scores, where things are, three commands."""
    assert CliRunner().invoke(cli, ["init"]).exit_code == 0
    result = CliRunner().invoke(cli, ["run", "--series", "IBM"])
    assert (result.exit_code, result.stderr) == (0, "")
    parts = [
        "Done in ", "The coming sessions", "Forecasts so far", f"Database: {empty}",
        f"Report:   {empty}", "Next:\n", "  forecaster accuracy ", "  forecaster backtest ",
        '  forecaster sql "select * from latest_forecast"\n',
    ]  # fmt: skip
    places = [result.stdout.index(part) for part in parts]
    assert places == sorted(places)
    assert result.stdout.endswith(parts[-1])
    assert (empty / "report" / "index.html").exists()


def test_run_again_does_nothing(call: Call, workspace: Path) -> None:
    """The second run finds nothing to do, stores nothing, and says so; exit code 0."""
    tables = ("forecast", "run", "bar", "model_version", "decision")
    before = [count(call, table) for table in tables]
    result = call("run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Nothing to do: ")
    assert [count(call, table) for table in tables] == before
    document = json.loads(call("run", "--json").stdout)
    assert (document["status"], document["forecasts"][0]["series"]) == ("nothing", "EURUSD")
    assert document["database"] == str(workspace / "forecaster.db")


def test_quiet_is_silent(call: Call) -> None:
    """-q prints nothing but what was asked for."""
    assert call("-q", "run").output == ""
    assert json.loads(call("-q", "run", "--json").stdout)["status"] == "nothing"


def test_nothing_to_do_loads_little(workspace: Path) -> None:
    """A night that finds nothing to do never imports what trains, plots or migrates."""
    loaded = loaded_by(workspace, "run")
    assert "sqlalchemy" in loaded
    assert not loaded & {"sklearn", "scipy", "plotly", "alembic", "yfinance", "matplotlib"}


def test_a_night_that_reuses_loads_no_estimator(call: Call, workspace: Path) -> None:
    """A new session with models that are young enough is forecast without scikit-learn."""
    write_prices(workspace / "ABC.csv", 200)
    assert call("series", "add", "ABC", "--source", "csv", "--symbol", "ABC").exit_code == 0
    assert call("run", "--series", "ABC").exit_code == 0
    write_prices(workspace / "ABC.csv", 201)
    config = workspace / "config.toml"
    config.write_text(config.read_text() + "\n[reporters.console]\n")
    before = count(call, "decision_history where verdict = 'reuse'")
    loaded = loaded_by(workspace, "run", "--series", "ABC")
    assert count(call, "decision_history where verdict = 'reuse'") == before + 1
    assert not loaded & {"sklearn", "scipy", "plotly", "alembic", "yfinance"}


def test_a_series_from_a_file_is_forecast_at_once(call: Call, workspace: Path) -> None:
    """`series add`, then `run`: it is backfilled and forecast, the others stay as they are."""
    write_prices(workspace / "ABC.csv", 200)
    others = "forecast_history where series <> 'ABC'"
    before = count(call, others)
    added = call("series", "add", "ABC", "--source", "csv", "--symbol", "ABC")
    assert (added.exit_code, added.stderr) == (0, "")
    assert call("config", "check").exit_code == 0
    document = json.loads(call("run", "--json").stdout)
    assert (document["status"], document["sessions"]) == ("done", 9)
    assert count(call, others) == before
    assert count(call, "latest_forecast where series = 'ABC'") == 5
    assert count(call, "forecast_history where series = 'ABC' and kind = 'backfill'") == 40


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", "=1+1"), ("name", "../x"), ("name", "a b"), ("name", "x\x1b[2J"), ("name", ""),
        ("name", "a" * 65), ("name", "ü"), ("name", "x'; drop table forecast; --"), ("name", "IBM"),
        ("--symbol", "../../etc/passwd"), ("--symbol", "@SUM(A1)"), ("--symbol", "http://x/"),
        ("--symbol", "<script>"), ("--symbol", "a\nb"), ("--source", "nowhere"),
        ("--calendar", "XNYZ"), ("--field", "price"),
    ],
)  # fmt: skip
def test_a_hostile_series_is_refused(call: Call, workspace: Path, option: str, value: str) -> None:
    """Exit code 2, one line, and config.toml as it was, byte for byte."""
    before = (workspace / "config.toml").read_bytes()
    options = {"name": "NEW", "--source": "csv", "--symbol": "NEW", option: value}
    name = options.pop("name")
    pairs = [word for pair in options.items() for word in pair]
    result = call("series", "add", *pairs, "--", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert (workspace / "config.toml").read_bytes() == before


def test_a_paused_series_is_left_alone(call: Call, workspace: Path) -> None:
    """`series pause` keeps the history and forecasts nothing; `resume` catches up."""
    write_prices(workspace / "ABC.csv", 200)
    call("series", "add", "ABC", "--source", "csv", "--symbol", "ABC")
    call("run", "--series", "ABC")
    assert call("series", "pause", "ABC").exit_code == 0
    states = {
        row["name"]: row["state"] for row in json.loads(call("series", "list", "--json").stdout)
    }
    assert states == {"IBM": "active", "EURUSD": "active", "ABC": "paused"}
    write_prices(workspace / "ABC.csv", 201)
    before = count(call, "forecast")
    assert json.loads(call("run", "--json").stdout)["status"] == "nothing"
    assert count(call, "forecast") == before
    assert call("series", "resume", "ABC").exit_code == 0
    assert json.loads(call("run", "--json").stdout)["forecasts"]
    assert count(call, "forecast") == before + 5


def test_series_list_needs_no_database(call: Call) -> None:
    """Before the first run, configured series are new."""
    rows = json.loads(call("--database", "absent.db", "series", "list", "--json").stdout)
    assert {row["state"] for row in rows} == {"new"}


def test_backfill_and_as_of_do_past_sessions(call: Call) -> None:
    """Past sessions become forecasts of kind backfill, once."""
    first = call("backfill", "--from", "2012-06-04", "--to", "2012-06-06", "--json")
    document = json.loads(first.stdout)
    assert (first.exit_code, document["kind"], document["sessions"]) == (0, "backfill", 3)
    again = json.loads(
        call("backfill", "--from", "2012-06-04", "--to", "2012-06-06", "--json").stdout
    )
    assert (again["status"], again["sessions"]) == ("nothing", 0)
    sunday = json.loads(call("run", "--series", "IBM", "--as-of", "2012-06-10", "--json").stdout)
    assert (sunday["kind"], sunday["sessions"], sunday["forecasts"] != []) == ("backfill", 1, True)


def test_report_says_where_it_is(call: Call, workspace: Path) -> None:
    """`report` writes the report again and prints its place, alone as JSON or CSV."""
    (workspace / "report" / "index.html").unlink()
    place = str(workspace / "report" / "index.html")
    assert json.loads(call("report", "--json").stdout) == [{"reporter": "html", "path": place}]
    assert Path(place).exists()
    assert call("report", "--csv").stdout == f"reporter,path\nhtml,{place}\n"
    assert call("report").stdout == f"Report: {place}\n"


def test_init_overwrites_nothing(empty: Path) -> None:
    """In a folder with a configuration, `init` refuses and touches no file."""
    (empty / "config.toml").write_text("# mine\n")
    result = CliRunner().invoke(cli, ["init"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [path.name for path in empty.iterdir()] == ["config.toml"]
    assert (empty / "config.toml").read_text() == "# mine\n"


def test_init_leaves_nothing_half_made(empty: Path) -> None:
    """When the database cannot be created, there is no configuration either."""
    result = CliRunner().invoke(cli, ["--database", "/dev/null/x.db", "init"])
    assert result.exit_code == 1
    assert list(empty.iterdir()) == []


def test_one_bad_series_leaves_the_others(call: Call, workspace: Path) -> None:
    """A series that fails is named on standard error; the others are forecast; exit code 1."""
    call("series", "add", "LOST", "--source", "csv", "--symbol", "LOST")
    result = call("run", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "degraded"
    first, last = result.stderr.splitlines()
    assert first.startswith("forecaster: LOST: ")
    assert last == "forecaster: the run ended degraded"


def test_suggested_commands_run_as_printed(workspace: Path) -> None:
    """The commands to try next work from the folder where they were printed, options included."""
    program = str(Path(sys.executable).with_name("forecaster"))
    start = [program, "--config", "workspace/config.toml", "run"]
    done = subprocess.run(
        start, cwd=workspace.parent, capture_output=True, text=True, check=True, timeout=60
    )
    suggested = [line.split("  ")[1] for line in done.stdout.partition("Next:\n")[2].splitlines()]
    assert len(suggested) == 3
    for command in (suggested[0], suggested[2]):
        ran = subprocess.run(
            command, shell=True, cwd=workspace.parent, capture_output=True, check=False, timeout=60
        )
        assert (ran.returncode, ran.stderr) == (0, b"")


def test_the_program_is_named_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Through PATH its name is enough; from elsewhere its path; as a module, with Python."""
    program = tmp_path / "bin" / "forecaster"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bin/forecaster"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert called_as(["--config", "a b.toml"]) == "bin/forecaster --config 'a b.toml'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert called_as([]) == "forecaster"
    monkeypatch.setattr("sys.argv", ["/anywhere/forecaster/__main__.py"])
    assert called_as([]) == f"{sys.executable} -m forecaster"


def test_the_default_configuration_forecasts_eight_series(empty: Path) -> None:
    """`init` and `run` as they stand: eight series, five horizons, every status ok."""
    runner = CliRunner()
    assert runner.invoke(cli, ["init"]).exit_code == 0
    assert runner.invoke(cli, ["-q", "run"]).exit_code == 0
    query = "select series, horizon, forecast, lo80, hi80, baseline from latest_forecast"
    result = runner.invoke(cli, ["sql", query, "--json"])
    rows = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, len(rows)) == (0, "", 40)
    assert {row["horizon"] for row in rows} == {1, 2, 3, 4, 5}
    assert len({row["series"] for row in rows}) == 8
    assert all(row["lo80"] < row["forecast"] < row["hi80"] for row in rows)
    statuses = runner.invoke(cli, ["sql", "select distinct status as s from forecast", "--csv"])
    assert statuses.stdout == "s\nok\n"
    whole = runner.invoke(cli, ["db", "check", "--json"])
    assert all(row["ok"] for row in json.loads(whole.stdout))
