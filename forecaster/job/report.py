"""report: gather what reporters may tell, and let each tell it."""

from collections.abc import Sequence
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
from forecaster.job.past import carry
from forecaster.ledger import Series
from forecaster.ledger.history import read_view
from forecaster.ledger.prices import last_sessions, read_bars, read_series
from forecaster.market import Actions, basis

SESSIONS = 250
"""Of prices shown."""
CUTOFFS = 120
"""Of past forecasts shown."""
DECISIONS = 10

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
    configured = [one.name for one in job.settings.each_series()]
    known = read_series(job.ledger)
    last = last_sessions(job.ledger)
    series = [
        _series_report(job, known[name], last[address])
        for name in configured
        if name in known
        and (address := (known[name].instrument.source, known[name].instrument.symbol)) in last
    ]
    return Report(
        made_at=job.clock(),
        database=job.ledger.place,
        summary=summary,
        series=tuple(series),
        version=__version__,
    )


def _series_report(job: Job, one: Series, last: date) -> SeriesReport:
    bars, actions, _ = read_bars(job.ledger, one.instrument.id, upto=last, count=SESSIONS)
    values = bars.field(one.field)
    ratios = [_ratio(one, actions, session, last) for session in bars.sessions.tolist()]
    mine = {"series": one.name, "source": one.instrument.source, "symbol": one.instrument.symbol,
            "field": one.field}  # fmt: skip
    named = {"series": one.name}
    past = [
        row
        for row in _newest(job, mine | {"kind": ["live", "backfill"]}, CUTOFFS)
        if row["actual"] is not None
    ]
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
            (session.isoformat(), float(value))
            for session, value in zip(bars.sessions.tolist(), values * ratios, strict=True)
            if np.isfinite(value)
        ),
        past=tuple(_in_basis(row, one, actions, last) for row in past),
        coming=tuple(
            _in_basis(row, one, actions, last)
            for row in _rows(job, "latest_forecast", named, ("horizon",))
        ),
        accuracy=_rows(job, "accuracy", named, ("kind", "horizon")),
        calibration=_rows(job, "calibration", named, ("kind", "level", "horizon")),
        decisions=_decisions(job, one.name),
        backtest=tuple(_in_basis(row, one, actions, last) for row in _backtest(job, mine)),
    )


def _rows(
    job: Job, view: str, where: dict[str, Any], order: Sequence[str], limit: int | None = None
) -> tuple[dict[str, Any], ...]:
    return tuple(read_view(job.ledger, view, where=where, order=order, limit=limit).as_dicts())


def _newest(job: Job, where: dict[str, Any], cutoffs: int) -> tuple[dict[str, Any], ...]:
    """Return the forecasts of the newest cutoffs, in order of cutoff and horizon."""
    horizon = max(one.model.horizon for one in job.settings.each_series())
    rows = _rows(job, "forecast_history", where, ("-cutoff", "-horizon"), cutoffs * horizon)
    return rows[::-1]


def _ratio(one: Series, actions: Actions, session: date, last: date) -> float:
    return carry(one.field, origin=basis(actions, session), wanted=basis(actions, last))


def _in_basis(row: dict[str, Any], one: Series, actions: Actions, last: date) -> dict[str, Any]:
    """Return a forecast in the prices of the last session, as the prices beside it are."""
    ratio = _ratio(one, actions, date.fromisoformat(row["cutoff"]), last)
    if ratio == 1.0:
        return row
    return row | {name: row[name] * ratio for name in PRICE_COLUMNS if row.get(name) is not None}


def _decisions(job: Job, name: str) -> tuple[dict[str, Any], ...]:
    where = {"series": name, "kind": ["live", "backfill"]}
    return _rows(job, "decision_history", where, ("-session", "-decision_id"), DECISIONS)


def _backtest(job: Job, mine: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the forecasts of the series' newest finished backtest."""
    name = {"series": mine["series"]}
    newest = _rows(job, "backtest_accuracy", name, ("-backtest_id",), 1)
    if not newest:
        return ()
    runs = _rows(job, "run_history", {"backtest_id": newest[0]["backtest_id"]}, ())
    wanted = mine | {"kind": "backtest", "run_id": [run["run_id"] for run in runs]}
    return _rows(job, "forecast_history", wanted, ("cutoff", "horizon"))
