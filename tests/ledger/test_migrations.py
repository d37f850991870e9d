"""From nothing to the newest schema, whole or not at all, and never past what is known."""

import importlib.resources
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from forecaster.errors import ConfigError, ForecasterError, LedgerError
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.engine import make_engine, parse_url, reading, writing
from forecaster.ledger.revision import alembic_config, known_revisions
from forecaster.ledger.schema import HEAD, metadata
from forecaster.ledger.upgrade import Upgrade, upgrade

from .killed import failing, tables
from .shapes import VIEWS, shape
from .small import add_series, contents, live, store, worked

HERE = Path(__file__).parent

STEP = {"sqlite": 3, "postgresql": 5}
"""Of the statements before which an upgrade fails: each one would take its time."""


class InjectedError(Exception):
    """A failure that no code foresees."""


def test_blank_to_head_equals_the_metadata(ledger: Ledger, from_metadata: Any) -> None:
    """The migrations make the very tables, columns, constraints and indexes the program names."""
    with ledger.reading() as connection:
        migrated = shape(connection)
    assert migrated == from_metadata


def test_the_comparison_sees_one_missing_check(own_ledger: Ledger, from_metadata: Any) -> None:
    """The comparison above fails for a schema that lacks a single constraint."""
    with own_ledger.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP INDEX uq_forecast_cell")
        else:
            connection.exec_driver_sql(
                "ALTER TABLE forecast DROP CONSTRAINT ck_forecast_mean_finite"
            )
        assert shape(connection) != from_metadata


def test_every_table_is_strict(sqlite_ledger: Ledger) -> None:
    """SQLite refuses a value of the wrong type in every table."""
    with sqlite_ledger.reading() as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").mappings().fetchall()
    strict = {row["name"] for row in rows if row["strict"]}
    assert strict == set(metadata.tables)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_every_constraint_has_a_name(ledger: Ledger) -> None:
    """A later migration finds every constraint by its name: batch mode drops those without."""
    with ledger.reading() as connection:
        looking = inspect(connection)
        for table in metadata.tables:
            assert looking.get_pk_constraint(table)["name"]
            for one in (
                *looking.get_check_constraints(table),
                *looking.get_unique_constraints(table),
                *looking.get_foreign_keys(table),
            ):
                name = one["name"] or behind_column(connection, table, one)
                assert re.match(rf"(ck|uq|fk)_{table}_", str(name)), one


def behind_column(connection: Connection, table: str, reference: Any) -> str | None:
    """Return the name of a reference that stands behind its column, which reflection leaves out."""
    query = f"SELECT sql FROM sqlite_master WHERE name = '{table}'"
    sql = connection.exec_driver_sql(query).scalar_one()
    [column] = reference["constrained_columns"]
    found = re.search(rf"\b{column} INTEGER CONSTRAINT (\w+) REFERENCES", sql)
    return found and found[1]


def test_the_views_are_there(ledger: Ledger) -> None:
    """The views of the documentation exist, and no others."""
    with ledger.reading() as connection:
        assert set(inspect(connection).get_view_names()) == VIEWS


def test_head_is_the_newest_script() -> None:
    """The schema the program demands is the one its migrations lead to, in a single line."""
    scripts = ScriptDirectory.from_config(alembic_config())
    assert scripts.get_heads() == [HEAD]
    assert known_revisions()[0] == HEAD


def test_there_is_no_way_down() -> None:
    """The first migration cannot be undone: that would delete every forecast."""
    scripts = ScriptDirectory.from_config(alembic_config())
    assert not hasattr(scripts.get_revision("0001").module, "downgrade")


def test_migrations_are_found_beside_the_package() -> None:
    """The scripts are read from the installed package, wherever the program runs."""
    folder = Path(str(importlib.resources.files("forecaster.migrations")))
    assert (folder / "versions" / "0001_first_schema.py").is_file()


def test_an_upgrade_that_fails_leaves_nothing(blank_url: str, dialect: str) -> None:
    """A failure before any of its statements leaves no table behind, and a retry succeeds."""

    def fail() -> None:
        raise InjectedError

    when = 1
    while True:
        try:
            with failing(when, fail):
                upgrade(parse_url(blank_url))
            break
        except InjectedError:
            assert not tables(blank_url)
            when += STEP[dialect]
    assert when > 40
    assert tables(blank_url)


def test_an_upgrade_that_is_killed_leaves_nothing(blank_url: str, dialect: str) -> None:
    """SIGKILL before a statement or the commit leaves the old schema, and a retry succeeds."""
    step = str(STEP[dialect])
    subprocess.run([sys.executable, HERE / "killed.py", blank_url, step], check=True)
    assert tables(blank_url)


def test_upgrades_at_once_are_one_upgrade(blank_url: str) -> None:
    """Several programs that open a blank database together all get the same whole ledger."""
    subprocess.run([sys.executable, HERE / "writer.py", blank_url, *["upgrade"] * 5], check=True)
    with open_ledger(blank_url) as ledger:
        assert not any(contents(ledger).values())


def test_upgrading_twice_changes_nothing(ledger: Ledger) -> None:
    """An upgrade of a ledger at the newest schema leaves every row."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    before = contents(ledger)
    assert upgrade(ledger.url) == Upgrade(HEAD, HEAD)
    assert contents(ledger) == before


def set_revision(ledger: Ledger, change: str) -> None:
    """Change what the database says of its own schema."""
    with ledger.writing() as connection:
        connection.execute(text(change))


def refusal(url: str, *, create: bool) -> ForecasterError:
    """Return the error that opening raises, demanding that it is one line."""
    with pytest.raises(ForecasterError) as caught:
        open_ledger(url, create=create)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_refused(own_ledger: Ledger, blank_url: str, create: bool) -> None:
    """A database of a newer program is refused, and the remedy is to upgrade the program."""
    set_revision(own_ledger, "UPDATE alembic_version SET version_num = '9999'")
    error = refusal(blank_url, create=create)
    assert (error.code, error.exit_code) == ("newer_schema", 1)
    assert "pip install --upgrade" in error.remedy
    with pytest.raises(LedgerError, match="does not know"):
        upgrade(parse_url(blank_url))


@pytest.mark.parametrize("create", [True, False])
def test_tables_without_a_revision_are_refused(
    own_ledger: Ledger, blank_url: str, create: bool
) -> None:
    """A ledger that lost the note of its schema is neither used nor changed."""
    [one] = add_series(own_ledger, "a")
    store(own_ledger, live(0), worked(own_ledger, live(0), one))
    before = contents(own_ledger)
    set_revision(own_ledger, "DELETE FROM alembic_version")
    error = refusal(blank_url, create=create)
    assert error.code == "unknown_schema"
    assert "backup" in error.remedy
    assert contents(own_ledger) == before


def test_a_missing_database_is_made_only_when_asked(tmp_path: Path) -> None:
    """Reading never makes a database; the error names the command that does."""
    path = tmp_path / "none.db"
    error = refusal(f"sqlite:///{path}", create=False)
    assert error.code == "no_database"
    assert not path.exists()
    open_ledger(f"sqlite:///{path}", create=True).close()
    assert path.exists()


def test_a_blank_server_database_is_refused_by_readers(postgresql: Any) -> None:
    """Reading never makes tables in a database that has none."""
    error = refusal(postgresql.create(), create=False)
    assert error.code == "no_schema"


@pytest.mark.parametrize("create", [True, False])
def test_an_empty_file_is_no_beginning(tmp_path: Path, create: bool) -> None:
    """Nothing of ours is ever empty: what a file of no bytes held is gone, and not in silence."""
    path = tmp_path / "empty.db"
    path.touch()
    error = refusal(f"sqlite:///{path}", create=create)
    assert error.code == "damaged"
    assert "forecaster db restore" in error.remedy
    assert "begin anew" in error.remedy
    assert path.read_bytes() == b""


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_log_without_its_database_is_no_beginning(tmp_path: Path, end: str, create: bool) -> None:
    """SQLite would take it away in silence, with what was stored last."""
    (tmp_path / f"gone.db{end}").write_bytes(b"what was stored last")
    error = refusal(f"sqlite:///{tmp_path / 'gone.db'}", create=create)
    assert error.code == "damaged"
    assert f"gone.db{end}" in error.message
    assert (tmp_path / f"gone.db{end}").read_bytes() == b"what was stored last"


def test_a_lock_or_backup_beside_a_missing_database_hinders_nothing(tmp_path: Path) -> None:
    """Who takes the database away begins anew."""
    for name in ("new.db.run.lock", "new.db.before-0005", "new.db-shm", "new.db-wal"):
        (tmp_path / name).write_bytes(b"" if name.endswith("-wal") else b"x")
    with open_ledger(f"sqlite:///{tmp_path / 'new.db'}", create=True) as ledger:
        assert not any(contents(ledger).values())


def test_a_database_that_lost_its_tables_is_no_beginning(tmp_path: Path) -> None:
    """A first page that says there are no tables, before many pages: damaged, and left alone."""
    path = tmp_path / "ledger.db"
    open_ledger(f"sqlite:///{path}", create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    broken = bytearray(path.read_bytes())
    broken[100:108] = b"\x0d\0\0\0\0\x10\0\0"  # a leaf without a cell
    path.write_bytes(broken)
    error = refusal(f"sqlite:///{path}", create=True)
    assert error.code == "damaged"
    assert path.read_bytes() == bytes(broken)


def test_a_revision_that_is_none_is_damage(own_ledger: Ledger, blank_url: str) -> None:
    """What no program ever wrote is not taken for a newer schema."""
    set_revision(own_ledger, "UPDATE alembic_version SET version_num = '00q4'")
    assert refusal(blank_url, create=True).code == "damaged"


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, create: bool) -> None:
    """Another file is refused, and not one byte of it changes."""
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear Sir or Madam, " * 300)
    before = path.read_bytes()
    error = refusal(f"sqlite:///{path}", create=create)
    assert "not a forecaster database" in error.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_the_database_of_another_program_is_left_alone(blank_url: str, create: bool) -> None:
    """A database that holds other tables gets none of ours."""
    engine = make_engine(parse_url(blank_url))
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE run (letters TEXT)")
    assert isinstance(refusal(blank_url, create=create), LedgerError)
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == ["run"]
    engine.dispose()


@pytest.mark.parametrize("place", ["missing/ledger.db", "file/ledger.db", "folder"])
def test_a_place_that_cannot_hold_a_database_is_refused(tmp_path: Path, place: str) -> None:
    """A missing folder, a file in its place or a folder for the file: one line, nothing made."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    error = refusal(f"sqlite:///{tmp_path / place}", create=True)
    assert isinstance(error, LedgerError)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Without the right to write, the error says so and what to do."""
    tmp_path.chmod(0o500)
    error = refusal(f"sqlite:///{tmp_path / 'ledger.db'}", create=True)
    assert error.code == "unwritable"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The database and the files beside it can be read by nobody else, whatever the umask."""
    before = os.umask(0)
    try:
        with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", create=True) as ledger:
            add_series(ledger, "a")
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["ledger.db", "ledger.db-wal", "ledger.db-shm"], 0o600)


@pytest.mark.parametrize("url", ["nonsense", "", "mysql+nodriver://a/b", "oracle://a"])
def test_a_url_that_is_none_is_a_configuration_error(url: str) -> None:
    """What is no URL, or of a database without a driver, is refused with exit code 2."""
    with pytest.raises(ConfigError) as caught:
        open_ledger(url, create=True)
    assert caught.value.exit_code == 2


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """A PostgreSQL that is not there is an error of one line without the password."""
    error = refusal(f"postgresql://me:secret@/none?host={tmp_path}", create=True)
    assert error.code == "database"
    assert "server runs" in error.remedy
    assert "secret" not in str(error)


def test_a_damaged_ledger_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """A file whose head is overwritten is refused, and no empty ledger takes its place."""
    path = tmp_path / "ledger.db"
    open_ledger(f"sqlite:///{path}", create=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    broken = b"\0" * 100 + path.read_bytes()[100:]
    path.write_bytes(broken)
    error = refusal(f"sqlite:///{path}", create=True)
    assert "backup" in error.remedy
    assert path.read_bytes() == broken


def test_the_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    """Neither reading nor a run touches a database that is not ours."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
        connection.commit()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(LedgerError, match="another program's") as caught:
            open_ledger(f"sqlite:///{path}", create=create)
        assert caught.value.code == "unknown_schema"
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["other.db"]
