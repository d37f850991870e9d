"""A daemon, command lines and readers at one ledger at the same time."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forecaster.ledger.files import size_of

from ..daemon.markets import MARKET, fake_clock  # noqa: TID252
from .project import THREADS, assert_whole, forecaster, make, rows

CROWD = ("watching", "pausing", "importing", "pinning", "backfilling", *8 * ("asking",))
SLOWEST = 0.1  # seconds of a reader's question, at its 99th percentile
LONGEST = 16 << 20  # bytes of the WAL
LOOK = 0.1  # seconds between two looks at it
AHEAD = 28_800.0  # times as fast as real ones the daemon's days pass: three seconds for each

THIRD = """
[[series]]
source = "csv"
symbol = "C"
"""

FOLLOWED = """
[[series]]
source = "coins"
symbols = ["COIN", "DOGE"]

[plugins]
dirs = ["plugins"]
"""


def crowded(folder: Path, seconds: float) -> tuple[list[dict[str, Any]], int]:
    """Let everybody work at the same time; return what each tells, and how long the WAL was."""
    script = Path(__file__).with_name("crowd.py")
    # Its last day is today: what it puts on the schedule is due for the commands as well.
    begins = datetime.now(UTC) - timedelta(seconds=(seconds + 60) * AHEAD)
    with ExitStack() as held:
        crowd = [
            held.enter_context(
                subprocess.Popen(
                    [sys.executable, script, folder, role, str(seconds)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    env={**os.environ, **THREADS, **fake_clock(begins, AHEAD)},
                )
            )
            for role in CROWD
        ]  # fmt: skip
        for one in crowd:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        for one in crowd:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        pool = held.enter_context(ThreadPoolExecutor(len(crowd)))
        lines = [pool.submit(one.stdout.readline) for one in crowd if one.stdout]
        longest = 0
        while wait(lines, timeout=LOOK).not_done:
            longest = max(longest, size_of(folder / "forecaster.db-wal"))
        return [json.loads(one.result()) for one in lines], longest


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
    (place / "plugins").mkdir()
    (place / "plugins" / "market.py").write_text(MARKET)
    with (place / "config.toml").open("a") as config:
        config.write(FOLLOWED)
    return place


def judge(folder: Path, told: list[dict[str, Any]], longest: int) -> None:
    """Demand that nobody was locked out or kept waiting, and that the ledger is whole."""
    assert [problem for one in told for problem in one["wrong"]] == []
    assert all(one["took"] for one in told)
    assert percentile(told, 0.99) < SLOWEST
    assert longest < LONGEST
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
    told, longest = crowded(folder, seconds)
    judge(folder, told, longest)
    assert longest
    assert sum(len(one["took"]) for one in told) > seconds
    # The daemon gives way to whoever works; it has its turn all the same.
    nights = "SELECT count(*) FROM run WHERE calendar = '24/7' AND state = 'done'"
    assert rows(folder, nights)[0][0] > seconds / 10


def test_who_is_locked_out_would_be_noticed(folder: Path) -> None:
    """The judgement fails for a complaint, readers that were kept waiting, and a long WAL."""
    fine = {"role": "asking", "took": [0.01] * 100, "wrong": []}
    judge(folder, [fine], 0)
    with pytest.raises(AssertionError):
        judge(folder, [fine], LONGEST)
    for spoiled in ({"wrong": ["database is locked"]}, {"took": [0.01] * 90 + [0.5] * 10}):
        with pytest.raises(AssertionError):
            judge(folder, [fine | spoiled], 0)
