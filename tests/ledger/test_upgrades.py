"""A ledger that an older program made: refused until it is upgraded, and whole after that.

`schema_0001.db.gz` was made by the last program of schema 0001: a run with a backfill of three
sessions and a backtest of three cutoffs, on the prices of tests/cli/prices.py.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import insert, inspect, select

from forecaster.errors import LedgerError
from forecaster.job.calibrate import refeed
from forecaster.ledger import open_ledger
from forecaster.ledger.check import check_ledger
from forecaster.ledger.engine import make_engine, parse_url, writing
from forecaster.ledger.schema import HEAD, instrument, metadata, model_version
from forecaster.ledger.upgrade import alembic_config, look, upgrade

from .killed import failing
from .shapes import shape

OLD = Path(__file__).with_name("schema_0001.db.gz")
Contents = dict[str, list[tuple[Any, ...]]]


class InjectedError(Exception):
    """A failure that no code foresees."""


def columns_at(url: str) -> dict[str, list[str]]:
    """Return the columns that each table of ours has in a database."""
    engine = make_engine(parse_url(url), ours=False)
    looking = inspect(engine)
    there = metadata.tables.keys() & set(looking.get_table_names())
    found = {name: [one["name"] for one in looking.get_columns(name)] for name in there}
    engine.dispose()
    return found


def contents(url: str, columns: dict[str, list[str]]) -> Contents:
    """Return every row of every table, with these columns."""
    engine = make_engine(parse_url(url), ours=False)
    with engine.begin() as connection:
        found = {
            name: sorted(
                (tuple(row) for row in connection.execute(
                    select(*(metadata.tables[name].c[one] for one in names)))), key=str)
            for name, names in columns.items()
        }  # fmt: skip
    engine.dispose()
    return found


def copy_to_postgresql(old: str, url: str) -> None:
    """Make the tables of schema 0001 and fill them with the rows of an SQLite file."""
    columns = columns_at(old)
    rows = contents(old, columns)
    engine = make_engine(parse_url(url))
    with writing(engine) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table in metadata.sorted_tables:
            names = columns.get(table.name, [])
            given = [dict(zip(names, row, strict=True)) for row in rows.get(table.name, [])]
            if given:
                connection.execute(insert(table), given)
    engine.dispose()


@pytest.fixture
def old_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a filled ledger of schema 0001."""
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    if dialect == "sqlite":
        yield f"sqlite:///{path}"
        return
    for url in request.getfixturevalue("postgresql").lend("template0"):
        copy_to_postgresql(f"sqlite:///{path}", url)
        yield url


def test_an_older_ledger_keeps_every_row(old_url: str, from_metadata: Any) -> None:
    """After the upgrade each row is as it was, and the tables are those of a new ledger."""
    columns = columns_at(old_url)
    before = contents(old_url, columns)
    assert {name for name, rows in before.items() if not rows} == {"action"}
    assert upgrade(parse_url(old_url)) == ("0001", HEAD)
    assert contents(old_url, columns) == before
    with open_ledger(old_url) as ledger:
        with ledger.reading() as connection:
            assert shape(connection) == from_metadata
            assert set(connection.scalars(select(model_version.c.restarts))) == {0}
            assert set(connection.scalars(select(instrument.c.answer))) == {None}
        assert not [one for one in check_ledger(ledger, refeed) if not one.ok]


@pytest.mark.parametrize("create", [True, False])
def test_an_older_schema_is_refused(old_url: str, create: bool) -> None:
    """A database of an older program is refused, and the remedy is the command to run."""
    columns = columns_at(old_url)
    before = contents(old_url, columns)
    with pytest.raises(LedgerError, match="has schema 0001, this program needs") as caught:
        open_ledger(old_url, create=create)
    assert (caught.value.code, caught.value.exit_code) == ("old_schema", 1)
    assert "forecaster db upgrade" in caught.value.remedy
    assert (columns_at(old_url), contents(old_url, columns)) == (columns, before)


def test_an_upgrade_that_fails_midway_leaves_the_old_ledger(old_url: str) -> None:
    """A failure before any of its statements changes nothing, and a retry succeeds."""

    def fail() -> None:
        raise InjectedError

    columns = columns_at(old_url)
    before = contents(old_url, columns)
    when = 1
    while True:
        try:
            with failing(when, fail):
                upgrade(parse_url(old_url))
            break
        except InjectedError:
            assert look(parse_url(old_url)) == "0001", when
            assert (columns_at(old_url), contents(old_url, columns)) == (columns, before), when
            when += 1
    assert when > 5
    assert contents(old_url, columns) == before
