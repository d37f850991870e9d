"""A ledger that an older program made: refused until it is upgraded, and whole after that.

`schema_0001.db.gz` was made by the last program of schema 0001: a run with a backfill of three
sessions and a backtest of three cutoffs, on the prices of tests/cli/prices.py. So was
`schema_0002.db.gz` by the last one of 0002, with a second instrument that was split once, paid two
dividends and had one close revised, and a last night on which its source failed. And
`schema_0003.db.gz` by the last one of 0003: two series of the sample, one split, four sessions of
backfill, a night that came late, live nights, the last one with a bar held, and a backtest of four
cutoffs. `schema_0004.db.gz` by the last one of 0004: two series with panels, a split, rejected
models, a pinned one, a session that is missing, a night without its file, a held bar, a backtest.
"""

import gzip
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic import command
from sqlalchemy import column, insert, inspect, select

from forecaster.errors import LedgerError
from forecaster.job.learn import relearn
from forecaster.ledger import Night, open_ledger
from forecaster.ledger.check import check_ledger
from forecaster.ledger.engine import make_engine, parse_url, writing
from forecaster.ledger.history import read_view
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.lessons import taught
from forecaster.ledger.prices import read_bars
from forecaster.ledger.revision import alembic_config, look
from forecaster.ledger.schema import HEAD, forecast, instrument, metadata, model_version
from forecaster.ledger.upgrade import upgrade

from .killed import failing
from .shapes import VIEWS, shape

EMPTY = {"0001": {"action"}, "0002": set(), "0003": {"alert"}, "0004": set()}
"""The tables without a row in the ledger of each older schema."""

STEP = {"sqlite": 3, "postgresql": 9}
"""Of the statements before which an upgrade fails: each one would take its time."""

NOW = datetime(2030, 1, 1, tzinfo=UTC)

NEW = {"gate_state", "backtest_result_history"}
"""Views of what no older program has done."""

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


def copy_to_postgresql(old: str, url: str, schema: str) -> None:
    """Make the tables of an older schema and fill them with the rows of an SQLite file."""
    columns = columns_at(old)
    rows = contents(old, columns)
    engine = make_engine(parse_url(url))
    with writing(engine) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, schema)
        # A series refers to the model that is pinned, which refers to the series.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in metadata.sorted_tables:
            names = columns.get(table.name, [])
            given = [dict(zip(names, row, strict=True)) for row in rows.get(table.name, [])]
            if given:
                # The table as it was then: today's has a key that is longer.
                then = sqlalchemy.table(
                    table.name, *(column(one, table.c[one].type) for one in names)
                )
                connection.execute(insert(then), given)
    engine.dispose()


def unpacked(schema: str, folder: Path) -> Path:
    """Return a copy of the SQLite file that a program of an older schema made."""
    packed = Path(__file__).with_name(f"schema_{schema}.db.gz")
    path = folder / "old.db"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@pytest.fixture(params=sorted(EMPTY))
def schema(request: pytest.FixtureRequest) -> str:
    """Name an older schema."""
    return str(request.param)


@pytest.fixture
def old_url(
    dialect: str, schema: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Return the URL of a filled ledger of an older schema."""
    path = unpacked(schema, tmp_path)
    if dialect == "sqlite":
        yield f"sqlite:///{path}"
        return
    for url in request.getfixturevalue("postgresql").lend("template0"):
        copy_to_postgresql(f"sqlite:///{path}", url, schema)
        yield url


def test_an_older_ledger_keeps_every_row(old_url: str, schema: str, from_metadata: Any) -> None:
    """After the upgrade each row is as it was, and the tables are those of a new ledger."""
    columns = columns_at(old_url)
    before = contents(old_url, columns)
    assert {name for name, rows in before.items() if not rows} == EMPTY[schema]
    done = upgrade(parse_url(old_url))
    assert (done.before, done.after) == (schema, HEAD)
    assert contents(old_url, columns) == before
    with open_ledger(old_url) as ledger:
        with ledger.reading() as connection:
            assert shape(connection) == from_metadata
            assert set(connection.scalars(select(model_version.c.restarts))) == {0}
            marks = set(connection.scalars(select(instrument.c.answer)))
            assert (marks == {None}) == (schema == "0001")
            assert set(connection.scalars(select(forecast.c.carried))) == {0}
            if schema < "0004":
                assert set(connection.scalars(select(forecast.c.spread))) == {"ewma"}
                assert set(connection.scalars(select(forecast.c.gate_weight))) == {1.0}
                assert set(connection.scalars(select(model_version.c.status))) == {"accepted"}
        assert not [one for one in check_ledger(ledger, relearn) if not one.ok]


@pytest.mark.parametrize("create", [True, False])
def test_an_older_schema_is_refused(old_url: str, schema: str, create: bool) -> None:
    """A database of an older program is refused, and the remedy is the command to run."""
    columns = columns_at(old_url)
    before = contents(old_url, columns)
    with pytest.raises(LedgerError, match=f"has schema {schema}, this program needs") as caught:
        open_ledger(old_url, create=create)
    assert (caught.value.code, caught.value.exit_code) == ("old_schema", 1)
    assert "forecaster db upgrade" in caught.value.remedy
    assert (columns_at(old_url), contents(old_url, columns)) == (columns, before)


def test_an_upgrade_that_fails_midway_leaves_the_old_ledger(
    old_url: str, schema: str, dialect: str
) -> None:
    """A failure before any of its statements changes nothing, and a retry succeeds."""

    def fail() -> None:
        raise InjectedError

    columns = columns_at(old_url)
    before = contents(old_url, columns)
    when = int(schema)  # each schema fails at others of the statements they share
    while True:
        try:
            with failing(when, fail):
                upgrade(parse_url(old_url))
            break
        except InjectedError:
            assert look(parse_url(old_url)) == schema, when
            assert (columns_at(old_url), contents(old_url, columns)) == (columns, before), when
            when += STEP[dialect]
    assert when > 25
    assert contents(old_url, columns) == before


@pytest.mark.parametrize("schema", ["0002"], indirect=True)
def test_actions_become_first_revisions_that_were_told(old_url: str) -> None:
    """Each action counts as before, said once and by its source, at the time it was stored."""
    before = contents(old_url, {"action": columns_at(old_url)["action"]})["action"]
    upgrade(parse_url(old_url))
    columns = ["instrument_id", "session", "split", "dividend", "first_seen_at"]
    after = contents(old_url, {"action": [*columns, "revision", "origin"]})["action"]
    assert len(before) == 3
    assert after == [(*row, 1, "told") for row in before]
    with open_ledger(old_url) as ledger:
        bars, acted, late = read_bars(ledger, 2, upto=date.max, count=999)
        assert [str(day) for day in acted.sessions] == ["2024-02-12", "2024-03-25", "2024-04-15"]
        assert (acted.splits.tolist(), acted.dividends.tolist()) == ([1, 2, 1], [0.5, 0, 0.25])
        assert len(bars) == 85
        assert late  # the close that was revised
        assert not read_bars(ledger, 2, upto=date(2024, 4, 23), count=999)[2]
        history = read_view(ledger, "action_history").as_dicts()
        assert {(row["symbol"], row["revision"], row["origin"]) for row in history} == {
            ("SPLIT", 1, "told")
        }


@pytest.mark.parametrize("schema", ["0002"], indirect=True)
def test_every_view_answers_after_an_upgrade(old_url: str) -> None:
    """Whoever reads the views finds the old nights, and nothing held that never was."""
    upgrade(parse_url(old_url))
    with open_ledger(old_url) as ledger:
        found = {name: read_view(ledger, name).as_dicts() for name in VIEWS}
    nothing = {"alert_history", "pull_history", "quarantine_history"} | NEW
    assert {name for name, rows in found.items() if not rows} == nothing
    assert {row["state"] for row in found["run_history"]} == {"done"}
    assert {row["carried"] for row in found["forecast_inputs"]} == {0}
    assert [row["revision"] for row in found["bar_history"] if row["revision"] > 1] == [2]


@pytest.mark.parametrize("schema", ["0003"], indirect=True)
def test_what_is_missing_is_made_of_the_scores(old_url: str) -> None:
    """Coverage of trackers and gains of sums are as if they had been kept from the first night."""
    upgrade(parse_url(old_url))
    with open_ledger(old_url) as ledger:
        trackers = read_view(ledger, "tracker_state").as_dicts()
        history = read_view(ledger, "forecast_history", order=("cutoff",)).as_dicts()
        found = read_view(ledger, "skill").as_dicts()
        parts = {one["forecast_id"]: one for one in read_view(ledger, "forecast_parts").as_dicts()}
    assert {one["coverage"] for one in trackers} - {0.80, 0.95}
    for one in found:
        cell = ("series", "kind", "horizon")
        scored = [
            row
            for row in history
            if row["scored_at"] and all(row[name] == one[name] for name in cell)
        ]
        gains = [
            (row["baseline_abs_error"] ** 2 - row["error"] ** 2) / (row["hi80"] - row["lo80"]) ** 2
            for row in scored
        ]
        assert len(gains) == one["n"]
        noise = math.sqrt(one["horizon"] * sum(gain * gain for gain in gains))
        assert one["t"] == pytest.approx(sum(gains) / noise)
    assert any(one["t"] for one in found)
    late = [row for row in history if row["scored_at"] and parts[row["forecast_id"]]["eta"] is None]
    assert len(late) == 2


@pytest.mark.parametrize("schema", ["0003"], indirect=True)
def test_nights_go_on_after_an_upgrade(old_url: str) -> None:
    """What waits, what was learned and the model are known; no forecast says what it is made of."""
    upgrade(parse_url(old_url))
    with open_ledger(old_url) as ledger:
        known = read_knowledge(ledger, [1, 2], Night("live", "XNYS", date(2026, 11, 30)))
        for one in known.values():
            assert {it.unit for it in one.pending} == {None}
            assert {(it.horizon, it.level) for it in one.trackers} == {
                (1, 0.80), (1, 0.95), (2, 0.80), (2, 0.95)
            }  # fmt: skip
            assert one.gates == ()
            assert one.model
            assert one.attempt == (one.model.cutoff, one.model.fingerprint)
            assert not one.pinned
        # What a later session knows can be learned again from what was scored.
        lessons = taught(ledger, 1, Night("live", "XNYS", date(2026, 11, 30)), known_by=NOW)
        fed = [(lesson, eta) for lesson, eta in lessons if eta is not None]
        assert set(relearn(fed)[0]) == set(known[1].trackers)
