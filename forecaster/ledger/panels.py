"""Panels: model versions that are trained on all series at once, and belong to none of them."""

from sqlalchemy import select

from forecaster.ledger.door import Ledger, fields, insert_new, of_backtest
from forecaster.ledger.lineage import ModelVersion
from forecaster.ledger.nights import store_program
from forecaster.ledger.records import Stamp
from forecaster.ledger.schema import model_version
from forecaster.ledger.versions import COLUMNS


def store_panel(
    ledger: Ledger, model: ModelVersion, *, backtest_id: int | None, stamp: Stamp
) -> int:
    """Store a panel and return its id.

    Where another program has stored one of the same cutoff and fingerprint meanwhile, that one
    stays, and its id is returned.
    """
    m = model_version.c
    with ledger.writing() as connection:
        row = {
            **fields(model, "id"),
            "series_id": None,
            "run_id": None,
            "backtest_id": backtest_id,
            "program_id": store_program(connection, stamp),
            "created_at": stamp.now,
        }
        insert_new(connection, model_version, [row])
        found = connection.execute(
            select(m.id).where(
                m.series_id.is_(None),
                of_backtest(m.backtest_id, backtest_id),
                m.cutoff == model.cutoff,
                m.fingerprint == model.fingerprint,
            )
        )
        return int(found.scalar_one())


def read_panels(ledger: Ledger, backtest_id: int | None) -> list[ModelVersion]:
    """Return the panels of a backtest, or those of no backtest, by cutoff."""
    m = model_version.c
    query = (
        select(*COLUMNS)
        .where(m.series_id.is_(None), of_backtest(m.backtest_id, backtest_id))
        .order_by(m.cutoff, m.id)
    )
    with ledger.reading() as connection:
        return [ModelVersion(*row) for row in connection.execute(query)]
