"""A night is stored whole or not at all, and once."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from forecaster.errors import LedgerError
from forecaster.ledger import Ledger, Outcome, Series, SeriesNight
from forecaster.ledger.backtests import finish_backtest, start_backtest, unfinished_backtest
from forecaster.ledger.check import check_ledger
from forecaster.ledger.endings import end_state
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_series
from forecaster.ledger.knowledge import finished_nights, read_knowledge
from forecaster.ledger.nights import commit
from forecaster.ledger.schema import model_version

from .killed import failing
from .small import (
    NOW,
    STAMP,
    add_series,
    backfill,
    backtest,
    contents,
    day,
    failed,
    live,
    model,
    relearn,
    said,
    store,
    walk,
    worked,
)


class InjectedError(Exception):
    """A failure that no code foresees."""


def states(ledger: Ledger) -> list[tuple[str, str]]:
    """Return kind and state of each run."""
    rows = read_view(ledger, "run_history", order=("run_id",)).as_dicts()
    return [(row["kind"], row["state"]) for row in rows]


def busy_night(ledger: Ledger, series: Series) -> SeriesNight:
    """Return a night that touches every table: scores, trackers, decision, model, forecasts."""
    work = worked(ledger, live(4), series)
    return replace(work, model=model(4, "new"), completes_backfill=True)


def test_a_night_is_stored_whole_or_not_at_all(ledger: Ledger) -> None:
    """A failure before any statement of the transaction leaves every table as it was."""
    one, two = add_series(ledger, "a", "b")
    walk(ledger, [live(number) for number in range(4)], one, two)
    results = [busy_night(ledger, one), busy_night(ledger, two)]
    before = contents(ledger)

    def fail() -> None:
        raise InjectedError

    when = 1
    while True:
        try:
            with failing(when, fail):
                store(ledger, live(4), *results)
            break
        except InjectedError:
            assert contents(ledger) == before, f"failed at statement {when}"
            when += 1
    assert when > 15
    after = contents(ledger)
    assert {name for name in after if after[name] != before[name]} == {
        "run", "run_series", "decision", "model_version", "forecast", "score", "awaiting",
        "tracker", "gate", "tally", "series",
    }  # fmt: skip


def test_a_value_that_cannot_be_stored_stores_nothing(ledger: Ledger) -> None:
    """One NaN in one series' night refuses the whole chunk, on one line."""
    one, two = add_series(ledger, "a", "b")
    before = contents(ledger)
    bad = replace(
        worked(ledger, live(0), two), forecasts=(said(1, 0), said(2, 0, mean=float("nan")))
    )
    with pytest.raises(LedgerError, match="only finite numbers"):
        store(ledger, live(0), worked(ledger, live(0), one), bad)
    assert contents(ledger) == before


def test_committing_a_night_twice_stores_it_once(ledger: Ledger) -> None:
    """The same results again, as from a second program, add and change nothing."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(0), live(1)], one)
    result = worked(ledger, live(2), one)
    first = store(ledger, live(2), result)
    before = contents(ledger, "run")
    assert store(ledger, live(2), result) == first
    assert contents(ledger, "run") == before
    assert states(ledger) == [("live", "done")] * 3


@pytest.mark.parametrize("second", [live, backfill])
def test_a_session_is_done_once_whatever_its_kind(ledger: Ledger, second: Any) -> None:
    """A session already worked as another kind gets no second forecast."""
    [one] = add_series(ledger, "a")
    first = backfill if second is live else live
    result = worked(ledger, first(0), one)
    store(ledger, first(0), result)
    store(ledger, second(0), result)
    rows = read_view(ledger, "forecast_history", order=("horizon",)).as_dicts()
    said_then = [(row["kind"], row["horizon"]) for row in rows]
    assert said_then == [(first(0).kind, 1), (first(0).kind, 2)]


def test_a_failed_series_is_done_later(ledger: Ledger) -> None:
    """A night that failed for a series is no night: it is done again, and its outcome replaced."""
    one, two = add_series(ledger, "a", "b")
    store(ledger, live(0), worked(ledger, live(0), one), failed(two))
    assert states(ledger) == [("live", "degraded")]
    assert finished_nights(ledger, [one.id, two.id], since=day(0)) == {(one.id, day(0))}
    store(ledger, live(0), worked(ledger, live(0), two))
    assert states(ledger) == [("live", "done")]
    rows = read_view(ledger, "series_history", order=("series",)).as_dicts()
    assert [(row["series"], row["status"], row["reason"]) for row in rows] == [
        ("a", "done", ""),
        ("b", "done", ""),
    ]
    assert len(read_view(ledger, "forecast_history").rows) == 4


def test_a_done_series_does_not_fail_later(ledger: Ledger) -> None:
    """What is stored as done stays done, whatever a slower program says."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    before = contents(ledger, "run")
    store(ledger, live(0), failed(one))
    assert contents(ledger, "run") == before
    assert states(ledger) == [("live", "done")]


@pytest.mark.parametrize(("counts", "state"), [
    ({"done": 3}, "done"), ({"done": 1, "fallback": 2}, "degraded"), ({"fallback": 1}, "degraded"),
    ({"done": 1, "failed": 1}, "degraded"), ({"fallback": 1, "deferred": 1}, "degraded"),
    ({"failed": 2}, "failed"), ({"deferred": 1}, "deferred"), ({}, "done"),
    ({"deferred": 1, "failed": 1}, "failed"),
    ({"strained": 1}, "degraded"), ({"done": 3, "strained": 1}, "degraded"),
])  # fmt: skip
def test_a_run_ends_as_its_series_did(counts: dict[str, int], state: str) -> None:
    """Done when all series are, deferred when all wait, failed when none has a forecast, else
    degraded.
    """
    assert end_state(counts) == state


def test_a_run_ends_with_its_last_chunk(ledger: Ledger) -> None:
    """A run is running until its last chunk is stored, and sums the time of all."""
    one, two = add_series(ledger, "a", "b")
    store(ledger, live(0), worked(ledger, live(0), one), last=False)
    [row] = read_view(ledger, "run_history").as_dicts()
    assert (row["state"], row["finished_at"], row["seconds"]) == ("running", None, 0.5)
    store(ledger, live(0), failed(two, "deferred"), last=True)
    [row] = read_view(ledger, "run_history").as_dicts()
    assert (row["state"], row["seconds"], row["series"]) == ("degraded", 1.0, 2)
    assert (row["done"], row["deferred"], row["failed"], row["forecasts"]) == (1, 1, 0, 2)
    assert row["finished_at"] == "2024-03-01T22:00:00.000000+00:00"


def test_a_forecast_is_scored_once(ledger: Ledger) -> None:
    """When two nights score the same forecast, the first counts and sums are not added twice."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    early = worked(ledger, live(1), one, actuals={day(1): 101.5})
    late = worked(ledger, live(2), one, actuals={day(1): 999.0})
    store(ledger, live(1), early)
    store(ledger, live(2), late)
    where = {"cutoff": "2024-01-01"}
    rows = read_view(ledger, "forecast_history", where=where, order=("horizon",)).as_dicts()
    assert [(row["horizon"], row["actual"]) for row in rows] == [(1, 101.5), (2, 100.0)]
    tallies = read_view(ledger, "accuracy", order=("horizon",)).as_dicts()
    assert [(row["n"], row["mae"]) for row in tallies] == [(1, 1.5), (1, 0.0)]


def test_an_earlier_night_that_comes_late_does_not_turn_trackers_back(ledger: Ledger) -> None:
    """A tracker keeps what it learned when a night with an older view is stored after it."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(0), live(1)], one)
    older = worked(ledger, live(2), one)
    store(ledger, live(3), worked(ledger, live(3), one))
    before = contents(ledger)["tracker"]
    store(ledger, live(2), older)
    assert contents(ledger)["tracker"] == before


def test_what_waits_is_what_has_no_score(ledger: Ledger) -> None:
    """A forecast waits from its night until its outcome is stored."""
    [one] = add_series(ledger, "a")
    for number, waiting in enumerate((2, 3, 3, 3)):
        walk(ledger, [live(number)], one)
        assert len(contents(ledger)["awaiting"]) == waiting
    assert len(contents(ledger)["score"]) == 3 + 2


def test_a_model_is_stored_once_and_reused(ledger: Ledger) -> None:
    """A reused model is named by its id; a new one gets one."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(number) for number in range(3)], one)
    with ledger.reading() as connection:
        assert len(connection.execute(select(model_version)).fetchall()) == 1
    rows = read_view(ledger, "forecast_history").as_dicts()
    decisions = read_view(ledger, "decision_history", order=("session",)).as_dicts()
    assert {row["model_id"] for row in (*rows, *decisions)} == {1}
    assert [row["verdict"] for row in decisions] == ["retrain", "reuse", "reuse"]


def test_each_series_gets_its_own_new_model(ledger: Ledger) -> None:
    """Models and forecasts of a chunk are put together by series, not by luck."""
    series = add_series(ledger, *(f"s{k:03}" for k in range(70)))
    results = [
        replace(
            worked(ledger, live(0), one, means=(one.id, one.id + 0.5)),
            model=model(0, parameters=b"%d" % one.id),
        )
        for one in reversed(series)
    ]
    store(ledger, live(0), *results)
    query = select(model_version.c.id, model_version.c.series_id, model_version.c.parameters)
    with ledger.reading() as connection:
        models = connection.execute(query).fetchall()
    assert {row.parameters for row in models} == {b"%d" % one.id for one in series}
    assert all(row.parameters == b"%d" % row.series_id for row in models)
    owner = {row.id: row.series_id for row in models}
    names = {one.name: one.id for one in series}
    for row in read_view(ledger, "forecast_history").as_dicts():
        assert owner[row["model_id"]] == names[row["series"]]
        assert row["forecast"] == names[row["series"]] + (row["horizon"] - 1) * 0.5
    waiting = contents(ledger)["awaiting"]
    assert {(row[1], row[2]) for row in waiting} == {
        (one.id, day(h)) for one in series for h in (1, 2)
    }


def test_a_fallback_is_a_finished_night(ledger: Ledger) -> None:
    """A night that ended with the fallback forecast is not tried again; its run is degraded."""
    [one] = add_series(ledger, "a")
    result = replace(
        worked(ledger, live(0), one),
        outcome=Outcome("fallback", "training", "it did not converge"),
        model=None,
        forecasts=(said(1, 0, status="fallback"),),
    )
    store(ledger, live(0), result)
    assert finished_nights(ledger, [one.id], since=day(0)) == {(one.id, day(0))}
    [row] = read_view(ledger, "latest_forecast").as_dicts()
    assert (row["status"], row["model_id"]) == ("fallback", None)
    assert states(ledger) == [("live", "degraded")]


def test_the_initial_backfill_is_noted_once(ledger: Ledger) -> None:
    """A series is backfilled from the night that says so, and the time of that is kept."""
    one, two = add_series(ledger, "a", "b")
    done = replace(worked(ledger, live(0), one), completes_backfill=True)
    store(ledger, live(0), done, worked(ledger, live(0), two))
    found = read_series(ledger)
    assert (found["a"].backfilled, found["b"].backfilled) == (True, False)
    later = replace(STAMP, now=NOW.replace(year=2025))
    again = replace(worked(ledger, live(1), one), completes_backfill=True)
    commit(ledger, live(1), [again], later, seconds=0.0, last=True)
    assert str(contents(ledger)["series"]).count("2025") == 0


def test_finished_nights_are_those_of_the_question(ledger: Ledger) -> None:
    """Only the series asked for, from the session asked for, outside backtests or in that one."""
    one, two = add_series(ledger, "a", "b")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    walk(ledger, [backfill(0), live(1), live(2)], one, two)
    walk(ledger, [backtest(1, trial), backtest(5, trial)], one)
    assert finished_nights(ledger, [one.id], since=day(1)) == {(one.id, day(1)), (one.id, day(2))}
    assert finished_nights(ledger, [one.id, two.id], since=day(0), backtest_id=trial) == {
        (one.id, day(1)),
        (one.id, day(5)),
    }
    assert finished_nights(ledger, [], since=day(0)) == set()


def test_thousands_of_series_are_asked_for_at_once(ledger: Ledger) -> None:
    """A list of more series than a statement takes parameters is no error."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    many = list(range(1, 40_001))
    assert finished_nights(ledger, many, since=day(0)) == {(one.id, day(0))}


def test_a_night_of_two_thousand_series_is_one_transaction(ledger: Ledger) -> None:
    """A chunk may be as large as one likes."""
    [one] = add_series(ledger, "a")
    many = [replace(worked(ledger, live(0), one), series_id=one.id)]
    assert store(ledger, live(0), *many)
    with pytest.raises(LedgerError, match=r"(?i)foreign key"):
        store(ledger, live(1), *(failed(replace(one, id=k)) for k in range(1, 2001)))


def test_backtests_are_kept_apart(ledger: Ledger) -> None:
    """A backtest has its own forecasts, models, trackers and sums, and leaves the others alone."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(number) for number in range(3)], one)
    known = read_knowledge(ledger, [one.id], live(3))
    before = [row for row in contents(ledger)["tracker"] if row[2] is None]
    first, second = (
        start_backtest(ledger, horizon=2, settings=text, version="1", now=NOW) for text in "ab"
    )
    for trial in (first, second):
        walk(ledger, [backtest(number, trial) for number in range(3)], one)
        finish_backtest(ledger, trial, now=NOW)
    assert read_knowledge(ledger, [one.id], live(3)) == known
    assert [row for row in contents(ledger)["tracker"] if row[2] is None] == before
    rows = read_view(ledger, "accuracy", where={"horizon": 1}, order=("kind",)).as_dicts()
    assert [(row["kind"], row["n"]) for row in rows] == [("backtest", 2), ("live", 2)]
    assert len(read_view(ledger, "backtest_accuracy").rows) == 4


def test_an_interrupted_backtest_is_found_again(ledger: Ledger) -> None:
    """A backtest of the same settings that has not ended is gone on with; others are not."""
    facts = {"settings": '{"a": 1}', "version": "1"}
    assert unfinished_backtest(ledger, **facts) is None
    started = [start_backtest(ledger, horizon=5, now=NOW, **facts) for _ in range(2)]
    assert unfinished_backtest(ledger, **facts) == started[-1]
    assert unfinished_backtest(ledger, settings="{}", version="1") is None
    assert unfinished_backtest(ledger, settings=facts["settings"], version="2") is None
    finish_backtest(ledger, started[-1], now=NOW)
    assert unfinished_backtest(ledger, **facts) == started[0]


def test_the_number_of_statements_does_not_grow_with_the_series(ledger: Ledger) -> None:
    """A night of 64 series takes as many round trips as a night of two, or nearly."""
    series = add_series(ledger, *(f"s{k}" for k in range(64)))
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1

    needed = []
    event.listen(Engine, "before_cursor_execute", count)
    try:
        for number, some in ((0, series[:2]), (1, series)):
            results = [worked(ledger, live(number), one) for one in some]
            seen = 0
            store(ledger, live(number), *results)
            needed.append(seen)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert needed[1] < needed[0] + 10


def test_states_taught_meanwhile_keep_what_they_learned(ledger: Ledger) -> None:
    """Work that began before another program taught trackers and gates overwrites neither."""
    [one] = add_series(ledger, "a")
    walk(ledger, [live(0), live(6)], one)
    slow = worked(ledger, live(7), one)
    walk(ledger, [backfill(1), backfill(2), backfill(3)], one)
    before = contents(ledger)
    store(ledger, live(7), slow)
    after = contents(ledger)
    assert [after[name] for name in ("tracker", "gate")] == [
        before[name] for name in ("tracker", "gate")
    ]
    assert [found for found in check_ledger(ledger, relearn) if not found.ok] == []
    walk(ledger, [live(8)], one)
    assert [found for found in check_ledger(ledger, relearn) if not found.ok] == []
    assert {row[2] for row in contents(ledger)["awaiting"]} == {day(9), day(10)}
