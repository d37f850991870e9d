"""Pulls: what became of asking, when to leave a source alone, and when to believe it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from forecaster.ledger import Ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.pulls import (
    ANSWERED,
    Pull,
    Rest,
    doubts,
    last_pulls,
    read_rest,
    record_pulls,
)

from .small import NOW

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def pull(symbol: str = "AAA", outcome: str = "ok", when: datetime = NOW, **facts: Any) -> Pull:
    """Return a pull from the source "net" with an outcome that is also what the source said."""
    facts = {"source": "net", "said": outcome, **facts}
    return Pull(symbol=symbol, pulled_at=when, outcome=outcome, **facts)


def refused(when: datetime, minutes: int, **facts: Any) -> Pull:
    """Return a pull that was refused, until so many minutes later."""
    until = when + minutes * MINUTE
    return pull(outcome="rate_limited", when=when, resumes_at=until, **facts)


def unknown(when: datetime, outcome: str = "bad_response", symbol: str = "AAA") -> Pull:
    """Return a pull of which the source said that it knows no such symbol."""
    return pull(symbol, outcome, when, said="unknown_symbol")


def test_a_pull_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    """Every field, in the view too; nothing recorded is nothing there."""
    record_pulls(ledger, [])
    assert last_pulls(ledger) == {}
    given = pull(
        reason="because", requests=3, new_bars=2, revised_bars=1, held_bars=4,
        resumes_at=NOW + MINUTE,
    )  # fmt: skip
    record_pulls(ledger, [given])
    assert last_pulls(ledger) == {("net", "AAA"): given}
    [row] = read_view(ledger, "pull_history").as_dicts()
    shown = ("outcome", "reason", "requests", "new_bars", "revised_bars", "held_bars")
    assert [row[name] for name in shown] == ["ok", "because", 3, 2, 1, 4]


def test_the_last_pull_of_each_symbol_of_each_source(ledger: Ledger) -> None:
    """The one recorded last counts, for each source on its own."""
    record_pulls(ledger, [pull(), pull("BBB"), pull(source="files")])
    record_pulls(ledger, [pull(outcome="network", when=NOW + DAY)])
    found = last_pulls(ledger)
    assert {key: one.outcome for key, one in found.items()} == {
        ("net", "AAA"): "network", ("net", "BBB"): "ok", ("files", "AAA"): "ok",
    }  # fmt: skip


def test_refusals_in_a_row_are_counted(ledger: Ledger) -> None:
    """Each one more, whichever symbol was asked for, and the longest rest counts."""
    for count in range(1, 5):
        when = NOW + count * 60 * MINUTE
        record_pulls(ledger, [refused(when, 15 * count, symbol=f"S{count}")])
        assert read_rest(ledger, "net") == Rest(when + 15 * count * MINUTE, count)


@pytest.mark.parametrize("outcome", ANSWERED)
def test_any_answer_ends_the_rest(ledger: Ledger, outcome: str) -> None:
    """After it the next refusal is the first one again."""
    record_pulls(ledger, [refused(NOW, 15), refused(NOW + 20 * MINUTE, 30)])
    record_pulls(ledger, [pull("BBB", outcome, NOW + 60 * MINUTE)])
    assert read_rest(ledger, "net") is None
    record_pulls(ledger, [refused(NOW + DAY, 15)])
    assert read_rest(ledger, "net") == Rest(NOW + DAY + 15 * MINUTE, 1)


@pytest.mark.parametrize("outcome", ["network", "provider_down", "bad_response", "unknown_symbol"])
def test_a_failure_is_no_answer(ledger: Ledger, outcome: str) -> None:
    """A source that is down has not begun to answer."""
    record_pulls(ledger, [refused(NOW, 15), pull(outcome=outcome, when=NOW + DAY)])
    assert read_rest(ledger, "net") == Rest(NOW + 15 * MINUTE, 1)


def test_a_source_that_was_not_asked_again_is_not_refused_again(ledger: Ledger) -> None:
    """Symbols left alone after a refusal do not count: they tell no time of their own."""
    left = pull("BBB", "rate_limited")
    record_pulls(ledger, [refused(NOW, 15), left])
    assert read_rest(ledger, "net") == Rest(NOW + 15 * MINUTE, 1)


def test_sources_rest_on_their_own(ledger: Ledger) -> None:
    """The answer of one is no answer of another."""
    record_pulls(ledger, [refused(NOW, 15), refused(NOW, 45, source="web"), pull(source="web")])
    assert read_rest(ledger, "net") == Rest(NOW + 15 * MINUTE, 1)
    assert read_rest(ledger, "web") is None


def test_only_days_on_which_others_were_answered_make_doubts(ledger: Ledger) -> None:
    """An outage may say the same of every symbol."""
    days = [NOW + number * DAY for number in range(4)]
    for when in days:
        record_pulls(ledger, [unknown(when)])
    assert doubts(ledger, "net", "AAA", also=None) == 0
    record_pulls(ledger, [pull("BBB", "ok", days[0]), pull("CCC", "no_session", days[2])])
    assert doubts(ledger, "net", "AAA", also=None) == 2
    record_pulls(ledger, [pull("BBB", "network", days[1]), pull("BBB", source="web", when=days[3])])
    assert doubts(ledger, "net", "AAA", also=None) == 2


def test_many_times_on_one_day_are_one_day(ledger: Ledger) -> None:
    """Whoever runs every minute does not hasten it; the moment that is not stored yet counts."""
    record_pulls(ledger, [pull("BBB", when=NOW), *[unknown(NOW + k * MINUTE) for k in range(5)]])
    assert doubts(ledger, "net", "AAA", also=None) == 1
    assert doubts(ledger, "net", "AAA", also=NOW + 30 * MINUTE) == 1
    assert doubts(ledger, "net", "AAA", also=NOW + DAY) == 2


def test_an_answer_ends_the_doubts(ledger: Ledger) -> None:
    """A symbol that was answered for is known; what another one is said to be is its own."""
    for number in range(3):
        when = NOW + number * DAY
        record_pulls(ledger, [unknown(when), pull("BBB", when=when)])
    assert doubts(ledger, "net", "AAA", also=None) == 3
    assert doubts(ledger, "net", "BBB", also=None) == 0
    assert doubts(ledger, "web", "AAA", also=None) == 0
    record_pulls(ledger, [pull(when=NOW + 3 * DAY)])
    assert doubts(ledger, "net", "AAA", also=None) == 0
    record_pulls(ledger, [pull("BBB", when=NOW + 4 * DAY), unknown(NOW + 4 * DAY)])
    assert doubts(ledger, "net", "AAA", also=None) == 1


def test_a_failure_of_another_kind_does_not_end_the_doubts(ledger: Ledger) -> None:
    """Neither a rest nor an outage shows that the symbol is known."""
    record_pulls(ledger, [unknown(NOW), pull("BBB"), pull(outcome="network"), refused(NOW, 15)])
    assert doubts(ledger, "net", "AAA", also=None) == 1
