"""What happened to an instrument, and how Yahoo would tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = tuple[float | None, float | None, float | None, float | None, int | None]
FIRST = date(2024, 3, 4)  # a Monday; New York changes its clocks on the Sunday after


def prices(count: int, level: float = 100.0, first: date = FIRST) -> dict[date, Row]:
    """Return bars as traded on `count` weekdays."""
    days = [first + timedelta(days=n) for n in range(2 * count) if (first.weekday() + n) % 7 < 5]
    return {
        day: (level + n, level + n + 2.5, level + n - 1.25, level + n + 0.75, 1200 + 12 * n)
        for n, day in enumerate(days[:count])
    }


@dataclass(frozen=True)
class Listing:
    """What really happened to one instrument, told the way Yahoo tells it: adjusted for splits.

    Attributes:
        bars: session -> open, high, low, close, volume as traded; None is null.
        splits: session -> numerator, denominator.
        dividends: session -> amount per share as held before a split of the same session.
    """

    symbol: str
    bars: Mapping[date, Row]
    splits: Mapping[date, tuple[int, int]] = field(default_factory=dict)
    dividends: Mapping[date, float] = field(default_factory=dict)
    exchange: str = "NMS"
    zone: str = "America/New_York"
    opens: time = time(9, 30)
    currency: str = "USD"
    instrument: str = "EQUITY"

    def chart(self, start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
        """Return the chart of the sessions that open in [start, end)."""
        days = [
            day
            for day in sorted(self.bars)
            if (start is None or start <= self._opening(day))
            and (end is None or self._opening(day) < end)
        ]
        return {"chart": {"result": [self._result(days)], "error": None}}

    def _result(self, days: Sequence[date]) -> dict[str, Any]:
        meta = {
            "symbol": self.symbol,
            "currency": self.currency,
            "exchangeName": self.exchange,
            "exchangeTimezoneName": self.zone,
            "instrumentType": self.instrument,
            "priceHint": 2,
            "validRanges": ["1d", "5d", "1mo", "1y", "10y", "max"],
            "dataGranularity": "1d",
        }
        if not days:
            return {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
        quote = {
            name: [self._adjusted(day, column) for day in days]
            for column, name in enumerate(("open", "high", "low", "close", "volume"))
        }
        return {
            "meta": meta,
            "timestamp": [self.stamp(day) for day in days],
            "events": self._events(days[0], days[-1]),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": list(quote["close"])}]},
        }

    def _events(self, first: date, last: date) -> dict[str, Any]:
        return {
            "splits": {
                str(self.stamp(day)): {
                    "date": self.stamp(day),
                    "numerator": numerator,
                    "denominator": denominator,
                    "splitRatio": f"{numerator}:{denominator}",
                }
                for day, (numerator, denominator) in self.splits.items()
                if first <= day <= last
            },
            "dividends": {
                str(self.stamp(day)): {
                    "date": self.stamp(day),
                    "amount": amount / self._later_splits(day) / self._split(day),
                }
                for day, amount in self.dividends.items()
                if first <= day <= last
            },
        }

    def _adjusted(self, day: date, column: int) -> float | None:
        value = self.bars[day][column]
        if value is None:
            return None
        later = self._later_splits(day)
        return value * later if column == 4 else value / later

    def _later_splits(self, day: date) -> float:
        product = 1.0
        for split_day in self.splits:
            product *= self._split(split_day) if split_day > day else 1.0
        return product

    def _split(self, day: date) -> float:
        numerator, denominator = self.splits.get(day, (1, 1))
        return numerator / denominator

    def _opening(self, day: date) -> datetime:
        return datetime.combine(day, self.opens, tzinfo=ZoneInfo(self.zone))

    def stamp(self, day: date) -> int:
        """Return when the session opens, in seconds since the epoch."""
        return int(self._opening(day).timestamp())
