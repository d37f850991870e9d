"""What reporters say about how the coming forecasts are made: who speaks, and whose spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from forecaster.hooks import SeriesReport

from .wording import some

CLOSED: Final = "No gate is open: no network has shown that it knows better than the last price."


def speakers(series: SeriesReport) -> list[tuple[int, float]]:
    """(horizon, weight) where the network has a say in the coming forecasts."""
    return [
        (row["horizon"], float(row["gate_weight"]))
        for row in series.parts
        if row["network_move"] is not None and row["gate_weight"] > 0
    ]


def gate_words(series: Sequence[SeriesReport]) -> str:
    """Which networks speak, and with which weight; empty where nothing is known of it."""
    if not any(one.parts for one in series):
        return ""
    speaking = [
        f"{one.name} ({', '.join(f'horizon {h}: {weight:.2f}' for h, weight in found)})"
        for one in series
        if (found := speakers(one))
    ]
    if not speaking:
        return CLOSED
    return f"Gates open, with the network's weight: {some(speaking)}; the rest is the last price."


def spread_words(series: Sequence[SeriesReport]) -> str:
    """The spread that most of the coming forecasts use, and where it is another one."""
    uses = Counter(str(row["spread"]) for one in series for row in one.parts)
    if not uses:
        return ""
    usual = max(uses, key=uses.__getitem__)
    others = [
        f"{spread} for {one.name} at {_horizons(at)}"
        for one in series
        for spread, at in _spreads(one).items()
        if spread != usual
    ]
    return f"Spread: {usual}{'; ' if others else ''}{some(others)}."


def _spreads(series: SeriesReport) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in series.parts:
        found.setdefault(str(row["spread"]), []).append(row["horizon"])
    return found


def _horizons(numbers: Sequence[int]) -> str:
    word = "horizon" if len(numbers) == 1 else "horizons"
    return f"{word} {', '.join(map(str, numbers))}"
