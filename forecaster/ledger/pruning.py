"""Parameters that nothing needs any more: they take room, and may go."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, or_, select, update

from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.schema import forecast, model_version, series


@dataclass(frozen=True)
class Unneeded:
    """A version whose parameters nothing needs; `series` is None for a panel."""

    model_id: int
    series: str | None
    cutoff: date
    bytes: int


def read_unneeded(ledger: Ledger, *, keep: int = 0) -> list[Unneeded]:
    """Return the versions whose parameters may go, by id.

    These are rejected ones. Any other may still be chosen by a night of the past, and one that a
    forecast points to is what the forecast is replayed with.

    Args:
        ledger: where.
        keep: of each series, how many of the newest rejected ones stay.
    """
    with ledger.reading() as connection:
        return _unneeded(connection, keep)


def prune(ledger: Ledger, *, keep: int = 0) -> list[Unneeded]:
    """Take these parameters away, and return whose they were; all else of a version stays."""
    with ledger.writing() as connection:
        found = _unneeded(connection, keep)
        for some in parts([one.model_id for one in found]):
            rows = update(model_version).where(model_version.c.id.in_(some))
            connection.execute(rows.values(parameters=b""))
    return found


def _unneeded(connection: Connection, keep: int) -> list[Unneeded]:
    m = model_version.c
    place = func.row_number().over(
        partition_by=(m.series_id, m.backtest_id), order_by=(m.cutoff.desc(), m.id.desc())
    )
    size = func.length(m.parameters).label("size")
    rejected = (
        select(m.id, m.series_id, m.cutoff, size, place.label("place"))
        .where(m.status == "rejected")
        .subquery()
    )
    r, f, s = rejected.c, forecast.c, series.c
    spoken = select(f.id).where(or_(f.model_id == r.id, f.panel_id == r.id)).exists()
    rows = connection.execute(
        select(r.id, s.name, r.cutoff, r.size)
        .outerjoin_from(rejected, series, s.id == r.series_id)
        .where(r.place > keep, r.size > 0, ~spoken, func.coalesce(s.pinned_model_id, 0) != r.id)
        .order_by(r.id)
    )
    return [Unneeded(*row) for row in rows]
