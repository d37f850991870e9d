"""What is held: kept apart, seen again, settled by an answer or by somebody; and alerts."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from forecaster.errors import DataError
from forecaster.ledger import Ledger
from forecaster.ledger.actions import read_actions
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_answers
from forecaster.ledger.prices import read_bars
from forecaster.ledger.quarantine import accept, read_held
from forecaster.ledger.quotes import Answer, Stored, store_quotes
from forecaster.market import Actions, Alert, Bars, Held

from .small import NOW, bars, contents, day, no_actions, quoted

HOUR = timedelta(hours=1)
CLOSES = [100.0 + k for k in range(10)]


def held_bar(number: int = 10, close: float = 40.0, **changes: Any) -> Held:
    """Return a bar that fell too far."""
    values = {"open": math.nan, "high": 41.0, "low": 39.0, "close": close, "volume": 5.0}
    return Held(day(number), "bar", "jump", "it fell", values | changes)


def held_action(number: int = 5, split: float = 2.0, dividend: float = 0.0) -> Held:
    """Return an action that the prices do not show."""
    values = {"split": split, "dividend": dividend}
    return Held(day(number), "action", "not_in_prices", "no fall", values)


WHOLE = Held(None, "answer", "another_past", "all is different")


def say(
    ledger: Ledger, *held: Held, hour: int = 0, prices: Bars | None = None,
    actions: Actions | None = None, judged: int | None = 0, alerts: Sequence[Alert] = (),
    symbol: str = "AAA",
) -> Stored:  # fmt: skip
    """Store an answer of ten bars, so many hours later, that holds something."""
    one = Answer(
        quoted(symbol), bars(CLOSES) if prices is None else prices, actions or no_actions(),
        held=held, alerts=tuple(alerts), judged=None if judged is None else day(judged), mark="m",
    )  # fmt: skip
    [stored] = store_quotes(ledger, [one], now=NOW + hour * HOUR)
    return stored


def shown(ledger: Ledger, *names: str) -> list[tuple[Any, ...]]:
    """Return columns of every row that is or was held, in order."""
    found = read_view(ledger, "quarantine_history", order=("first_seen_at", "session", "what"))
    return [tuple(row[name] for name in names) for row in found.as_dicts()]


def moment(hour: int) -> str:
    """Return a moment as the view shows it."""
    return (NOW + hour * HOUR).isoformat(timespec="microseconds")


def stored_close(ledger: Ledger, number: int) -> list[float]:
    """Return the close stored for a day, if any."""
    found, _, _ = read_bars(ledger, 1, upto=day(99), count=99)
    return found.close[found.sessions == np.datetime64(day(number))].tolist()


def test_what_is_held_again_is_one_row(ledger: Ledger) -> None:
    """First seen once, last seen each time, with the newest reason and values; told only once."""
    assert say(ledger, held_bar()).held == (held_bar(),)
    again = Held(day(10), "bar", "outside_range", "other reason", {"close": 41.5})
    assert say(ledger, again, hour=3).held == ()
    names = ("reason_code", "reason", "close", "high", "first_seen_at", "last_seen_at")
    assert shown(ledger, *names, "resolved_at") == [
        ("outside_range", "other reason", 41.5, None, moment(0), moment(3), None)
    ]


def test_what_is_held_can_be_read(ledger: Ledger) -> None:
    """By instrument, of all or of some, with what was said; NaN and infinities are empty."""
    say(ledger, held_bar(close=math.inf, volume=1e305), held_action())
    say(ledger, WHOLE, symbol="BBB")
    found = read_held(ledger)
    assert {id_: [one.what for one in each] for id_, each in found.items()} == {
        1: ["action", "bar"], 2: ["answer"],
    }  # fmt: skip
    assert read_held(ledger, [2]) == {2: found[2]}
    assert read_held(ledger, [3]) == read_held(ledger, []) == {}
    bar = found[1][1]
    assert (bar.session, bar.reason_code, bar.reason) == (day(10), "jump", "it fell")
    assert bar.values == {
        "open": None, "high": 41.0, "low": 39.0, "close": None, "volume": None,
        "split": None, "dividend": None,
    }  # fmt: skip


def test_of_a_session_and_kind_there_is_one_open_row(ledger: Ledger) -> None:
    """A bar said twice in one answer is one; a bar and an action of a session are two."""
    say(ledger, held_bar(close=40.0), held_bar(close=41.0), held_action(10))
    assert shown(ledger, "what", "close") == [("action", None), ("bar", 41.0)]


@pytest.mark.parametrize(("close", "how"), [(40.0, "confirmed"), (41.0, "corrected")])
def test_an_answer_settles_a_held_bar(ledger: Ledger, close: float, how: str) -> None:
    """Confirmed where it is stored as it was said, corrected where otherwise."""
    say(ledger, held_bar())
    say(ledger, hour=2, prices=bars([*CLOSES, close]))
    assert shown(ledger, "resolution", "resolved_at") == [(how, moment(2))]
    assert read_held(ledger) == {}


def test_a_held_bar_that_is_no_longer_told_was_a_mistake(ledger: Ledger) -> None:
    """The source took it back: that is a correction."""
    say(ledger, held_bar())
    say(ledger, hour=2)
    assert shown(ledger, "resolution") == [("corrected",)]


@pytest.mark.parametrize(
    ("told", "how"), [((5, 2.0), "confirmed"), ((5, 3.0), "corrected"), ((6, 2.0), "corrected")]
)
def test_an_answer_settles_a_held_action(ledger: Ledger, told: tuple[int, float], how: str) -> None:
    """Confirmed where the same is stored of the same session."""
    say(ledger, held_action())
    number, split = told
    one = Actions(np.array([day(number)], "datetime64[D]"), np.array([split]), np.zeros(1))
    say(ledger, hour=2, actions=one)
    assert shown(ledger, "resolution") == [(how,)]


def test_what_an_answer_says_nothing_of_stays_held(ledger: Ledger) -> None:
    """It begins later, or nothing of it is believed, or it is of another instrument."""
    say(ledger, held_bar(3), held_bar(12))
    say(ledger, hour=1, judged=None)
    say(ledger, WHOLE, hour=2)
    say(ledger, hour=3, symbol="BBB")
    assert shown(ledger, "what", "resolution")[:2] == [("bar", None)] * 2
    say(ledger, hour=4, judged=4)
    assert shown(ledger, "session", "resolution") == [
        (str(day(3)), None), (str(day(12)), "corrected"), (None, "corrected"),
    ]  # fmt: skip


def test_a_whole_answer_that_is_held_again_is_one_row(ledger: Ledger) -> None:
    """It has no session, and still there is one of it."""
    for hour in range(3):
        say(ledger, WHOLE, hour=hour, judged=None)
    assert shown(ledger, "session", "what", "last_seen_at") == [(None, "answer", moment(2))]


def test_what_was_settled_may_be_held_anew(ledger: Ledger) -> None:
    """A new row: what became of the first one stays known."""
    say(ledger, held_bar())
    say(ledger, hour=1)
    assert say(ledger, held_bar(), hour=2).held == (held_bar(),)
    assert shown(ledger, "first_seen_at", "resolution") == [
        (moment(0), "corrected"), (moment(2), None),
    ]  # fmt: skip


def test_an_accepted_bar_is_stored_as_it_was_said(ledger: Ledger) -> None:
    """With every field, empty ones too; the answer is looked at again."""
    say(ledger, held_bar())
    [taken] = accept(ledger, 1, now=NOW + HOUR)
    assert (taken.session, taken.what) == (day(10), "bar")
    found, _, _ = read_bars(ledger, 1, upto=day(99), count=1)
    assert [float(found.field(name)[0]) for name in ("high", "low", "close", "volume")] == [
        41.0, 39.0, 40.0, 5.0,
    ]  # fmt: skip
    assert math.isnan(found.open[0])
    assert shown(ledger, "resolution", "resolved_at") == [("accepted", moment(1))]
    assert read_answers(ledger) == {}
    assert accept(ledger, 1, now=NOW) == []


def test_an_accepted_bar_of_a_stored_session_is_a_revision(ledger: Ledger) -> None:
    """The one before stays known as of its time."""
    say(ledger, held_bar(4))
    accept(ledger, 1, now=NOW + HOUR)
    assert stored_close(ledger, 4) == [40.0]
    found, _, revised = read_bars(ledger, 1, upto=day(4), count=1, as_of=NOW)
    assert (found.close.tolist(), revised) == ([104.0], True)


def test_only_the_wanted_session_is_accepted(ledger: Ledger) -> None:
    """The others stay held, and the mark of the answer is gone all the same."""
    say(ledger, held_bar(10), held_bar(11), WHOLE)
    assert [one.session for one in accept(ledger, 1, session=day(11), now=NOW)] == [day(11)]
    assert (stored_close(ledger, 10), stored_close(ledger, 11)) == ([], [40.0])
    assert [one.session for one in read_held(ledger)[1]].count(day(10)) == 1
    assert accept(ledger, 1, session=day(20), now=NOW) == []


def test_accepting_nothing_changes_nothing(ledger: Ledger) -> None:
    """Where nothing is held, not even the mark of the last answer goes."""
    say(ledger)
    before = contents(ledger)
    assert accept(ledger, 1, now=NOW) == []
    assert accept(ledger, 99, now=NOW) == []
    assert contents(ledger) == before


def test_an_accepted_action_is_stored_as_told(ledger: Ledger) -> None:
    """As a revision after what was said of its session before."""
    one = Actions(np.array([day(5)], "datetime64[D]"), np.array([3.0]), np.zeros(1))
    say(ledger, held_action(split=2.0, dividend=0.5), actions=one)
    accept(ledger, 1, now=NOW + HOUR)
    with ledger.reading() as connection:
        found, inferred = read_actions(connection, [1])[1]
    assert (found.splits.tolist(), found.dividends.tolist(), inferred) == ([2.0], [0.5], set())
    history = read_view(ledger, "action_history").as_dicts()
    assert sorted((row["revision"], row["split"]) for row in history) == [(1, 3.0), (2, 2.0)]


def test_an_accepted_withdrawal_takes_the_action_back(ledger: Ledger) -> None:
    """What is held of a withdrawn split is no split and no dividend."""
    one = Actions(np.array([day(5)], "datetime64[D]"), np.array([3.0]), np.zeros(1))
    say(ledger, held_action(split=1.0), actions=one)
    accept(ledger, 1, now=NOW + HOUR)
    with ledger.reading() as connection:
        assert len(read_actions(connection, [1])[1][0]) == 0


def test_an_accepted_answer_is_trusted(ledger: Ledger) -> None:
    """Nothing of it is stored: the next one is believed."""
    say(ledger, WHOLE, judged=None)
    before = contents(ledger, "quarantine", "instrument")
    [taken] = accept(ledger, 1, now=NOW + HOUR)
    assert (taken.session, taken.what) == (None, "answer")
    assert contents(ledger, "quarantine", "instrument") == before
    assert read_answers(ledger) == {("sample", "AAA"): "trusted"}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (held_bar(12, close=math.nan), "not_finite"),
        (held_bar(12, close=math.inf), "not_finite"),
        (replace(held_bar(12, close=1e200), code="too_large"), "not_finite"),
        (held_action(6, split=-2.0), "split"),
        (held_action(6, split=0.0), "split"),
        (held_action(6, split=math.nan), "split"),
        (held_action(6, dividend=-1.0), "dividend"),
        (held_action(6, dividend=math.inf), "dividend"),
    ],
)
def test_what_can_be_no_price_and_no_action_is_not_accepted(
    ledger: Ledger, bad: Held, code: str
) -> None:
    """The error says what to do instead, and nothing else of it is accepted either."""
    say(ledger, held_bar(10), held_action(5), bad)
    before = contents(ledger)
    with pytest.raises(DataError, match="cannot be accepted") as caught:
        accept(ledger, 1, now=NOW)
    assert (caught.value.code, bool(caught.value.remedy)) == (code, True)
    assert contents(ledger) == before
    assert len(accept(ledger, 1, session=day(10), now=NOW)) == 1


def test_an_alert_is_stored_once(ledger: Ledger) -> None:
    """Noticed again it is the same one; another message, session or instrument is another."""
    one = Alert(day(3), "revised", "was 1 and is 2")
    others = [Alert(day(4), "revised", "was 1 and is 2"), Alert(day(3), "revised", "is 3 now")]
    assert say(ledger, alerts=[one]).alerts == (one,)
    assert say(ledger, alerts=[one, *others], hour=1).alerts == tuple(others)
    assert say(ledger, alerts=[one, *others], hour=2).alerts == ()
    assert say(ledger, alerts=[one], hour=3, symbol="BBB").alerts == (one,)
    found = read_view(ledger, "alert_history", order=("raised_at", "session")).as_dicts()
    assert [(row["symbol"], row["session"], row["raised_at"]) for row in found] == [
        ("AAA", str(day(3)), moment(0)), ("AAA", str(day(3)), moment(1)),
        ("AAA", str(day(4)), moment(1)), ("BBB", str(day(3)), moment(3)),
    ]  # fmt: skip


def test_an_alert_told_twice_in_one_answer_is_stored_once(ledger: Ledger) -> None:
    """Two nights' worth of the same notice in one answer is one."""
    one = Alert(day(3), "revised", "was 1 and is 2")
    assert say(ledger, alerts=[one, one]).alerts == (one,)
    assert len(read_view(ledger, "alert_history").rows) == 1
