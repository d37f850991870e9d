"""What hangs is ended in time, with a reason; the daemon itself stays as it was."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from forecaster.daemon.child import GRACE

from .markets import BEGINNING, Markets, Templates, fake_clock
from .nursery import STANDIN, Nursery, until

DEADLINE = 3.0
"""Seconds that a child has here."""

SOON = 5.0
"""Seconds from its end to the beginning of the next, which is due already: a tick, on a busy
machine.
"""

LARGEST = 200.0
"""Megabytes of a daemon."""

ONLY = "import os, pathlib, signal, time\nif symbol in {symbols}:\n"
HANGS = "    time.sleep(600)\n"
LOOPS = "    sum(range(10 ** 15))\n"
DEAF = "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"

TRICKS = {
    "a source hangs": (["AAA"], HANGS),
    "a source hangs in C": (["AAA"], LOOPS),
    "a source is deaf to SIGTERM": (["AAA"], DEAF + HANGS),
    "an activation hangs": (["activation"], HANGS),
    "an activation is deaf to SIGTERM": (["activation"], DEAF + LOOPS),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_hangs_is_ended_and_the_others_are_on_time(
    tmp_path: Path, nursery: Nursery, templates: Templates, trick: str
) -> None:
    """Its run has failed at the deadline, says why and when it is tried again; others are done."""
    markets = templates.copy("worked", tmp_path / "markets")
    symbols, code = TRICKS[trick]
    if "activation" in trick:
        markets.configure('symbols = ["AAA", "BBB"]', 'symbols = ["AAA", "BBB"]\n'
                          '[series.model]\nactivation = "stuck"')  # fmt: skip
    (markets.folder / "trick.py").write_text(ONLY.format(symbols=symbols) + code)
    environ = fake_clock(BEGINNING, 100.0) | {"DEADLINE": str(DEADLINE)}
    daemon = nursery.start("daemon", markets.folder, **environ)
    assert until(lambda: bool(ended(markets)))
    first = ended(markets)[0]
    assert first["seconds"] < DEADLINE + GRACE + 5.0
    assert until(lambda: bool(failed(markets)))
    assert all(row[0].startswith("not done within ") and row[1] for row in failed(markets))
    assert until(lambda: done(markets, "24/7") == 4), markets.sql("SELECT * FROM run_history")
    assert gap(markets) < SOON
    (markets.folder / "trick.py").unlink()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon = nursery.start("daemon", markets.folder, **environ | {"DEADLINE": "60"})
    assert until(lambda: done(markets, "XNYS") == 4), markets.sql("SELECT * FROM run_history")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    if "activation" not in trick:  # another one makes another model
        markets.check(templates.cells("worked"))


ENDS = "    os.kill(os.getpid(), signal.SIGKILL)\n"


def test_what_ends_its_process_costs_its_own_series_alone(
    tmp_path: Path, nursery: Nursery, templates: Templates
) -> None:
    """The others are forecast by the next attempt; it has a fallback when the last one is over."""
    markets = templates.copy("worked", tmp_path / "markets")
    markets.configure('symbols = ["AAA", "BBB"]', 'symbols = ["AAA"]')
    markets.configure("[model]", OF_ITS_OWN)
    markets.configure("give_up = 10080", "give_up = 1")
    (markets.folder / "trick.py").write_text(ONLY.format(symbols=["activation"]) + ENDS)
    daemon = nursery.start("daemon", markets.folder, SPARE="40", **fake_clock(BEGINNING, 1000.0))
    assert until(lambda: said(markets, "AAA") == {"ok"})
    assert until(lambda: said(markets, "BBB") == {"fallback"}), markets.sql("SELECT * FROM run")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    [(status, code, reason)] = markets.sql(
        "SELECT status, reason_code, reason FROM series_history"
        " WHERE series = 'BBB' AND session = ? AND kind = 'live'", TONIGHT,
    )  # fmt: skip
    assert (status, code) == ("fallback", "died")
    assert "attempts before: it ended with SIGKILL before it was done" in reason


def test_a_new_series_that_ends_its_process_costs_no_other_its_forecast(
    tmp_path: Path, nursery: Nursery, templates: Templates
) -> None:
    """It does so in a past night, before any other had its turn; tonight it has a fallback."""
    markets = templates.copy("worked", tmp_path / "markets")
    markets.configure("[model]", OF_ITS_OWN.replace("BBB", "CCC"))
    markets.configure("give_up = 10080", "give_up = 1")
    (markets.folder / "trick.py").write_text(ONLY.format(symbols=["activation"]) + ENDS)
    daemon = nursery.start("daemon", markets.folder, SPARE="60", **fake_clock(BEGINNING, 1000.0))
    assert until(lambda: said(markets, "CCC") == {"fallback"}), markets.sql("SELECT * FROM run")
    for series in ("AAA", "BBB", "COIN", "DOGE"):
        assert said(markets, series) == {"ok"}
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0


TONIGHT = "2023-03-09"

OF_ITS_OWN = """[[series]]
source = "market"
symbols = ["BBB"]
[series.model]
activation = "stuck"

[model]"""


def said(markets: Markets, series: str) -> set[str]:
    """Return what the newest live night of a series has said: forecasts, or a fallback."""
    rows = markets.sql(
        "SELECT DISTINCT status FROM forecast_history"
        " WHERE series = ? AND cutoff = ? AND kind = 'live'", series, TONIGHT,
    )  # fmt: skip
    return {row[0] for row in rows}


def log(markets: Markets) -> list[dict[str, Any]]:
    """Return the lines that the daemon has logged."""
    if not (markets.folder / "said").exists():
        return []
    lines = (markets.folder / "said").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def ended(markets: Markets) -> list[dict[str, Any]]:
    """Return the log lines of children that were ended at their deadline."""
    return [line for line in log(markets) if line["message"] == "ended: deadline"]


def gap(markets: Markets) -> float:
    """Return the seconds from the first end at the deadline to the beginning of the next child."""
    end = datetime.fromisoformat(ended(markets)[0]["time"])
    begun = [one["time"] for one in log(markets) if one["message"] == "beginning"]
    after = [moment for each in begun if (moment := datetime.fromisoformat(each)) >= end]
    return (after[0] - end).total_seconds()


def failed(markets: Markets) -> list[tuple[Any, ...]]:
    """Return (reason, whether it is tried again) of the runs that have failed at the deadline."""
    return markets.sql(
        "SELECT reason, next_attempt_at > finished_at FROM run"
        " WHERE state = 'failed' AND reason_code = 'deadline' AND calendar = 'XNYS'"
    )


def done(markets: Markets, calendar: str) -> int:
    """Return how many sessions of a calendar are done that were due in time."""
    query = "SELECT count(*) FROM run WHERE calendar = ? AND state = 'done' AND session BETWEEN"
    return int(markets.sql(f"{query} '2023-03-06' AND '2023-03-09'", calendar)[0][0])


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[Markets, subprocess.Popen[bytes]]]:
    """Yield a daemon of five hundred series."""
    markets = Markets(tmp_path / "fleet")
    markets.build()
    symbols = json.dumps([f"S{k:03}" for k in range(500)])
    markets.configure('["AAA", "BBB"]', symbols)
    markets.configure("initial_backfill = 3", "initial_backfill = 0")
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, STANDIN, "daemon"], cwd=markets.folder, stdin=subprocess.DEVNULL,
            stdout=said, stderr=said, env=os.environ | fake_clock(BEGINNING, 20_000.0),
        )  # fmt: skip
        yield markets, process
        process.terminate()
        assert process.wait(10) == 0


def test_the_daemon_stays_small(fleet: tuple[Markets, subprocess.Popen[bytes]]) -> None:
    """With five hundred series it has less than 200 MB, and no more after hundreds of ticks."""
    markets, process = fleet
    assert until(lambda: markets.has_ticked(process.pid))
    assert until(lambda: nights(markets) >= 3)
    first, ticked = resident(process.pid), last_tick(markets)
    assert until(lambda: nights(markets) >= 5 and (last_tick(markets) - ticked).days >= 1)
    assert resident(process.pid) < min(LARGEST, 1.05 * first)


def nights(markets: Markets) -> int:
    """Return how many nights are done."""
    return int(markets.sql("SELECT count(*) FROM run WHERE finished_at IS NOT NULL")[0][0])


def last_tick(markets: Markets) -> datetime:
    """Return when the daemon last looked at the schedule."""
    return datetime.fromisoformat(markets.sql("SELECT ticked_at FROM daemon")[0][0])


def resident(pid: int) -> float:
    """Return the megabytes that a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
