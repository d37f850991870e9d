"""What a power cut would leave of a folder, at each moment of a command that `power.c` recorded.

A cut leaves what was synced. Of what was written since, it leaves any sectors: all, none, or some,
for a disk and its system write them in any order. A name is safe when its folder is synced, never
with its file, though ext4 and XFS are that kind: SQLite syncs the folder when it has made a log or
a journal, and before it relies on it, so nobody has to be. Of the names that have changed since,
the first few are kept, up to all: the journal of a file system keeps their order.

A name that ends with -shm is of shared memory, which SQLite makes anew after a power cut.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Image = dict[str, bytes]
"""What is in each file."""


@dataclass(frozen=True)
class Cut:
    """What is left of what was not synced.

    Attributes:
        sectors: how probable it is that one is.
        names: the share of their changes, the first ones.
        size: of a sector.
        seed: of the chance.
    """

    sectors: float
    names: float
    size: int = 512
    seed: int = 0


NOTHING, EVERYTHING = Cut(0.0, 0.0), Cut(1.0, 1.0)
EXTREMES = (NOTHING, EVERYTHING, Cut(0.0, 1.0), Cut(1.0, 0.0))


def mixed(seed: int) -> Cut:
    """Return a cut that leaves some sectors or pages, and some names."""
    chance = random.Random(seed)
    return Cut(chance.random(), chance.random(), chance.choice((512, 4096)), seed)


@dataclass
class File:
    """What is safe of a file, and what was written since: where and what, or None for a cut."""

    safe: bytes
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def left(self, cut: Cut, chance: random.Random) -> bytes:
        """Return what a power cut leaves."""
        found = bytearray(self.safe)
        for where, data in self.since:
            if data is None:
                if chance.random() < cut.sectors:
                    found = found[:where].ljust(where, b"\0")
                continue
            start, end = where, where + len(data)
            while start < end:
                stop = min(end, (start // cut.size + 1) * cut.size)
                if chance.random() < cut.sectors:
                    found = found.ljust(start, b"\0")
                    found[start:stop] = data[start - where : stop - where]
                start = stop
        return bytes(found)


@dataclass(frozen=True)
class Record:
    """A line of a trace; see `power.c`."""

    kind: str
    inode: int
    where: int
    data: bytes


class Disk:
    """A folder, as it is safe and as it is."""

    def __init__(self, start: dict[str, tuple[int, bytes]]) -> None:
        # A number is given again to the next file when one is gone, so a name has its file itself.
        self._files = {inode: File(data) for inode, data in start.values()}
        self._names = [{name: self._files[inode] for name, (inode, _) in start.items()}]

    def left(self, cut: Cut) -> Image:
        """Return what a power cut leaves now."""
        chance = random.Random(cut.seed)
        names = self._names[round(cut.names * (len(self._names) - 1))]
        return {
            name: file.left(cut, chance)
            for name, file in sorted(names.items())
            if not name.endswith("-shm")
        }

    def change(self, record: Record) -> None:
        """Do what a record says."""
        if record.kind == "W":
            self._files[record.inode].since.append((record.where, record.data))
        elif record.kind == "T":
            self._files[record.inode].since.append((record.where, None))
        elif record.kind == "S":
            synced = self._files[record.inode]
            synced.safe = synced.left(EVERYTHING, random.Random(0))
            synced.since = []
        elif record.kind == "D":
            del self._names[:-1]
        elif record.kind != "M":
            self._rename(record)

    def _rename(self, record: Record) -> None:
        old, _, new = record.data.decode().rpartition("/")
        names = dict(self._names[-1])
        if record.kind == "C":
            self._files[record.inode] = File(b"")
        if record.kind == "U":
            del names[new]
        else:
            names[new] = self._files[record.inode]
            names.pop(old, None)
        self._names.append(names)


def inventory(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the number of each file of a folder, and what is in it."""
    found = (path for path in folder.iterdir() if path.is_file())
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in found}


def read(trace: Path) -> list[Record]:
    """Return the records of a trace."""
    data, found, at = trace.read_bytes(), [], 0
    while at < len(data):
        end = data.index(b"\n", at) + 1
        kind, inode, where, length = data[at:end].split()
        at = end + int(length)
        found.append(Record(kind.decode(), int(inode), int(where), data[end:at]))
    return found


def replayed(
    start: dict[str, tuple[int, bytes]], records: list[Record]
) -> Iterator[tuple[int, Disk]]:
    """Yield the disk after so many records, from none to all; it changes as it goes on."""
    disk = Disk(start)
    yield 0, disk
    for k, record in enumerate(records, 1):
        disk.change(record)
        yield k, disk


def write(image: Image, folder: Path) -> Path:
    """Make a folder of what is left."""
    folder.mkdir()
    for name, data in image.items():
        (folder / name).write_bytes(data)
    return folder
