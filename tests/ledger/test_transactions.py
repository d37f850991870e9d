"""Transactions: durable, whole, one writer at a time, and readers that never wait."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, text

from forecaster.errors import LedgerError
from forecaster.ledger import Ledger, engine
from forecaster.ledger.check import check_ledger
from forecaster.ledger.engine import WRITER_LOCK, make_engine, writing
from forecaster.ledger.schema import awaiting, backtest, forecast

from .small import NOW, add_series, contents, live, relearn, store, worked

WANTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 30000,
    "trusted_schema": 0,
    "journal_size_limit": 67108864,
    "cell_size_check": 1,
    "wal_autocheckpoint": 0,
}
A_BACKTEST = {"started_at": NOW, "horizon": 1, "settings": "{}", "version": "1"}


def test_every_connection_has_the_settings(sqlite_ledger: Ledger) -> None:
    """Each connection of the pool, and each one after a reconnect, reads its settings back."""
    for _ in range(2):
        with sqlite_ledger.reading() as first, sqlite_ledger.reading() as second:
            for connection in (first, second):
                found = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in WANTED
                }
                assert found == WANTED
        sqlite_ledger.engine.dispose()


def test_the_wal_stays_short(sqlite_ledger: Ledger) -> None:
    """However much is written, the log is written back from time to time, and at once if asked."""
    wal = Path(f"{sqlite_ledger.url.database}-wal")
    sizes = []
    with sqlite_ledger.reading() as reader:
        reader.execute(select(func.count()).select_from(backtest)).scalar()
        for _ in range(3):
            with sqlite_ledger.writing() as connection:
                connection.execute(insert(backtest), [A_BACKTEST | {"settings": "x" * 2_000_000}])
    for _ in range(12):
        with sqlite_ledger.writing() as connection:
            connection.execute(insert(backtest), [A_BACKTEST | {"settings": "x" * 2_000_000}])
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 16 << 20
    assert 0 in sizes
    sqlite_ledger.checkpoint()
    assert wal.stat().st_size == 0
    with sqlite_ledger.reading() as connection:
        assert connection.execute(select(func.count()).select_from(backtest)).scalar() == 15


def test_a_reader_of_an_old_state_stops_no_writer(
    sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads on, the log only grows; each commit is stored nevertheless."""
    monkeypatch.setattr("forecaster.ledger.wal.BRIEF", 10)
    with sqlite_ledger.reading() as reader:
        reader.execute(select(func.count()).select_from(backtest)).scalar()
        for _ in range(4):
            with sqlite_ledger.writing() as connection:
                connection.execute(insert(backtest), [A_BACKTEST | {"settings": "x" * 2_000_000}])
    with sqlite_ledger.reading() as connection:
        assert connection.execute(select(func.count()).select_from(backtest)).scalar() == 4


def test_a_database_held_by_another_program_is_one_line(
    sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds it too long is told of; nothing is lost, and the next try works."""
    brief = tuple(one.replace("30000", "100") for one in engine.PRAGMAS)
    monkeypatch.setattr(engine, "PRAGMAS", brief)
    add_series(sqlite_ledger, "a")
    before = contents(sqlite_ledger)
    for kind in ("IMMEDIATE", "EXCLUSIVE"):
        other = sqlite3.connect(str(sqlite_ledger.url.database), isolation_level=None)
        other.execute(f"BEGIN {kind}")
        sqlite_ledger.close()  # the next connection has the brief patience
        with pytest.raises(LedgerError, match="database is locked") as caught:
            add_series(sqlite_ledger, "b")
        assert "\n" not in str(caught.value)
        assert "end it and run again" in caught.value.remedy
        assert contents(sqlite_ledger) == before
        other.close()
    add_series(sqlite_ledger, "b")


def test_migrations_run_without_foreign_keys(sqlite_ledger: Ledger) -> None:
    """The engine of migrations lets a parent table be rebuilt without emptying its children."""
    engine = make_engine(sqlite_ledger.url, foreign_keys=False)
    with writing(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
    engine.dispose()


def test_a_writer_locks_before_it_reads(ledger: Ledger) -> None:
    """A writing transaction is the only one from its start, not from its first change."""
    with ledger.writing() as connection:
        if connection.dialect.name == "sqlite":
            other = sqlite3.connect(str(ledger.url.database), timeout=0)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.close()
        else:
            with ledger.reading() as reader:
                query = text(f"SELECT pg_try_advisory_xact_lock({WRITER_LOCK})")
                assert reader.execute(query).scalar() is False


def test_readers_never_wait_for_a_writer(ledger: Ledger) -> None:
    """While a writer has unfinished changes, a reader sees the state before them at once."""
    add_series(ledger, "a")
    before = contents(ledger)
    with ledger.writing() as connection:
        connection.execute(insert(backtest), [A_BACKTEST])
        assert contents(ledger) == before
    assert contents(ledger) != before


def test_a_reader_sees_one_state(ledger: Ledger) -> None:
    """What is committed while a reader reads is not seen by its later statements."""
    count = select(func.count()).select_from(backtest)
    with ledger.reading() as reader:
        assert reader.execute(count).scalar() == 0
        with ledger.writing() as connection:
            connection.execute(insert(backtest), [A_BACKTEST])
        assert reader.execute(count).scalar() == 0
    with ledger.reading() as reader:
        assert reader.execute(count).scalar() == 1


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    """Whatever is raised inside a writing transaction, none of it is stored."""
    before = contents(ledger)

    def interrupted() -> None:
        with ledger.writing() as connection:
            connection.execute(insert(backtest), [A_BACKTEST])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(ledger) == before


def test_a_database_error_is_one_line(ledger: Ledger) -> None:
    """What the database refuses is told on one line, without SQL or values."""
    with pytest.raises(LedgerError) as caught, ledger.writing() as connection:
        connection.execute(insert(forecast), [{"run_id": 1, "kind": "secret"}])
    assert "\n" not in str(caught.value)
    assert "INSERT" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_row_without_its_parent_is_refused(ledger: Ledger) -> None:
    """Foreign keys hold on both databases."""
    row = {"forecast_id": 77, "series_id": 1, "target_session": NOW.date()}
    with pytest.raises(LedgerError, match=r"(?i)foreign key"), ledger.writing() as connection:
        connection.execute(insert(awaiting), [row])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE forecast SET mean = 1",
        "UPDATE forecast SET mean = mean WHERE id = 1",
        "DELETE FROM forecast",
        "DELETE FROM forecast WHERE id = 1",
    ],
)
def test_a_forecast_is_never_changed(ledger: Ledger, change: str) -> None:
    """UPDATE and DELETE on a forecast are refused by the database itself."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    with ledger.writing() as connection:
        connection.execute(delete(awaiting))  # nothing refers to the forecasts any more
    before = contents(ledger)
    with pytest.raises(LedgerError, match="append-only"), ledger.writing() as connection:
        connection.execute(text(change))
    assert contents(ledger) == before


def test_a_forecast_is_never_replaced(sqlite_ledger: Ledger) -> None:
    """REPLACE from a program that ignores foreign keys is refused by the file itself."""
    [one] = add_series(sqlite_ledger, "a")
    store(sqlite_ledger, live(0), worked(sqlite_ledger, live(0), one))
    before = contents(sqlite_ledger)
    columns = [column.name for column in forecast.c]
    values = {"mean": "mean - 0.5"}
    by_id = ", ".join(values.get(name, name) for name in columns)
    by_cell = ", ".join({**values, "id": "id + 100"}.get(name, name) for name in columns)
    foreign = sqlite3.connect(str(sqlite_ledger.url.database))
    for copied in (by_id, by_cell):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            foreign.execute(f"REPLACE INTO forecast SELECT {copied} FROM forecast")
    foreign.close()
    assert contents(sqlite_ledger) == before


def test_forecasts_are_never_truncated(postgresql_ledger: Ledger) -> None:
    """TRUNCATE, which fires no row's trigger, is refused as well."""
    [one] = add_series(postgresql_ledger, "a")
    store(postgresql_ledger, live(0), worked(postgresql_ledger, live(0), one))
    before = contents(postgresql_ledger)
    with (
        pytest.raises(LedgerError, match="append-only"),
        postgresql_ledger.writing() as connection,
    ):
        connection.execute(text("TRUNCATE forecast CASCADE"))
    assert contents(postgresql_ledger) == before


def test_a_cell_holds_one_forecast(ledger: Ledger) -> None:
    """A second forecast for a stored cell is refused by the database."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    with ledger.reading() as connection:
        row = dict(connection.execute(select(forecast)).mappings().first() or {})
    with pytest.raises(LedgerError, match=r"(?i)unique"), ledger.writing() as connection:
        connection.execute(insert(forecast), [row | {"id": 99}])


TASKS = {
    "the same nights": ["live:0", "live:0", "live:0"],
    "the same sessions as live and as backfill": ["live:0", "backfill:0"],
    "different nights": ["live:0", "live:4", "backfill:2", "live:7"],
}


@pytest.mark.parametrize("tasks", TASKS)
def test_programs_at_once_lose_nothing_and_store_nothing_twice(
    ledger: Ledger, url: str, tasks: str
) -> None:
    """Programs that work at the same time never lock each other out, and each cell is made once."""
    add_series(ledger, "a", "b", "c")
    script = Path(__file__).with_name("writer.py")
    subprocess.run([sys.executable, script, url, *TASKS[tasks]], check=True)
    firsts = [int(task.partition(":")[2]) for task in TASKS[tasks]]
    nights = {first + k for first in firsts for k in range(6)}
    with ledger.reading() as connection:
        cells = connection.execute(
            select(forecast.c.series_id, forecast.c.cutoff, forecast.c.horizon)
        ).fetchall()
    assert len(cells) == len(set(cells)) == len(nights) * 3 * 2
    assert [one for one in check_ledger(ledger, relearn) if not one.ok] == []
