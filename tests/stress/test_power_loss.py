"""A power cut at any moment of a command: what was reported as saved is there, and whole."""

import random
import shutil
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import pytest

from .power import (
    EVERYTHING,
    EXTREMES,
    NOTHING,
    Cut,
    Image,
    Record,
    inventory,
    mixed,
    read,
    replayed,
    write,
)
from .project import (
    DAYS,
    MORE,
    Content,
    Fault,
    assert_whole,
    compiled,
    content,
    make,
    quote,
    run_all,
    unpack,
)

DATABASE = "forecaster.db"
SPOILED = "synchronous=NORMAL"
COMMANDS = {
    "first run": ("run",),
    "next run": ("run",),
    SPOILED: ("run",),
    "backup": ("db", "backup", "copy.db"),
    "upgrade": ("db", "upgrade"),
    "restore": ("db", "restore", "saved.db"),
    "vacuum": ("db", "vacuum"),
}
SOUND = [name for name in COMMANDS if name != SPOILED]
COPIES = ("copy.db", "*.before-????", "*.replaced-*Z")
"""Names of what a command makes or keeps, that holds what the database held before."""
CHECK = ("db", "check")
COPYING = ("backup", "upgrade", "restore")

Chosen = Callable[[int], Sequence[Cut]]
Start = dict[str, tuple[int, bytes]]


@dataclass(frozen=True)
class Recorded:
    """A command that was recorded, from its start to its success.

    Attributes:
        name: of the command.
        start: what was in the folder before.
        records: of what it changed; the last one marks its success.
        scratch: a folder to look at images in.
        looked: what databases held that were looked at.
    """

    name: str
    start: Start = field(repr=False)  # megabytes, which would drown the report of a failure
    records: list[Record] = field(repr=False)
    scratch: Path
    looked: dict[tuple[tuple[str, bytes], ...], Content] = field(default_factory=dict, repr=False)

    def cuts(self, chosen: Chosen) -> Iterator[tuple[int, Cut, Image]]:
        """Yield what each cut leaves, after each record."""
        for k, disk in replayed(self.start, self.records):
            for cut in chosen(k):
                yield k, cut, disk.left(cut)

    def held(self, image: Image) -> Content:
        """Return what the database of an image holds, demanding that it is whole."""
        files = {name: data for name, data in image.items() if name.startswith(DATABASE)}
        if DATABASE not in files:
            return {}
        key = tuple(files.items())
        if key not in self.looked:
            folder = write(files, self.scratch / f"{len(self.looked)}")
            assert_whole(folder)
            self.looked[key] = content(folder)
            shutil.rmtree(folder)
        return self.looked[key]

    def reported(self) -> tuple[list[int], list[Content]]:
        """Return after which records something was reported as saved, and what was there then."""
        marks = (
            (k, self.held(image))
            for k, _, image in self.cuts(lambda _: [EVERYTHING])
            if k == 0 or self.records[k - 1].kind == "M"
        )
        moments, contents = zip(*marks, strict=True)
        return list(moments), list(contents)


def record(library: Path, folders: dict[str, Path]) -> dict[str, Recorded]:
    """Do each command in its folder and return what it did; each must succeed."""
    work, starts = [], {}
    for name, folder in folders.items():
        starts[name] = inventory(folder)
        spoiled = name if name == SPOILED else ""
        fault = Fault(trace=str(folder.with_name(f"{folder.name}.trace")), pragma=spoiled)
        work.append((folder, fault, COMMANDS[name]))
    found = {}
    for (name, start), (folder, fault, _), ended in zip(
        starts.items(), work, run_all(library, work), strict=True
    ):
        assert ended.code == 0, ended.errors
        records = read(Path(fault.trace))
        *_, (_, disk) = replayed(start, records)
        there = {one: data for one, (_, data) in inventory(folder).items()}
        assert disk.left(EVERYTHING) == there, "something was not recorded"
        scratch = folder.with_name(f"{folder.name}.scratch")
        scratch.mkdir()
        found[name] = Recorded(name, start, [*records, Record("M", 0, 0, b"")], scratch)
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    """Return each command's record, that of a run with an unsafe setting among them."""
    folder = tmp_path_factory.mktemp("recorded")
    library = compiled(folder, "power")
    if library is None:
        pytest.skip("there is no C compiler here to record with")
    first = make(folder / "first")
    found = record(library, {"first run": first})
    quote(first, DAYS + MORE)
    later = [name for name in COMMANDS if name != "first run"]
    places = {name: shutil.copytree(first, folder / name) for name in later}
    (places["restore"] / DATABASE).rename(places["restore"] / "saved.db")
    for name in ("restore", "upgrade"):
        unpack(places[name] / DATABASE)
    return found | record(library, places)


def judge(one: Recorded, chosen: Chosen) -> int:
    """Demand of each cut's image all that was reported, at most what was next, and nothing else.

    Returns how many images there were. It compares outside of `assert`, which would show at length
    how a database differs from another one.
    """
    moments, contents = one.reported()
    before, after, images = contents[0], contents[-1], 0
    for k, cut, image in one.cuts(chosen):
        images += 1
        last = bisect_right(moments, k) - 1
        found = one.held(image)
        is_right = found in contents[last : last + 2]
        assert is_right, (k, cut)
        copies = [name for name in image if any(fnmatch(name, like) for like in COPIES)]
        for name in copies:
            is_right = one.held({DATABASE: image[name]}) == before
            assert is_right, (k, cut, name)
        if one.name in COPYING and (k == len(one.records) or before != found == after):
            assert len(copies) == 1, (k, cut)
    return images


def few(k: int) -> Sequence[Cut]:
    """Return what leaves nothing, and now and then what leaves all, or some."""
    return [NOTHING] if k % 5 else [*EXTREMES, mixed(k)]


def many(k: int) -> Sequence[Cut]:
    """Return extreme cuts and those that leave some sectors and not others."""
    return [*EXTREMES, *(mixed(seed) for seed in range(20 * k, 20 * k + 20))]


@pytest.mark.parametrize("chosen", [few, pytest.param(many, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", SOUND)
def test_a_power_cut_loses_nothing(
    recorded: dict[str, Recorded], name: str, chosen: Chosen
) -> None:
    """After every change of a file, what was reported is there, and nothing is half there."""
    assert judge(recorded[name], chosen) > len(recorded[name].records)


@pytest.mark.parametrize("points", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_the_program_goes_on_after_a_power_cut(
    recorded: dict[str, Recorded], tmp_path: Path, points: int
) -> None:
    """The program finds what is left whole, and the same command completes what was begun."""
    chance = random.Random(points)
    work = [
        (recorded[name], left_before_a_sync(recorded[name], chance, tmp_path / f"{name}-{k}"))
        for name in SOUND
        for k in range(points)
    ]
    is_there = [(place / DATABASE).exists() for _, place in work]
    todo = [(place, Fault(), args) for one, place in work for args in (CHECK, COMMANDS[one.name])]
    ends = iter(run_all(None, todo))
    for (one, place), there in zip(work, is_there, strict=True):
        checked, ended = next(ends), next(ends)
        if one.name not in ("upgrade", "restore"):  # those begin with a schema that is refused
            assert checked.code == (0 if there else 1), (place, checked.errors)
        assert ended.code == 0 or "copy.db exists" in ended.errors, (place, ended.errors)
        is_completed = content(place) == one.reported()[1][-1]
        assert is_completed, place
        assert_whole(place)


def left_before_a_sync(one: Recorded, chance: random.Random, folder: Path) -> Path:
    """Make a folder of what a random cut leaves just before a sync, when most can be lost."""
    moment = chance.choice([k for k, each in enumerate(one.records) if each.kind == "S"])
    cut = mixed(chance.randrange(10**6))
    [(_, _, image)] = one.cuts(lambda k: [cut] if k == moment else [])
    return write(image, folder)


def test_a_setting_that_is_not_safe_would_be_noticed(recorded: dict[str, Recorded]) -> None:
    """The judgement above fails where SQLite is told not to sync each commit."""
    with pytest.raises(AssertionError):
        judge(recorded[SPOILED], lambda _: [NOTHING])


@pytest.mark.parametrize("kind", ["S", "D"])
@pytest.mark.parametrize("name", ["next run", *COPYING])
def test_a_sync_that_is_missing_would_be_noticed(
    recorded: dict[str, Recorded], name: str, kind: str
) -> None:
    """The judgement above fails where no file, or no folder, was ever synced."""
    lazy = [each for each in recorded[name].records if each.kind != kind]
    with pytest.raises(AssertionError):
        judge(replace(recorded[name], records=lazy), lambda _: [NOTHING, Cut(0.0, 1.0)])


def test_a_torn_database_would_be_noticed(recorded: dict[str, Recorded]) -> None:
    """The judgement above fails where half of what was rewritten is there, and no log of it."""
    lazy = [each for each in recorded["vacuum"].records if each.kind != "S"]
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        judge(replace(recorded["vacuum"], records=lazy), few)
