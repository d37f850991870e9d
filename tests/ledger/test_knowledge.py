"""What a night is told: all that was known by its session, and nothing later."""

from dataclasses import replace

from forecaster.ledger import Gate, Knowledge, Ledger, Lesson
from forecaster.ledger.backtests import start_backtest
from forecaster.ledger.knowledge import read_knowledge

from .small import (
    NOW,
    add_series,
    backfill,
    backtest,
    day,
    live,
    model,
    said,
    store,
    walk,
    worked,
)  # fmt: skip


def test_a_new_series_knows_nothing(ledger: Ledger) -> None:
    """Nothing waits, nothing is learned, there is no model; every series asked for is answered."""
    one, two = add_series(ledger, "a", "b")
    known = read_knowledge(ledger, [one.id, two.id], live(0))
    assert set(known) == {one.id, two.id}
    assert known == {one.id: Knowledge(), two.id: Knowledge()}


def test_a_stored_model_comes_back_as_it_was(ledger: Ledger) -> None:
    """Every field of a model, its bytes too, is what was stored, with its id."""
    [one] = add_series(ledger, "a")
    given = model(0, parameters=bytes(range(256)))
    store(ledger, live(0), replace(worked(ledger, live(0), one), model=given))
    found = read_knowledge(ledger, [one.id], live(1))[one.id].model
    assert found == replace(given, id=1, created_at=NOW)
    assert isinstance(found.parameters, bytes)


def test_no_model_of_a_later_cutoff_is_known(ledger: Ledger) -> None:
    """A night knows the newest model up to its session, even when newer ones are stored."""
    [one] = add_series(ledger, "a")
    for number in (2, 4, 6):
        result = replace(worked(ledger, live(number), one), model=model(number))
        store(ledger, live(number), result)
    found = {
        number: read_knowledge(ledger, [one.id], backfill(number))[one.id].model
        for number in range(1, 8)
    }
    cutoffs = {number: it.cutoff if it else None for number, it in found.items()}
    assert cutoffs == {
        1: None, 2: day(2), 3: day(2), 4: day(4), 5: day(4), 6: day(6), 7: day(6),
    }  # fmt: skip


def test_of_two_models_of_one_cutoff_the_later_one_counts(ledger: Ledger) -> None:
    """When settings changed and a model was fitted again to the same bars, the new one is used."""
    [one] = add_series(ledger, "a")
    for kind, fingerprint in ((backfill(2), "old"), (live(3), "new")):
        result = replace(worked(ledger, kind, one), model=model(2, fingerprint))
        store(ledger, kind, result)
    found = read_knowledge(ledger, [one.id], live(4))[one.id].model
    assert found
    assert found.fingerprint == "new"


def test_what_waits_is_given_when_its_session_has_come(ledger: Ledger) -> None:
    """Forecasts whose target is later than the night stay unknown to it."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one, means=(101.0, 102.0)))
    targets = {
        number: [it.target_session for it in known.pending]
        for number in range(4)
        for known in [read_knowledge(ledger, [one.id], live(number))[one.id]]
    }
    assert targets == {0: [], 1: [day(1)], 2: [day(1), day(2)], 3: [day(1), day(2)]}
    [first, _] = read_knowledge(ledger, [one.id], live(2))[one.id].pending
    wanted = said(1, 0, mean=101.0)
    assert (first.kind, first.cutoff, first.horizon) == ("live", day(0), 1)
    for name in ("mean", "lo80", "hi80", "lo95", "hi95", "baseline", "network_move", "unit",
                 "head_scale", "ewma_scale"):  # fmt: skip
        assert getattr(first, name) == getattr(wanted, name)


def test_backtests_and_nights_know_nothing_of_each_other(ledger: Ledger) -> None:
    """Neither models, nor trackers, nor waiting forecasts cross over, in either direction."""
    [one] = add_series(ledger, "a")
    trials = [
        start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW) for _ in range(2)
    ]
    blank = read_knowledge(ledger, [one.id], live(9))
    walk(ledger, [backtest(number, trials[0]) for number in range(3)], one)
    assert read_knowledge(ledger, [one.id], live(9)) == blank
    assert read_knowledge(ledger, [one.id], backtest(9, trials[1])) == blank
    walk(ledger, [live(number) for number in range(5)], one)
    known = read_knowledge(ledger, [one.id], backtest(3, trials[0]))[one.id]
    assert known.model
    assert known.model.id == 1
    assert [it.cutoff for it in known.pending] == [day(1), day(2)]
    assert {it.outcomes for it in known.trackers if it.horizon == 1} == {2}


def test_live_nights_go_on_from_backfill(ledger: Ledger) -> None:
    """Backfill and live are one walk: forecasts of one are scored by the other, trackers go on."""
    [one] = add_series(ledger, "a")
    walk(ledger, [backfill(0), backfill(1), live(2)], one)
    known = read_knowledge(ledger, [one.id], live(3))[one.id]
    assert [(it.kind, it.horizon) for it in known.pending] == [("backfill", 2), ("live", 1)]
    assert {(it.horizon, it.outcomes) for it in known.trackers} == {(1, 2), (2, 1)}
    assert {it.last_cutoff for it in known.trackers if it.horizon == 1} == {day(1)}


def test_a_late_night_is_told_the_outcomes_known_by_then(ledger: Ledger) -> None:
    """A night older than what the states learned from gets the lessons up to its session."""
    [one] = add_series(ledger, "a")
    actuals = {day(3): 101.5, day(4): 105.0}
    for number in (0, 1, 2, 3, 4, 5):
        store(ledger, live(number), worked(ledger, live(number), one, actuals=actuals))
    assert read_knowledge(ledger, [one.id], live(6))[one.id].lessons_by_then is None
    late = read_knowledge(ledger, [one.id], backfill(3))[one.id]
    parts = {"network_move": 0.5, "unit": 2.0, "head_scale": 0.02, "ewma_scale": 0.01}
    assert late.lessons_by_then == (
        Lesson(1, day(0), True, True, actual_move=0.0, **parts),
        Lesson(2, day(0), True, True, actual_move=0.0, **parts),
        Lesson(1, day(1), True, True, actual_move=0.0, **parts),
        Lesson(2, day(1), False, True, actual_move=0.75, **parts),
        Lesson(1, day(2), False, True, actual_move=0.75, **parts),
    )
    assert read_knowledge(ledger, [one.id], backfill(0))[one.id].lessons_by_then == ()


def test_only_the_series_that_is_late_is_told_of_lessons(ledger: Ledger) -> None:
    """A new series on an old night starts its states as new."""
    one, two = add_series(ledger, "a", "b")
    walk(ledger, [live(number) for number in range(5)], one)
    known = read_knowledge(ledger, [one.id, two.id], backfill(2))
    assert known[one.id].lessons_by_then
    assert known[two.id].lessons_by_then is None


def test_states_come_back_as_they_were_stored(ledger: Ledger) -> None:
    """Trackers and gates are those of the last night, to the last bit, each series its own."""
    one, two = add_series(ledger, "a", "b")
    walk(ledger, [live(0), live(1)], one, two)
    gates = tuple(
        Gate(head, horizon, 0.1, 1 / 3, 0.2, 1.5, 2.25, -0.7, 0.3, 7, day(1))  # type: ignore[arg-type]
        for horizon in (1, 2)
        for head in ("mean", "spread")
    )
    last = replace(worked(ledger, live(2), one), gates=gates)
    store(ledger, live(2), last, worked(ledger, live(2), two))
    known = read_knowledge(ledger, [one.id, two.id], live(3))
    assert set(known[one.id].gates) == set(gates)
    assert set(known[one.id].trackers) == set(last.trackers)
    assert {it.head for it in known[two.id].gates} == {"mean"}
    assert {it.weight for it in known[two.id].gates} == {0.25}
