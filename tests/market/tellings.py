"""What a source tells of a small market, night by night, and what is stored of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from forecaster.market import (
    Actions,
    Alert,
    Bars,
    Held,
    Kept,
    Rules,
    adjust,
    get_calendar,
    no_actions,
    reconcile,
)

OVERLAP = 7
DAYS = get_calendar("XNYS").sessions(date(2023, 1, 3), date(2023, 6, 30))


def actions(*events: tuple[int, float, float]) -> Actions:
    """Return actions from (day, split, dividend)."""
    return Actions(
        DAYS[[day for day, _, _ in events]] if events else DAYS[:0],
        np.array([split for _, split, _ in events]),
        np.array([dividend for _, _, dividend in events]),
    )


@dataclass(frozen=True, eq=False)
class Market:
    """What really happened: closes as traded, and actions."""

    close: np.ndarray
    actions: Actions = field(default_factory=no_actions)


@dataclass(frozen=True, eq=False)
class Telling:
    """How a source tells of it on one night.

    Attributes:
        applied: the splits that its prices are divided by, as the source sees them.
        reported: the actions that it tells of.
        change: what else it does to the closes as traded.
    """

    applied: Actions
    reported: Actions | None
    change: Callable[[np.ndarray], np.ndarray] = lambda close: close


def told(market: Market, telling: Telling, night: int, first: int) -> tuple[Bars, Actions | None]:
    """Return an answer as a source plugin hands it over: undone by what the source reports."""
    close = telling.change(market.close.copy())
    days = np.arange(len(close))
    for number, day in enumerate(telling.applied.sessions):
        if day <= DAYS[night]:
            close[day > DAYS[: len(close)]] /= telling.applied.splits[number]
    known = telling.reported
    if known is not None:
        known = known.where(known.sessions <= DAYS[night])
        for day, split in zip(known.sessions, known.splits, strict=True):
            close[day > DAYS[: len(close)]] *= split
        known = known.since(DAYS[first])
    shown = (days >= first) & (days <= night)
    empty = np.full(int(shown.sum()), np.nan)
    return Bars(DAYS[: len(close)][shown], empty, empty, empty, close[shown], empty), known


@dataclass
class Store:
    """What is stored, as the ledger would."""

    close: dict[date, float] = field(default_factory=dict)
    actions: Actions = field(default_factory=no_actions)
    inferred: frozenset[date] = frozenset()
    held: list[Held] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def kept(self) -> Kept:
        days = np.array(sorted(self.close), dtype="datetime64[D]")
        values = np.array([self.close[day] for day in sorted(self.close)])
        empty = np.full(len(days), np.nan)
        return Kept(Bars(days, empty, empty, empty, values, empty), self.actions, self.inferred)

    def take(self, bars: Bars, known: Actions | None, rules: Rules) -> None:
        found = reconcile(self.kept(), bars, known, rules)
        self.close.update(zip(found.bars.sessions.tolist(), found.bars.close.tolist(), strict=True))
        if len(found.bars):
            first = found.bars.sessions[0]
            rest = self.actions.where(self.actions.sessions < first)
            old = frozenset(day for day in self.inferred if day < first.item())
            self.actions, self.inferred = rest.joined(found.actions), old | found.inferred
        self.held = list(found.held)
        self.alerts += found.alerts

    def moves(self) -> np.ndarray:
        """Return the log moves of the adjusted closes."""
        kept = self.kept()
        last = kept.bars.sessions[-1].item()
        closes = kept.bars.close
        return np.diff(
            np.log(adjust(closes, kept.bars.sessions, closes, self.actions, cutoff=last))
        )


def honest(market: Market) -> Telling:
    """Return how a source tells that tells everything, at once."""
    return Telling(market.actions, market.actions)
