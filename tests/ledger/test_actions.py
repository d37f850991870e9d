"""Splits and dividends by revision: what is said, taken back, and known when."""

from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import select

from forecaster.ledger import Ledger
from forecaster.ledger.actions import late_actions, read_actions
from forecaster.ledger.history import read_view
from forecaster.ledger.prices import read_bars
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.ledger.schema import action
from forecaster.market import Actions

from .small import NOW, bars, day, no_actions, quoted

HOUR = timedelta(hours=1)


def acted(*events: tuple[int, float, float]) -> Actions:
    """Return actions from (day, split, dividend)."""
    return Actions(
        np.array([day(number) for number, _, _ in events], dtype="datetime64[D]"),
        np.array([split for _, split, _ in events]),
        np.array([dividend for _, _, dividend in events]),
    )


def say(
    ledger: Ledger, actions: Actions, *, hour: int = 0, first: int = 0, count: int = 10,
    inferred: tuple[int, ...] = (),
) -> None:  # fmt: skip
    """Store an answer with bars from a day on, so many hours later."""
    prices = bars([100.0 + first + k for k in range(count)], first=first)
    days = frozenset(day(number) for number in inferred)
    store_quotes(ledger, [Answer(quoted(), prices, actions, days)], now=NOW + hour * HOUR)


def known(
    ledger: Ledger, *, as_of: datetime | None = None, known_by: datetime | None = None,
    upto: int = 99,
) -> list[tuple[int, float, float]]:  # fmt: skip
    """Return the actions read back: (day, split, dividend)."""
    with ledger.reading() as connection:
        found, _ = read_actions(connection, [1], upto=day(upto), as_of=as_of, known_by=known_by)[1]
    _, others, _ = read_bars(ledger, 1, upto=day(upto), count=99, as_of=as_of, known_by=known_by)
    assert others.sessions.tolist() == found.sessions.tolist()
    return [
        ((session - day(0)).days, split, dividend)
        for session, split, dividend in zip(
            found.sessions.tolist(), found.splits.tolist(), found.dividends.tolist(), strict=True
        )
    ]


def rows(ledger: Ledger) -> list[tuple[int, int, float, float, str]]:
    """Return every stored revision: (day, revision, split, dividend, origin)."""
    a = action.c
    query = select(a.session, a.revision, a.split, a.dividend, a.origin).order_by(
        a.session, a.revision
    )
    with ledger.reading() as connection:
        return [((row[0] - day(0)).days, *row[1:]) for row in connection.execute(query)]


def late(ledger: Ledger, upto: int = 99) -> set[int]:
    """Return the instruments with a changed or late action."""
    with ledger.reading() as connection:
        return late_actions(connection, [1], day(upto))


def test_the_same_actions_said_again_change_nothing(ledger: Ledger) -> None:
    """Each is stored once, in its first revision, however often it is told."""
    for hour in range(3):
        say(ledger, acted((3, 2.0, 0.0), (5, 1.0, 0.25)), hour=hour)
    assert rows(ledger) == [(3, 1, 2.0, 0.0, "told"), (5, 1, 1.0, 0.25, "told")]
    assert known(ledger) == [(3, 2.0, 0.0), (5, 1.0, 0.25)]
    assert late(ledger) == set()


def test_a_changed_action_is_a_new_revision(ledger: Ledger) -> None:
    """The last one counts, and the one before stays known as of its time."""
    say(ledger, acted((3, 2.0, 0.0)))
    say(ledger, acted((3, 4.0, 0.0)), hour=2)
    assert rows(ledger) == [(3, 1, 2.0, 0.0, "told"), (3, 2, 4.0, 0.0, "told")]
    assert known(ledger) == [(3, 4.0, 0.0)]
    assert known(ledger, as_of=NOW + HOUR) == [(3, 2.0, 0.0)]
    assert known(ledger, as_of=NOW + 2 * HOUR) == [(3, 4.0, 0.0)]
    assert late(ledger) == {1}


def test_an_action_taken_back_is_none_from_then_on(ledger: Ledger) -> None:
    """A revision without split and dividend takes it back, once, and it may come again."""
    say(ledger, acted((3, 2.0, 0.0)))
    say(ledger, no_actions(), hour=2)
    say(ledger, no_actions(), hour=3)
    assert rows(ledger) == [(3, 1, 2.0, 0.0, "told"), (3, 2, 1.0, 0.0, "told")]
    assert known(ledger) == []
    assert known(ledger, as_of=NOW) == [(3, 2.0, 0.0)]
    say(ledger, acted((3, 2.0, 0.0)), hour=4)
    assert rows(ledger)[-1] == (3, 3, 2.0, 0.0, "told")
    assert known(ledger) == [(3, 2.0, 0.0)]


def test_an_answer_says_nothing_of_actions_before_its_first_bar(ledger: Ledger) -> None:
    """Those stay as they are; an answer without bars says nothing of any."""
    say(ledger, acted((3, 2.0, 0.0), (7, 3.0, 0.0)))
    say(ledger, no_actions(), hour=1, first=4, count=6)
    assert known(ledger) == [(3, 2.0, 0.0)]
    say(ledger, acted((9, 5.0, 0.0)), hour=2, count=0)
    assert known(ledger) == [(3, 2.0, 0.0)]


def test_an_inferred_action_is_told_later(ledger: Ledger) -> None:
    """Who told of it is a new revision with the same values; until then it counts all the same."""
    say(ledger, acted((3, 2.0, 0.0)), inferred=(3,))
    with ledger.reading() as connection:
        assert read_actions(connection, [1])[1][1] == {day(3)}
    assert known(ledger) == [(3, 2.0, 0.0)]
    say(ledger, acted((3, 2.0, 0.0)), hour=1)
    with ledger.reading() as connection:
        assert read_actions(connection, [1])[1][1] == frozenset()
    assert [(row[1], row[4]) for row in rows(ledger)] == [(1, "inferred"), (2, "told")]
    assert known(ledger, as_of=NOW) == known(ledger) == [(3, 2.0, 0.0)]


def test_an_inferred_action_taken_back_is_no_longer_inferred(ledger: Ledger) -> None:
    """What is no action is nobody's guess either."""
    say(ledger, acted((3, 2.0, 0.0)), inferred=(3,))
    say(ledger, no_actions(), hour=1)
    with ledger.reading() as connection:
        found, inferred = read_actions(connection, [1])[1]
    assert (len(found), inferred) == (0, frozenset())


def test_an_action_told_later_than_its_bar_was_unknown_before(ledger: Ledger) -> None:
    """As of any moment between the two there was a bar and no action."""
    say(ledger, no_actions())
    say(ledger, acted((3, 2.0, 0.0)), hour=5)
    assert known(ledger) == [(3, 2.0, 0.0)]
    for hour in (-1, 0, 4):
        assert known(ledger, as_of=NOW + hour * HOUR) == []
    assert known(ledger, as_of=NOW + 5 * HOUR) == [(3, 2.0, 0.0)]
    assert late(ledger) == {1}
    assert late(ledger, upto=2) == set()


def test_an_action_that_came_with_its_bar_counts_for_every_earlier_night(ledger: Ledger) -> None:
    """A history that was pulled late is read as it was told first; its changes are not."""
    say(ledger, acted((3, 2.0, 0.0)))
    say(ledger, acted((3, 4.0, 0.0)), hour=5)
    long_ago = NOW - timedelta(days=99)
    assert known(ledger, as_of=long_ago) == [(3, 2.0, 0.0)]
    assert known(ledger, as_of=long_ago, known_by=long_ago) == []


def test_an_action_before_its_bar_comes_counts_with_it(ledger: Ledger) -> None:
    """A split may be told while the bar of its session is held: it is not late."""
    say(ledger, acted((12, 2.0, 0.0)))
    assert known(ledger, as_of=NOW) == [(12, 2.0, 0.0)]
    say(ledger, acted((12, 2.0, 0.0)), hour=3, first=10, count=5)
    assert late(ledger) == set()
    assert known(ledger, as_of=NOW) == [(12, 2.0, 0.0)]


def test_nothing_is_read_that_was_seen_after_known_by(ledger: Ledger) -> None:
    """Neither a later revision nor a later action; as_of does not soften it."""
    say(ledger, acted((3, 2.0, 0.0)))
    say(ledger, acted((3, 4.0, 0.0), (5, 1.0, 0.5)), hour=2)
    assert known(ledger, known_by=NOW + HOUR) == [(3, 2.0, 0.0)]
    assert known(ledger, known_by=NOW - HOUR) == []
    assert known(ledger, known_by=NOW + 2 * HOUR) == [(3, 4.0, 0.0), (5, 1.0, 0.5)]


def test_later_sessions_are_not_read(ledger: Ledger) -> None:
    """What happens after the last session wanted is no part of the past."""
    say(ledger, acted((3, 2.0, 0.0), (5, 1.0, 0.5)))
    assert known(ledger, upto=4) == [(3, 2.0, 0.0)]
    assert known(ledger, upto=2) == []


def test_actions_of_other_instruments_are_theirs(ledger: Ledger) -> None:
    """Two instruments told of in one answer do not mix."""
    prices = bars([100.0] * 10)
    answers = [
        Answer(quoted("AAA"), prices, acted((3, 2.0, 0.0))),
        Answer(quoted("BBB"), prices, acted((3, 7.0, 0.0), (4, 1.0, 0.5))),
    ]
    store_quotes(ledger, answers, now=NOW)
    with ledger.reading() as connection:
        found = read_actions(connection, [1, 2, 3])
        assert late_actions(connection, [1, 2], day(99)) == set()
    assert [found[id_][0].splits.tolist() for id_ in (1, 2, 3)] == [[2.0], [7.0, 1.0], []]


def test_the_view_shows_every_revision(ledger: Ledger) -> None:
    """What was said and taken back can be read by anyone."""
    say(ledger, acted((3, 2.0, 0.0)), inferred=(3,))
    say(ledger, no_actions(), hour=1)
    shown = read_view(ledger, "action_history", order=("session", "revision")).as_dicts()
    assert [(row["revision"], row["split"], row["origin"]) for row in shown] == [
        (1, 2.0, "inferred"),
        (2, 1.0, "told"),
    ]
