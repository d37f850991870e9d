"""Backtests: rolling-origin evaluations kept apart from what was said live."""

from datetime import datetime

from sqlalchemy import insert, select, update

from forecaster.ledger.door import Ledger
from forecaster.ledger.schema import backtest


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
