"""A damaged database is told of or does no harm: never a silent new beginning."""

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .project import (
    DAYS,
    FORECASTS,
    MORE,
    Ended,
    Fault,
    assert_one_line,
    forecaster,
    make,
    quote,
    rows,
    run_each,
    run_with,
)

PARTS, IN_CI, IN_SOAK = 4, 15, 500
HEADER = 100  # bytes, which every part of SQLite reads

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Ground:
    """A folder in which a run was done and sessions have come, and what the next run says."""

    prepared: Path
    said: Rows


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Return what undisturbed runs say."""
    folder = tmp_path_factory.mktemp("ground")
    prepared = make(folder / "prepared")
    assert forecaster(prepared, "run").returncode == 0
    quote(prepared, DAYS + MORE)
    whole = shutil.copytree(prepared, folder / "whole")
    assert forecaster(whole, "run").returncode == 0
    return Ground(prepared, rows(whole, FORECASTS))


def smashed(data: bytes, seed: int) -> bytes:
    """Return a file with random bytes in random places, some of them in its header."""
    rng = random.Random(seed)
    broken = bytearray(data)
    for _ in range(rng.choice([1, 1, 8, 64])):
        end = HEADER if rng.random() < 0.1 else len(broken)
        broken[rng.randrange(end)] = rng.randrange(256)
    return bytes(broken)


def is_whole_to_sqlite(path: Path) -> bool:
    """Tell whether SQLite finds nothing wrong with a file."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def verdict(ground: Ground, place: Path, ended: Ended, *, hidden: bool) -> str:
    """Return "told", "same", or "value" where a stored number changed that nothing can tell."""
    if ended.code:
        assert ended.code == 1
        assert_one_line(ended.errors)
        return "told"
    try:
        said = rows(place, FORECASTS)
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # a view is damaged: every reader is told
        told = forecaster(place, "forecasts", "--past")
        assert told.returncode == 1
        assert_one_line(told.stderr)
        return "told"
    if said == ground.said:
        return "same"
    assert hidden, "SQLite can tell, and the run did not"
    return "value"


def sweep(ground: Ground, folder: Path, seeds: Sequence[int]) -> list[str]:
    """Run in folders whose database is damaged; return what came of it."""
    data = (ground.prepared / "forecaster.db").read_bytes()
    work, hidden = [], []
    for seed in seeds:
        place = shutil.copytree(ground.prepared, folder / f"seed{seed}")
        (place / "forecaster.db").write_bytes(smashed(data, seed))
        shutil.copy(place / "forecaster.db", folder / "look.db")
        hidden.append(is_whole_to_sqlite(folder / "look.db"))
        work.append((place, Fault()))
    ends = run_with(None, work, "run")
    return [
        verdict(ground, place, ended, hidden=one)
        for (place, _), ended, one in zip(work, ends, hidden, strict=True)
    ]


def harmless(found: list[str]) -> bool:
    """Say whether damage is told of, or does no harm, but for a value that only looks right."""
    few = max(1.0, len(found) / 20)
    return found.count("told") > len(found) / 4 and found.count("value") <= few


@pytest.mark.parametrize("part", range(PARTS))
def test_damage_is_told_of_or_does_no_harm(ground: Ground, tmp_path: Path, part: int) -> None:
    """Bytes overwritten anywhere: one line and exit code 1, or the forecasts of a whole file."""
    assert harmless(sweep(ground, tmp_path, range(part * IN_CI, (part + 1) * IN_CI)))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_much_damage_is_told_of_or_does_no_harm(ground: Ground, tmp_path: Path, part: int) -> None:
    """The same more often."""
    seeds = range(1000 + part * IN_SOAK, 1000 + (part + 1) * IN_SOAK)
    assert harmless(sweep(ground, tmp_path, seeds))


def test_a_missed_damage_would_be_noticed(ground: Ground, tmp_path: Path) -> None:
    """The judgement fails for a run that says 0 and other forecasts from what is visibly broken."""
    place = shutil.copytree(ground.prepared, tmp_path / "missed")  # without the newer forecasts
    with pytest.raises(AssertionError, match="SQLite can tell"):
        verdict(ground, place, Ended(0, "", 0), hidden=False)


def other_program(path: Path) -> None:
    """Put the SQLite file of another program there."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
        connection.commit()


def folder_there(path: Path) -> None:
    """Put a folder there."""
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one page": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: path.write_bytes(random.Random(0).randbytes(50_000)),
    "another program's": other_program,
    "a folder": folder_there,
    "text": lambda path: path.write_text("Dear Sir or Madam, " * 500),
}


COMMANDS = (
    ["run"], ["forecasts"], ["db", "check"], ["sql", "SELECT 1 FROM run"], ["db", "backup", "x"],
    ["db", "upgrade"], ["db", "vacuum"], ["series", "pause", "A"],
)  # fmt: skip


PROVING = (
    ["run"], ["backfill", "--from", "2024-04-01", "--to", "2024-04-02"], ["db", "check"],
    ["db", "backup", "x"], ["db", "vacuum"],
)  # fmt: skip


def bytes_of(path: Path) -> bytes | None:
    """Return what a file holds, None for a folder."""
    return path.read_bytes() if path.is_file() else None


def test_what_is_no_ledger_is_refused_by_every_command(ground: Ground, tmp_path: Path) -> None:
    """One line, exit code 1, and not a byte of it changes; a restore brings the ledger back."""
    places = [shutil.copytree(ground.prepared, tmp_path / name) for name in DAMAGE]
    for [saved] in run_each(places, ["db", "backup", "saved.db"]):
        assert saved.code == 0, saved.errors
    for place, damage in zip(places, DAMAGE.values(), strict=True):
        damage(place / "forecaster.db")
    before = [bytes_of(place / "forecaster.db") for place in places]
    for k in range(2):  # of two damages, each command meets one
        commands = COMMANDS[k::2]
        for place, ends in zip(places[k::2], run_each(places[k::2], *commands), strict=True):
            for command, told in zip(commands, ends, strict=True):
                assert told.code == 1, (place.name, command, told)
                assert_one_line(told.errors)
    assert [bytes_of(place / "forecaster.db") for place in places] == before
    files = [place for place in places if (place / "forecaster.db").is_file()]
    for place, ends in zip(
        files, run_each(files, ["db", "restore", "saved.db"], ["run"]), strict=True
    ):
        assert [told.code for told in ends] == [0, 0], (place.name, ends)
        assert rows(place, FORECASTS) == ground.said


def test_what_lost_its_end_is_not_worked_with(ground: Ground, tmp_path: Path) -> None:
    """A question that does not touch what is gone is answered; nothing is made of the rest."""
    place = shutil.copytree(ground.prepared, tmp_path / "place")
    path = place / "forecaster.db"
    path.write_bytes(path.read_bytes()[:-2048])
    for told in run_each([place], *PROVING)[0]:
        assert told.code == 1, told
        assert_one_line(told.errors)
        assert "damaged" in told.errors or "not whole" in told.errors


def test_a_damaged_log_takes_nothing_that_was_written_back(ground: Ground, tmp_path: Path) -> None:
    """Whatever the WAL holds, the forecasts after the next run are those of a whole one."""
    work = []
    for seed in range(6):
        place = shutil.copytree(ground.prepared, tmp_path / f"seed{seed}")
        # A program that was killed leaves its WAL; SQLite itself checks each frame of it.
        subprocess.run([sys.executable, "-c", KILLED, place / "forecaster.db"], check=False)
        wal = place / "forecaster.db-wal"
        assert wal.stat().st_size
        wal.write_bytes(smashed(wal.read_bytes(), seed))
        work.append((place, Fault()))
    for (place, _), ended in zip(work, run_with(None, work, "run"), strict=True):
        if ended.code == 0:
            assert rows(place, FORECASTS) == ground.said
        else:
            assert_one_line(ended.errors)


KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint=0")
for k in range(20):
    connection.execute("UPDATE series SET paused = 0")
    connection.execute("INSERT INTO backtest VALUES (NULL, '2024-01-01', NULL, 1, '{}', '1')")
os.kill(os.getpid(), signal.SIGKILL)
"""
