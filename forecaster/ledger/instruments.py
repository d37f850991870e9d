"""Instruments and series: what sources quote, and which field of it is forecast."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from forecaster.ledger.door import Ledger, insert_new
from forecaster.ledger.records import Instrument, Series
from forecaster.ledger.schema import instrument, series


def read_instruments(ledger: Ledger) -> dict[tuple[str, str], Instrument]:
    """Return the instruments by (source, symbol)."""
    columns = [instrument.c[one.name] for one in fields(Instrument)]
    with ledger.reading() as connection:
        rows = connection.execute(select(*columns))
        return {(row.source, row.symbol): Instrument(*row) for row in rows}


def read_answers(ledger: Ledger) -> dict[tuple[str, str], str]:
    """Return the mark of each instrument's last answer, by (source, symbol)."""
    i = instrument.c
    query = select(i.source, i.symbol, i.answer).where(i.answer.is_not(None))
    with ledger.reading() as connection:
        return {(row.source, row.symbol): row.answer for row in connection.execute(query)}


def register_series(
    ledger: Ledger, wanted: Sequence[tuple[str, int, str]], *, now: datetime
) -> dict[str, Series]:
    """Return the named series, made where missing.

    A name that now means another instrument or field starts a new series; the old one keeps its
    history and leaves the current views.

    Args:
        ledger: where.
        wanted: (name, instrument id, field) of each.
        now: stored as the time of the change.
    """
    found = read_series(ledger)
    stale = [
        (name, instrument_id, field)
        for name, instrument_id, field in wanted
        if name not in found
        or (found[name].instrument.id, found[name].field) != (instrument_id, field)
    ]
    if stale:
        with ledger.writing() as connection:
            for name, instrument_id, field in stale:
                _make_current(connection, name, instrument_id, field, now)
        found = read_series(ledger)
    return {name: found[name] for name, _, _ in wanted}


def _make_current(
    connection: Connection, name: str, instrument_id: int, field: str, now: datetime
) -> None:
    connection.execute(
        update(series)
        .where(series.c.name == name, series.c.replaced_at.is_(None))
        .values(replaced_at=now)
    )
    row = {"name": name, "instrument_id": instrument_id, "field": field, "paused": False,
           "created_at": now}  # fmt: skip
    insert_new(connection, series, [row])
    connection.execute(
        update(series)
        .where(
            series.c.name == name,
            series.c.instrument_id == instrument_id,
            series.c.field == field,
        )
        .values(replaced_at=None)
    )


def read_series(ledger: Ledger) -> dict[str, Series]:
    """Return the current series by name."""
    with ledger.reading() as connection:
        return {row.name: _series(row) for row in connection.execute(_current_series())}


def _current_series() -> Select[Any]:
    return (
        select(series, *(column.label(f"i_{column.name}") for column in instrument.c))
        .join(instrument)
        .where(series.c.replaced_at.is_(None))
        .order_by(series.c.id)
    )


def _series(row: Row[Any]) -> Series:
    quoted = Instrument(
        row.i_id, row.i_source, row.i_symbol, row.i_calendar, row.i_currency,
        row.i_historical, row.i_attribution,
    )  # fmt: skip
    return Series(row.id, row.name, row.field, row.paused, row.backfilled_at is not None, quoted)


def set_paused(ledger: Ledger, name: str, *, paused: bool) -> bool:
    """Pause or resume a series; return whether there is one of that name."""
    with ledger.writing() as connection:
        changed = connection.execute(
            update(series)
            .where(series.c.name == name, series.c.replaced_at.is_(None))
            .values(paused=paused)
        )
    return bool(changed.rowcount)
