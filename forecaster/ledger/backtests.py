"""Backtests: rolling-origin evaluations kept apart from what was said live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from forecaster.ledger.door import Ledger, fields
from forecaster.ledger.schema import backtest, backtest_result


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
