"""Numbers, dates and moments: the same Python values from both databases, and nothing infinite."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from forecaster.errors import LedgerError
from forecaster.ledger import Ledger
from forecaster.ledger.backtests import BacktestResult, start_backtest, store_results
from forecaster.ledger.schema import bar, metadata
from forecaster.ledger.types import Real

from .small import NOW, add_series, contents, day, live, store, worked

BIG = {"sqlite": "9e999", "postgresql": "'Infinity'"}


def add_bar(ledger: Ledger, **changes: Any) -> None:
    """Store a bar by hand."""
    row = {
        "instrument_id": 1, "session": day(20), "revision": 1, "close": 1.0, "first_seen_at": NOW,
    }  # fmt: skip
    with ledger.writing() as connection:
        connection.execute(insert(bar), [row | changes])


@pytest.mark.parametrize(
    "number", [np.float64(2.5), np.float32(2.5), np.float16(2.5), np.longdouble(2.5)]
)
def test_numpy_reals_are_stored_as_numbers(ledger: Ledger, number: Any) -> None:
    """A NumPy scalar comes back as the float it is, not as bytes."""
    add_series(ledger, "a")
    add_bar(ledger, close=number)
    with ledger.reading() as connection:
        found = connection.execute(select(bar.c.close).where(bar.c.session == day(20))).scalar()
    assert (type(found), found) == (float, 2.5)


@pytest.mark.parametrize("number", [np.int64(3), np.int32(3), np.uint8(3)])
def test_numpy_integers_are_stored_as_numbers(ledger: Ledger, number: Any) -> None:
    """A NumPy integer comes back as an int."""
    add_series(ledger, "a")
    add_bar(ledger, revision=number)
    with ledger.reading() as connection:
        found = connection.execute(select(bar.c.revision).where(bar.c.session == day(20))).scalar()
    assert (type(found), found) == (int, 3)


@pytest.mark.parametrize("number", [2.5, 3.0, np.float64(3.0), "3"])
def test_what_is_no_integer_is_not_cut_to_one(ledger: Ledger, number: Any) -> None:
    """A count that is not an integer is a mistake, and is not rounded away."""
    add_series(ledger, "a")
    with pytest.raises(LedgerError, match="cannot be stored"):
        add_bar(ledger, revision=number)


def test_every_stored_value_has_its_columns_storage_class(sqlite_ledger: Ledger) -> None:
    """SQLite holds numbers, text and blobs where the schema says so, never a blob for a number."""
    [one] = add_series(sqlite_ledger, "a")
    for number in range(3):
        store(sqlite_ledger, live(number), worked(sqlite_ledger, live(number), one))
    with sqlite_ledger.reading() as connection:
        for table in metadata.tables.values():
            for column in table.c:
                declared = column.type.compile(connection.dialect).lower()
                query = f"SELECT DISTINCT typeof({column.name}) FROM {table.name}"
                found = set(connection.exec_driver_sql(query).scalars()) - {"null"}
                assert found <= {declared}, f"{table.name}.{column.name}"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, float("nan"), np.float32("inf")])
def test_what_is_not_finite_is_refused(ledger: Ledger, number: float) -> None:
    """NaN and infinities are refused with one line before they reach the database."""
    add_series(ledger, "a")
    with pytest.raises(LedgerError, match="only finite numbers") as caught:
        add_bar(ledger, close=number)
    assert caught.value.code == "nonfinite"
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM bar")).scalar() == 10


def spoiled(table: str, column: str, big: str) -> str:
    """Return a statement that puts a value into one column, all else being right."""
    columns = [known.name for known in metadata.tables[table].c]
    # A forecast can only be added: a copy of one, for another horizon.
    values = [
        {column: big, "horizon": "horizon + 10", "id": "id + 100"}.get(name, name)
        for name in columns
    ]
    if table == "forecast":
        return (
            f"INSERT INTO forecast ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table}"
        )
    return f"UPDATE {table} SET {column} = {big}"


def test_every_real_is_finite_whoever_writes(ledger: Ledger) -> None:
    """An infinity is refused by the database itself, from any program, in any column of numbers."""
    [one] = add_series(ledger, "a")
    for number in range(3):
        store(ledger, live(number), worked(ledger, live(number), one))
    with ledger.writing() as connection:
        acted = {"instrument_id": 1, "session": day(0), "revision": 1, "split": 2.0,
                 "dividend": 0.0, "origin": "told", "first_seen_at": NOW}  # fmt: skip
        connection.execute(insert(metadata.tables["action"]), [acted])
        held = {"instrument_id": 1, "what": "bar", "reason_code": "jump", "reason": "it jumped",
                "first_seen_at": NOW, "last_seen_at": NOW}  # fmt: skip
        connection.execute(insert(metadata.tables["quarantine"]), [held])
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    store_results(ledger, trial, [BacktestResult(None, "naive", None, 0)])
    before = contents(ledger)
    big = BIG[ledger.url.get_backend_name()]
    for table in metadata.tables.values():
        for column in table.c:
            if isinstance(column.type, Real):
                with (
                    pytest.raises(DBAPIError, match=rf"(?i)check.*({column.name}_finite|nested)"),
                    ledger.engine.begin() as connection,
                ):
                    connection.exec_driver_sql(spoiled(table.name, column.name, big))
    assert contents(ledger) == before


def test_sessions_are_iso_text_in_sqlite(sqlite_ledger: Ledger) -> None:
    """A session in SQLite is a text that sorts as dates do."""
    add_series(sqlite_ledger, "a")
    with sqlite_ledger.reading() as connection:
        found = connection.execute(text("SELECT min(session), typeof(session) FROM bar")).one()
    assert tuple(found) == ("2024-01-01", "text")


def test_a_moment_is_no_session(ledger: Ledger) -> None:
    """A timestamp is refused for a session: as text it would equal no date."""
    add_series(ledger, "a")
    with pytest.raises(LedgerError, match="is not a session"):
        add_bar(ledger, session=datetime(2024, 1, 21, tzinfo=UTC))


def test_sessions_and_moments_come_back_as_they_were(ledger: Ledger) -> None:
    """A date is a date again and an instant is aware, in UTC, to the microsecond."""
    add_series(ledger, "a")
    seen = datetime(2024, 7, 1, 1, 30, 0, 7, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    add_bar(ledger, first_seen_at=seen)
    query = select(bar.c.session, bar.c.first_seen_at).where(bar.c.session == day(20))
    with ledger.reading() as connection:
        session, moment = connection.execute(query).one()
    assert (type(session), session) == (date, day(20))
    assert (moment, moment.tzinfo) == (seen, UTC)


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_moments_sort_as_time_does(ledger: Ledger, microsecond: int) -> None:
    """An instant is found by comparison whatever its fraction of a second."""
    add_series(ledger, "a")
    add_bar(ledger, first_seen_at=NOW.replace(microsecond=microsecond))
    for limit, count in ((NOW, int(microsecond == 0)), (NOW + timedelta(seconds=1), 1)):
        query = select(bar).where(bar.c.session == day(20), bar.c.first_seen_at <= limit)
        with ledger.reading() as connection:
            assert len(connection.execute(query).fetchall()) == count
