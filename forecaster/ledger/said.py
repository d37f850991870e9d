"""What was said on one night for one series, with all that it was made of, to say it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from forecaster.ledger.door import Ledger, of_backtest
from forecaster.ledger.lineage import Decision, ModelVersion
from forecaster.ledger.records import (
    Forecast,
    Instrument,
    Kind,
    Night,
    Series,
)
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
from forecaster.ledger.versions import read_versions


@dataclass(frozen=True)
class Fitted:
    """A stored model version, and where it came from.

    Attributes:
        model: with its parameters.
        kind: of the night that trained it; None for a panel, which no night did.
        session: of that night: with `kind`, what it saw the prices as.
        environment: what its numbers depend on besides the program, as JSON.
    """

    model: ModelVersion
    kind: Kind | None
    session: date | None
    environment: str


@dataclass(frozen=True)
class Said:
    """The forecasts of one series on one night.

    Attributes:
        night: of the run.
        series: as the ledger knows it.
        issued_at: nothing that was first seen later was known.
        ids: of the forecasts.
        forecasts: one for each horizon.
        decision: that led to the model.
        fitted: the model; None for a fallback.
        panel: that the spread is of, if any.
        environment: what numbers depend on besides the program, as JSON.
    """

    night: Night
    series: Series
    issued_at: datetime
    ids: tuple[int, ...]
    forecasts: tuple[Forecast, ...]
    decision: Decision
    fitted: Fitted | None
    panel: Fitted | None
    environment: str


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
            f.series_id, f.kind, f.backtest_id, f.cutoff, f.issued_at, f.model_id, f.panel_id,
            run.c.calendar, series.c.name, series.c.field, program.c.environment,
            *(column.label(f"i_{column.name}") for column in instrument.c),
            *(decision.c[one.name].label(f"d_{one.name}") for one in fields(Decision)),
        )
        .join(run, run.c.id == f.run_id)
        .join(series, series.c.id == f.series_id)
        .join(instrument, instrument.c.id == series.c.instrument_id)
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
            select(f.id, *(f[one.name] for one in fields(Forecast)))
            .where(
                f.series_id == row.series_id, f.kind == row.kind, f.cutoff == row.cutoff,
                of_backtest(f.backtest_id, row.backtest_id),
            )
            .order_by(f.horizon)
        ).fetchall()  # fmt: skip
        ids = {row.model_id, *(one.panel_id for one in rows)} - {None}
        found = _read_fitted(connection, sorted(ids))
    return _said(row, rows, found)


def _read_fitted(connection: Connection, ids: Sequence[int]) -> dict[int, Fitted]:
    m = model_version.c
    origins = connection.execute(
        select(m.id, run.c.kind, run.c.session, program.c.environment)
        .outerjoin(run, run.c.id == m.run_id)
        .join(program, program.c.id == m.program_id)
        .where(m.id.in_(ids))
    )
    models = read_versions(connection, ids)
    return {one[0]: Fitted(models[one[0]], *one[1:]) for one in origins}


def _said(row: Any, rows: Sequence[Any], found: Mapping[int, Fitted]) -> Said:
    quoted = Instrument(
        row.i_id, row.i_source, row.i_symbol, row.i_calendar, row.i_currency, row.i_historical,
        row.i_attribution,
    )  # fmt: skip
    cutoff: date = row.cutoff
    panel_id = next((one.panel_id for one in rows if one.panel_id is not None), None)
    return Said(
        night=Night(row.kind, row.calendar, cutoff, row.backtest_id),
        series=Series(row.series_id, row.name, row.field, False, True, quoted),
        issued_at=row.issued_at,
        ids=tuple(one.id for one in rows),
        forecasts=tuple(
            Forecast(**{part.name: getattr(one, part.name) for part in fields(Forecast)})
            for one in rows
        ),
        decision=Decision(
            **{part.name: getattr(row, f"d_{part.name}") for part in fields(Decision)}
        ),
        fitted=found.get(row.model_id),
        panel=None if panel_id is None else found[panel_id],
        environment=row.environment,
    )
