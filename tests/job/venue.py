"""A source that keeps a list of who asked it for what, and fails in any way it is told to."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from .project import Project, evening, walk, xnys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# `drawer` is the same on this machine: asking it costs nothing.
SOURCE = '''
    """Two sources that quote the CSV files beside them and note each question."""

    from pathlib import Path

    import pandas as pd

    from forecaster import hookimpl
    from forecaster.errors import SourceError
    from forecaster.hooks import Quotes


    class Venue:
        name = "venue"

        def __init__(self, options, folder):
            self.folder, self.currency = folder, options.get("currency")

        def fetch(self, symbol, start, end):
            with (self.folder / "asked.txt").open("a") as asked:
                asked.write(f"{symbol} {start}\\n")
            for name in (symbol, "all"):
                fault = self.folder / f"{name}.fault"
                if fault.exists():
                    code, *wait = fault.read_text().split()
                    retry_after = float(wait[0]) if wait else None
                    raise SourceError(f"told to say {code}", code=code, retry_after=retry_after)
            table = pd.read_csv(self.folder / f"{symbol}.csv", index_col="date")
            table.index = pd.DatetimeIndex(table.index)
            table = table.loc[pd.Timestamp(start) if start else None:]
            names = [one for one in ("open", "high", "low", "close", "volume") if one in table]
            acts = [one for one in ("split", "dividend") if one in table]
            actions = table[acts].dropna(how="all") if acts else None
            if actions is not None:
                actions = actions.fillna({"split": 1.0, "dividend": 0.0})
            return Quotes(table[names], actions=actions, calendar="XNYS", currency=self.currency)


    class Drawer(Venue):
        name = "drawer"
        local = True


    @hookimpl
    def forecaster_sources():
        return [Venue, Drawer]
'''
BRIEF = "[schedule]\ninitial_backfill = 0"
DAYS = xnys("2023-01-03", "2023-06-30")
"""Sessions that are stored before anything goes wrong, and those to come."""
COMING = xnys("2023-07-01", "2023-08-31")
EVERY = [*DAYS, *COMING]


@dataclass
class Venue(Project):
    """A project with the sources `venue` and `drawer`."""

    def __post_init__(self) -> None:
        """Write the plugin."""
        self.plugin("venue", SOURCE)

    def trade(
        self,
        symbol: str,
        count: int,
        *,
        seed: int = 0,
        changed: dict[date, float | str] | None = None,
        without: Sequence[date] = (),
        **more: Any,
    ) -> list[float]:
        """Quote the first `count` of all sessions, and return the closes before any change.

        Args:
            symbol: of the file.
            count: how many sessions.
            seed: of the walk.
            changed: closes that are quoted otherwise.
            without: sessions that are not quoted.
            more: columns by session: {"split": {session: 4.0}}.
        """
        closes = walk(len(EVERY), seed)[:count]
        kept = [(day, close) for day, close in zip(EVERY, closes, strict=False)
                if day not in without]  # fmt: skip
        days = [day for day, _ in kept]
        quoted = [(changed or {}).get(day, close) for day, close in kept]
        columns = {name: [cells.get(day, "") for day in days] for name, cells in more.items()}
        self.quote(symbol, days, quoted, **columns)  # type: ignore[arg-type]
        return closes

    @contextmanager
    def fault(self, code: str, symbol: str = "all") -> "Iterator[None]":
        """Let the source fail for a symbol, or for all."""
        path: Path = self.folder / f"{symbol}.fault"
        path.write_text(code)
        try:
            yield
        finally:
            path.unlink()

    def asked(self) -> list[str]:
        """Return what was asked since the last time: "SYMBOL START"."""
        path = self.folder / "asked.txt"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def outcomes(self, symbol: str = "%") -> list[str]:
        """Return the outcomes in `pull_history`, the oldest first."""
        query = "SELECT outcome FROM pull_history WHERE symbol LIKE ? ORDER BY pull_id"
        return [row[0] for row in self.sql(query, symbol)]

    def night(self, session: date) -> tuple[Any, ...]:
        """Return (state of the run, status, reason code) of the only series' night."""
        rows = self.sql(
            "SELECT r.state, h.status, h.reason_code FROM series_history h "
            "JOIN run_history r ON r.run_id = h.run_id WHERE h.session = ? AND h.kind = 'live'",
            str(session),
        )
        assert len(rows) == 1, rows
        return rows[0]


def nights(count: int) -> "Iterator[tuple[int, date, Any]]":
    """Yield (bars up to it, session, its evening) of the next sessions."""
    for k, session in enumerate(COMING[:count], len(DAYS) + 1):
        yield k, session, evening(session)
