"""A street of three markets for the simulated daemon: what its source says, and when it fails."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

PLUGIN = '''
    """A source that quotes random walks up to the true time, and fails as it is told."""

    import json
    from datetime import date, datetime, timedelta
    from functools import cache

    import numpy as np
    import pandas as pd

    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Quotes
    from forecaster.market import get_calendar

    FIRST = date(2029, 9, 3)


    @cache
    def walk(symbol):
        moves = np.random.default_rng(list(symbol.encode())).normal(0.0, 0.01, 4000)
        return np.round(100.0 * np.exp(np.cumsum(moves)), 2)


    class Street:
        name = "street"

        def __init__(self, options, folder):
            self.file = folder / "world.json"

        def fetch(self, symbol, start, end):
            world = json.loads(self.file.read_text())
            self.fail(world["faults"], symbol)
            calendar = get_calendar(symbol.partition("-")[0].replace("247", "24/7"))
            last = calendar.last_closed(datetime.fromisoformat(world["now"]))
            sessions = calendar.sessions(max(FIRST, start or FIRST), last)
            days = (sessions - np.datetime64(FIRST)).astype(int)
            table = pd.DataFrame({"close": walk(symbol)[days]}, index=pd.DatetimeIndex(sessions))
            for session, what in world["bars"].get(symbol, {}).items():
                moment = pd.Timestamp(session)
                if moment not in table.index:
                    continue
                if what == "missing":
                    table = table.drop(moment)
                elif what == "truncated":
                    table = table.loc[table.index <= moment]
                    table.loc[moment, "close"] = np.nan
                else:
                    table.loc[moment, "close"] = round(table.loc[moment, "close"] * what, 2)
            return Quotes(table, calendar=calendar.name, currency="USD")

        def fail(self, faults, symbol):
            fault = faults.get(symbol) or faults.get("all")
            if fault == "raise":
                raise ZeroDivisionError("a plugin's own mistake")
            if fault:
                code, *wait = fault.split()
                retry_after = float(wait[0]) if wait else None
                raise SourceError(f"told to say {code}", code=code, retry_after=retry_after)


    @hookimpl
    def forecaster_sources():
        return [Street]
'''

CONFIG = """
[model]
lookback = 3
horizon = 3
hidden_size = 3
epochs = 1
members = 1
validation = 0.0
history = 80
extra_inputs = []

[retrain]
every = 120

[intervals]
scale = "ewma"

[schedule]
initial_backfill = 3

[executor]
name = "serial"

[plugins]
dirs = ["plugins"]

[reporters]
"""


@dataclass
class Street:
    """What the source knows of the world.

    Attributes:
        folder: of the configuration.
        faults: word of the fault by symbol, or of "all".
        bars: what is wrong with single bars: missing, truncated, or a factor.
    """

    folder: Path
    faults: dict[str, str] = field(default_factory=dict)
    bars: dict[str, dict[str, str | float]] = field(default_factory=dict)

    def build(self, symbols: dict[str, int]) -> None:
        """Write configuration and plugin, with so many symbols of each calendar."""
        series = "".join(
            f'[[series]]\nsource = "street"\nsymbol = "{name}-{k}"\n'
            for name, count in symbols.items()
            for k in range(count)
        )
        (self.folder / "config.toml").write_text(series + CONFIG)
        plugins = self.folder / "plugins"
        plugins.mkdir()
        (plugins / "street.py").write_text(dedent(PLUGIN))

    def tell(self, now: datetime) -> None:
        """Let the source know what is so."""
        world: dict[str, Any] = {"now": now.isoformat(), "faults": self.faults, "bars": self.bars}
        (self.folder / "world.json").write_text(json.dumps(world))
