"""A folder as a user has it: config.toml, price files, plugins of one's own, a database."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from forecaster.config import load_settings
from forecaster.hooks import RunSummary
from forecaster.job.context import Job, open_job, system_clock
from forecaster.job.run import run
from forecaster.market import get_calendar

# Small enough to train in milliseconds; 3 + 3 + 50 = 56 bars are needed.
SMALL = """
[model]
lookback = 3
horizon = 3
hidden_size = 3
epochs = 2
validation = 0.0

[reporters]
"""
NEEDED = 56
# What follows from a clock and not from prices.
TIMES = {"issued_at", "scored_at", "created_at", "decided_at", "stored_at", "first_seen_at",
         "started_at", "finished_at", "backfilled_at", "replaced_at", "seconds"}  # fmt: skip
TABLES = ("instrument", "series", "bar", "action", "backtest", "run", "run_series", "model_version",
          "decision", "forecast", "score", "awaiting", "tracker", "gate", "tally")  # fmt: skip

# A source that is not historical: it quotes the files of a folder and may be told to misbehave.
FEED = '''
    """A source that quotes the CSV files beside it up to the newest row, as of now."""

    import os
    import signal
    from pathlib import Path

    import pandas as pd

    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Quotes


    class Feed:
        name = "feed"

        def __init__(self, options, folder):
            self.folder = folder

        def fetch(self, symbol, start, end):
            if (self.folder / f"{symbol}.down").exists():
                raise SourceError("the feed is down", remedy="wait", code="down")
            file = self.folder / f"{symbol}.csv"
            table = pd.read_csv(file, index_col="date", parse_dates=["date"])
            table = table.loc[pd.Timestamp(start) if start else None:]
            actions = None
            if "split" in table:
                actions = table[["split"]].dropna()
            names = [name for name in ("open", "close", "volume") if name in table]
            return Quotes(table[names], actions=actions, calendar="XNYS")


    @hookimpl
    def forecaster_sources():
        return [Feed]
'''


def xnys(first: str, last: str) -> list[date]:
    """Return New York's sessions."""
    found: list[date] = (
        get_calendar("XNYS").sessions(date.fromisoformat(first), date.fromisoformat(last)).tolist()
    )
    return found


def walk(count: int, seed: int = 0, start: float = 100.0) -> list[float]:
    """Return a random walk of prices with two decimals."""
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    return [round(float(price), 2) for price in start * np.exp(np.cumsum(moves))]


def evening(session: date) -> datetime:
    """Return a moment when New York's session has settled and the next has not begun."""
    return datetime.combine(session, datetime.min.time(), UTC) + timedelta(hours=26)


@dataclass
class Project:
    """A project's folder, and what one does with it."""

    folder: Path
    summaries: list[RunSummary] = field(default_factory=list)

    def configure(self, text: str) -> None:
        """Write config.toml."""
        (self.folder / "config.toml").write_text(dedent(text))

    def follow(
        self, *symbols: str, source: str = "csv", more: str = "", settings: str = ""
    ) -> None:
        """Write a config.toml with small networks for these symbols.

        Args:
            symbols: each becomes a series.
            source: of all.
            more: further lines of each [[series]].
            settings: further tables.
        """
        series = "".join(
            f'[[series]]\nsource = "{source}"\nsymbol = "{symbol}"\n{more}\n' for symbol in symbols
        )
        plugins = '[plugins]\ndirs = ["plugins"]\n' if (self.folder / "plugins").exists() else ""
        self.configure(f"{series}\n{SMALL}\n{plugins}\n{settings}")

    def quote(
        self, symbol: str, sessions: Sequence[date], closes: Sequence[float], **more: Any
    ) -> Path:
        """Write SYMBOL.csv with a date, a close and further columns."""
        names = ["date", "close", *more]
        rows = zip(sessions, closes, *more.values(), strict=True)
        lines = [",".join(names), *(",".join(str(cell) for cell in row) for row in rows)]
        path = self.folder / f"{symbol}.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    def plugin(self, name: str, code: str) -> None:
        """Write a plugin to the folder `plugins`."""
        folder = self.folder / "plugins"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(dedent(code))

    @contextmanager
    def job(self, now: datetime | None = None) -> Iterator[Job]:
        """Open the project, at a moment if one is given.

        A night that a test leaves out stays out, unless the test says otherwise.
        """
        says = "catch_up" in (self.folder / "config.toml").read_text()
        environ = {} if says else {"FORECASTER_SCHEDULE_CATCH_UP": "latest"}
        settings = load_settings(self.folder / "config.toml", environ=environ)
        with open_job(settings, clock=system_clock if now is None else lambda: now) as job:
            yield job

    def run(self, now: datetime | None = None, **options: Any) -> RunSummary:
        """Do the daily job."""
        with self.job(now) as job:
            summary = run(job, **options)
        self.summaries.append(summary)
        return summary

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with closing(sqlite3.connect(self.folder / "forecaster.db")) as connection:
            return connection.execute(query, values).fetchall()

    def write(self, statement: str, *values: Any) -> None:
        """Change the database behind the program's back."""
        with closing(sqlite3.connect(self.folder / "forecaster.db")) as connection, connection:
            connection.execute(statement, values)

    def content(self, *, ids: bool = True) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table, less what follows from the clock.

        Args:
            ids: with the numbers that follow from the order in which rows were written.
        """
        found = {}
        for table in TABLES:
            columns = [row[1] for row in self.sql(f"PRAGMA table_info({table})")]
            kept = [
                name
                for name in columns
                if name not in TIMES and (ids or not (name == "id" or name.endswith("_id")))
            ]
            found[table] = sorted(self.sql(f"SELECT {', '.join(kept)} FROM {table}"), key=repr)
        return found

    def said(self, *, series: str = "%", kind: str = "%") -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Return the numbers of each forecast by (series, cutoff, horizon)."""
        rows = self.sql(
            "SELECT series, cutoff, horizon, target_session, forecast, lo80, hi80, lo95, hi95, "
            "baseline FROM forecast_history WHERE series LIKE ? AND kind LIKE ?",
            series,
            kind,
        )
        return {row[:3]: row[3:] for row in rows}
