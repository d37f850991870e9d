"""Prices in a CSV file, as many as wanted."""

from datetime import date, timedelta
from pathlib import Path


def write_prices(path: Path, rows: int) -> None:
    """Write a CSV file of weekday prices that wander up and down, the first rows always alike."""
    days = (date(2024, 1, 1) + timedelta(days=k) for k in range(rows * 2))
    weekdays = [day for day in days if day.weekday() < 5][:rows]
    lines = [f"{day},{100 + (k * 37 % 11) / 10}" for k, day in enumerate(weekdays)]
    path.write_text("\n".join(["date,close", *lines, ""]))
