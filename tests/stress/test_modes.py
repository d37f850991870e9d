"""What the program writes is its owner's alone, whatever the umask of whoever starts it."""

import os
from pathlib import Path

from .project import forecaster, make


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of all files and folders in a folder."""
    return {str(one.relative_to(folder)): one.stat().st_mode & 0o777 for one in folder.rglob("*")}


def test_nobody_else_reads_what_is_written(tmp_path: Path) -> None:
    """Database, locks, backups and exports are 0600; the report's folder is 0700."""
    folder = make(tmp_path / "project")
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[reporters]", '[reporters.html]\nfolder = "r"'))
    given = set(modes(folder))
    umask = os.umask(0)
    try:
        for command in (
            ["run"],
            ["db", "backup", "copy.db"],
            ["db", "restore", "copy.db"],
            ["db", "vacuum"],
            ["report"],
            ["series", "add", "D", "--source", "csv", "--symbol", "D"],
        ):
            done = forecaster(folder, *command)
            assert done.returncode == 0, done.stderr
    finally:
        os.umask(umask)
    made = {name: mode for name, mode in modes(folder).items() if name not in given}
    assert made.pop("r") == 0o700
    folders = {name for name in made if (folder / name).is_dir()}
    assert {made[name] for name in folders} <= {0o700}
    assert {
        name: mode for name, mode in made.items() if name not in folders and mode != 0o600
    } == {}
    assert {"forecaster.db", "copy.db", "forecaster.db.run.lock"} <= made.keys()
