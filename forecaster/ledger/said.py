"""What was said on one night for one series, with all that it was made of, to say it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from forecaster.ledger.door import Ledger
from forecaster.ledger.knowledge import of_backtest
from forecaster.ledger.records import Forecast, Instrument, Night, Series
from forecaster.ledger.schema import (
    decision,
    forecast,
    instrument,
    model_version,
    program,
    run,
    run_series,
    series,
)


@dataclass(frozen=True)
class Said:
    """The forecasts of one series on one night.

    Attributes:
        night: of the run.
        series: as the ledger knows it.
        issued_at: nothing that was first seen later was known.
        forecasts: one for each horizon; `ids` are theirs.
        parameters: of the network, as stored; `settings` shaped it, as JSON.
        intervals: the settings of the spread, as JSON.
        environment: what numbers depend on besides the program, as JSON.
    """

    night: Night
    series: Series
    issued_at: datetime
    ids: tuple[int, ...]
    forecasts: tuple[Forecast, ...]
    parameters: bytes
    settings: str
    intervals: str
    environment: str


FIELDS = (
    "horizon", "target_session", "mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale",
    "quantile80", "quantile95", "basis", "status", "carried",
)  # fmt: skip


def nights_of_run(ledger: Ledger, run_id: int) -> list[int]:
    """Return a forecast's id of each series that a run spoke for."""
    f = forecast.c
    query = select(f.id).where(f.run_id == run_id, f.horizon == 1).order_by(f.id)
    with ledger.reading() as connection:
        return list(connection.scalars(query))


def read_said(ledger: Ledger, forecast_id: int) -> Said | None:
    """Return what was said together with a forecast; None where there is no such forecast."""
    f = forecast.c
    about = (
        select(
            f.series_id, f.kind, f.backtest_id, f.cutoff, f.issued_at,
            run.c.calendar, series.c.name, series.c.field, *(column.label(f"i_{column.name}")
            for column in instrument.c), model_version.c.parameters, model_version.c.settings,
            decision.c.intervals, program.c.environment,
        )
        .join(run, run.c.id == f.run_id)
        .join(series, series.c.id == f.series_id)
        .join(instrument, instrument.c.id == series.c.instrument_id)
        .join(model_version, model_version.c.id == f.model_id)
        .join(decision, (decision.c.run_id == f.run_id) & (decision.c.series_id == f.series_id))
        .join(run_series, (run_series.c.run_id == f.run_id)
              & (run_series.c.series_id == f.series_id))
        .join(program, program.c.id == run_series.c.program_id)
        .where(f.id == forecast_id)
    )  # fmt: skip
    with ledger.reading() as connection:
        row = connection.execute(about).one_or_none()
        if row is None:
            return None
        rows = connection.execute(
            select(f.id, *(f[name] for name in FIELDS))
            .where(
                f.series_id == row.series_id, f.kind == row.kind, f.cutoff == row.cutoff,
                of_backtest(f.backtest_id, row.backtest_id),
            )
            .order_by(f.horizon)
        ).fetchall()  # fmt: skip
    return _said(row, rows)


def _said(row: Any, rows: Sequence[Any]) -> Said:
    quoted = Instrument(
        row.i_id, row.i_source, row.i_symbol, row.i_calendar, row.i_currency, row.i_historical,
        row.i_attribution,
    )  # fmt: skip
    cutoff: date = row.cutoff
    return Said(
        night=Night(row.kind, row.calendar, cutoff, row.backtest_id),
        series=Series(row.series_id, row.name, row.field, False, True, quoted),
        issued_at=row.issued_at,
        ids=tuple(one.id for one in rows),
        forecasts=tuple(Forecast(**{name: getattr(one, name) for name in FIELDS}) for one in rows),
        parameters=row.parameters,
        settings=row.settings,
        intervals=row.intervals,
        environment=row.environment,
    )
