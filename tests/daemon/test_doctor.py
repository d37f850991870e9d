"""`doctor` finds what is not as it should be, and nothing where all is well."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.daemon import doctor, storage
from forecaster.hooks import build_registry
from forecaster.ledger import open_ledger

CONFIG = '[[series]]\nsource = "sample"\nsymbol = "IBM"\ncalendar = "XNYS"\n'
NOW = datetime(2026, 11, 23, 6, 54, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with an empty ledger."""
    (tmp_path / "config.toml").write_text(CONFIG)
    url = f"sqlite:///{tmp_path / 'forecaster.db'}"
    with open_ledger(url, create=True) as ledger, ledger.reading():
        pass  # the first connection turns the WAL on
    return tmp_path


def examined(folder: Path, now: datetime = NOW) -> dict[str, tuple[bool, str]]:
    """Return what each examination found."""
    settings = load_settings(folder / "config.toml", environ={})
    registry = build_registry(settings.plugin_dirs(), None)
    return {one.name: (one.ok, one.detail) for one in doctor.examine(settings, registry, now=now)}


def test_a_sound_machine_has_nothing(folder: Path) -> None:
    """Every examination is fine where nothing is wrong, and looks without changing anything."""
    before = (folder / "forecaster.db").read_bytes()
    # How many threads this process has is the matter of whoever started it.
    found = {name: one for name, one in examined(folder).items() if name != "BLAS"}
    assert [name for name, (ok, _) in found.items() if not ok] == []
    assert "synchronous=2" in found["pragmas"][1]
    assert "XNYS until" in found["calendars"][1]
    assert (folder / "forecaster.db").read_bytes() == before


def test_a_machine_before_its_first_run_is_sound(tmp_path: Path) -> None:
    """A missing database is none yet, and is not made."""
    (tmp_path / "config.toml").write_text(CONFIG)
    found = examined(tmp_path)
    assert found["database"][0]
    assert not (tmp_path / "forecaster.db").exists()


def spoil_modes(folder: Path, _: pytest.MonkeyPatch) -> None:
    """Let everybody read the database."""
    (folder / "forecaster.db").chmod(0o644)


def spoil_clock(folder: Path, _: pytest.MonkeyPatch) -> None:
    """Put a bar into the ledger that was seen in the future."""
    later = (NOW + timedelta(days=3)).isoformat(timespec="microseconds")
    with closing(sqlite3.connect(folder / "forecaster.db")) as ledger:
        ledger.execute("PRAGMA foreign_keys=OFF")
        ledger.execute(
            "INSERT INTO bar (instrument_id, session, revision, close, first_seen_at) "
            "VALUES (1, '2026-11-20', 1, 1.0, ?)",
            (later,),
        )
        ledger.commit()


def spoil_database(folder: Path, _: pytest.MonkeyPatch) -> None:
    """Empty the database's file."""
    (folder / "forecaster.db").write_bytes(b"")


def spoil_space(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Leave a megabyte free."""
    usage = type("Usage", (), {"free": 1 << 20})
    patch.setattr(storage.shutil, "disk_usage", lambda _: usage)


def spoil_sqlite(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Have an SQLite without STRICT tables."""
    patch.setattr(storage.sqlite3, "sqlite_version", "3.36.0")


def spoil_file_system(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have the folder on a network."""
    patch.setattr(storage, "mounted_as", lambda *_: ("nfs4", str(folder)))


def spoil_plugins(folder: Path, _: pytest.MonkeyPatch) -> None:
    """Have a plugin that does not load."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "broken.py").write_text("raise ValueError('no')\n")
    with (folder / "config.toml").open("a") as config:
        config.write('[plugins]\ndirs = ["plugins"]\n')


def spoil_memory(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Want more memory than there is."""
    patch.setattr(doctor, "MEMORY", 1 << 60)


SPOILERS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "file modes": spoil_modes,
    "clock": spoil_clock,
    "database": spoil_database,
    "space": spoil_space,
    "SQLite": spoil_sqlite,
    "file system": spoil_file_system,
    "plugins": spoil_plugins,
    "memory": spoil_memory,
}


@pytest.mark.parametrize("name", SPOILERS)
def test_what_is_wrong_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each fault is told of by its own examination, on one line, and by no other."""
    SPOILERS[name](folder, monkeypatch)
    found = {one: it for one, it in examined(folder).items() if one != "BLAS"}
    assert [one for one, (ok, _) in found.items() if not ok] == [name]
    assert "\n" not in found[name][1]


def test_a_calendar_that_ends_is_found(folder: Path) -> None:
    """Sixty days before a calendar knows no more sessions, the remedy is named."""
    ok, detail = examined(folder, datetime(2199, 12, 1, tzinfo=UTC))["calendars"]
    assert not ok
    assert "pip install --upgrade exchange_calendars" in detail


def test_the_mount_of_a_path_is_the_innermost(tmp_path: Path) -> None:
    """Of the file systems that a path lies under, the last and longest holds it."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "dev / ext4 rw 0 0\nserver:/x /home/me nfs4 rw 0 0\nnone /home/me/a\\040b tmpfs rw 0 0\n"
    )
    for path, kind in (
        ("/home/me/x.db", "nfs4"), ("/home/me/a b/x.db", "tmpfs"), ("/home/mean/x.db", "ext4"),
    ):  # fmt: skip
        assert storage.mounted_as(Path(path), mounts)[0] == kind
    assert storage.mounted_as(Path("/x"), tmp_path / "none") == ("unknown", "/")


def test_mounts_of_any_name_are_understood(tmp_path: Path) -> None:
    """Letters of other languages, signs that end lines elsewhere, and a line that says nothing."""
    mounts = tmp_path / "mounts"
    odd = "/media/\x0c\x1c\u2028/\u00fc"
    text = f"dev / ext4 rw 0 0\nserver:/x {odd} nfs4 rw 0 0\n\nshort\n"
    mounts.write_bytes(text.encode())
    assert storage.mounted_as(Path(f"{odd}/x.db"), mounts) == ("nfs4", odd)
    assert storage.mounted_as(Path("/elsewhere/x.db"), mounts) == ("ext4", "/")


def test_the_command_says_it_with_its_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows check, ok, detail; 1 and one line where something is wrong."""
    monkeypatch.chdir(folder)
    for name in [one for one in os.environ if one.startswith("FORECASTER_")]:
        monkeypatch.delenv(name)
    (folder / "forecaster.db").chmod(0o644)
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert list(rows["SQLite"]) == ["check", "ok", "detail"]
    assert "file modes" in result.stderr
    assert result.stderr.count("\n") == 1
    shutil.rmtree(folder / "report", ignore_errors=True)
