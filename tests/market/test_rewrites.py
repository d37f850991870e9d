"""Twenty ways in which a source rewrites its past, and the one history that they must leave.

A small market is the truth; a telling says how the source tells of it, adjusted for the splits
that it has applied and with those that it reports, and what is stored is fed with it night by
night.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from forecaster.market import Rules, no_actions

from .tellings import DAYS, OVERLAP, Market, Store, Telling, actions, honest, told

N = 60
DAY = 40
"""Of the event."""
SMOOTH = 100.0 * np.exp(0.01 * np.sin(np.arange(N) * 1.3))


def live(
    market: Market, tellings: Callable[[int], Telling], rules: Rules | None = None, stop: int = N
) -> Store:
    """Feed a store night by night: the whole past at first, then a week and the new session."""
    store = Store()
    for night in range(DAY - 10, stop):
        first = 0 if not store.close else max(0, len(store.close) - OVERLAP)
        store.take(*told(market, tellings(night), night, first), rules or Rules())
    return store


def split_market(ratio: float, *more: tuple[int, float, float]) -> Market:
    """Return a market with a split on DAY."""
    close = SMOOTH.copy()
    close[DAY:] /= ratio
    return Market(close, actions((DAY, ratio, 0.0), *more))


def assert_no_cliff(store: Store) -> None:
    """Demand that no adjusted move is beyond what the market's were."""
    assert np.abs(store.moves()).max() < 0.05


@pytest.mark.parametrize("ratio", [2.0, 3.0, 1.5, 7.0, 20.0, 0.1, 0.5])
def test_a_split_that_is_told_on_time(ratio: float) -> None:
    """Prices stay as they were traded, the split is stored, and nothing is held."""
    market = split_market(ratio)
    store = live(market, lambda _night: honest(market))
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-9)
    assert store.actions.splits.tolist() == [ratio]
    assert (store.held, store.alerts) == ([], [])
    assert_no_cliff(store)


@pytest.mark.parametrize("ratio", [2.0, 4.0, 0.1])
def test_a_split_applied_without_a_word_and_told_days_later(ratio: float) -> None:
    """The past is divided at once, the event follows: the split is inferred, then told."""
    market = split_market(ratio)

    def telling(night: int) -> Telling:
        return Telling(market.actions, market.actions if night >= DAY + 3 else no_actions())

    early = live(market, telling, stop=DAY + 2)
    assert early.inferred == {DAYS[DAY].item()}
    assert [one.code for one in early.alerts] == ["inferred"]
    assert_no_cliff(early)
    store = live(market, telling)
    assert store.inferred == frozenset()
    assert store.actions.splits.tolist() == [ratio]
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)
    assert_no_cliff(store)


def test_a_split_that_is_never_told() -> None:
    """An inferred split stays, though each night's answer brings the divided past again."""
    market = split_market(2.0)
    store = live(market, lambda _night: Telling(market.actions, no_actions()))
    assert store.actions.splits.tolist() == [2.0]
    assert store.inferred == {DAYS[DAY].item()}
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)
    assert_no_cliff(store)


def test_the_whole_past_is_read_again_after_an_inferred_split() -> None:
    """An answer from the first session on is undone by the split that only we know of."""
    market = split_market(2.0)
    silent = Telling(market.actions, no_actions())
    store = live(market, lambda _night: silent)
    before = dict(store.close)
    store.take(*told(market, silent, N - 1, 0), Rules())
    assert store.close == before
    assert store.held == []


def test_a_split_told_before_the_past_is_divided() -> None:
    """Undoing a division that has not happened doubles the past: the stored one stays."""
    market = split_market(2.0)

    def telling(night: int) -> Telling:
        return Telling(market.actions if night >= DAY + 3 else no_actions(), market.actions)

    store = live(market, telling)
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)
    assert store.actions.splits.tolist() == [2.0]
    assert_no_cliff(store)


def test_a_split_told_twice() -> None:
    """The same split on two sessions is not believed twice, and the right one remains."""
    market = split_market(2.0)
    twice = actions((DAY, 2.0, 0.0), (DAY + 1, 2.0, 0.0))

    def telling(night: int) -> Telling:
        return Telling(market.actions, twice if DAY <= night < DAY + 4 else market.actions)

    for stop in range(DAY + 1, N):
        assert_no_cliff(live(market, telling, stop=stop))
    assert live(market, telling).actions.splits.tolist() == [2.0]


@pytest.mark.parametrize("wrong", [4.0, 3.0, 0.5])
def test_a_split_told_with_another_ratio(wrong: float) -> None:
    """What the past was divided by is believed, not what is told."""
    market = split_market(2.0)
    bad = actions((DAY, wrong, 0.0))

    def telling(night: int) -> Telling:
        return Telling(market.actions, bad if night < DAY + 4 else market.actions)

    for stop in range(DAY + 1, N):
        assert_no_cliff(live(market, telling, stop=stop))
    assert live(market, telling).actions.splits.tolist() == [2.0]


def test_a_split_that_never_was() -> None:
    """A split that the prices do not show is held, whether or not the past was divided."""
    market = Market(SMOOTH)
    ghost = actions((DAY, 2.0, 0.0))
    for applied in (ghost, no_actions()):
        tale = Telling(applied, ghost)
        store = live(market, lambda night, tale=tale: tale if night < DAY + 5 else honest(market))
        assert len(store.actions) == 0
        assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)


def test_a_split_lost_for_days() -> None:
    """A split that is no longer told stays, and each night without it leaves no cliff."""
    market = split_market(2.0)

    def telling(night: int) -> Telling:
        lost = DAY + 2 <= night < DAY + 6
        return Telling(market.actions, no_actions() if lost else market.actions)

    for stop in range(DAY + 1, N):
        store = live(market, telling, stop=stop)
        assert store.actions.splits.tolist() == [2.0]
        assert_no_cliff(store)
    assert {one.code for one in store.alerts} == {"split_lost"}


def test_a_split_taken_back_with_its_prices() -> None:
    """A split that was none is gone when the source corrects prices and event alike."""
    market = Market(SMOOTH)
    halved = SMOOTH.copy()
    halved[DAY:] /= 2.0
    wrong = Market(halved, actions((DAY, 2.0, 0.0)))
    store = live(wrong, lambda _night: honest(wrong), stop=DAY + 3)
    store.take(*told(market, honest(market), DAY + 3, DAY - 5), Rules())
    assert len(store.actions) == 0
    assert np.allclose(store.kept().bars.close, SMOOTH[: DAY + 4])


@pytest.mark.parametrize("dividend", [0.5, 3.0, 30.0])
def test_a_dividend(dividend: float) -> None:
    """A dividend explains the fall on its session, and prices as traded are not changed by it."""
    close = SMOOTH.copy()
    close[DAY:] -= dividend
    market = Market(close, actions((DAY, 1.0, dividend)))
    store = live(market, lambda _night: honest(market))
    assert store.actions.dividends.tolist() == [dividend]
    assert np.allclose(store.kept().bars.close, close)
    assert_no_cliff(store)


def test_a_dividend_in_cents_as_dollars() -> None:
    """A dividend a hundred times too large is held, until it is told rightly."""
    close = SMOOTH.copy()
    close[DAY:] -= 0.7
    market = Market(close, actions((DAY, 1.0, 0.7)))
    wrong = Telling(no_actions(), actions((DAY, 1.0, 70.0)))
    bad = live(market, lambda _night: wrong, stop=DAY + 3)
    assert len(bad.actions) == 0
    assert [one.what for one in bad.held] == ["action"]
    store = live(market, lambda night: wrong if night < DAY + 3 else honest(market))
    assert store.actions.dividends.tolist() == [0.7]
    assert_no_cliff(store)


def test_adjusted_closes_that_are_divided_by_each_dividend() -> None:
    """A file of adjusted closes changes its whole past at a dividend: that is inferred."""
    close = SMOOTH.copy()
    close[DAY:] *= 0.97
    market = Market(close)

    def adjusted(day: int) -> Telling:
        def change(values: np.ndarray) -> np.ndarray:
            if day >= DAY:
                values[:DAY] *= 0.97
            return values

        return Telling(no_actions(), None, change)

    store = live(market, adjusted)
    assert store.actions.dividends.round(3).tolist() == [round(SMOOTH[DAY - 1] * 0.03, 3)]
    assert np.allclose(store.kept().bars.close, close, rtol=1e-6)
    assert np.abs(store.moves()).max() < 0.03


@pytest.mark.parametrize("times", [100.0, 0.01, 2.0])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_wrong_unit_for_some_sessions(times: float, length: int) -> None:
    """Sessions told in another unit are held, and the others are not."""

    def change(close: np.ndarray) -> np.ndarray:
        close[DAY : DAY + length] *= times
        return close

    market = Market(SMOOTH)
    store = live(market, lambda _night: Telling(no_actions(), no_actions(), change))
    assert sorted(store.close) == [
        day for number, day in enumerate(DAYS[:N].tolist()) if not DAY <= number < DAY + length
    ]
    assert_no_cliff(store)


def test_a_wrong_unit_told_later_does_not_replace_what_is_stored() -> None:
    """A stored close that is told a hundred times as high afterwards stays as it is."""
    market = Market(SMOOTH)

    def change(close: np.ndarray) -> np.ndarray:
        close[DAY] *= 100.0
        return close

    wrong = Telling(no_actions(), no_actions(), change)
    store = live(market, lambda night: honest(market) if night <= DAY + 1 else wrong)
    assert np.allclose(store.kept().bars.close, SMOOTH)


def test_a_crash_without_a_split_is_real_after_three_sessions() -> None:
    """The jump is held while fewer than three later sessions are known, and then stored."""
    close = SMOOTH.copy()
    close[DAY:] *= 0.48
    market = Market(close)
    for stop in range(DAY + 1, DAY + 4):
        early = live(market, lambda _night: honest(market), stop=stop)
        assert len(early.close) == DAY
        assert [one.code for one in early.held] == ["jump"] * (stop - DAY)
        assert "fell 52%" in early.held[0].reason
    store = live(market, lambda _night: honest(market), stop=DAY + 4)
    assert store.held == []
    assert np.allclose(store.kept().bars.close, close[: DAY + 4])


def test_a_crash_told_with_a_long_past_is_real_at_once() -> None:
    """Where the later sessions are known from the start nothing is held."""
    close = SMOOTH.copy()
    close[DAY:] *= 0.48
    store = Store()
    store.take(*told(Market(close), honest(Market(close)), N - 1, 0), Rules())
    assert (len(store.close), store.held) == (N, [])


def test_another_company_under_the_old_symbol() -> None:
    """An answer whose past is another one is held as a whole, until somebody accepts it."""
    market = Market(SMOOTH)
    other = Market(31.0 * np.exp(0.02 * np.cos(np.arange(N) * 0.7)))
    store = live(market, lambda _night: honest(market), stop=DAY)
    before = dict(store.close)
    store.take(*told(other, honest(other), DAY, DAY - OVERLAP), Rules())
    assert store.close == before
    assert [(one.what, one.code) for one in store.held] == [("answer", "another_past")]
    store.take(*told(other, honest(other), DAY, 0), Rules(trusted=True))
    assert np.allclose(store.kept().bars.close, other.close[: DAY + 1])


def test_a_divided_past_without_a_new_session_waits() -> None:
    """When nothing but the past has changed, the answer is held: the split is not due yet."""
    market = split_market(2.0)
    store = live(market, lambda _night: honest(market), stop=DAY)
    before = dict(store.close)
    early = Telling(no_actions(), no_actions(), lambda close: close / 2.0)
    store.take(*told(market, early, DAY - 1, DAY - OVERLAP), Rules())
    assert store.close == before
    assert [one.code for one in store.held] == ["rescaled"]


@pytest.mark.parametrize("share", [0.001, 0.02])
def test_a_corrected_close_is_taken(share: float) -> None:
    """A changed past close replaces the stored one; a large change raises an alert."""
    market = Market(SMOOTH)
    store = live(market, lambda _night: honest(market), stop=DAY)

    def change(close: np.ndarray) -> np.ndarray:
        close[DAY - 2] *= 1.0 + share
        return close

    corrected = Telling(no_actions(), no_actions(), change)
    store.take(*told(market, corrected, DAY, DAY - OVERLAP), Rules())
    assert store.close[DAYS[DAY - 2].item()] == pytest.approx(SMOOTH[DAY - 2] * (1.0 + share))
    assert [one.code for one in store.alerts] == ["revised"] * (share > 0.005)


def test_a_split_after_a_week_without_a_word() -> None:
    """After days of downtime a split that was told, or not, leaves no cliff."""
    market = split_market(2.0)
    for reported in (market.actions, no_actions()):
        tale = Telling(market.actions, reported)
        store = live(market, lambda _night: honest(market), stop=DAY - 3)
        store.take(*told(market, tale, DAY + 4, DAY - 3 - OVERLAP), Rules())
        assert len(store.close) == DAY + 5
        assert_no_cliff(store)


def test_a_jump_of_zero_holds_nothing() -> None:
    """Whoever switches the guard off gets every bar."""
    close = SMOOTH.copy()
    close[DAY] *= 100.0
    market = Market(close)
    store = live(market, lambda _night: honest(market), replace(Rules(), jump=0.0))
    assert len(store.close) == N


def test_values_that_have_no_logarithm_have_no_jumps() -> None:
    """A series around zero is not scanned."""
    market = Market(np.sin(np.arange(N) * 1.0) * 50.0)
    store = live(market, lambda _night: honest(market))
    assert len(store.close) == N
    assert store.held == []


@pytest.mark.parametrize("nights", [1, 3, 6])
@pytest.mark.parametrize("times", [100.0, 0.01, 1.02])
def test_another_unit_of_everything_comes_and_goes(times: float, nights: int) -> None:
    """What was inferred of it is gone with it, and so are the prices in that unit."""
    market = Market(SMOOTH)
    other = Telling(no_actions(), no_actions(), lambda close: close * times)

    def telling(night: int) -> Telling:
        return other if DAY <= night < DAY + nights else honest(market)

    for stop in range(DAY + 1, DAY + nights + 1):
        assert_no_cliff(live(market, telling, stop=stop))
    store = live(market, telling)
    assert (len(store.actions), store.inferred, store.held) == (0, frozenset(), [])
    assert np.allclose(store.kept().bars.close, SMOOTH, rtol=1e-6)


@pytest.mark.parametrize("wrong", [1.5, 4.0, 0.5])
@pytest.mark.parametrize("late", range(1, OVERLAP))
def test_a_split_that_gets_another_ratio_days_later(wrong: float, late: int) -> None:
    """Whether most of what is asked for again lies before it or after it: the stored one stays."""
    market = split_market(2.0)
    bad = Telling(market.actions, actions((DAY, wrong, 0.0)))

    def telling(night: int) -> Telling:
        return bad if DAY + late <= night < DAY + late + 3 else honest(market)

    store = live(market, telling, stop=DAY + late + 1)
    assert store.actions.splits.tolist() == [2.0]
    assert [(one.what, one.code) for one in store.held] == [("action", "not_in_prices")]
    assert_no_cliff(store)
    store = live(market, telling)
    assert (store.actions.splits.tolist(), store.held) == ([2.0], [])
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)


@pytest.mark.parametrize("late", range(1, OVERLAP))
def test_a_split_told_a_second_time_days_later(late: int) -> None:
    """The second one is held, and does not double what is stored before it."""
    market = split_market(3.0)
    twice = Telling(market.actions, actions((DAY, 3.0, 0.0), (DAY + 1, 3.0, 0.0)))

    def telling(night: int) -> Telling:
        return twice if DAY + late <= night < DAY + late + 3 else honest(market)

    for stop in range(DAY + late + 1, DAY + late + 4):
        store = live(market, telling, stop=stop)
        assert (store.actions.splits.tolist(), len(store.close)) == ([3.0], stop)
        assert_no_cliff(store)
    assert live(market, telling).held == []


def test_a_split_that_never_was_leaves_nothing_inferred() -> None:
    """Undoing a division that never happened gives what is stored: nothing follows from that."""
    market = Market(SMOOTH)
    for ratio in (20.0, 0.1, 3.0):
        ghost = Telling(no_actions(), actions((DAY, ratio, 0.0)))
        store = live(market, lambda _night, ghost=ghost: ghost)
        assert (len(store.actions), store.inferred, store.alerts) == (0, frozenset(), [])
        assert len(store.close) == N


def test_an_action_of_a_session_whose_bar_is_held() -> None:
    """It is not believed on the night after either, where the bars around it do not show it."""

    def change(close: np.ndarray) -> np.ndarray:
        close[DAY] *= 0.01
        return close

    ghost = actions((DAY, 1.5, 0.0))
    tale = Telling(ghost, ghost, change)
    for stop in range(DAY + 2, DAY + 6):
        store = live(Market(SMOOTH), lambda _night: tale, stop=stop)
        assert len(store.actions) == 0
        assert_no_cliff(store)


def test_a_stored_past_that_is_told_otherwise_is_no_crash() -> None:
    """However many sessions later ones confirm: what is stored already had no jump."""
    market = Market(SMOOTH)

    def change(close: np.ndarray) -> np.ndarray:
        close[DAY - 4 : DAY] *= 0.5
        return close

    store = live(market, lambda _night: honest(market), stop=DAY)
    wrong = Telling(no_actions(), no_actions(), change)
    store.take(*told(market, wrong, DAY, DAY - 10), Rules())
    assert np.allclose(store.kept().bars.close, SMOOTH[: DAY + 1])
    assert {one.code for one in store.held} == {"jump"}


def test_a_split_that_the_source_moves_to_another_session() -> None:
    """Where it divides as much in all the source knows better on which session it was."""
    market = split_market(7.0)
    early = Telling(market.actions, actions((DAY + 1, 7.0, 0.0)))
    store = live(market, lambda night: early if night < DAY + 3 else honest(market))
    assert [str(day) for day in store.actions.sessions] == [str(DAYS[DAY])]
    assert np.allclose(store.kept().bars.close, market.close, rtol=1e-6)
    assert_no_cliff(store)


def test_another_unit_that_lasts_longer_than_what_is_asked_for_again() -> None:
    """Its end is another step of all prices, and reading the whole past again heals both."""
    market = Market(SMOOTH)
    other = Telling(no_actions(), no_actions(), lambda close: close * 100.0)

    def telling(night: int) -> Telling:
        return other if DAY <= night < DAY + OVERLAP + 2 else honest(market)

    for stop in range(DAY + OVERLAP + 2, N):
        store = live(market, telling, stop=stop)
        assert len(store.close) == stop
        assert_no_cliff(store)
    store.take(*told(market, honest(market), N - 1, 0), Rules())
    assert (len(store.actions), store.held) == (0, [])
    assert np.allclose(store.kept().bars.close, SMOOTH, rtol=1e-6)


@pytest.mark.parametrize("ratio", [2.0, 0.1])
@pytest.mark.parametrize("late", [0, 3])
def test_a_past_that_is_divided_by_a_split_that_is_told(ratio: float, late: int) -> None:
    """A source that hands divided prices over beside the split, at once or later: no cliff."""
    market = split_market(ratio)

    def divided(close: np.ndarray) -> np.ndarray:
        close[:DAY] /= ratio
        return close

    def telling(night: int) -> Telling:
        if night < DAY:
            return honest(market)
        told_now = night >= DAY + late
        # Undone by what is told, unless the past is divided once more.
        return Telling(market.actions, market.actions, divided) if told_now else Telling(
            market.actions, no_actions()
        )  # fmt: skip

    for stop in range(DAY + 1, N):
        store = live(market, telling, stop=stop)
        assert_no_cliff(store)
        assert store.actions.splits.tolist() == [ratio]
        assert len(store.close) == stop
    store.take(*told(market, telling(N - 2), N - 2, 0), Rules())
    assert np.allclose(store.kept().bars.close, market.close[: N - 1], rtol=1e-3)


def test_closes_adjusted_for_a_dividend_that_is_told() -> None:
    """Adjusted closes beside the dividend itself: it counts once."""
    close = SMOOTH.copy()
    close[DAY:] *= 0.97
    market = Market(close, actions((DAY, 1.0, float(SMOOTH[DAY - 1] * 0.03))))

    def telling(night: int) -> Telling:
        def adjusted(values: np.ndarray) -> np.ndarray:
            if night >= DAY:
                values[:DAY] *= 0.97
            return values

        return Telling(no_actions(), market.actions, adjusted)

    store = live(market, telling)
    assert len(store.close) == N
    assert np.allclose(store.kept().bars.close, close, rtol=1e-3)
    assert store.actions.dividends.round(2).tolist() == market.actions.dividends.round(2).tolist()


def test_another_unit_for_days_beside_a_split() -> None:
    """What is told once more as before was never divided, whatever split was told meanwhile."""
    market = split_market(0.5)

    def telling(night: int) -> Telling:
        halved = DAY - 4 <= night < DAY + 1
        change = (lambda close: close * 0.5) if halved else (lambda close: close)
        return Telling(market.actions, market.actions, change)

    for stop in range(DAY - 4, N):
        assert_no_cliff(live(market, telling, stop=stop))
    store = live(market, telling)
    store.take(*told(market, honest(market), N - 1, 0), Rules())
    assert store.actions.splits.tolist() == [0.5]
    assert np.allclose(store.kept().bars.close, market.close, rtol=3e-6)
