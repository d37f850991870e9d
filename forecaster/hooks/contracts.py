"""What sources, reporters and executors promise, and the values they exchange with the program.

An activation is a value and lives in `forecaster.model`; the other kinds are classes that the
program instantiates with the options of their table and the folder of the configuration file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, eq=False)
class Quotes:
    """What a source knows about one symbol.

    Attributes:
        bars: one row a session, ascending; the index holds session dates (a DatetimeIndex without
            a zone, at midnight), the columns are any of open, high, low, close, volume. Prices as
            traded, never adjusted for splits or dividends.
        actions: splits and dividends by session; columns split (2.0 is two for one, 1.0 is none)
            and dividend (currency per share, 0.0 is none).
        calendar: the calendar that the instrument trades on, if the source knows it.
        currency: of the prices, as an ISO code, if the source knows it.
        historical: the data ends in the past, so that the last session counts as today.
        attribution: who to name as the origin of the prices.
    """

    bars: pd.DataFrame
    actions: pd.DataFrame | None = None
    calendar: str | None = None
    currency: str | None = None
    historical: bool = False
    attribution: str = ""


class Source(Protocol):
    """Something that quotes instruments.

    It may have an attribute `requests`, an int: how many requests it has sent so far; without it
    each `fetch` counts as one. One that reads from this machine may have a class attribute
    `local = True`: it is asked at every run, the others only for sessions that are missing.
    """

    name: ClassVar[str]

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        """Take the options of `[plugins.NAME]`; raise ConfigError on an unknown or bad one."""

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return the bars from `start` to `end`, both included; None means as far as there are.

        Raises:
            SourceError: the source could not answer.
            DataError: it answered with something that cannot be used.
        """
        ...


@dataclass(frozen=True)
class RunSummary:
    """What one execution of the job did.

    Attributes:
        kind: of the forecasts made: live, backfill or backtest.
        status: done, degraded, deferred (everything waits), failed or nothing.
        sessions: sessions worked, those of the backfill included.
        seconds: from start to end.
        historical: some series ended in the past.
        problems: one line each: the series, what happened, the remedy.
        requests: that the sources sent.
        alerts: one line each: what was noticed about prices that are used all the same.
    """

    kind: str
    status: str
    sessions: int
    bars_pulled: int
    trained: int
    reused: int
    forecasts: int
    scored: int
    seconds: float
    historical: bool
    problems: tuple[str, ...]
    requests: int = 0
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesReport:
    """What a report can say about one series; rows are dicts with the columns of the SQL views.

    Attributes:
        prices: (session, value) of the last 250 sessions, as traded, on the last one's basis.
        past: rows of `forecast_history` that have an outcome, by cutoff and horizon.
        coming: rows of `latest_forecast`.
        accuracy: this series' rows of `accuracy`.
        calibration: this series' rows of `calibration`.
        decisions: the last 10 rows of `decision_history`.
        backtest: rows of `forecast_history` of the newest backtest; empty if there is none.
        held: rows of `quarantine_history` that are open.
        alerts: rows of `alert_history` of the last 30 days.
        skill: this series' rows of `skill`, with the verdict in words.
        parts: rows of `forecast_parts`, what the coming forecasts are made of.
        gates: this series' rows of `gate_state`, those of backtests left out.
    """

    name: str
    source: str
    symbol: str
    field: str
    calendar: str
    currency: str | None
    historical: bool
    attribution: str
    prices: tuple[tuple[str, float], ...]
    past: tuple[dict[str, Any], ...]
    coming: tuple[dict[str, Any], ...]
    accuracy: tuple[dict[str, Any], ...]
    calibration: tuple[dict[str, Any], ...]
    decisions: tuple[dict[str, Any], ...]
    backtest: tuple[dict[str, Any], ...]
    held: tuple[dict[str, Any], ...] = ()
    alerts: tuple[dict[str, Any], ...] = ()
    skill: tuple[dict[str, Any], ...] = ()
    parts: tuple[dict[str, Any], ...] = ()
    gates: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything a reporter gets: what was done (if anything) and the state of each series."""

    made_at: datetime
    database: str
    summary: RunSummary | None
    series: tuple[SeriesReport, ...]
    version: str


class Reporter(Protocol):
    """Something that tells people what the ledger holds."""

    name: ClassVar[str]

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        """Take the options of `[reporters.NAME]`; raise ConfigError on an unknown or bad one."""

    def report(self, report: Report) -> Path | None:
        """Tell; return what was written, if anything."""
        ...


class Executor(Protocol):
    """Something that runs one function over many items.

    It may have a method `close(self) -> None`, which is called once when all the work is done, also
    when it ended badly or was interrupted: the place to end processes and connections. One whose
    workers are on this machine may have a class attribute `local = True`: then it is given whole
    nights of many series to work, for which they open the database; the others only train.
    """

    name: ClassVar[str]

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        """Take the options of `[plugins.NAME]`; raise ConfigError on an unknown or bad one."""

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield `function(item)` for each item, in the order of the items."""
        ...
