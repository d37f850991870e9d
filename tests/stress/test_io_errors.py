"""A disk that fails: at the k-th change of a file, once or for good, or with the whole machine."""

import errno
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .project import (
    DAYS,
    FORECASTS,
    MORE,
    Content,
    Ended,
    Fault,
    assert_one_line,
    assert_whole,
    compiled,
    content,
    forecaster,
    make,
    quote,
    rows,
    run_with,
    unpack,
    whole,
)

PARTS = 4
IN_CI, IN_SOAK = 5, 50
"""Faults in each part."""

KINDS = ((0, False), (errno.ENOSPC, True), (errno.EIO, False), (errno.EIO, True))
STEP = 97  # a prime meets every kind of change, over the whole of a run


@dataclass(frozen=True)
class Ground:
    """What the tests compare with.

    Attributes:
        library: that makes files fail.
        prepared: a folder in which a run was done, and more sessions have come.
        first: what the first run stores; `both`: what it and the next one store.
        changes: how many changes of files each makes.
    """

    library: Path
    prepared: Path
    first: Content
    both: Content
    changes: dict[str, int]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Return what undisturbed runs store."""
    folder = tmp_path_factory.mktemp("ground")
    library = compiled(folder)
    if library is None:
        pytest.skip("there is no C compiler here to make files fail with")
    prepared = make(folder / "prepared")
    [told] = run_with(library, [(prepared, Fault())], "run")
    assert told.code == 0, told.errors
    changes = {"first": told.seen}
    first = content(prepared)
    quote(prepared, DAYS + MORE)
    both = shutil.copytree(prepared, folder / "both")
    [told] = run_with(library, [(both, Fault())], "run")
    assert told.code == 0, told.errors
    changes["next"] = told.seen
    return Ground(library, prepared, first, content(both), changes)


def faulted(ground: Ground, folder: Path, numbers: Sequence[int]) -> list[tuple[Path, Fault, str]]:
    """Return folders, half of them new and half prepared, and what shall happen in each."""
    found = []
    for k in numbers:
        which = "first" if k % 2 else "next"
        error, sticky = KINDS[k // 2 % 4]
        place = folder / f"at{k}"
        if which == "first":
            make(place)
        else:
            shutil.copytree(ground.prepared, place)
        found.append((place, Fault(1 + STEP * k % ground.changes[which], error, sticky), which))
    return found


def judge(ground: Ground, place: Path, which: str, ended: Ended, *, killed: bool) -> None:
    """Demand no wrong success, words instead of a traceback, and nothing acknowledged lost."""
    if ended.code == 0:
        assert content(place) == (ground.first if which == "first" else ground.both)
    elif not killed:
        assert ended.code == 1
        assert_one_line(ended.errors)
    if which == "next":
        assert_whole(place)
        assert set(rows(place, FORECASTS)) >= set(rows(ground.prepared, FORECASTS))


def sweep(ground: Ground, folder: Path, numbers: Sequence[int]) -> list[int]:
    """Spoil runs, judge how they ended, and demand that the next one completes them.

    Returns the exit codes of those that were spoiled.
    """
    work = faulted(ground, folder, numbers)
    ends = run_with(ground.library, [(place, fault) for place, fault, _ in work], "run")
    for (place, fault, which), ended in zip(work, ends, strict=True):
        judge(ground, place, which, ended, killed=fault.error == 0)
    again = run_with(ground.library, [(place, Fault()) for place, _, _ in work], "run")
    for (place, fault, which), ended in zip(work, again, strict=True):
        assert ended.code == 0, (fault, ended.errors)
        assert content(place) == (ground.first if which == "first" else ground.both), fault
        assert_whole(place)
        assert not [one for one in place.iterdir() if "partial" in one.name]
    return [ended.code for ended in ends]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_change_that_fails_loses_nothing(ground: Ground, tmp_path: Path, part: int) -> None:
    """I/O error, full disk or SIGKILL at any change: one line, and the next run completes it."""
    assert any(sweep(ground, tmp_path, range(part, PARTS * IN_CI, PARTS)))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_many_changes_that_fail_lose_nothing(ground: Ground, tmp_path: Path, part: int) -> None:
    """The same at many more of them."""
    numbers = range(PARTS * IN_CI + part, PARTS * (IN_CI + IN_SOAK), PARTS)
    assert any(sweep(ground, tmp_path, numbers))


def test_a_wrong_success_would_be_noticed(ground: Ground, tmp_path: Path) -> None:
    """The judgement above fails for a run that says 0 and has not stored everything."""
    place = shutil.copytree(ground.prepared, tmp_path / "wrong")
    with pytest.raises(AssertionError):
        judge(ground, place, "next", Ended(0, "", 1), killed=False)


def test_a_lost_forecast_would_be_noticed(ground: Ground, tmp_path: Path) -> None:
    """The judgement above fails where an acknowledged forecast is gone."""
    place = make(tmp_path / "lost", DAYS - 1)
    assert forecaster(place, "run").returncode == 0
    with pytest.raises(AssertionError):
        judge(ground, place, "next", Ended(1, "forecaster: no", 1), killed=False)


COMMANDS = (("db", "backup", "copy.db"), ("db", "upgrade"), ("db", "restore", "saved.db"))


@pytest.mark.parametrize(
    "points", [6, pytest.param(10**6, marks=pytest.mark.soak)], ids=["some", "all"]
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_backup_upgrade_and_restore_are_whole_or_nothing(
    ground: Ground, tmp_path: Path, command: tuple[str, ...], points: int
) -> None:
    """Failing or killed at any change, there is a whole database, old or new, and it says which."""
    upgraded = command == ("db", "upgrade")
    start = make(tmp_path / "start")
    if upgraded:
        unpack(start / "forecaster.db")
    else:
        shutil.copy(ground.prepared / "forecaster.db", start / "forecaster.db")
        assert forecaster(start, "db", "backup", "saved.db").returncode == 0
    before = content(start)
    [told] = run_with(
        ground.library, [(shutil.copytree(start, tmp_path / "count"), Fault())], *command
    )
    assert told.code == 0, told.errors
    after = content(tmp_path / "count")
    step = max(1, told.seen // points)
    work = [
        (shutil.copytree(start, tmp_path / f"at{k}"), Fault(k, *KINDS[k % 4]))
        for k in range(1, told.seen + 1, step)
    ]
    for (place, fault), ended in zip(work, run_with(ground.library, work, *command), strict=True):
        assert (ended.code == 0) <= (content(place) == after)
        assert content(place) in (before, after), fault
        assert_whole(place)
        if ended.code > 0:
            assert_one_line(ended.errors)
        for one in (*place.glob("copy.db"), *place.glob("*.before-????")):
            assert whole(one) == before, fault
    again = run_with(ground.library, [(place, Fault()) for place, _ in work], *command)
    for (place, fault), ended in zip(work, again, strict=True):
        if (place / "copy.db").exists() and ended.code:
            assert "exists" in ended.errors
        else:
            assert ended.code == 0, (fault, ended.errors)
        assert content(place) == after
        assert not [one for one in place.iterdir() if "partial" in one.name]
        assert len(list(place.glob("*.before-????*"))) == int(upgraded), fault
