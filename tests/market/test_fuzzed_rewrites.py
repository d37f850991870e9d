"""A source that tells anything wrongly, for days, leaves no cliff; and heals when it tells rightly.

Random markets with a split or a dividend, told with random faults and read with random downtime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from forecaster.market import Actions, Rules, no_actions

from .tellings import DAYS, Market, Store, Telling, actions, honest, told

FIRST = 30
"""The night of the first answer, which tells the whole past."""
EVENTS = range(34, 52)
HEALED = 60
"""From that night on everything is told rightly."""
N = HEALED + 15
OVERLAP = np.timedelta64(10, "D")
LIMIT = np.log1p(Rules().jump)

RATIOS = [2.0, 3.0, 4.0, 1.5, 5.0, 20.0, 0.1, 0.5, 1.25, 7.0]
PAID = [0.5, 20.0, 70.0, 5000.0]
FAULTS = ["told late", "applied late", "lost", "twice", "wrong ratio", "never told"]


@dataclass(frozen=True)
class Tale:
    """A market and all that its source does wrong.

    Attributes:
        day: of the action; `split` and `dividend` are its own, the dividend as a share.
        fault: what is wrong with how it is told, for `days` nights, from `since` nights after it.
        other: the ratio that is told instead.
        ghost: an action that never was: (night, split, dividend, whether the past is divided,
            nights), or None.
        wrong: (session, factor, how many nights after it the source corrects it).
        scale: (night, factor, nights) for which everything is told times that.
        down: the nights on which nothing is read.
    """

    seed: int
    day: int
    split: float
    dividend: float
    fault: str
    since: int
    days: int
    other: float
    ghost: tuple[int, tuple[float, float], bool, int] | None
    wrong: tuple[tuple[int, float, int], ...]
    scale: tuple[int, float, int] | None
    down: frozenset[int]


@st.composite
def tales(draw: st.DrawFn) -> Tale:
    """Return a tale with faults of one kind, and any downtime.

    Two kinds in one place cannot be told apart by anybody: a wrong close beside a split of a wrong
    ratio, a close that is wrong by just what its session's split is, or another unit of everything
    while an action is told that never was.
    """
    kind = draw(st.sampled_from(["fault", "ghost", "wrong", "scale"]))
    factors = st.sampled_from([100.0, 0.01, 2.0, 0.5, 1.02, 0.0001])
    days = st.integers(1, 6)
    day = draw(st.sampled_from(EVENTS))
    wrong = st.tuples(st.integers(FIRST - 8, 52), factors, st.integers(0, 6))
    phantoms = st.sampled_from([*((ratio, 0.0) for ratio in RATIOS), *((1.0, p) for p in PAID)])
    ghost = st.tuples(st.integers(34, 52), phantoms, st.booleans(), days)
    split = draw(st.sampled_from([*RATIOS, *[1.0] * 5]))
    return Tale(
        seed=draw(st.integers(0, 2**16)),
        day=day,
        split=split,
        dividend=0.0 if split != 1.0 else draw(st.sampled_from([0.002, 0.01, 0.05, 0.2])),
        fault=draw(st.sampled_from(FAULTS)) if kind == "fault" else "none",
        since=draw(st.integers(0, 4)),
        days=draw(days),
        other=draw(st.sampled_from(RATIOS)),
        ghost=draw(ghost) if kind == "ghost" else None,
        wrong=tuple(draw(st.lists(wrong.filter(lambda one: one[0] != day), max_size=2)))
        if kind == "wrong"
        else (),
        scale=draw(st.tuples(st.integers(34, 50), factors, days)) if kind == "scale" else None,
        down=frozenset(draw(st.sets(st.integers(FIRST + 1, HEALED - 1), max_size=8))),
    )


def market_of(tale: Tale) -> Market:
    """Return a random walk of 1 % a session, with the action on its day."""
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(tale.seed).normal(0, 0.01, N)))
    paid = tale.dividend * close[tale.day - 1]
    close[tale.day :] *= (1.0 - tale.dividend) / tale.split
    return Market(close, actions((tale.day, tale.split, paid)))


def faulty(tale: Tale, true: Actions, night: int) -> tuple[Actions, Actions]:
    """Return which actions the past is divided by on a night, and which are told."""
    begin = tale.day + tale.since
    late, during = night < tale.day + tale.days, begin <= night < begin + tale.days
    twice = true.joined(replace(true, sessions=DAYS[[tale.day + 1]]))
    tellings = {
        "told late": (late, true, no_actions()),
        "applied late": (late, no_actions(), true),
        "lost": (during, true, no_actions()),
        "twice": (during, true, twice),
        "wrong ratio": (during, true, replace(true, splits=np.array([tale.other]))),
        "never told": (True, true, no_actions()),
    }
    now, applied, reported = tellings.get(tale.fault, (False, true, true))
    return (applied, reported) if now else (true, true)


def haunted(tale: Tale, applied: Actions, reported: Actions, night: int) -> tuple[Actions, Actions]:
    """Return both with the action that never was, on the nights when it is told."""
    if tale.ghost is None:
        return applied, reported
    at, (split, paid), divided, nights = tale.ghost
    if at == tale.day or not at <= night < at + nights:
        return applied, reported
    ghost = actions((at, split, paid))
    return (applied.joined(ghost) if divided else applied), reported.joined(ghost)


def telling(tale: Tale, market: Market, night: int) -> Telling:
    """Return how the source tells of it on a night."""
    if night >= HEALED:
        return honest(market)
    applied, reported = haunted(tale, *faulty(tale, market.actions, night), night)

    def change(close: np.ndarray) -> np.ndarray:
        for session, factor, nights in tale.wrong:
            if night <= session + nights:
                close[session] *= factor
        if tale.scale is not None:
            at, factor, nights = tale.scale
            if at <= night < at + nights:
                close *= factor
        return close

    return Telling(applied, reported, change)


def feed(tale: Tale, store: Store, market: Market, night: int, first: int) -> None:
    """Take the answer of a night from a session on."""
    bars, known = told(market, telling(tale, market, night), night, first)
    store.take(bars, known, Rules())


def first_of(store: Store, night: int) -> int:
    """Return from which session on the source is asked."""
    if not store.close:
        return 0
    return int(np.searchsorted(DAYS, store.kept().bars.sessions[-1] - OVERLAP))


def assert_no_cliff(store: Store) -> None:
    """Demand that no adjusted move is beyond the guard's limit: the market's are far from it."""
    moves = np.abs(store.moves())
    assert not len(moves) or moves.max() <= LIMIT + 1e-9


def lived(tale: Tale) -> tuple[Market, Store]:
    """Return what happened and what is stored of it, after nights without any cliff."""
    market, store = market_of(tale), Store()
    for night in range(FIRST, N):
        if night in tale.down:
            continue
        feed(tale, store, market, night, first_of(store, night))
        assert_no_cliff(store)
    feed(tale, store, market, N - 1, 0)
    assert_no_cliff(store)
    return market, store


def assert_truth(market: Market, store: Store) -> None:
    """Demand that what is stored is what happened."""
    bars = store.kept().bars
    assert bars.sessions.tolist() == DAYS[:N].tolist()
    assert np.allclose(bars.close, market.close, rtol=3e-6)
    assert store.actions.sessions.tolist() == market.actions.sessions.tolist()
    assert store.actions.splits.tolist() == market.actions.splits.tolist()
    assert np.allclose(store.actions.dividends, market.actions.dividends, rtol=1e-6)
    assert store.inferred == frozenset()
    assert store.held == []


@settings(max_examples=150, deadline=None, derandomize=True)  # the long variant looks for new ones
@given(tales())
def test_no_rewriting_of_the_past_leaves_a_cliff(tale: Tale) -> None:
    """Night by night no adjusted move is beyond the limit, and in the end the truth is stored."""
    event(tale.fault)
    market, store = lived(tale)
    assert_truth(market, store)
    assert store.held == []


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(tales())
def test_no_rewriting_of_the_past_leaves_a_cliff_for_long(tale: Tale) -> None:
    """The same, many times as often."""
    market, store = lived(tale)
    assert_truth(market, store)
    assert store.held == []
