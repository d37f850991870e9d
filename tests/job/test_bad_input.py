"""What people get wrong: one line with cause and remedy, the right exit code, nothing half done."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from forecaster.cli import cli

from .project import NEEDED, Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
CLOSES = walk(len(DAYS))
NO_BACKFILL = "[schedule]\ninitial_backfill = 0\n"


@dataclass(frozen=True)
class Told:
    """What a command told."""

    code: int
    out: str
    lines: list[str]  # of standard error, without the program's name


def command(project: Project, *arguments: str) -> Told:
    """Run a command as a person does."""
    config = str(project.folder / "config.toml")
    result = CliRunner().invoke(cli, ["--config", config, *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = result.stderr.splitlines()
    assert all(line.startswith("forecaster: ") for line in lines), result.stderr
    return Told(
        result.exit_code, result.stdout, [line.removeprefix("forecaster: ") for line in lines]
    )


def beside_a_good_series(project: Project, bad: str, more: str = "", settings: str = "") -> None:
    """Follow the good series GOOD and another one, BAD, written as given."""
    project.quote("GOOD", DAYS, CLOSES)
    project.follow("GOOD", settings=NO_BACKFILL + settings)
    text = (project.folder / "config.toml").read_text()
    project.configure(f"[[series]]\n{bad}\n{more}\n{text}")


def assert_only_bad_fails(project: Project, *words: str) -> str:
    """Demand that BAD fails with one line that has these words, and GOOD is forecast."""
    told = command(project, "-q", "run")
    assert told.code == 1
    assert told.lines[-1] == "the run ended degraded"
    (line,) = told.lines[:-1]
    assert line.startswith("BAD: ")
    for word in words:
        assert word in line
    assert project.sql("SELECT DISTINCT series FROM forecast_history") == [("GOOD",)]
    return line


def test_no_series(project: Project) -> None:
    """Without a series the command says how to add one."""
    project.configure("[reporters]\n")
    told = command(project, "run")
    assert (told.code, told.lines) == (
        2, ["no series is configured; add one: forecaster series add NAME --source S --symbol SYM"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["run"], ["backtest"], ["backfill", "--from=2023-06-01", "--to=2023-06-02"]]
)
def test_unknown_series(project: Project, arguments: list[str]) -> None:
    """A mistyped --series is the command line's fault; nothing is pulled."""
    beside_a_good_series(project, 'source = "csv"\nsymbol = "BAD"')
    told = command(project, *arguments, "--series", "GOD")
    assert told.code == 2
    (line,) = told.lines
    assert "there is no series 'GOD'" in line
    assert "GOOD" in line
    assert project.sql("SELECT count(*) FROM bar") == [(0,)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('[[series]]\nsource = "cvs"\nsymbol = "X"\n', ["series X", "cvs", "csv"]),
        (
            '[[series]]\nsource = "csv"\nsymbol = "X"\nmodel = {activation = "tahn"}\n',
            ["tahn", "tanh"],
        ),
        ('[[series]]\nsource = "csv"\nsymbol = "X"\ncalendar = "XNYZ"\n', ["XNYZ", "XNYS"]),
        ('[executor]\nname = "serail"\n', ["[executor] name", "serail", "serial"]),
        ('[plugins.csv]\nfodler = "x"\n', ["plugins.csv", "fodler", "folder"]),
    ],
)
def test_names_that_nothing_has(project: Project, settings: str, words: list[str]) -> None:
    """A source, activation, calendar, executor or option that nothing has stops the run at once."""
    project.quote("GOOD", DAYS, CLOSES)
    project.follow("GOOD", settings=settings)
    told = command(project, "run")
    assert told.code == 2
    (line,) = told.lines
    for word in words:
        assert word in line
    assert project.sql("SELECT count(*) FROM bar") == [(0,)]


def test_source_plugin_that_fails_to_import(project: Project) -> None:
    """What needs a broken plugin fails, naming it and why; the others go on."""
    project.plugin("broken", "import no_such_module\n")
    beside_a_good_series(project, 'source = "broken"\nsymbol = "BAD"')
    told = command(project, "-q", "run")
    assert told.code == 1
    assert any("BAD: " in line and "no_such_module" in line for line in told.lines)
    assert project.sql("SELECT DISTINCT series FROM forecast_history") == [("GOOD",)]


SOURCE = """
    import pandas as pd
    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Quotes

    DAYS = pd.bdate_range("2023-01-02", "2023-06-30")
    PRICES = pd.DataFrame({"close": range(1, len(DAYS) + 1)}, index=DAYS)

    class Odd:
        name = "odd"

        def __init__(self, options, folder):
            pass

        def fetch(self, symbol, start, end):
            BODY

    @hookimpl
    def forecaster_sources():
        return [Odd]
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('it went\\nwrong')", ["source odd", "RuntimeError", "it went wrong"]),
        ("raise SystemExit(3)", ["source odd", "SystemExit"]),
        ("return None", ["source odd", "NoneType"]),
        ("return Quotes(bars=None)", ["source odd"]),
        ("return Quotes(bars=[1, 2])", ["source odd"]),
        ("return Quotes(bars=pd.DataFrame({'close': [1.0, 2.0]}))", []),
        ("return Quotes(bars=PRICES.tz_localize('UTC'))", []),
        ("return Quotes(bars=PRICES.iloc[:0])", ["no bars"]),
        ("return Quotes(bars=PRICES[::-1], historical=True)", ["come after a later one"]),
        ("return Quotes(PRICES.rename(columns=str.title), historical=True)", ["close"]),
        ("return Quotes(PRICES.astype(object).replace(5, 'five'), historical=True)", ["number"]),
        ("return Quotes(bars=PRICES, historical=True, calendar='NOPE')", ["NOPE"]),
        ("return Quotes(bars=PRICES, historical=True, calendar=7)", ["source odd"]),
        ("return Quotes(bars=PRICES, historical=True, actions='none')", ["source odd"]),
        ("return Quotes(bars=PRICES, historical=True, attribution=None)", ["attribution", "None"]),
        ("return Quotes(bars=PRICES, historical=True, currency=['USD'])", ["currency", "USD"]),
        ("return Quotes(bars=PRICES, historical=True, currency='\\x1b[31m')", ["currency"]),
        ("return Quotes(bars=PRICES, historical=None)", ["historical", "None"]),
        ("raise SourceError('busy', code='rate_limited', retry_after='60')", ["busy"]),
        ("raise SourceError('busy', code='rate_limited', retry_after='soon')", ["soon"]),
        ("raise RuntimeError('no file caf\\udce9\\x00.csv')", ["source odd", "no file caf"]),
    ],
)
def test_source_that_misbehaves(project: Project, body: str, words: list[str]) -> None:
    """Whatever a source raises or returns is told of that series in one line."""
    project.plugin("odd", SOURCE.replace("BODY", body))
    beside_a_good_series(project, 'source = "odd"\nsymbol = "BAD"')
    assert_only_bad_fails(project, *words)
    assert project.sql("SELECT count(*) FROM instrument") == [(1,)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "return Quotes(PRICES.replace(5, float('inf')), historical=True)",
            ["the bar of 2023-01-06 is held", "finite"],
        ),
        (
            "return Quotes(bars=PRICES, historical=True, calendar='XNYS')",
            ["the bar of 2023-01-02 is held", "XNYS does not trade", "so are 5 more"],
        ),
    ],
)
def test_source_with_bad_rows(project: Project, body: str, words: list[str]) -> None:
    """Rows that cannot be are held and told of; the others are stored."""
    project.plugin("odd", SOURCE.replace("BODY", body))
    beside_a_good_series(project, 'source = "odd"\nsymbol = "BAD"')
    told = command(project, "-q", "run")
    assert told.code == 1
    (line,) = [line for line in told.lines if line.startswith("BAD: ")]
    for word in words:
        assert word in line
    held = len(project.sql("SELECT * FROM quarantine_history WHERE symbol = 'BAD'"))
    stored = len(project.sql("SELECT * FROM bar_history WHERE symbol = 'BAD'"))
    assert held > 0
    assert held + stored == len(pd.bdate_range("2023-01-02", "2023-06-30"))


def csv_series(
    project: Project, closes: Sequence[float], days: Sequence[date] = (), **settings: str
) -> None:
    """Follow GOOD and BAD, whose file has these closes."""
    project.quote("BAD", list(days) or DAYS[: len(closes)], closes)
    beside_a_good_series(project, 'source = "csv"\nsymbol = "BAD"', **settings)


def test_too_few_bars(project: Project) -> None:
    """Too few bars: how many there are and how many it takes."""
    csv_series(project, CLOSES[: NEEDED - 1])
    assert_only_bad_fails(project, f"{NEEDED - 1} bars are too few", f"training needs {NEEDED}")


def test_one_bar(project: Project) -> None:
    """A single bar is too few as well, and no accident."""
    csv_series(project, CLOSES[:1])
    assert_only_bad_fails(project, "too few")


def test_just_enough_bars(project: Project) -> None:
    """With as many bars as are said to be needed, a series is forecast."""
    csv_series(project, CLOSES[:NEEDED])
    assert command(project, "-q", "run").code == 0


def test_constant_prices(project: Project) -> None:
    """Prices that never change cannot be learnt from."""
    csv_series(project, [5.0] * len(DAYS))
    assert_only_bad_fails(project, "all", "values are 5", "check the symbol")


def test_one_gap_may_be_a_closure(project: Project) -> None:
    """A single missing session is named, and that the market may have been closed on it."""
    days = [day for k, day in enumerate(DAYS) if k != 70]
    csv_series(project, CLOSES[: len(days)], days, more='calendar = "XNYS"')
    assert_only_bad_fails(project, f"session {DAYS[70]} of calendar XNYS has no bar", "closures")


def test_file_with_prices_of_another_symbol(project: Project) -> None:
    """What a file on this machine says it lacks is believed at once: there is no outage."""
    project.quote("BAD", DAYS, CLOSES, ticker=["OTHER"] * len(DAYS))
    beside_a_good_series(project, 'source = "csv"\nsymbol = "BAD"')
    line = assert_only_bad_fails(project, "prices of OTHER and none of BAD")
    assert "outage" not in line


def test_gaps_are_refused_or_dropped(project: Project) -> None:
    """A missing session stops its series, unless it is told to go on without."""
    days = [day for k, day in enumerate(DAYS) if k not in (70, 71)]
    csv_series(project, CLOSES[: len(days)], days, more='calendar = "XNYS"')
    line = assert_only_bad_fails(project, "2 sessions", str(DAYS[70]), "bars check", '"drop"')
    assert "XNYS" in line
    beside_a_good_series(
        project, 'source = "csv"\nsymbol = "BAD"', more='calendar = "XNYS"\nmissing = "drop"'
    )
    assert command(project, "-q", "run").code == 0


def test_non_positive_prices(project: Project) -> None:
    """A price that has no logarithm is held; as differences the same values are forecast."""
    closes = [*CLOSES[:90], -36.98, *CLOSES[91:]]
    csv_series(project, closes)
    assert_only_bad_fails(project, "-36.98", str(DAYS[90]), 'values = "difference"')
    beside_a_good_series(project, 'source = "csv"\nsymbol = "BAD"', more='values = "difference"')
    assert command(project, "-q", "run").code == 0


def test_foreign_sessions(project: Project) -> None:
    """Bars on days that the named calendar does not trade are refused, the first one named."""
    csv_series(project, CLOSES[:100], get_days("2023-01-01", 100), more='calendar = "XNYS"')
    assert_only_bad_fails(project, "XNYS does not trade", "2023-01-01", "name the calendar")


def get_days(first: str, count: int) -> list[date]:
    """Return days in a row, weekends included."""
    return [date.fromordinal(date.fromisoformat(first).toordinal() + k) for k in range(count)]


def test_empty_field(project: Project) -> None:
    """A field that the source leaves empty cannot be forecast."""
    csv_series(project, CLOSES, more='field = "volume"')
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace('symbol = "BAD"', 'symbol = "BAD"\nname = "BAD"'))
    assert_only_bad_fails(project, "no volume", "another field")


def test_missing_file(project: Project) -> None:
    """A file that is not there is named, with where it should be."""
    beside_a_good_series(project, 'source = "csv"\nsymbol = "BAD"')
    assert_only_bad_fails(project, "BAD.csv", "put it there")


def test_newest_first_file_is_read(project: Project) -> None:
    """A file whose newest line comes first is as good as any other."""
    csv_series(project, CLOSES)
    path = project.folder / "BAD.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]))
    assert command(project, "-q", "run").code == 0
    by_series = {
        name: [row[1:] for row in rows]
        for name, rows in itertools.groupby(
            project.sql("SELECT series, cutoff, baseline FROM latest_forecast ORDER BY series"),
            key=lambda row: row[0],
        )
    }
    assert by_series["BAD"] == by_series["GOOD"]


def test_broken_number(project: Project) -> None:
    """A cell that is no number is told with its file, line, column and text."""
    csv_series(project, CLOSES)
    path = project.folder / "BAD.csv"
    lines = path.read_text().splitlines()
    lines[41] = lines[41].split(",")[0] + ",12x3"
    path.write_text("\n".join(lines))
    assert_only_bad_fails(project, "BAD.csv, line 42", "close", "'12x3'")


def test_newer_database(project: Project) -> None:
    """A database of a newer program is refused, and stays as it is."""
    csv_series(project, CLOSES)
    command(project, "-q", "run")
    project.write("UPDATE alembic_version SET version_num = '9999'")
    before = (project.folder / "forecaster.db").read_bytes()
    told = command(project, "run")
    assert told.code == 1
    (line,) = told.lines
    assert "9999" in line
    assert "newer" in line
    assert (project.folder / "forecaster.db").read_bytes() == before


def test_database_that_is_none(project: Project) -> None:
    """A file that is no database is refused and not overwritten."""
    csv_series(project, CLOSES)
    path = project.folder / "forecaster.db"
    path.write_text("dear diary " * 100)
    told = command(project, "run")
    assert told.code == 1
    assert "not a database" in told.lines[0]
    assert path.read_text().startswith("dear diary")


def test_report_folder_that_is_not_ours(project: Project) -> None:
    """A folder with other things in it is not written to; the forecasts are stored all the same."""
    csv_series(project, CLOSES, settings="[reporters.html]\nfolder = 'mine'\n")
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace("[reporters]\n", ""))
    (project.folder / "mine").mkdir()
    (project.folder / "mine" / "thesis.tex").write_text("years of work")
    told = command(project, "-q", "run")
    assert told.code == 1
    (line,) = told.lines
    assert "mine" in line
    assert "another folder" in line
    assert [path.name for path in (project.folder / "mine").iterdir()] == ["thesis.tex"]
    assert len(project.sql("SELECT * FROM latest_forecast")) == 6


@pytest.mark.skipif(
    not Path("/proc/version").exists(), reason="needs /proc, where nobody can write"
)
@pytest.mark.parametrize("arguments", [["run"], ["backtest"]])
def test_folder_that_cannot_be_written(project: Project, arguments: list[str]) -> None:
    """A database that cannot be made is said so, with the setting to change."""
    csv_series(project, CLOSES, settings='[database]\nurl = "/proc/forecaster.db"\n')
    told = command(project, *arguments)
    assert told.code == 1
    (line,) = told.lines
    assert "/proc/forecaster.db" in line
    assert "[database] url" in line


REPORTER = """
    from forecaster import hookimpl

    class Loud:
        name = "loud"

        def __init__(self, options, folder):
            pass

        def report(self, report):
            BODY

    @hookimpl
    def forecaster_reporters():
        return [Loud]
"""


@pytest.mark.parametrize("body", ["raise ValueError('too loud')", "raise SystemExit(0)"])
def test_broken_reporter(project: Project, body: str) -> None:
    """A reporter that raises is named; the other reporters tell, and the forecasts are stored."""
    project.plugin("loud", REPORTER.replace("BODY", body))
    csv_series(project, CLOSES, settings="[reporters.loud]\n[reporters.html]\n")
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace("[reporters]\n", ""))
    told = command(project, "-q", "run")
    assert told.code == 1
    assert any("reporter loud" in line for line in told.lines)
    assert (project.folder / "report" / "index.html").exists()
    assert len(project.sql("SELECT * FROM latest_forecast")) == 6


EXECUTOR = """
    from forecaster import hookimpl

    class Lazy:
        name = "lazy"

        def __init__(self, options, folder):
            pass

        def map(self, function, items):
            BODY

    @hookimpl
    def forecaster_executors():
        return [Lazy]
"""


@pytest.mark.parametrize("body", ["raise OSError('no workers')", "return iter(())", "return None"])
def test_broken_executor(project: Project, body: str) -> None:
    """An executor that does not do its work is named in one line, and nothing is half stored."""
    project.plugin("lazy", EXECUTOR.replace("BODY", body))
    csv_series(project, CLOSES, settings='[executor]\nname = "lazy"\n')
    told = command(project, "-q", "run")
    assert told.code == 1
    assert any("lazy" in line for line in told.lines)
    assert project.sql("SELECT count(*) FROM forecast") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--as-of", "2031-01-01"], ["2031-01-01", "choose within"]),
        (["run", "--as-of", "1970-01-01"], ["1970-01-01", f"{NEEDED} settled bars"]),
        (
            ["run", "--as-of", str(DAYS[NEEDED - 2])],
            [f"{NEEDED} settled bars", str(DAYS[NEEDED - 1])],
        ),
        (["backfill", "--from", "2022-01-03", "--to", "2022-02-03"], ["choose within"]),
        (["backfill", "--from", "2030-01-03", "--to", "2030-02-03"], [str(DAYS[-1])]),
    ],
)
def test_sessions_outside_the_bars(
    project: Project, arguments: list[str], words: list[str]
) -> None:
    """A session that nothing can be forecast from is refused with those that can."""
    csv_series(project, CLOSES)
    told = command(project, *arguments)
    assert told.code == 2
    (line,) = told.lines
    for word in words:
        assert word in line
    assert project.sql("SELECT count(*) FROM run") == [(0,)]


def test_reversed_backfill(project: Project) -> None:
    """--from after --to is a mistake on the command line."""
    csv_series(project, CLOSES)
    told = command(project, "backfill", "--from", "2023-06-02", "--to", "2023-06-01")
    assert (told.code, len(told.lines)) == (2, 1)
    assert "--from 2023-06-02 is after --to 2023-06-01" in told.lines[0]


def test_as_of_today_is_the_live_night(project: Project) -> None:
    """--as-of with today's session does today, and a later run has nothing left to do."""
    csv_series(project, CLOSES)
    assert command(project, "-q", "run", "--as-of", str(DAYS[-1])).code == 0
    assert project.sql("SELECT DISTINCT kind FROM forecast") == [("live",)]


def test_horizon_that_the_history_cannot_hold(project: Project) -> None:
    """A backtest's --horizon that does not go with the settings is refused in one line."""
    csv_series(project, CLOSES)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace("[model]", "[model]\nhistory = 60"))
    told = command(project, "backtest", "--horizon", "60")
    assert told.code == 2
    (line,) = told.lines
    assert "horizon 60" in line
    assert "history = 60" in line


def test_split_and_cutoffs_exclude_each_other(project: Project) -> None:
    """A backtest is given a split or a number of cutoffs, not both."""
    csv_series(project, CLOSES)
    told = command(project, "backtest", "--split", "0.8", "--cutoffs", "5")
    assert (told.code, len(told.lines)) == (2, 1)


def test_backtest_of_too_few_bars(project: Project) -> None:
    """A backtest without enough bars says how many each series has and needs."""
    project.quote("A", DAYS[:NEEDED], CLOSES[:NEEDED])
    project.follow("A")
    told = command(project, "backtest")
    assert told.code == 1
    (line,) = told.lines
    assert f"{NEEDED} bars are too few" in line
    assert f"{NEEDED + 3} are needed" in line


@pytest.mark.parametrize("split", ["0.01", "0.99"])
def test_split_that_leaves_too_little(project: Project, split: str) -> None:
    """A split with too few bars on one of its sides says how many each side has and needs."""
    project.quote("A", DAYS, CLOSES)
    project.follow("A")
    told = command(project, "backtest", "--split", split)
    assert told.code == 1
    (line,) = told.lines
    assert f"A: split {split} leaves" in line
    assert f"at least {NEEDED} and 6 are needed" in line


def test_split_that_just_leaves_enough(project: Project) -> None:
    """With as many bars on each side as are said to be needed, one cutoff is evaluated."""
    project.quote("A", DAYS[: NEEDED + 6], CLOSES[: NEEDED + 6])
    project.follow("A")
    assert command(project, "-q", "backtest", "--split", str(NEEDED / (NEEDED + 6))).code == 0
    assert project.sql("SELECT count(*) FROM forecast") == [(3,)]
