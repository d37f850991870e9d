"""intake: prices without a night, pulled from their sources or imported from a file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forecaster.config import SeriesSettings
from forecaster.errors import ConfigError, ForecasterError
from forecaster.hooks import Quotes
from forecaster.job.asking import Pulled
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.job.named import require_for_series
from forecaster.job.pull import Wish, pull
from forecaster.job.run import chosen
from forecaster.job.settle import Standing, settle
from forecaster.job.take import Taken
from forecaster.ledger import Instrument, Rows
from forecaster.ledger.instruments import read_instruments

COLUMNS = (
    "source", "symbol", "outcome", "reason", "new_bars", "revised_bars", "held_bars", "requests",
)  # fmt: skip
FORMATS = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
"""Which source reads a file."""
LATE = ("incomplete", "unknown_closure")
"""Nothing that a file of older bars would have to answer for."""


@dataclass(frozen=True)
class Intake:
    """What became of the prices of each instrument.

    Attributes:
        rows: one for each.
        problems: one line each: whose, and what is in the way.
        alerts: one line each: what was noticed.
    """

    rows: Rows
    problems: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()


def pull_bars(job: Job, names: Sequence[str] = (), *, everything: bool = False) -> Intake:
    """Ask for the prices of the series, whether any are missing or not, and store what is settled.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series.
        everything: ask for the whole history.

    Raises:
        ConfigError: there is no series, or not that one, or its source is unknown.
    """
    wanted = chosen(job, names)
    job.calendars.check()
    for one in wanted:
        require_for_series(job.registry, one)
    standings = settle(job, wanted, pull(job, wanted, Wish(anyway=True, whole=everything)))
    return _intake(standings)


def import_bars(job: Job, path: Path, name: str) -> Intake:
    """Take the bars of a file for the instrument of a series, as if its source had said them.

    Args:
        job: settings, ledger, plugins, clock.
        path: a CSV or Parquet file, of the one symbol or with a column of symbols.
        name: of the series.

    Raises:
        ConfigError: there is no such series or file.
        SourceError: the file cannot be read as prices.
        DataError: likewise.
    """
    wanted = chosen(job, [name])[0]
    job.calendars.check()
    known = read_instruments(job.ledger).get((wanted.source, wanted.symbol))
    quotes = _read(job, path.absolute(), wanted, known)
    address = (wanted.source, wanted.symbol)
    [standing] = settle(job, [wanted], [(address, Pulled(quotes, asked=False))])
    late = standing.problem is not None and standing.problem.code in LATE
    return _intake([replace(standing, problem=None) if late else standing])


def _read(job: Job, path: Path, wanted: SeriesSettings, known: Instrument | None) -> Quotes:
    """Return a file's prices, which say nothing about the instrument if that is known already."""
    if path.suffix.lower() not in FORMATS or not path.is_file():
        why = "is no CSV or Parquet file" if path.is_file() else "is not there"
        raise ConfigError(f"{path} {why}", remedy="name one that ends in .csv or .parquet")
    reader = FORMATS[path.suffix.lower()]
    # Formats that the configuration names are those of the user's files; where they are is not.
    options = {
        key: value
        for key, value in job.settings.plugins.options(reader).items()
        if key not in ("folder", "file", "historical")
    }
    try:
        source = job.registry.source(reader)({**options, "file": str(path)}, path.parent)
        quotes = source.fetch(wanted.symbol, None, None)
    except Exception as error:  # a plugin may raise anything
        raise foreign(f"source {reader}", error) from error
    if known is None:
        return replace(quotes, historical=False)
    return replace(
        quotes,
        calendar=known.calendar,
        currency=known.currency,
        historical=known.historical,
        attribution=known.attribution,
    )


def _intake(standings: Sequence[Standing]) -> Intake:
    rows: dict[tuple[str, str], tuple[str | int, ...]] = {}
    problems: dict[tuple[str, str], str] = {}
    alerts: list[str] = []
    for one in standings:
        address = (one.settings.source, one.settings.symbol)
        if address in rows:
            continue
        rows[address] = _row(address, one.taken, one.problem)
        alerts += one.taken.alerts
        if one.problem:
            problems[address] = f"{address[1]}: {one.problem}"
    return Intake(Rows(COLUMNS, tuple(rows.values())), tuple(problems.values()), tuple(alerts))


def _row(
    address: tuple[str, str], taken: Taken, problem: ForecasterError | None
) -> tuple[str | int, ...]:
    told = taken.pull
    if told is None:
        outcome, reason = (problem.code, str(problem)) if problem else ("ok", "")
        return (*address, outcome, reason, 0, 0, 0, 0)
    counts = (told.new_bars, told.revised_bars, told.held_bars, told.requests)
    return (*address, told.outcome, told.reason, *counts)
