"""Instruments and series: what sources quote, and which field of it is forecast."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from forecaster.errors import ConfigError
from forecaster.ledger.door import Ledger, insert_new
from forecaster.ledger.records import Instrument, Series
from forecaster.ledger.schema import instrument, model_version, series


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


def read_all_series(ledger: Ledger) -> list[Series]:
    """Return all series there ever were, by id."""
    with ledger.reading() as connection:
        return [_series(row) for row in connection.execute(_every_series())]


def _current_series() -> Select[Any]:
    return _every_series().where(series.c.replaced_at.is_(None))


def _every_series() -> Select[Any]:
    columns = (column.label(f"i_{column.name}") for column in instrument.c)
    return select(series, *columns).join(instrument).order_by(series.c.id)


def _series(row: Row[Any]) -> Series:
    quoted = Instrument(
        row.i_id, row.i_source, row.i_symbol, row.i_calendar, row.i_currency,
        row.i_historical, row.i_attribution,
    )  # fmt: skip
    return Series(
        row.id, row.name, row.field, row.paused, row.backfilled_at is not None, quoted,
        row.pinned_model_id,
    )  # fmt: skip


def set_paused(ledger: Ledger, name: str, *, paused: bool) -> bool:
    """Pause or resume a series; return whether there is one of that name."""
    with ledger.writing() as connection:
        changed = connection.execute(
            update(series)
            .where(series.c.name == name, series.c.replaced_at.is_(None))
            .values(paused=paused)
        )
    return bool(changed.rowcount)


def pin(ledger: Ledger, name: str, model_id: int | None) -> bool:
    """Hold a series to one of its model versions, or to none; return whether there is that series.

    Raises:
        ConfigError: there is no such model, or it may not be used: a panel, that of another series
            or of a backtest, or a rejected one.
    """
    m = model_version.c
    with ledger.writing() as connection:
        mine = select(series.c.id).where(series.c.name == name, series.c.replaced_at.is_(None))
        series_id = connection.execute(mine).scalar()
        if series_id is None:
            return False
        if model_id is not None:
            columns = (m.series_id, series.c.name, m.backtest_id, m.status)
            found = select(*columns).outerjoin_from(
                model_version, series, m.series_id == series.c.id
            )
            one = connection.execute(found.where(m.id == model_id)).one_or_none()
            _refuse_unusable(name, series_id, model_id, one)
        pinned = update(series).where(series.c.id == series_id).values(pinned_model_id=model_id)
        connection.execute(pinned)
    return True


def _refuse_unusable(name: str, series_id: int, model_id: int, found: Any) -> None:
    if found is None:
        what, code = f"there is no model {model_id}", "unknown_model"
    elif found.series_id is None:
        what, code = f"model {model_id} is a panel: it belongs to no series", "panel_model"
    elif found.series_id != series_id:
        whose = f"an earlier {name}" if found.name == name else found.name
        what, code = f"model {model_id} is one of {whose}, not of {name}", "foreign_model"
    elif found.backtest_id is not None:
        what, code = f"model {model_id} belongs to a backtest of {name}", "backtest_model"
    elif found.status == "rejected":
        what, code = f"model {model_id} of {name} was rejected: it was no better", "rejected_model"
    else:
        return
    raise ConfigError(what, remedy="`forecaster models list` shows those to choose", code=code)
