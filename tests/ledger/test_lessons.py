"""What the states of a night had learned from can be told again: later, and to the last bit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from forecaster.ledger import Gate, Ledger, Lesson, Night, SeriesNight, Tracker
from forecaster.ledger.backtests import start_backtest
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.lessons import taught
from forecaster.ledger.nights import commit

from .small import (
    NOW,
    STAMP,
    STEP,
    add_series,
    backfill,
    backtest,
    day,
    lesson_of,
    live,
    relearn,
    worked,
)

States = tuple[set[Tracker], set[Gate]]


def stored_at(ledger: Ledger, minute: int, night: Night, *results: SeriesNight) -> None:
    """Commit a night so many minutes after the first one."""
    stamp = replace(STAMP, now=NOW + timedelta(minutes=minute))
    commit(ledger, night, results, stamp, seconds=0.5, last=True)


def relearned(lessons: tuple[tuple[Lesson, float | None], ...]) -> States:
    """Return the states after these lessons, the night's own step being that of all others."""
    trackers, gates = relearn([(one, eta or STEP) for one, eta in lessons])
    return set(trackers), set(gates)


@pytest.mark.parametrize("minutes", [1, 0])
def test_each_nights_states_can_be_learned_again(ledger: Ledger, minutes: int) -> None:
    """Also where the clock stands still: a night has learned of no session after its own."""
    [one] = add_series(ledger, "a")
    actuals = {day(k): 100.0 + (k * 7 % 5) - 2 for k in range(20)}
    states: list[States] = []
    for number in range(12):
        result = worked(ledger, live(number), one, actuals=actuals)
        stored_at(ledger, number * minutes, live(number), result)
        states.append((set(result.trackers), set(result.gates)))
    for number, expected in enumerate(states):
        known = NOW + timedelta(minutes=number * minutes)
        lessons = taught(ledger, one.id, live(number), known_by=known)
        assert relearned(lessons) == expected
        assert {eta for _, eta in lessons} <= {STEP}


def test_what_came_late_had_not_taught_before(ledger: Ledger) -> None:
    """An outcome that was scored days later is unknown to the nights between."""
    [one] = add_series(ledger, "a")
    states = []
    for number in range(6):
        result = worked(ledger, live(number), one, actuals={day(1): 103.0, day(2): 104.0})
        if number == 1:  # the source has no bar yet
            result = replace(result, scores=(), trackers=(), gates=())
        stored_at(ledger, number, live(number), result)
        known = read_knowledge(ledger, [one.id], live(number + 1))[one.id]
        states.append((set(known.trackers), set(known.gates)))
    for number, expected in enumerate(states):
        known_by = NOW + timedelta(minutes=number)
        assert relearned(taught(ledger, one.id, live(number), known_by=known_by)) == expected
    assert [len(taught(ledger, one.id, live(k), known_by=NOW + timedelta(minutes=k)))
            for k in range(4)] == [0, 0, 3, 5]  # fmt: skip


def test_a_night_that_came_late_used_all_outcomes_by_then(ledger: Ledger) -> None:
    """Its states were made anew with its own step, also from outcomes that taught nobody."""
    [one] = add_series(ledger, "a")
    actuals = {day(3): 101.5, day(4): 105.0, day(5): 90.0}
    for minute, number in enumerate((0, 1, 5, 6)):
        stored_at(ledger, minute, live(number), worked(ledger, live(number), one, actuals=actuals))
    used = {}
    for minute, number in ((10, 2), (11, 4), (12, 3)):
        night = backfill(number)
        before = read_knowledge(ledger, [one.id], night)[one.id].lessons_by_then
        assert before is not None
        result = worked(ledger, night, one, actuals=actuals)
        used[minute] = (night, {*before, *map(lesson_of, result.scores)})
        stored_at(ledger, minute, night, result)
    last = worked(ledger, live(7), one, actuals=actuals)
    stored_at(ledger, 13, live(7), last)
    for minute, (night, lessons) in used.items():
        found = taught(ledger, one.id, night, known_by=NOW + timedelta(minutes=minute))
        assert {lesson for lesson, _ in found} == lessons
        assert {eta for _, eta in found} == {None}
        cutoffs = [lesson.cutoff for lesson, _ in found]
        assert cutoffs == sorted(cutoffs)
    assert used[12][1] > used[10][1]
    # Nights in their order have learned from what taught, as ever.
    for minute, number in ((2, 5), (3, 6), (13, 7)):
        known_by = NOW + timedelta(minutes=minute)
        found = taught(ledger, one.id, live(number), known_by=known_by)
        assert {eta for _, eta in found} == {STEP}
    assert relearned(found) == (set(last.trackers), set(last.gates))


def test_backtests_and_other_series_teach_apart(ledger: Ledger) -> None:
    """Lessons are of one series, and of one backtest or of none."""
    one, two = add_series(ledger, "a", "b")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    for number in range(4):
        stored_at(ledger, 0, live(number), worked(ledger, live(number), one))
    for number in range(3):
        night = backtest(number, trial)
        stored_at(ledger, 0, night, worked(ledger, night, one))
    counts = [
        len(taught(ledger, whose.id, night, known_by=NOW))
        for whose, night in ((one, live(3)), (one, backtest(2, trial)), (two, live(3)))
    ]
    assert counts == [5, 3, 0]
