"""A ledger as a daemon keeps it: two series of New York's, and what became of their nights."""

import os
import socket
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.config import Settings, load_settings
from forecaster.daemon.health import Health, check_health
from forecaster.errors import LedgerError
from forecaster.ledger import Instrument, Ledger, Night, Outcome, SeriesNight, Stamp
from forecaster.ledger.instruments import read_series, register_series
from forecaster.ledger.nights import commit
from forecaster.ledger.pulse import Pulse, beat
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.ledger.runs import Awaited, put_on_schedule
from forecaster.market import Actions, Bars, Calendars, get_calendar

XNYS = "XNYS"
THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
DUE = get_calendar(XNYS).close(FRIDAY) + timedelta(hours=2)
"""When Friday's session is to be worked: 23:00 UTC."""

SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

CONFIG = """
[[series]]
source = "feed"
symbols = ["AAA", "BBB"]
calendar = "XNYS"

[database]
url = "ledger.db"
"""


def settings_of(folder: Path, more: str = "") -> Settings:
    """Return the settings of a folder, which are written there."""
    (folder / "config.toml").write_text(CONFIG + more)
    return load_settings(folder / "config.toml", environ={})


def fill(ledger: Ledger, symbols: Sequence[str] = ("AAA", "BBB")) -> None:
    """Let the ledger know the series."""
    sessions = np.array(["2026-11-18", "2026-11-19"], dtype="datetime64[D]")
    empty = np.full(2, np.nan)
    bars = Bars(sessions, empty, empty, empty, np.array([1.0, 2.0]), empty)
    none = np.zeros(0)
    actions = Actions(np.zeros(0, dtype="datetime64[D]"), none, none)
    wanted = []
    for symbol in symbols:
        quoted = Instrument(0, "feed", symbol, XNYS, "USD", False, "made up")
        [stored] = store_quotes(ledger, [Answer(quoted, bars, actions)], now=DUE)
        wanted.append((symbol, stored.instrument.id, "close"))
    register_series(ledger, wanted, now=DUE)


def schedule(ledger: Ledger, session: date = FRIDAY) -> None:
    """Note that a session has become due."""
    due = get_calendar(XNYS).close(session) + timedelta(hours=2)
    put_on_schedule(ledger, {XNYS: [Awaited(session, due)]}, {XNYS: session})


def work(
    ledger: Ledger, session: date = FRIDAY, *, failing: Sequence[str] = (), status: Any = "failed"
) -> None:
    """Work a night, in which some series fail."""
    results = [
        SeriesNight(
            one.id,
            Outcome(status, "data", "its bar is a riddle")
            if name in failing
            else Outcome("done", "ok", ""),
        )
        for name, one in read_series(ledger).items()
    ]
    stamp = Stamp(DUE, "1.2.3", "{}")
    commit(ledger, Night("live", XNYS, session), results, stamp, seconds=0.5, last=True)


def say(ledger: Ledger, now: datetime, **changes: Any) -> None:
    """Let a daemon of this process tell of itself."""
    usual = {"host": socket.gethostname(), "pid": os.getpid(), "version": "1.2.3"}
    beat(ledger, Pulse(**{**usual, "started_at": now, "ticked_at": now, **changes}))


def healthy_at(
    settings: Settings,
    ledger: Ledger | LedgerError,
    now: datetime = SATURDAY,
    *,
    deep: bool = False,
) -> Health:
    """Return how the program stands."""
    return check_health(settings, ledger, now, Calendars(), deep=deep)
