"""Nights, command lines and readers at one ledger at the same time."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .project import THREADS, assert_whole, forecaster, make, rows

CROWD = ("nights", "pausing", "importing", "pinning", "backfilling", *8 * ("asking",))
SLOWEST = 0.1  # seconds of a reader's question, at its 99th percentile
LONGEST = 16 << 20  # bytes of the WAL

THIRD = """
[[series]]
source = "csv"
symbol = "C"
"""


def crowded(folder: Path, seconds: float, roles: Sequence[str] = CROWD) -> list[dict[str, Any]]:
    """Let everybody work at the same time; return what each tells."""
    script = Path(__file__).with_name("crowd.py")
    with ExitStack() as held:
        crowd = [
            held.enter_context(
                subprocess.Popen(
                    [sys.executable, script, folder, role, str(seconds)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    env={**os.environ, **THREADS},
                )
            )
            for role in roles
        ]  # fmt: skip
        for one in crowd:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        for one in crowd:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        return [json.loads(one.stdout.readline()) for one in crowd if one.stdout]


def percentile(told: list[dict[str, Any]], share: float) -> float:
    """Return a quantile of the seconds that the readers' questions took."""
    took = sorted(one for each in told if each["role"] == "asking" for one in each["took"])
    return float(took[int(share * (len(took) - 1))])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project in which a run was done."""
    place = make(tmp_path / "project")
    (place / "C.csv").write_text((place / "A.csv").read_text())
    with (place / "config.toml").open("a") as config:
        config.write(THIRD)
    assert forecaster(place, "run").returncode == 0
    return place


def judge(folder: Path, told: list[dict[str, Any]]) -> None:
    """Demand that nobody was locked out or kept waiting, and that the ledger is whole."""
    assert [problem for one in told for problem in one["wrong"]] == []
    assert all(one["took"] for one in told)
    assert percentile(told, 0.99) < SLOWEST
    wal = folder / "forecaster.db-wal"
    assert not wal.exists() or wal.stat().st_size < LONGEST
    assert_whole(folder)
    cells = rows(folder, "SELECT count(*) FROM forecast GROUP BY series_id, kind, cutoff, horizon")
    assert set(cells) == {(1,)}
    done = forecaster(folder, "db", "check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "seconds", [60, pytest.param(600, marks=pytest.mark.soak)], ids=["brief", "long"]
)
def test_nobody_is_locked_out(folder: Path, seconds: float) -> None:
    """Each does its work, each question is answered at once, and the log stays short."""
    told = crowded(folder, seconds)
    judge(folder, told)
    assert sum(len(one["took"]) for one in told) > seconds


def test_who_is_locked_out_would_be_noticed(folder: Path) -> None:
    """The judgement fails for a complaint, and for readers that were kept waiting."""
    fine = {"role": "asking", "took": [0.01] * 100, "wrong": []}
    judge(folder, [fine])
    for spoiled in ({"wrong": ["database is locked"]}, {"took": [0.01] * 90 + [0.5] * 10}):
        with pytest.raises(AssertionError):
            judge(folder, [fine | spoiled])
