"""The views that account for a forecast: skill, parts, states, results; worked out by hand."""

from dataclasses import replace

import pytest

from forecaster.errors import LedgerError
from forecaster.ledger import Ledger, Series
from forecaster.ledger.backtests import (
    BacktestResult,
    Scored,
    read_scored,
    start_backtest,
    store_results,
    training_seconds,
)
from forecaster.ledger.check import check_ledger
from forecaster.ledger.instruments import register_series

from .small import (
    NOW,
    add_series,
    backtest,
    bars,
    day,
    live,
    quote,
    quoted,
    relearn,
    rows,
    said,
    store,
    worked,
)


def test_skill_is_what_a_pencil_gives(ledger: Ledger, series: Series) -> None:
    """Gains in squared widths of 2: (9 - 4) / 4, (4 - 4) / 4, and (4 - 0) / 4 two sessions ahead.

    Their sum over the root of their squares' sum is 1, and over that of twice as much its half.
    """
    first, second = rows(ledger, "skill", "horizon")
    worse = "not better than the last price"
    assert (first["n"], first["t"], first["verdict"]) == (2, 1.0, worse)
    assert (second["n"], second["t"], second["verdict"]) == (1, pytest.approx(0.5**0.5), worse)
    assert (second["skill_mae"], second["skill_rmse"]) == (1.0, 1.0)


@pytest.mark.parametrize(("mean", "outcomes", "verdict"), [
    (100.75, 40, "better than the last price"), (100.75, 39, "not better than the last price"),
    (99.0, 40, "worse than the last price"), (99.0, 39, "not better than the last price"),
    (100.0, 60, "not better than the last price"),
])  # fmt: skip
def test_the_verdict_waits_for_evidence(
    sqlite_ledger: Ledger, mean: float, outcomes: int, verdict: str
) -> None:
    """What is on the right side of the last price every time is better after 40 outcomes."""
    [one] = add_series(sqlite_ledger, "a")
    actuals = {day(k): 100.5 for k in range(80)}
    for number in range(outcomes + 1):
        night = live(number)
        means = (mean, 100.0)
        store(sqlite_ledger, night, worked(sqlite_ledger, night, one, actuals=actuals, means=means))
    found = rows(sqlite_ledger, "skill", horizon=1)
    assert [row["n"] for row in found] == [outcomes]
    assert found[0]["verdict"] == verdict


def test_an_interval_without_width_gains_nothing(ledger: Ledger) -> None:
    """There is nothing to measure the gain in, and no division by zero."""
    [one] = add_series(ledger, "a")
    flat = dict.fromkeys(("lo80", "hi80", "lo95", "hi95"), 101.0)
    result = replace(worked(ledger, live(0), one), forecasts=(said(1, 0, 101.0, **flat),))
    store(ledger, live(0), result)
    store(ledger, live(1), worked(ledger, live(1), one, actuals={day(1): 102.0}))
    [row] = rows(ledger, "skill", horizon=1)
    assert (row["t"], row["skill_mae"]) == (0.0, 0.5)
    assert [it for it in check_ledger(ledger, relearn) if not it.ok] == []


def test_an_interval_of_almost_nothing_can_be_stored(ledger: Ledger) -> None:
    """A gain beyond all numbers is limited, and the sums still agree with their scores."""
    [one] = add_series(ledger, "a")
    tiny = {"lo80": 0.0, "hi80": 1e-130, "lo95": 0.0, "hi95": 1e-130}
    result = replace(worked(ledger, live(0), one), forecasts=(said(1, 0, 1e-131, **tiny),))
    store(ledger, live(0), result)
    store(ledger, live(1), worked(ledger, live(1), one, actuals={day(1): 99.0}))
    [row] = rows(ledger, "skill", horizon=1)
    assert row["t"] == -1.0
    assert [it for it in check_ledger(ledger, relearn) if not it.ok] == []


def test_parts_stand_beside_each_other(ledger: Ledger, series: Series) -> None:
    """What the network said, how much of it was used, of what the spread is, and what came."""
    first = rows(ledger, "forecast_parts", "cutoff", "horizon")[0]
    facts = {
        "series": "a", "kind": "live", "backtest_id": None, "cutoff": "2024-01-01", "horizon": 1,
        "model_id": 1, "baseline": 100.0, "forecast": 101.0, "unit": 2.0, "network_move": 0.5,
        "gate_weight": 0.25, "spread": "linear", "spread_order": "linear > ewma",
        "spread_reason": "", "scale": 0.01, "head_scale": 0.02, "ewma_scale": 0.01,
        "panel_id": None, "quantile80": 1.0, "quantile95": 2.0, "actual_move": 1.5, "eta": 0.5,
    }  # fmt: skip
    assert {name: first[name] for name in facts} == facts
    assert rows(ledger, "forecast_parts", "-cutoff")[0]["actual_move"] is None


def test_states_are_shown_as_they_are(ledger: Ledger, series: Series) -> None:
    """Two outcomes of horizon 1 missed 80 % and hit 95 %; the network said 0.5, then 1.5 and 1."""
    found = rows(ledger, "tracker_state", "horizon", "level")
    assert tuple(found[0].values()) == (
        "a", None, 1, 0.8, 2.0, 0.2, pytest.approx(-0.6), 2, "2024-01-02"
    )  # fmt: skip
    assert (found[1]["coverage"], found[1]["outcomes"]) == (0.9875, 2)
    [first, second] = rows(ledger, "gate_state", "horizon")
    facts = {"series": "a", "backtest_id": None, "head": "mean", "horizon": 1, "weight": 0.25,
             "t": 1.0, "n": 1.5, "gain": 0.875, "power": 0.375, "noise": 0.0, "size": 2.125,
             "outcomes": 2, "last_cutoff": "2024-01-02"}  # fmt: skip
    assert {name: first[name] for name in facts} == facts
    assert first["skill"] == pytest.approx((2 * 0.875 - 0.375) / 2.125)
    assert second["outcomes"] == 1


def test_a_replaced_series_has_no_current_state(ledger: Ledger, series: Series) -> None:
    """Skill, trackers and gates are of what a name means now."""
    stored = quote(ledger, quoted("B"), bars([1.0]))
    register_series(ledger, [("a", stored.instrument.id, "close")], now=NOW)
    for view in ("skill", "tracker_state", "gate_state"):
        assert rows(ledger, view) == []
    assert len(rows(ledger, "forecast_parts")) == 6


def test_a_backtests_results_are_replaced_as_a_whole(ledger: Ledger) -> None:
    """Of a series or of all, at a horizon or at all; storing them again leaves none of before."""
    [one] = add_series(ledger, "a")
    first, second = (
        start_backtest(ledger, horizon=2, settings=text, version="1", now=NOW) for text in "ab"
    )
    given = [
        BacktestResult(one.id, "network", 1, 250, mae=1.5, rel_mae=0.75, dm=-2.0, dm_p=0.02),
        BacktestResult(one.id, "drift", 1, 250, mae=2.5, rel_mae=1.25),
        BacktestResult(None, "network", None, 500, coverage80=0.8),
    ]
    store_results(ledger, first, given)
    store_results(ledger, second, given[:1])
    found = rows(ledger, "backtest_result_history", "series", "method", backtest_id=first)
    told = [(row["series"], row["method"], row["horizon"], row["n"], row["mae"]) for row in found]
    assert told == [
        ("a", "drift", 1, 250, 2.5), ("a", "network", 1, 250, 1.5), ("all", "network", None, 500,
        None),
    ]  # fmt: skip
    store_results(ledger, first, [replace(given[0], mae=1.25)])
    found = rows(ledger, "backtest_result_history", "backtest_id")
    assert [(row["backtest_id"], row["mae"]) for row in found] == [(first, 1.25), (second, 1.5)]
    store_results(ledger, first, [])
    assert len(rows(ledger, "backtest_result_history")) == 1
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        store_results(ledger, first, [given[2], given[2]])


def test_what_a_backtest_said_and_what_happened_is_read_back(ledger: Ledger) -> None:
    """Scored forecasts of that backtest and series alone, in order, and what its trainings took."""
    one, other = add_series(ledger, "a", "b")
    first, second = (
        start_backtest(ledger, horizon=2, settings=text, version="1", now=NOW) for text in "ab"
    )
    for number in (0, 1):
        for night in (backtest(number, first), backtest(number, second), live(number)):
            actuals = {day(1): 101.0 + number}
            results = [worked(ledger, night, each, actuals=actuals) for each in (one, other)]
            store(ledger, night, *results)
    plain = said(1, 0)
    bounds = (plain.lo95, plain.lo80, plain.mean, plain.hi80, plain.hi95)
    assert read_scored(ledger, first, one.id) == [Scored(day(0), 1, *bounds, 102.0, plain.basis)]
    assert training_seconds(ledger, first) == {one.id: 0.25, other.id: 0.25}
