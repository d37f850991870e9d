"""How the ledger stands as a whole, in both databases."""

from sqlalchemy import insert, update

from forecaster.ledger import Ledger, Series
from forecaster.ledger.instruments import set_paused
from forecaster.ledger.pulls import Pull, record_pulls
from forecaster.ledger.schema import run
from forecaster.ledger.vitals import (
    Pooled,
    behind,
    count_bars,
    forecasts_since,
    last_done,
    last_ended,
    last_finished,
    measure,
    pooled_accuracy,
    quick_check,
    requests_since,
    runs_by_state,
)

from .small import NOW, add_series, backfill, day, failed, live, store, worked


def night_with_failure(ledger: Ledger) -> list[Series]:
    """Work a night for two series, and the next for the first alone."""
    first, second = add_series(ledger, "a", "b")
    store(ledger, live(1), worked(ledger, live(1), first), worked(ledger, live(1), second))
    store(ledger, live(2), worked(ledger, live(2), first), failed(second))
    return [first, second]


def test_the_last_night_with_a_result_is_told_of_each_series(ledger: Ledger) -> None:
    """A failure is none, and a series that never had one is told as well."""
    night_with_failure(ledger)
    add_series(ledger, "c")
    assert last_finished(ledger) == {
        "a": ("24/7", day(2)), "b": ("24/7", day(1)), "c": ("24/7", None),
    }  # fmt: skip


def test_results_of_long_ago_are_found(ledger: Ledger) -> None:
    """A series whose last result is older than the nights looked at first is read by itself."""
    first, second = add_series(ledger, "a", "b")
    store(ledger, live(0), worked(ledger, live(0), first), worked(ledger, live(0), second))
    for number in range(1, 8):
        store(ledger, live(number), worked(ledger, live(number), first), failed(second))
    assert last_finished(ledger) == {"a": ("24/7", day(7)), "b": ("24/7", day(0))}


def test_a_calendar_is_as_far_as_its_newest_night(ledger: Ledger) -> None:
    """What ended with results and what is merely over are told apart; what is open is neither."""
    first, second = night_with_failure(ledger)
    assert last_done(ledger)["24/7"].session == day(2)
    assert last_done(ledger)["24/7"].state == "degraded"
    store(ledger, live(3), failed(first), failed(second))
    assert last_done(ledger)["24/7"].session == day(2)
    assert last_ended(ledger)["24/7"].session == day(3)
    with ledger.writing() as connection:
        connection.execute(update(run).where(run.c.session == day(3)).values(next_attempt_at=NOW))
    assert last_ended(ledger)["24/7"].session == day(2)


def test_series_that_the_last_night_left_without_a_result_are_named(ledger: Ledger) -> None:
    """With the reason; one that is paused, or that was done late, is none of them."""
    _, second = night_with_failure(ledger)
    [one] = behind(ledger)
    assert (one.series, one.calendar, one.session) == ("b", "24/7", day(2))
    assert (one.status, one.reason) == ("failed", "it did not answer")
    set_paused(ledger, "b", paused=True)
    assert behind(ledger) == []
    set_paused(ledger, "b", paused=False)
    store(ledger, backfill(2), worked(ledger, backfill(2), second))
    assert behind(ledger) == []


def test_what_came_after_is_counted_alone(ledger: Ledger) -> None:
    """A second count goes on where the first one ended."""
    first, _ = night_with_failure(ledger)
    last, counts = forecasts_since(ledger, 0)
    assert counts == {"live": 6}
    store(ledger, backfill(3), worked(ledger, backfill(3), first))
    again, new = forecasts_since(ledger, last)
    assert new == {"backfill": 2}
    assert forecasts_since(ledger, again) == (again, {})


def test_requests_and_refusals_are_counted_by_source(ledger: Ledger) -> None:
    """A source that is left alone was sent nothing, and refused nothing."""
    record_pulls(ledger, [
        Pull("yahoo", "A", NOW, "ok", "ok", requests=2),
        Pull("yahoo", "B", NOW, "rate_limited", "rate_limited", requests=1),
        Pull("yahoo", "C", NOW, "rate_limited", "rate_limited", requests=0),
        Pull("csv", "D", NOW, "ok", "ok"),
    ])  # fmt: skip
    last, counts = requests_since(ledger, 0)
    assert counts == {"yahoo": (3, 1), "csv": (0, 0)}
    assert requests_since(ledger, last) == (last, {})


def test_live_outcomes_are_pooled_over_series(ledger: Ledger) -> None:
    """Each series' skill weighs as much as it has outcomes; backfills do not count."""
    first, second = add_series(ledger, "a", "b")
    for kind, numbers in ((live, (1, 2)), (backfill, (5, 6))):
        for number in numbers:
            night = kind(number)
            moved = {day(2): 110.0, day(6): 110.0}
            store(
                ledger, night,
                worked(ledger, night, first, actuals=moved, means=(105.0, 105.0)),
                worked(ledger, night, second, actuals=moved, means=(110.0, 110.0)),
            )  # fmt: skip
    near = pooled_accuracy(ledger)[0]
    assert near == Pooled(horizon=1, n=4, skill=near.skill, coverage80=0.25, coverage95=0.25)


def test_without_outcomes_there_is_no_accuracy(ledger: Ledger) -> None:
    """Nothing is divided by nothing."""
    assert pooled_accuracy(ledger) == []
    [one] = add_series(ledger, "a")
    for number in (1, 2):  # errors of zero, and a baseline that was right
        store(ledger, live(number), worked(ledger, live(number), one))
    assert pooled_accuracy(ledger)[0].skill is None


def test_nights_are_counted_by_state(ledger: Ledger) -> None:
    """Backtests are no nights of the schedule."""
    night_with_failure(ledger)
    with ledger.writing() as connection:
        row = {"kind": "live", "calendar": "24/7", "session": day(9), "state": "missed"}
        connection.execute(insert(run), [{**row, "seconds": 0.0}])
    assert runs_by_state(ledger) == {"done": 1, "degraded": 1, "missed": 1}


def test_bars_and_bytes_are_counted(ledger: Ledger) -> None:
    """The size is what the file, or the server, says; a sound file has no damage."""
    add_series(ledger, "a", "b")
    assert count_bars(ledger) == 20
    assert measure(ledger).database > 10_000
    assert quick_check(ledger) == []
