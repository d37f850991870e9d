"""Backtests: rolling-origin evaluations kept apart from what was said live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update

from forecaster.ledger.door import Ledger, fields
from forecaster.ledger.schema import backtest, backtest_result, forecast, model_version, score


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest found of one method: of a series, or of all (None), at a horizon, or at all.

    `n` is the number of scored forecasts; a figure is None where it cannot be told. `rel_` is
    relative to the naive forecast, `score` an interval score, `dm` the Diebold-Mariano statistic
    against it with its p value, `worst_quarter` the worst of 63 cutoffs in a row.
    """

    series_id: int | None
    method: str
    horizon: int | None
    n: int
    mae: float | None = None
    rmse: float | None = None
    mase: float | None = None
    rel_mae: float | None = None
    rel_rmse: float | None = None
    pinball: float | None = None
    crps: float | None = None
    score80: float | None = None
    score95: float | None = None
    rel_score80: float | None = None
    rel_score95: float | None = None
    coverage80: float | None = None
    coverage80_lo: float | None = None
    coverage80_hi: float | None = None
    coverage95: float | None = None
    coverage95_lo: float | None = None
    coverage95_hi: float | None = None
    dm: float | None = None
    dm_p: float | None = None
    worst_quarter_rmse: float | None = None
    worst_quarter80: float | None = None
    training_seconds: float | None = None
    inference_seconds: float | None = None


def start_backtest(
    ledger: Ledger, *, horizon: int, settings: str, version: str, now: datetime
) -> int:
    """Return the id of a new backtest."""
    row = {"started_at": now, "horizon": horizon, "settings": settings, "version": version}
    with ledger.writing() as connection:
        query = insert(backtest).values(row).returning(backtest.c.id)
        return int(connection.execute(query).scalar_one())


def unfinished_backtest(ledger: Ledger, *, settings: str, version: str) -> int | None:
    """Return the newest backtest of exactly these settings that was interrupted."""
    with ledger.reading() as connection:
        return connection.execute(
            select(backtest.c.id)
            .where(
                backtest.c.finished_at.is_(None),
                backtest.c.settings == settings,
                backtest.c.version == version,
            )
            .order_by(backtest.c.id.desc())
            .limit(1)
        ).scalar()


def finish_backtest(ledger: Ledger, backtest_id: int, *, now: datetime) -> None:
    """Mark a backtest as complete."""
    with ledger.writing() as connection:
        connection.execute(
            update(backtest).where(backtest.c.id == backtest_id).values(finished_at=now)
        )


def store_results(ledger: Ledger, backtest_id: int, rows: Sequence[BacktestResult]) -> None:
    """Store what a backtest found, in place of what was stored of it before."""
    with ledger.writing() as connection:
        mine = backtest_result.c.backtest_id == backtest_id
        connection.execute(delete(backtest_result).where(mine))
        if rows:
            found = [{**fields(one), "backtest_id": backtest_id} for one in rows]
            connection.execute(insert(backtest_result), found)


class Scored(NamedTuple):
    """A forecast of a backtest and what happened, both in the basis of its cutoff."""

    cutoff: date
    horizon: int
    lo95: float
    lo80: float
    mean: float
    hi80: float
    hi95: float
    actual: float
    basis: float


def read_scored(ledger: Ledger, backtest_id: int, series_id: int) -> list[Scored]:
    """Return the scored forecasts of a series in a backtest, by cutoff and horizon."""
    f = forecast.c
    said = (f.cutoff, f.horizon, f.lo95, f.lo80, f.mean, f.hi80, f.hi95, score.c.actual, f.basis)
    query = (
        select(*said)
        .join(score, score.c.forecast_id == f.id)
        # With the kind, which follows from the rest, the index of the cells is used.
        .where(f.series_id == series_id, f.kind == "backtest", f.backtest_id == backtest_id)
        .order_by(f.cutoff, f.horizon)
    )
    with ledger.reading() as connection:
        return [Scored(*row) for row in connection.execute(query)]


def training_seconds(ledger: Ledger, backtest_id: int) -> dict[int | None, float]:
    """Return what the trainings of a backtest took, by series; under None those of the panel."""
    m = model_version.c
    query = (
        select(m.series_id, func.sum(m.seconds))
        .where(m.backtest_id == backtest_id)
        .group_by(m.series_id)
    )
    with ledger.reading() as connection:
        return {series_id: float(seconds) for series_id, seconds in connection.execute(query)}
