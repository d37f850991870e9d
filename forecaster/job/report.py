"""report: gather what reporters may tell, and let each tell it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from forecaster import __version__
from forecaster.errors import ForecasterError
from forecaster.hooks import Report, Reporter, RunSummary, SeriesReport
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.job.noticed import Noticed, read_noticed
from forecaster.job.past import carry
from forecaster.ledger import Series
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_series
from forecaster.ledger.prices import last_sessions, read_many
from forecaster.market import Actions, Bars, bases, basis

SESSIONS = 250
"""Of prices shown."""
CUTOFFS = 120
"""Of past forecasts shown."""
DECISIONS = 10
CHUNK = 64
"""Series read together."""

SAID = ["live", "backfill"]
NEWEST = ("-cutoff", "-horizon")
TOGETHER = {
    "latest_forecast": ("horizon",),
    "accuracy": ("kind", "horizon"),
    "calibration": ("kind", "level", "horizon"),
    "backtest_accuracy": ("-backtest_id",),
    "skill": ("kind", "horizon"),
    "gate_state": ("head", "horizon"),
}
"""Views with few rows a series, and their order."""

Found = tuple[dict[str, Any], ...]

PRICE_COLUMNS = (
    "forecast", "lo80", "hi80", "lo95", "hi95", "baseline", "actual", "error", "abs_error",
    "baseline_abs_error",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What a reporter wrote, or why it did not."""

    reporter: str
    path: Path | None
    problem: ForecasterError | None = None


def report(
    job: Job, summary: RunSummary | None, *, only: Sequence[str] | None = None
) -> list[Told]:
    """Let the configured reporters, or only those named, tell of the ledger's state."""
    names = list(job.settings.reporters) if only is None else list(only)
    if not names:
        return []
    gathered = gather(job, summary)
    return [_tell(job, name, gathered) for name in names]


def _tell(job: Job, name: str, gathered: Report) -> Told:
    try:
        options = job.settings.reporters.get(name, {})
        made: Reporter = job.registry.reporter(name)(options, job.settings.folder)
        return Told(name, made.report(gathered))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return Told(name, None, foreign(f"reporter {name}", error))


def gather(job: Job, summary: RunSummary | None) -> Report:
    """Return what reporters may tell: plain values, read from the ledger."""
    configured = job.settings.each_series()
    known = read_series(job.ledger)
    last = last_sessions(job.ledger)
    told = [
        (series, last[address])
        for one in configured
        if (series := known.get(one.name))
        and (address := (series.instrument.source, series.instrument.symbol)) in last
    ]
    rows = CUTOFFS * max((one.model.horizon for one in configured), default=1)
    return Report(
        made_at=job.clock(),
        database=job.ledger.place,
        summary=summary,
        series=tuple(
            one
            for start in range(0, len(told), CHUNK)
            for one in _series_reports(job, told[start : start + CHUNK], rows)
        ),
        version=__version__,
    )


def _series_reports(
    job: Job, told: Sequence[tuple[Series, date]], rows: int
) -> Iterator[SeriesReport]:
    """Yield the reports of some series, each with its last session: what can is read together."""
    ids = [one.instrument.id for one, _ in told]
    fields = sorted({one.field for one, _ in told})
    newest = max(last for _, last in told)
    read = read_many(job.ledger, ids, upto=newest, count=SESSIONS, fields=fields)
    names = [one.name for one, _ in told]
    views = {
        view: _by_series(job, view, {"series": names}, order) for view, order in TOGETHER.items()
    }
    coming = [row["forecast_id"] for rows in views["latest_forecast"].values() for row in rows]
    made = {"forecast_id": coming}
    views["forecast_parts"] = _by_series(job, "forecast_parts", made, ("horizon",))
    noticed = read_noticed(job.ledger, [one.instrument for one, _ in told], now=job.clock())
    for one, last in told:
        bars, actions, _ = read[one.instrument.id]
        mine = {view: tuple(found.get(one.name, ())) for view, found in views.items()}
        seen = noticed[one.instrument.source, one.instrument.symbol]
        yield _series_report(job, one, last, Known(bars, actions, mine, seen, rows))


@dataclass(frozen=True, eq=False)
class Known:
    """What was read of a series together with that of others, and how many past rows are told."""

    bars: Bars
    actions: Actions
    views: dict[str, Found]
    noticed: Noticed
    rows: int


def _by_series(
    job: Job, view: str, where: dict[str, Any], order: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(job, view, where, order):
        found[row["series"]].append(row)
    return found


def _series_report(job: Job, one: Series, last: date, known: Known) -> SeriesReport:
    bars, actions = known.bars, known.actions
    sessions, now = bars.sessions, basis(actions, last)
    then = bases(actions, sessions).tolist()
    values = bars.field(one.field) * [carry(one.field, origin=each, wanted=now) for each in then]
    finite = np.isfinite(values)
    mine = {"series": one.name, "source": one.instrument.source, "symbol": one.instrument.symbol,
            "field": one.field}  # fmt: skip
    newest = _rows(job, "forecast_history", mine | {"kind": SAID}, NEWEST, known.rows)[::-1]
    past = [row for row in newest if row["actual"] is not None]
    return SeriesReport(
        name=one.name,
        source=one.instrument.source,
        symbol=one.instrument.symbol,
        field=one.field,
        calendar=one.instrument.calendar,
        currency=one.instrument.currency,
        historical=one.instrument.historical,
        attribution=one.instrument.attribution,
        prices=tuple(
            zip(sessions[finite].astype(str).tolist(), values[finite].tolist(), strict=True)
        ),
        past=tuple(_in_basis(row, one, actions, last) for row in past),
        coming=tuple(_in_basis(row, one, actions, last) for row in known.views["latest_forecast"]),
        accuracy=known.views["accuracy"],
        calibration=known.views["calibration"],
        decisions=_decisions(job, one.name),
        backtest=tuple(
            _in_basis(row, one, actions, last)
            for row in _backtest(job, mine, known.views["backtest_accuracy"])
        ),
        held=known.noticed.held,
        alerts=known.noticed.alerts,
        skill=known.views["skill"],
        parts=tuple(_in_basis(row, one, actions, last) for row in known.views["forecast_parts"]),
        gates=tuple(row for row in known.views["gate_state"] if row["backtest_id"] is None),
    )


def _rows(
    job: Job, view: str, where: dict[str, Any], order: Sequence[str], limit: int | None = None
) -> Found:
    return tuple(read_view(job.ledger, view, where=where, order=order, limit=limit).as_dicts())


def _in_basis(row: dict[str, Any], one: Series, actions: Actions, last: date) -> dict[str, Any]:
    """Return a forecast in the prices of the last session, as the prices beside it are."""
    if not len(actions):
        return row
    said = basis(actions, date.fromisoformat(row["cutoff"]))
    ratio = carry(one.field, origin=said, wanted=basis(actions, last))
    if ratio == 1.0:
        return row
    return row | {name: row[name] * ratio for name in PRICE_COLUMNS if row.get(name) is not None}


def _decisions(job: Job, name: str) -> Found:
    where = {"series": name, "kind": SAID}
    return _rows(job, "decision_history", where, ("-session", "-decision_id"), DECISIONS)


def _backtest(job: Job, mine: dict[str, Any], newest: Found) -> Found:
    """Return the forecasts of the series' newest finished backtest."""
    if not newest:
        return ()
    runs = _rows(job, "run_history", {"backtest_id": newest[0]["backtest_id"]}, ())
    wanted = mine | {"kind": "backtest", "run_id": [run["run_id"] for run in runs]}
    return _rows(job, "forecast_history", wanted, ("cutoff", "horizon"))
