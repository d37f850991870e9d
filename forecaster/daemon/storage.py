"""What `doctor` finds out about the database's file and the disk under it."""

import os
import shutil
import sqlite3
from pathlib import Path

from forecaster.daemon.patient import Patient, Unfit
from forecaster.ledger import Ledger
from forecaster.ledger.engine import PRAGMAS
from forecaster.ledger.files import beside, size_of

MENDED = (3, 51, 3)
"""The SQLite without the WAL-reset bug."""
NEEDED = (3, 37, 0)
"""The SQLite that has STRICT tables."""
REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "gluster", "lustre", "davfs")
"""How names of file systems begin whose locks or shared memory SQLite cannot rely on."""
MOUNTS = Path("/proc/mounts")
"""What Linux lists as mounted."""
ROOM = 256_000_000
"""Bytes that the database's disk should have left at the least."""
LOCKS = ("run", "daemon")


def sqlite(patient: Patient) -> str:
    """SQLite's version, and what its WAL-reset bug means here."""
    found = sqlite3.sqlite_version
    version = tuple(int(part) for part in found.split("."))
    if version < NEEDED:
        raise Unfit(f"{found} is too old: 3.37 has the tables that are needed")
    if version >= MENDED or patient.database is None:
        return found
    return (
        f"{found} has the WAL-reset bug, mended in 3.51.3: what one connection stores while "
        "another writes the log back may be lost. This program writes it back while nobody stores; "
        "let no other program write to the database"
    )


def pragmas(patient: Patient) -> str:
    """What makes a stored forecast survive a power cut, as the connections have it."""
    if patient.database is None or not isinstance(patient.ledger, Ledger):
        return "none"
    with patient.ledger.reading() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("foreign_keys", *(one.partition("=")[0] for one in PRAGMAS))
        }
    if mode != "wal" or found["synchronous"] != 2 or not found["foreign_keys"]:
        raise Unfit(f"journal_mode={mode}, {found}: this file system does not allow a WAL")
    return ", ".join([f"journal_mode={mode}", *(f"{name}={it}" for name, it in found.items())])


def file_system(patient: Patient) -> str:
    """Where the database is, on a disk of this machine."""
    if patient.database is None:
        return "a server's"
    kind, place = mounted_as(patient.database, MOUNTS)
    if kind.startswith(REMOTE):
        raise Unfit(f"{kind} at {place}: SQLite's locks are not safe there, use a local disk")
    return f"{kind} at {place}"


def mounted_as(path: Path, mounts: Path) -> tuple[str, str]:
    """Return the kind and place of the file system of a path, from what Linux lists as mounted."""
    found = ("unknown", "/")
    if mounts.exists():
        for line in mounts.read_bytes().split(b"\n"):
            _, place_there, kind_there, *_ = [*line.split(b" "), b"", b"", b""]
            # Spaces are \040, and so on.
            place = os.fsdecode(place_there.decode("unicode_escape").encode("latin-1"))
            kind = kind_there.decode(errors="replace")
            if path.is_relative_to(place) and len(place) >= len(found[1]):
                found = (kind, place)
    return found


def space(patient: Patient) -> str:
    """Room for the database to grow, and for a copy of it."""
    if patient.database is None:
        return "a server's"
    free, wanted = room(patient.database)
    told = f"{free / 1e6:,.0f} MB free"
    if free < wanted:
        raise Unfit(f"{told}, it should be {wanted / 1e6:,.0f} MB: free some space")
    return told


def room(database: Path) -> tuple[int, int]:
    """Return the bytes that a database's disk has left, and should have: a copy's at least."""
    return shutil.disk_usage(database.parent).free, max(ROOM, size_of(database))


def file_modes(patient: Patient) -> str:
    """Files of the ledger, readable by their owner alone."""
    path = patient.database
    if path is None:
        return "a server's"
    names = [path, *beside(path), *(path.with_name(f"{path.name}.{x}.lock") for x in LOCKS)]
    there = [one for one in names if one.exists()]
    open_ = [one.name for one in there if one.stat().st_mode & 0o077]
    if open_:
        raise Unfit(f"others may read {', '.join(open_)}: chmod 600 {path}*")
    foreign = [one.name for one in there if one.stat().st_uid != os.geteuid()]
    if foreign and os.geteuid():
        raise Unfit(f"{', '.join(foreign)} belongs to somebody else: run as its owner")
    return f"{len(there)} files, their owner's alone"
