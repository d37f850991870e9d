"""Backups are whole, restores keep what was there, and neither ever takes a file in silence."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from forecaster.errors import LedgerError
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.backup import back_up, back_up_before
from forecaster.ledger.claim import claim
from forecaster.ledger.engine import parse_url
from forecaster.ledger.restore import restore
from forecaster.ledger.schema import HEAD, backtest
from forecaster.ledger.upgrade import upgrade
from forecaster.ledger.vacuum import vacuum

from .small import add_series, contents, live, store, worked
from .test_transactions import A_BACKTEST
from .test_upgrades import columns_at, unpacked
from .test_upgrades import contents as rows_at

NOW = datetime(2026, 11, 23, 6, 54, tzinfo=UTC)


def url_of(path: Path) -> Any:
    """Return the URL of a file."""
    return parse_url(f"sqlite:///{path}")


def refusal(act: Any, *args: Any, **more: Any) -> LedgerError:
    """Return the error that a call raises, demanding one line and a remedy."""
    with pytest.raises(LedgerError) as caught:
        act(*args, **more)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def filled(sqlite_ledger: Ledger) -> Iterator[Ledger]:
    """Return a ledger with rows, the last of them still in the WAL."""
    [one] = add_series(sqlite_ledger, "a")
    for number in range(3):
        store(sqlite_ledger, live(number), worked(sqlite_ledger, live(number), one))
    assert Path(f"{sqlite_ledger.url.database}-wal").stat().st_size
    return sqlite_ledger


def test_a_backup_is_one_whole_file(filled: Ledger, tmp_path: Path) -> None:
    """It holds what was committed, needs no other file, and is its owner's alone."""
    target = tmp_path / "copies" / "one.db"
    target.parent.mkdir()
    umask = os.umask(0)
    try:
        made = back_up(filled.url, target)
    finally:
        os.umask(umask)
    assert (made.schema, made.bytes) == (HEAD, target.stat().st_size)
    assert [one.name for one in target.parent.iterdir()] == ["one.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    before = contents(filled)
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with open_ledger(f"sqlite:///{target}") as copied:
        assert contents(copied) == before


def test_a_backup_is_of_one_moment(filled: Ledger, tmp_path: Path) -> None:
    """While another writes two rows at a time, no copy ever holds only one of them."""
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            with filled.writing() as connection:
                connection.execute(insert(backtest), [A_BACKTEST])
                connection.execute(insert(backtest), [A_BACKTEST])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for k in range(10):
            back_up(filled.url, tmp_path / f"{k}.db")
    finally:
        done.set()
        writer.join()
    counts = []
    for k in range(10):
        with closing(sqlite3.connect(tmp_path / f"{k}.db")) as connection:
            counts += connection.execute("SELECT count(*) FROM backtest").fetchone()
    assert {count % 2 for count in counts} == {0}
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_file_is_overwritten_only_when_told(filled: Ledger, tmp_path: Path) -> None:
    """An existing file stays to the byte; the database itself is never the target."""
    target = tmp_path / "one.db"
    target.write_text("precious")
    assert "--force" in refusal(back_up, filled.url, target).remedy
    assert target.read_text() == "precious"
    back_up(filled.url, target, replace=True)
    assert target.read_bytes().startswith(b"SQLite format 3")
    itself = Path(str(filled.url.database))
    assert "itself" in str(refusal(back_up, filled.url, itself, replace=True))
    assert "folder" in str(refusal(back_up, filled.url, tmp_path, replace=True))
    assert refusal(back_up, filled.url, tmp_path / "none" / "x.db").code == "unwritable"


def test_what_a_killed_backup_left_is_written_anew(filled: Ledger, tmp_path: Path) -> None:
    """Half a file of an earlier attempt neither hinders nor gets into the next one."""
    target = tmp_path / "one.db"
    for name in ("one.db.partial", "one.db.partial-journal"):
        (tmp_path / name).write_bytes(b"half" * 5000)
    back_up(filled.url, target)
    assert not [one for one in tmp_path.iterdir() if "partial" in one.name]
    with open_ledger(f"sqlite:///{target}") as copied:
        assert contents(copied) == contents(filled)


def test_a_damaged_database_is_not_backed_up(filled: Ledger, tmp_path: Path) -> None:
    """Of what is not whole there is no copy that looks as if it were."""
    filled.close()
    path = Path(str(filled.url.database))
    smashed = bytearray(path.read_bytes())
    for place in range(5 * 4096, 9 * 4096, 64):
        smashed[place] ^= 0xFF
    path.write_bytes(smashed)
    error = refusal(back_up, filled.url, tmp_path / "one.db")
    assert error.code == "damaged"
    assert not (tmp_path / "one.db").exists()


def test_a_server_is_backed_up_by_its_own_tools() -> None:
    """For PostgreSQL the exact command is named, without the password."""
    url = parse_url("postgresql://me:secret@host:5433/mine")
    for act, command in (
        (lambda: back_up(url, Path("a.dump")), "pg_dump --format=custom --file=a.dump"),
        (lambda: restore(url, Path("a.dump"), now=NOW), "pg_restore --clean"),
    ):
        error = refusal(act)
        assert command in error.remedy
        assert "'postgresql://me@host:5433/mine'" in error.remedy
        assert "secret" not in str(error)


def test_a_restore_brings_back_what_was_copied(filled: Ledger, tmp_path: Path) -> None:
    """The database is as it was; what was there since stays beside it, whole, in one file."""
    saved = contents(filled)
    back_up(filled.url, tmp_path / "one.db")
    add_series(filled, "b")
    since = contents(filled)
    filled.close()
    done = restore(filled.url, tmp_path / "one.db", now=NOW)
    assert (done.path, done.schema) == (Path(str(filled.url.database)), HEAD)
    assert done.aside
    assert done.aside.name == "only.db.replaced-20261123T065400Z"
    assert done.path.stat().st_mode & 0o777 == 0o600
    assert contents(filled) == saved
    with open_ledger(f"sqlite:///{done.aside}") as before:
        assert contents(before) == since
    filled.close()
    again = restore(filled.url, done.aside, now=NOW)
    assert again.aside
    assert again.aside.name == "only.db.replaced-20261123T065400Z-2"
    assert contents(filled) == since


@pytest.mark.parametrize(
    "damage", ["smashed", "truncated", "empty", "another program's", "missing"]
)
def test_a_damaged_database_does_not_hinder_a_restore(
    filled: Ledger, tmp_path: Path, damage: str
) -> None:
    """Whatever is in the way goes aside with its WAL, which is never read as the new one's."""
    saved = contents(filled)
    back_up(filled.url, tmp_path / "one.db")
    filled.close()
    path = Path(str(filled.url.database))
    whole = path.read_bytes()
    path.write_bytes(
        {
            "smashed": b"\xff" * len(whole),
            "truncated": whole[:5000],
            "empty": b"",
            "another program's": b"Dear Sir or Madam" * 999,
            "missing": b"",
        }[damage]
    )
    stale = path.with_name(f"{path.name}-wal")
    stale.write_bytes(b"of the damaged one" * 999)
    if damage == "missing":
        path.unlink()
    done = restore(filled.url, tmp_path / "one.db", now=NOW)
    assert contents(filled) == saved
    assert (done.aside is None) == (damage == "missing")
    filled.close()
    assert not stale.exists()


def test_an_older_backup_is_restored_as_it_is(filled: Ledger, tmp_path: Path) -> None:
    """Its schema stays what it was, and opening it names the command to run."""
    filled.close()
    old = unpacked("0002", tmp_path)
    assert restore(filled.url, old, now=NOW).schema == "0002"
    assert "forecaster db upgrade" in refusal(open_ledger, str(filled.url)).remedy
    assert upgrade(filled.url).before == "0002"


def test_what_is_no_backup_is_refused_before_anything_changes(
    filled: Ledger, tmp_path: Path
) -> None:
    """A damaged copy, another program's file, a newer schema, no file: the database stays."""
    back_up(filled.url, tmp_path / "good.db")
    saved = contents(filled)
    filled.close()
    good = (tmp_path / "good.db").read_bytes()
    broken = bytearray(good)
    broken[4096 * 3 : 4096 * 9] = bytes(4096 * 6)
    (tmp_path / "broken.db").write_bytes(broken)
    (tmp_path / "half.db").write_bytes(good[: len(good) // 2])
    (tmp_path / "none.db").write_bytes(b"")
    (tmp_path / "letter.db").write_bytes(b"Dear Sir or Madam" * 999)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE users (name TEXT)")
    (tmp_path / "newer.db").write_bytes(good)
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    files = {one.name for one in tmp_path.iterdir()}
    for name in ("broken", "half", "none", "letter", "other", "newer", "absent"):
        refusal(restore, filled.url, tmp_path / f"{name}.db", now=NOW)
    assert {one.name for one in tmp_path.iterdir()} - files == {
        "only.db.run.lock", "only.db.daemon.lock"
    }  # fmt: skip
    assert contents(filled) == saved


@pytest.mark.parametrize("name", ["run", "daemon"])
def test_nothing_is_restored_under_who_works(filled: Ledger, tmp_path: Path, name: Any) -> None:
    """While a run or a daemon holds its lock, a restore is refused and names it."""
    back_up(filled.url, tmp_path / "one.db")
    filled.close()
    with claim(filled.url, name, what="test", wait=False):
        error = refusal(restore, filled.url, tmp_path / "one.db", now=NOW)
    assert error.code == "busy"
    assert str(os.getpid()) in error.message


def test_nothing_is_restored_under_who_has_it_open(filled: Ledger, tmp_path: Path) -> None:
    """Another program would go on writing to the file that went."""
    back_up(filled.url, tmp_path / "one.db")
    filled.close()
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute('SELECT count(*) FROM bar').fetchone(); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(filled.url.database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout
        other.stdout.readline()
        assert refusal(restore, filled.url, tmp_path / "one.db", now=NOW).code == "busy"


def test_an_upgrade_copies_the_ledger_first(tmp_path: Path) -> None:
    """The copy is the ledger as it was, beside it, under a name of its own, its owner's alone."""
    path = unpacked("0003", tmp_path)
    url = f"sqlite:///{path}"
    columns = columns_at(url)
    before = rows_at(url, columns)
    umask = os.umask(0)
    try:
        done = upgrade(parse_url(url))
    finally:
        os.umask(umask)
    assert done.backup == path.with_name(f"old.db.before-{HEAD}")
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert rows_at(f"sqlite:///{done.backup}", columns) == before
    assert upgrade(parse_url(url)).backup is None


def test_a_backup_of_an_upgrade_is_never_overwritten(tmp_path: Path) -> None:
    """A file of that name stays; the same ledger is not copied twice."""
    path = unpacked("0003", tmp_path)
    there = path.with_name(f"old.db.before-{HEAD}")
    there.write_text("precious")
    done = upgrade(url_of(path))
    assert there.read_text() == "precious"
    assert done.backup == path.with_name(f"old.db.before-{HEAD}-2")
    whole = done.backup.read_bytes()
    restore(url_of(path), done.backup, now=NOW)
    again = upgrade(url_of(path))
    assert again.backup == done.backup
    assert again.backup.read_bytes() == whole


def test_upgrades_at_once_make_one_backup(tmp_path: Path) -> None:
    """Of several programs that upgrade together one does it; the ledger is copied once."""
    path = unpacked("0003", tmp_path)
    columns = columns_at(f"sqlite:///{path}")
    before = rows_at(f"sqlite:///{path}", columns)
    script = (
        "import sys; from forecaster.ledger.engine import parse_url; "
        "from forecaster.ledger.upgrade import upgrade; sys.stdin.readline(); "
        "print(upgrade(parse_url(sys.argv[1])).backup is not None)"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", script, f"sqlite:///{path}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    told = [program.communicate("go\n")[0].strip() for program in programs]
    assert [program.returncode for program in programs] == [0] * 4
    assert sorted(told) == ["False"] * 3 + ["True"]
    assert rows_at(f"sqlite:///{path}", columns) == before
    assert len(list(tmp_path.glob("old.db.before-*"))) == 1


def test_no_upgrade_without_its_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy fails, the schema stays as it was."""
    path = unpacked("0003", tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("forecaster.ledger.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        upgrade(url_of(path))
    monkeypatch.undo()
    assert upgrade(url_of(path)).before == "0003"


def test_backups_at_once_do_not_meet(filled: Ledger, tmp_path: Path) -> None:
    """While one program writes a backup of that name, another is told so."""
    with (tmp_path / "one.db.partial").open("w") as other:
        import fcntl

        fcntl.flock(other, fcntl.LOCK_EX)
        assert refusal(back_up, filled.url, tmp_path / "one.db").code == "busy"
    assert back_up_before(filled.url, "0009").path.name == "only.db.before-0009"


def test_vacuum_gives_space_back(filled: Ledger) -> None:
    """What was deleted is no longer in the file, and every row is what it was."""
    with filled.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE ballast (a BLOB) STRICT")
        connection.exec_driver_sql("INSERT INTO ballast VALUES (zeroblob(3000000))")
    with filled.writing() as connection:
        connection.exec_driver_sql("DROP TABLE ballast")
    before = contents(filled)
    done = vacuum(filled)
    path = Path(str(filled.url.database))
    assert done.before - done.after > 3_000_000
    assert done.after == path.stat().st_size
    assert not path.with_name(f"{path.name}-wal").stat().st_size
    assert contents(filled) == before


def test_vacuum_needs_space_and_peace(filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without twice the size free, or while a run works, nothing is begun."""
    with claim(filled.url, "run", what="test", wait=False):
        assert refusal(vacuum, filled).code == "busy"
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("forecaster.ledger.vacuum.shutil.disk_usage", lambda _: usage)
    assert refusal(vacuum, filled).code == "disk_full"


def test_vacuum_works_on_a_server(postgresql_ledger: Ledger) -> None:
    """PostgreSQL is vacuumed and analysed; nothing is lost."""
    add_series(postgresql_ledger, "a")
    before = contents(postgresql_ledger)
    assert vacuum(postgresql_ledger).after > 0
    assert contents(postgresql_ledger) == before
