"""Bars and series: what was quoted, what was known when, and whose name means what."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from forecaster.ledger import Ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import (
    read_instruments,
    read_series,
    register_series,
    set_paused,
)
from forecaster.ledger.prices import TOGETHER, last_sessions, read_bars, read_many, read_sessions
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.market import Actions, Bars

from .small import (
    NOW,
    add_series,
    bars,
    contents,
    day,
    live,
    no_actions,
    quote,
    quoted,
    store,
    worked,
)

LATER = NOW + timedelta(days=1)


def closes(
    ledger: Ledger, *, upto: int = 99, count: int = 99, as_of: datetime | None = None
) -> tuple[list[float], bool]:
    """Return the closes read back, and whether one was revised."""
    found, _, revised = read_bars(ledger, 1, upto=day(upto), count=count, as_of=as_of)
    return found.close.tolist(), revised


def test_bars_come_back_as_they_were_quoted(ledger: Ledger) -> None:
    """Every field of a bar is read as it was stored, and what was empty is NaN again."""
    sessions = np.array([day(0), day(1)], dtype="datetime64[D]")
    given = Bars(
        sessions,
        np.array([1.0, np.nan]),
        np.array([3.0, np.nan]),
        np.array([0.5, np.nan]),
        np.array([2.0, 0.1 + 0.2]),
        np.array([1e12, np.nan]),
    )
    stored = quote(ledger, quoted(), given)
    found, _, revised = read_bars(ledger, stored.instrument.id, upto=day(9), count=9)
    assert (stored.new_bars, stored.revised_bars, revised) == (2, 0, False)
    assert found.sessions.tolist() == given.sessions.tolist()
    for name in ("open", "high", "low", "close", "volume"):
        assert found.field(name).tobytes() == given.field(name).tobytes()


def test_storing_an_answer_twice_stores_it_once(ledger: Ledger) -> None:
    """The same answer of a source again adds no row."""
    acts = Actions(np.array([day(1)], dtype="datetime64[D]"), np.array([2.0]), np.array([0.0]))
    quote(ledger, quoted(), bars([1, 2, 3]), acts)
    before = contents(ledger)
    again = quote(ledger, quoted(), bars([1, 2, 3]), acts, now=LATER)
    assert (again.new_bars, again.revised_bars) == (0, 0)
    assert contents(ledger) == before


def test_a_changed_value_is_a_new_row(ledger: Ledger) -> None:
    """A revision keeps the value before it; the newest is what is read."""
    quote(ledger, quoted(), bars([1, 2, 3]))
    stored = quote(ledger, quoted(), bars([1, 2.5, 3, 4]), now=LATER)
    assert (stored.new_bars, stored.revised_bars) == (1, 1)
    assert closes(ledger) == ([1, 2.5, 3, 4], True)
    history = read_view(ledger, "bar_history", order=("session", "revision")).as_dicts()
    assert [(row["session"], row["revision"], row["close"]) for row in history] == [
        ("2024-01-01", 1, 1.0),
        ("2024-01-02", 1, 2.0),
        ("2024-01-02", 2, 2.5),
        ("2024-01-03", 1, 3.0),
        ("2024-01-04", 1, 4.0),
    ]


def test_a_value_that_changes_back_is_one_more_revision(ledger: Ledger) -> None:
    """Each change is kept, a return to the first value as well."""
    for k, value in enumerate((2.0, 2.5, 2.0)):
        quote(ledger, quoted(), bars([value]), now=NOW + timedelta(days=k))
    assert closes(ledger) == ([2.0], True)
    assert len(read_view(ledger, "bar_history").rows) == 3


@pytest.mark.parametrize(("answer", "new", "revised"), [
    ([1, 2, 3, 4], 1, 0),  # more of the same
    ([1, 2, 3], 0, 0),
    ([1, 2.5, 3, 4], 1, 1),  # a change among what was said before
    ([1, 2], 0, 0),  # less of it
    ([1, 2.5], 0, 1),
])  # fmt: skip
def test_an_answer_like_the_last_one_is_still_compared(
    ledger: Ledger, answer: list[float], new: int, revised: int
) -> None:
    """What is repeated is known by its digest; what is added or changed is found all the same."""
    quote(ledger, quoted(), bars([1, 2, 3]))
    stored = quote(ledger, quoted(), bars(answer), now=LATER)
    assert (stored.new_bars, stored.revised_bars) == (new, revised)
    again = quote(ledger, quoted(), bars([1, 2, 3]), now=LATER + timedelta(days=1))
    assert (again.new_bars, again.revised_bars) == (0, revised)
    assert closes(ledger)[0][:3] == [1, 2, 3]


def test_an_answer_that_only_looks_like_the_last_one_is_compared(ledger: Ledger) -> None:
    """As many bars with other values, other sessions or another field are no repetition."""
    quote(ledger, quoted(), bars([1, 2, 3]))
    assert quote(ledger, quoted(), bars([1, 2, 3], first=1)).new_bars == 1
    volumes = replace(bars([1, 2, 3], first=1), volume=np.array([7.0, 7.0, 7.0]))
    assert quote(ledger, quoted(), volumes).revised_bars == 3


def test_instruments_are_stored_together_and_kept_apart(ledger: Ledger) -> None:
    """Each of many answers, of whatever length, is held against the bars of its own instrument."""
    lengths = {f"S{k:02}": 1 + k % 5 for k in range(TOGETHER + 5)}

    def answers(more: int) -> list[Answer]:
        return [
            Answer(quoted(name), bars([100.0 + k for k in range(length + more)]), no_actions())
            for name, length in lengths.items()
        ]

    first = store_quotes(ledger, answers(0), now=NOW)
    assert [one.new_bars for one in first] == list(lengths.values())
    second = store_quotes(ledger, answers(2), now=LATER)
    assert {(one.new_bars, one.revised_bars) for one in second} == {(2, 0)}
    ids = [one.instrument.id for one in first]
    read = read_many(ledger, ids, upto=day(99), count=3, fields=["close"])
    for one, length in zip(first, lengths.values(), strict=True):
        found, _, revised = read[one.instrument.id]
        assert found.close.tolist() == [100.0 + k for k in range(length + 2)][-3:]
        assert np.isnan(found.open).all()
        assert not revised


def test_as_of_gives_what_was_known_then(ledger: Ledger) -> None:
    """A bar revised after a moment has the value it had then."""
    quote(ledger, quoted(), bars([1, 2, 3]))
    quote(ledger, quoted(), bars([1, 2.5, 3]), now=LATER)
    assert closes(ledger, as_of=NOW) == ([1, 2, 3], True)
    assert closes(ledger, as_of=LATER) == ([1, 2.5, 3], True)


def test_as_of_gives_the_newest_value_of_a_bar_first_seen_later(ledger: Ledger) -> None:
    """Nothing was known of history that was loaded later: it counts as corrected since."""
    quote(ledger, quoted(), bars([1, 2]))
    quote(ledger, quoted(), bars([1, 2.5]), now=LATER)
    assert closes(ledger, as_of=NOW - timedelta(days=300)) == ([1, 2.5], True)


@pytest.mark.parametrize(("upto", "count", "found"), [
    (99, 2, [4, 5]), (3, 2, [3, 4]), (3, 99, [1, 2, 3, 4]), (4, 5, [1, 2, 3, 4, 5]), (4, 1, [5]),
    (-1, 5, []),
])  # fmt: skip
def test_the_newest_bars_up_to_a_session_are_read(
    ledger: Ledger, upto: int, count: int, found: list[float]
) -> None:
    """No bar after the session, and no more than were asked for, revisions not counted."""
    quote(ledger, quoted(), bars([1, 2, 3, 9, 5]))
    quote(ledger, quoted(), bars([1, 2, 3, 4, 5]), now=LATER)
    assert closes(ledger, upto=upto, count=count)[0] == found


def test_actions_after_the_session_are_not_read(ledger: Ledger) -> None:
    """A split is known from its session on."""
    acts = Actions(
        np.array([day(1), day(3)], dtype="datetime64[D]"),
        np.array([2.0, 3.0]),
        np.array([0.0, 0.5]),
    )
    quote(ledger, quoted(), bars([1, 2, 3, 4]), acts)
    for upto, splits in ((0, []), (1, [2.0]), (3, [2.0, 3.0])):
        _, known, _ = read_bars(ledger, 1, upto=day(upto), count=9)
        assert known.splits.tolist() == splits


def test_an_instrument_keeps_its_id_and_takes_new_facts(ledger: Ledger) -> None:
    """A source may correct currency and calendar; the instrument stays the same."""
    first = quote(ledger, quoted(), bars([1])).instrument
    changed = quoted(currency="EUR", calendar="XETR", historical=False)
    second = quote(ledger, changed, bars([1]), now=LATER).instrument
    assert second.id == first.id
    assert read_instruments(ledger) == {("sample", "AAA"): second}
    assert (second.currency, second.calendar, second.historical) == ("EUR", "XETR", False)


def test_sessions_are_listed_once(ledger: Ledger) -> None:
    """A revised bar is one session."""
    quote(ledger, quoted(), bars([1, 2]))
    quote(ledger, quoted(), bars([1, 3]), now=LATER)
    assert read_sessions(ledger, 1) == [day(0), day(1)]
    assert last_sessions(ledger) == {("sample", "AAA"): day(1)}


def test_registering_again_changes_nothing(ledger: Ledger) -> None:
    """A series that means what it meant keeps its id and its row."""
    [one] = add_series(ledger, "a")
    before = contents(ledger)
    found = register_series(ledger, [("a", one.instrument.id, "close")], now=LATER)
    assert found == {"a": one}
    assert contents(ledger) == before


def test_a_name_that_changes_its_meaning_starts_anew(ledger: Ledger) -> None:
    """The old series keeps its history and leaves the current views; switching back revives it."""
    old, other = add_series(ledger, "a", "b")
    for number in range(3):
        store(ledger, live(number), worked(ledger, live(number), old))
    new = register_series(ledger, [("a", other.instrument.id, "open")], now=LATER)["a"]
    assert new.id not in (old.id, other.id)
    assert (new.instrument.id, new.field) == (other.instrument.id, "open")
    assert read_series(ledger)["a"] == new
    assert len(read_view(ledger, "forecast_history", where={"series": "a"}).rows) == 6
    for view in ("latest_forecast", "accuracy", "calibration"):
        assert read_view(ledger, view).rows == ()
    store(ledger, live(3), worked(ledger, live(3), new))
    assert {row["field"] for row in read_view(ledger, "latest_forecast").as_dicts()} == {"open"}

    back = register_series(ledger, [("a", old.instrument.id, "close")], now=LATER)["a"]
    assert back == old
    latest = read_view(ledger, "latest_forecast").as_dicts()
    assert {(row["field"], row["cutoff"]) for row in latest} == {("close", "2024-01-03")}
    assert len(read_view(ledger, "forecast_history", where={"series": "a"}).rows) == 8
    assert {row["n"] for row in read_view(ledger, "accuracy").as_dicts()} == {1, 2}


def test_two_series_of_one_instrument_live_side_by_side(ledger: Ledger) -> None:
    """Open and close of one instrument are two series."""
    [one] = add_series(ledger, "a")
    found = register_series(
        ledger, [("a", one.instrument.id, "close"), ("a-open", one.instrument.id, "open")], now=NOW
    )
    assert len({series.id for series in found.values()}) == 2
    assert set(read_series(ledger)) == {"a", "a-open"}


def test_pausing_is_remembered(ledger: Ledger) -> None:
    """A series is paused and resumed by name; an unknown name is told."""
    add_series(ledger, "a", "b")
    assert set_paused(ledger, "a", paused=True)
    assert {name: one.paused for name, one in read_series(ledger).items()} == {
        "a": True,
        "b": False,
    }
    assert set_paused(ledger, "a", paused=False)
    assert not set_paused(ledger, "nobody", paused=True)
