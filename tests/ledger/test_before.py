"""What is stored when a source answers, and how much of an answer needs no second look."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecaster.ledger import Ledger
from forecaster.ledger.before import (
    BEFORE,
    OVERLAP,
    TRUSTED,
    Before,
    Told,
    mark,
    read_before,
    unchanged,
)
from forecaster.ledger.instruments import read_answers
from forecaster.ledger.quarantine import accept
from forecaster.ledger.quotes import Answer, store_quotes
from forecaster.market import FIELDS, Actions, Bars, Held, no_actions

from .small import NOW, bars, day, quoted

ADDRESS = ("sample", "AAA")
CLOSES = [100.0 + k for k in range(60)]


def split(number: int, ratio: float = 2.0) -> Actions:
    """Return a split on a day."""
    return Actions(np.array([day(number)], "datetime64[D]"), np.array([ratio]), np.zeros(1))


def answer(told: Told, *held: Held) -> Answer:
    """Return a told answer as it is stored, by which it is known again."""
    return Answer(
        quoted(), told.bars, told.actions or no_actions(), held=held,
        judged=told.bars.sessions[0].item() if len(told.bars) else None, mark=mark(told),
    )  # fmt: skip


def look(ledger: Ledger, told: Told) -> Before:
    """Return what is stored about the instrument that is told of."""
    return read_before(ledger, {ADDRESS: told})[ADDRESS]


def keep(ledger: Ledger, told: Told, *held: Held) -> None:
    """Store an answer."""
    store_quotes(ledger, [answer(told, *held)], now=NOW)


def changed(prices: Bars, number: int, field: str, value: float) -> Bars:
    """Return bars with another value of one of them."""
    values = prices.field(field).copy()
    values[number] = value
    return replace(prices, **{field: values})


def test_a_grown_answer_is_known_by_its_mark() -> None:
    """What was said before is told alike, with whatever follows; a shorter one is not."""
    first = mark(Told(bars(CLOSES[:40]), split(5)))
    assert unchanged(first, Told(bars(CLOSES[:40]), split(5))) == 40
    assert unchanged(first, Told(bars(CLOSES), split(5))) == 40
    assert unchanged(first, Told(bars(CLOSES[:39]), split(5))) == 0


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("number", [0, 20, 39])
def test_a_changed_bar_is_another_answer(field: str, number: int) -> None:
    """Whichever value changes, by however little; a bar that is new is no change."""
    first = mark(Told(bars(CLOSES[:40]), None))
    value = float(np.nextafter(bars(CLOSES).close[number], 0))
    assert unchanged(first, Told(changed(bars(CLOSES), number, field, value), None)) == 0
    assert unchanged(first, Told(changed(bars(CLOSES), 40, field, value), None)) == 40


def test_a_changed_action_in_the_past_is_another_answer() -> None:
    """Another ratio, none, one more or on another day; one of a new session is no change."""
    first = mark(Told(bars(CLOSES[:40]), split(5)))
    others = [split(5, 3.0), no_actions(), None, split(6), split(5).joined(split(39))]
    assert [unchanged(first, Told(bars(CLOSES), one)) for one in others] == [0] * 5
    assert unchanged(first, Told(bars(CLOSES), split(5).joined(split(40)))) == 40


def test_an_answer_from_another_session_on_is_another_answer() -> None:
    """A past that is missing, or older than before, is looked at."""
    first = mark(Told(bars(CLOSES[:40]), None))
    assert unchanged(first, Told(bars(CLOSES[1:], first=1), None)) == 0
    assert unchanged(first, Told(bars([1.0, *CLOSES], first=-1), None)) == 0


def test_no_bars_have_no_mark() -> None:
    """Of nothing, and of what somebody accepted, nothing is known again."""
    assert mark(Told(bars([]), split(5))) is None
    for before in (None, TRUSTED):
        assert unchanged(before, Told(bars(CLOSES), None)) == 0


def test_of_an_unknown_instrument_nothing_is_stored(ledger: Ledger) -> None:
    """The same symbol of another source is another instrument."""
    keep(ledger, Told(bars(CLOSES), None))
    told = Told(bars(CLOSES), None)
    found = read_before(ledger, {("web", "AAA"): told, ADDRESS: told})
    assert len(found[("web", "AAA")].kept.bars) == 0
    assert (found[("web", "AAA")].skip, found[ADDRESS].skip) == (0, 60)


def test_an_answer_that_did_not_change_is_not_held_against_anything(ledger: Ledger) -> None:
    """All of it is skipped, and no bar is read."""
    told = Told(bars(CLOSES), split(5))
    keep(ledger, told)
    found = look(ledger, told)
    assert (found.skip, len(found.kept.bars), found.trusted) == (60, 0, False)


def test_of_a_grown_answer_the_last_bars_are_read(ledger: Ledger) -> None:
    """From a month before those that are looked at again, with all actions."""
    keep(ledger, Told(bars(CLOSES[:58]), split(5)))
    found = look(ledger, Told(bars(CLOSES), split(5)))
    first = day(58 - OVERLAP) - BEFORE
    assert found.skip == 58
    assert found.kept.bars.sessions[0].item() == max(first, day(0))
    assert found.kept.bars.sessions[-1].item() == day(57)
    assert found.kept.actions.splits.tolist() == [2.0]


def test_of_a_changed_answer_all_that_it_tells_is_read(ledger: Ledger) -> None:
    """Nothing is skipped; stored bars long before it are left out."""
    keep(ledger, Told(bars(CLOSES), split(5)))
    found = look(ledger, Told(bars([1.0] * 10, first=50), None))
    assert found.skip == 0
    assert found.kept.bars.sessions[0].item() == day(50) - timedelta(days=31)


def test_while_something_is_held_nothing_is_skipped(ledger: Ledger) -> None:
    """What is held may be confirmed by any answer, a known one too."""
    told = Told(bars(CLOSES), None)
    keep(ledger, told, Held(day(60), "bar", "jump", "it fell", {"close": 1.0}))
    found = look(ledger, told)
    assert (found.skip, len(found.kept.bars)) == (0, 60)
    keep(ledger, told)
    assert look(ledger, told).skip == 60


def test_an_inferred_action_is_told_apart(ledger: Ledger) -> None:
    """What no source told is known as such."""
    one = replace(answer(Told(bars(CLOSES), split(5))), inferred=frozenset({day(5)}), mark=None)
    store_quotes(ledger, [one], now=NOW)
    assert look(ledger, Told(bars(CLOSES), None)).kept.inferred == {day(5)}


def trust(ledger: Ledger) -> None:
    """Hold an answer as a whole, and accept it."""
    keep(ledger, Told(bars(CLOSES), None))
    held = Held(None, "answer", "another_past", "all is different")
    store_quotes(ledger, [Answer.nothing_but(quoted(), held)], now=NOW)
    accept(ledger, 1, now=NOW)


def test_the_answer_after_an_accepted_one_is_trusted_once(ledger: Ledger) -> None:
    """From its first bar to its last it is believed, and the one after it is not."""
    trust(ledger)
    other = Told(bars([7.0] * 60), None)
    found = look(ledger, other)
    assert (found.trusted, found.skip, len(found.kept.bars)) == (True, 0, 60)
    keep(ledger, other)
    assert not look(ledger, Told(bars([8.0] * 60), None)).trusted


def test_an_answer_without_bars_does_not_use_up_the_trust(ledger: Ledger) -> None:
    """It was given to the answer that follows, and nothing was told yet."""
    trust(ledger)
    keep(ledger, Told(bars([]), None))
    assert read_answers(ledger) == {ADDRESS: TRUSTED}
    assert look(ledger, Told(bars([7.0] * 60), None)).trusted


def test_many_instruments_are_told_apart(ledger: Ledger) -> None:
    """Each is held against its own past, however many are asked for at once."""
    told = {("sample", f"S{k}"): Told(bars([float(k + 1)] * 5), None) for k in range(40)}
    answers = [
        replace(answer(one), instrument=quoted(symbol), mark=None)
        for (_, symbol), one in told.items()
    ]
    store_quotes(ledger, answers, now=NOW)
    found = read_before(ledger, told)
    assert all(found[one].kept.bars.close.tolist() == told[one].bars.close.tolist() for one in told)
    assert isinstance(found[("sample", "S1")].kept.bars.sessions[0].item(), date)
