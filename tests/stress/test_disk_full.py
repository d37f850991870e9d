"""A disk that is too small: twenty sizes of it, then enough."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .project import (
    Content,
    Ended,
    Fault,
    assert_one_line,
    assert_whole,
    content,
    forecaster,
    make,
    run_with,
)

SIZES = range(60, 860, 40)
"""Kilobytes; a run needs some hundreds."""

PAGES = range(4, 84, 4)
"""Of a database that may not grow further; a run needs 70."""

PLENTY = 64 << 10


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """Mount a small disk and give what resizes it."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}k,mode=700", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")

    def resize(kilobytes: int) -> None:
        options = f"remount,size={kilobytes}k"
        subprocess.run(["mount", "-o", options, str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """Return what a run stores that never failed."""
    folder = make(tmp_path_factory.mktemp("complete") / "project")
    assert forecaster(folder, "run").returncode == 0
    return content(folder)


def judge(folder: Path, ended: Ended, complete: Content, copy: Path) -> None:
    """Demand that it is said whether all is stored, and that what is stored is whole."""
    if ended.code:
        assert ended.code == 1
        assert_one_line(ended.errors)
        assert "free some space" in ended.errors
    copy.mkdir()  # what is looked into needs some space as well
    for name in folder.glob("forecaster.db*"):
        shutil.copy(name, copy)
    if (copy / "forecaster.db").exists():
        assert_whole(copy)
    if ended.code == 0:
        assert content(copy) == complete


def test_a_run_on_a_small_disk_is_completed_on_a_larger_one(
    tmp_path: Path, complete: Content
) -> None:
    """Each size ends in success or in one line; with space, the same command stores the same."""
    with ExitStack() as disks:
        resize = [disks.enter_context(mounted(tmp_path / f"{size}", size)) for size in SIZES]
        work = [(make(tmp_path / f"{size}" / "project"), Fault()) for size in SIZES]
        ends = run_with(None, work, "run", notes=tmp_path)
        for size, (folder, _), ended in zip(SIZES, work, ends, strict=True):
            judge(folder, ended, complete, tmp_path / f"copy{size}")
        assert {ended.code for ended in ends} == {0, 1}
        for grow in resize:
            grow(PLENTY)
        again = run_with(None, work, "run", notes=tmp_path)
        for (folder, _), ended in zip(work, again, strict=True):
            assert ended.code == 0, ended.errors
            assert content(folder) == complete
            assert_whole(folder)


def test_a_database_that_may_not_grow_is_completed_when_it_may(
    tmp_path: Path, complete: Content
) -> None:
    """The same where no disk may be mounted: SQLite itself says that the disk is full."""
    work = [(make(tmp_path / f"{pages}"), Fault(pages=pages)) for pages in PAGES]
    codes = set()
    for (folder, _), ended in zip(work, run_with(None, work, "run"), strict=True):
        codes.add(ended.code)
        judge(folder, ended, complete, tmp_path / f"copy{folder.name}")
    assert codes == {0, 1}
    again = run_with(None, [(folder, Fault()) for folder, _ in work], "run")
    for (folder, _), ended in zip(work, again, strict=True):
        assert ended.code == 0, ended.errors
        assert content(folder) == complete


def test_reading_works_on_a_full_disk(tmp_path: Path) -> None:
    """What is stored can be read, checked and, elsewhere, backed up."""
    with mounted(tmp_path / "disk", PLENTY):
        folder = make(tmp_path / "disk" / "project")
        assert forecaster(folder, "run").returncode == 0
        free = shutil.disk_usage(folder).free
        with (folder / "ballast").open("wb") as ballast:
            ballast.write(b"x" * (free - 64 * 1024))
        for command in (["forecasts"], ["sql", "SELECT * FROM accuracy"], ["db", "check"]):
            done = forecaster(folder, *command)
            assert done.returncode == 0, done.stderr
        done = forecaster(folder, "db", "backup", "copy.db")
        assert done.returncode == 1
        assert_one_line(done.stderr)
        assert not (folder / "copy.db").exists()
        assert forecaster(folder, "db", "backup", str(tmp_path / "copy.db")).returncode == 0
