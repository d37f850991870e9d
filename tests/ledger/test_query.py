"""SQL of the user's own reads everything and changes nothing."""

from pathlib import Path

import pytest

from forecaster.errors import ConfigError, ForecasterError, LedgerError
from forecaster.ledger import Ledger
from forecaster.ledger.query import read_only_query

from .small import add_series, contents, live, store, worked

HOSTILE = """
ATTACH 'evil.db' AS evil
ATTACH 'file:evil.db?mode=rwc' AS evil
DETACH main
PRAGMA journal_mode = DELETE
PRAGMA user_version = 7
PRAGMA writable_schema = ON
PRAGMA query_only = OFF
INSERT INTO backtest (started_at, horizon, settings, version) VALUES ('2024-01-01', 1, '', '')
UPDATE series SET name = 'z'
DELETE FROM tracker
DELETE FROM tracker RETURNING *
REPLACE INTO tally SELECT * FROM tally
DROP TABLE tally
DROP VIEW accuracy
ALTER TABLE tally ADD COLUMN z INTEGER
CREATE TABLE evil (a INTEGER)
CREATE TEMP TABLE evil (a INTEGER)
CREATE TEMP TABLE evil AS SELECT 1 AS a
CREATE TRIGGER evil AFTER INSERT ON bar BEGIN DELETE FROM tally; END
CREATE INDEX evil ON bar (close)
VACUUM
VACUUM INTO 'evil.db'
REINDEX
ANALYZE
BEGIN IMMEDIATE
COMMIT
COMMIT; DELETE FROM tracker
ROLLBACK; DELETE FROM tracker
SELECT 1; DELETE FROM tracker
SELECT 1; COMMIT; DELETE FROM tracker
SELECT 1; COMMIT; DELETE FROM tracker; BEGIN; SELECT 2
SELECT 1; ROLLBACK; BEGIN READ WRITE; DELETE FROM tracker; COMMIT
WITH gone AS (DELETE FROM tracker RETURNING *) SELECT * FROM gone
WITH x AS (SELECT 1) DELETE FROM tracker
WITH x AS (SELECT 1) INSERT INTO alembic_version SELECT 'z' FROM x
SELECT * INTO evil FROM tracker
SELECT * FROM tracker FOR UPDATE
SELECT load_extension('evil.so')
SELECT writefile('evil.db', 'x')
SELECT fts3_tokenizer('simple', x'00')
CREATE VIRTUAL TABLE evil USING fts5(a)
TRUNCATE tracker
COPY tracker TO PROGRAM 'cat > evil.db'
COPY (SELECT 1) TO '/evil.db'
COPY tracker FROM PROGRAM 'cat evil.db'
SELECT lo_import('/etc/hostname')
SELECT lo_create(0)
SELECT lo_from_bytea(0, 'x')
SELECT nextval('tracker_id_seq')
SELECT setval('tracker_id_seq', 999)
SELECT set_config('transaction_read_only', 'off', false)
SELECT set_config('default_transaction_read_only', 'off', false)
SELECT pg_advisory_lock(1718579813)
SELECT pg_notify('a', 'b')
SET ROLE postgres
SET TRANSACTION READ WRITE
LOCK TABLE tracker
DO $$ BEGIN DELETE FROM tracker; END $$
CALL evil()
EXECUTE evil
PREPARE evil AS DELETE FROM tracker
GRANT ALL ON tracker TO public
CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'DELETE FROM tracker RETURNING 1'
DECLARE c CURSOR WITH HOLD FOR SELECT 1
SELECT query_to_xml('DELETE FROM tracker RETURNING 1', true, false, '')
PRAGMA temp_store_directory = '.'
PRAGMA wal_checkpoint(TRUNCATE)
PRAGMA locking_mode = EXCLUSIVE
PRAGMA optimize
SAVEPOINT evil
RELEASE evil
INSERT INTO sqlite_master VALUES ('table', 'evil', 'evil', 0, '')
UPDATE sqlite_master SET sql = 'evil'
INSERT INTO tally SELECT * FROM tally RETURNING *
CREATE TEMP VIEW evil AS SELECT 1
CREATE TEMP TRIGGER evil AFTER INSERT ON bar BEGIN DELETE FROM tally; END
SELECT * FROM pragma_journal_mode('delete')
SELECT * FROM pragma_writable_schema
SELECT readfile('/etc/passwd')
SELECT edit('a', 'touch evil.db')
SELECT zeroblob(999999999)
SELECT printf('%.*c', 999999999, 'x')
SELECT replace(hex(zeroblob(20000000)), '0', hex(zeroblob(20000000)))
WITH RECURSIVE r(a) AS (VALUES ('xxxx') UNION ALL SELECT a FROM r) SELECT group_concat(a) FROM r
WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r) SELECT n FROM r ORDER BY n
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('PG_VERSION')
SELECT pg_ls_dir('.')
SELECT lo_export(1, '/evil.db')
SELECT lo_unlink(1)
SELECT dblink_exec('dbname=postgres', 'DELETE FROM tracker')
SELECT set_config('statement_timeout', '0', false)
SELECT set_config('session_replication_role', 'replica', false)
SET statement_timeout = 0
RESET ALL
DISCARD ALL
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SELECT pg_advisory_xact_lock(1718579813)
SELECT pg_try_advisory_lock_shared(1718579813, 1)
LISTEN evil
NOTIFY evil, 'x'
SELECT pg_reload_conf()
ALTER SYSTEM SET fsync = off
SELECT pg_switch_wal()
SELECT pg_create_restore_point('evil')
SELECT * FROM tracker FOR SHARE
REFRESH MATERIALIZED VIEW evil
CLUSTER tracker
EXPLAIN ANALYZE DELETE FROM tracker
IMPORT FOREIGN SCHEMA public FROM SERVER evil INTO public
CREATE EXTENSION dblink
SELECT repeat('x', 1000000000)
""".strip().splitlines()


ANSWERED = {
    "sqlite": [
        # Longer than a value may be: SQLite gives NULL in place of it.
        "SELECT printf('%.*c', 999999999, 'x')",
    ],
    # Settings, locks and messages end with the connection, which is of this one question. What is
    # about the server and its files is the right of a superuser, who asks here, and of no other.
    "postgresql": [
        # A setting, of a connection that has no later transaction.
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        # A lock, until the connection ends.
        "SELECT pg_advisory_lock(1718579813)",
        # A message, which is sent only by a commit: there is none.
        "SELECT pg_notify('a', 'b')",
        # The superuser reads files, and writes none.
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        # Settings, of this connection: the clock of its only statement runs already.
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT set_config('session_replication_role', 'replica', false)",
        # Locks, until the transaction or the connection ends.
        "SELECT pg_advisory_xact_lock(1718579813)",
        "SELECT pg_try_advisory_lock_shared(1718579813, 1)",
        # The superuser's: the server reads its own configuration again, or closes a part of its
        # log, or marks a place in it. No row of any database is touched.
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "SELECT pg_create_restore_point('evil')",
    ],
}
"""The statements above that are answered, because they do no harm, or none to the ledger."""


def is_refused(ledger: Ledger, statement: str) -> bool:
    """Say whether a statement was refused, or ended by a limit, demanding one line and a remedy."""
    refused: list[ForecasterError] = []
    try:
        read_only_query(ledger, statement, limit=5, seconds=0.5)
    except ForecasterError as error:
        refused.append(error)
    assert all("\n" not in str(error) and error.remedy for error in refused)
    return bool(refused)


@pytest.fixture
def filled(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a ledger with rows in its tables, in the current folder."""
    monkeypatch.chdir(tmp_path)
    [one] = add_series(ledger, "a")
    for number in range(3):
        store(ledger, live(number), worked(ledger, live(number), one))
    return ledger


def test_hostile_statements_change_nothing(filled: Ledger, dialect: str, tmp_path: Path) -> None:
    """All but a few harmless ones are refused; each row, byte and file is what it was."""
    assert len(HOSTILE) > 100
    path = tmp_path / "ledger.db"
    if path.exists():
        with filled.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
    before = contents(filled)
    bytes_before = path.read_bytes() if path.exists() else b""
    files = sorted(tmp_path.rglob("*"))
    answered = []
    for statement in HOSTILE:
        refused = is_refused(filled, statement)
        assert is_refused(filled, f"{statement};") == refused, statement
        answered += [] if refused else [statement]
        assert contents(filled) == before, statement
        assert sorted(tmp_path.rglob("*")) == files, statement
    assert answered == ANSWERED[dialect]
    assert (path.read_bytes() if path.exists() else b"") == bytes_before
    # Nothing was left that would stop a writer, nor a schema that differs.
    [one] = add_series(filled, "b")
    store(filled, live(0), worked(filled, live(0), one))


def test_writing_is_refused_in_words(filled: Ledger) -> None:
    """Who tries to write is told that `sql` only reads, on the line of a wrong command."""
    for statement in ("DELETE FROM tracker", "DROP TABLE tally", "SELECT 1; DELETE FROM tracker"):
        with pytest.raises(ConfigError, match="`sql` only reads: write one SELECT") as caught:
            read_only_query(filled, statement, limit=5)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "statement",
    [
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM bar a, bar b, bar c, bar d, bar e, bar f, bar g, bar h, bar i",
    ],
)
def test_an_endless_query_stops_in_time(filled: Ledger, statement: str) -> None:
    """A query that would run for ever is stopped, and says what to do."""
    with pytest.raises(LedgerError, match=r"stopped after 0\.2 s") as caught:
        read_only_query(filled, statement, limit=5, seconds=0.2)
    assert caught.value.code == "query_timeout"


def test_a_server_does_not_sleep_for_us(postgresql_ledger: Ledger) -> None:
    """The time limit holds for the whole answer, not for each part of it."""
    for statement in (
        "SELECT pg_sleep(60)",
        "SELECT pg_sleep(0.15) FROM generate_series(1, 1000)",
        "SELECT set_config('statement_timeout', '0', true), pg_sleep(60)",
    ):
        with pytest.raises(LedgerError, match="stopped after"):
            read_only_query(postgresql_ledger, statement, limit=500, seconds=0.3)


def test_a_connection_ended_from_inside_is_one_line(postgresql_ledger: Ledger) -> None:
    """A query that ends its own connection is an error on one line, and the next one works."""
    assert is_refused(postgresql_ledger, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert read_only_query(postgresql_ledger, "SELECT 1", limit=1).rows == ((1,),)


def test_one_value_does_not_fill_the_memory(sqlite_ledger: Ledger) -> None:
    """A value of a gigabyte, which no clock would stop, is refused."""
    for statement in ("SELECT zeroblob(900000000)", "SELECT hex(zeroblob(400000000))"):
        with pytest.raises(ConfigError, match="too big"):
            read_only_query(sqlite_ledger, statement, limit=5)


def test_the_limit_says_whether_it_cut(filled: Ledger) -> None:
    """No more rows than the limit, and `cut` tells of more."""
    statement = "SELECT horizon, forecast FROM forecast_history ORDER BY cutoff, horizon"
    for limit, count, cut in ((5, 5, True), (6, 6, False), (7, 6, False), (1, 1, True)):
        found = read_only_query(filled, statement, limit=limit)
        assert (len(found.rows), found.cut) == (count, cut)
    assert found.columns == ("horizon", "forecast")


ANSWERS = {
    "SELECT 1 AS a;": ((1,),),
    "  SELECT 1 AS a ;  \n": ((1,),),
    "WITH x AS (SELECT 2 AS a) SELECT a FROM x": ((2,),),
    "SELECT '100%' AS a": (("100%",),),
    "SELECT 1 AS a WHERE 'x' LIKE '%(y)s' OR 1 = 1": ((1,),),
    "SELECT ':b' AS a -- why not": ((":b",),),
    "SELECT min(cutoff) AS a FROM forecast_history": (("2024-01-01",),),
    "VALUES (1), (2)": ((1,), (2,)),
    "SELECT sum(n) * 1.0 AS a FROM accuracy": ((3.0,),),
    "SELECT 1 AS a WHERE 1 = 0": (),
}


def test_what_reads_is_answered(filled: Ledger) -> None:
    """One SELECT of any form gives its rows, in values that JSON knows."""
    found = {one: read_only_query(filled, one, limit=10).rows for one in ANSWERS}
    assert found == ANSWERS


def test_an_empty_statement_is_one_line(ledger: Ledger) -> None:
    """No statement is an error that says so."""
    for statement in ("", "   ", ";", " ; \n", "-- nothing"):
        with pytest.raises(ConfigError) as caught:
            read_only_query(ledger, statement, limit=10)
        assert "\n" not in str(caught.value)


def test_a_wrong_statement_is_one_line(ledger: Ledger) -> None:
    """A mistake is told in the database's words, with where the columns are described."""
    for statement in ("SELEC 1", "SELECT nothing FROM nowhere", "SELECT ("):
        with pytest.raises(ConfigError) as caught:
            read_only_query(ledger, statement, limit=10)
        assert "forecast_history" in caught.value.remedy
        assert "\n" not in str(caught.value)


def test_explain_is_answered_or_refused_clearly(ledger: Ledger, dialect: str) -> None:
    """EXPLAIN never ends in a traceback, and explains no change into being."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    before = contents(ledger)
    for harmless in ("EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1"):
        assert is_refused(ledger, harmless) == (dialect == "postgresql"), harmless
    assert is_refused(ledger, "EXPLAIN ANALYZE DELETE FROM tracker")
    assert contents(ledger) == before
