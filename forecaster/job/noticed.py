"""What is held of prices, and what was noticed about them lately."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from forecaster.ledger import Instrument, Ledger
from forecaster.ledger.history import plain, read_view

ALERTS = timedelta(days=30)
"""For how long an alert is told."""

Found = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Noticed:
    """Rows of `quarantine_history` that are open, and of `alert_history` of the last 30 days."""

    held: Found = ()
    alerts: Found = ()


def read_noticed(
    ledger: Ledger, instruments: Sequence[Instrument], *, now: datetime
) -> dict[tuple[str, str], Noticed]:
    """Return for each (source, symbol) that, with one statement for each view."""
    symbols = {"symbol": sorted({one.symbol for one in instruments})}
    since = plain(now - ALERTS)
    held: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    alerts: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    order = ("session", "first_seen_at")
    for row in read_view(ledger, "quarantine_history", where=symbols, order=order).as_dicts():
        if row["resolved_at"] is None:
            held[row["source"], row["symbol"]].append(row)
    order = ("raised_at", "session")
    for row in read_view(ledger, "alert_history", where=symbols, order=order).as_dicts():
        if row["raised_at"] >= since:
            alerts[row["source"], row["symbol"]].append(row)
    addresses = [(one.source, one.symbol) for one in instruments]
    return {one: Noticed(tuple(held.get(one, ())), tuple(alerts.get(one, ()))) for one in addresses}
