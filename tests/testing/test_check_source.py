"""The check of sources is itself checked: each broken promise is refused by its name."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import ConfigError, DataError, SourceError
from forecaster.hooks import Quotes, build_registry
from forecaster.testing import check_source

DAYS = pd.bdate_range("2024-01-01", periods=40, name="date")
CLOSES = np.where(DAYS < "2024-02-01", 100.0, 51.0) + np.arange(40) / 10
BARS = pd.DataFrame({"close": CLOSES, "volume": 1e6}, index=DAYS)
ACTIONS = pd.DataFrame(
    {"split": [1.0, 2.0], "dividend": [0.5, 0.0]},
    index=pd.DatetimeIndex(["2024-01-10", "2024-02-01"]),
)
QUOTES = Quotes(BARS, ACTIONS, calendar="weekdays", currency="USD", historical=True)


class Plain:
    """A source that keeps its promises; the faulty ones below break one each."""

    name: Any = "plain"
    local: Any = True
    quotes = QUOTES

    def __init__(self, options: Mapping[str, Any] | None = None, folder: Path = Path()) -> None:
        self.requests: Any = 0
        self.option(options or {})

    def option(self, options: Mapping[str, Any]) -> None:
        if options:
            raise ConfigError(f"unknown: {', '.join(options)}")

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Any:
        self.requests += 1
        if symbol != "A":
            return self.unknown(symbol)
        return self.cut(start, end)

    def unknown(self, symbol: str) -> Any:
        raise SourceError(f"no {symbol!r}", code="unknown_symbol")

    def cut(self, start: Any, end: Any) -> Any:
        found = self.quotes
        start, end = (each and pd.Timestamp(each) for each in (start, end))
        bars = found.bars.loc[start:end].copy()
        if found.actions is None:
            return replace(found, bars=bars)
        actions = found.actions.loc[start:end].copy()
        return replace(found, bars=bars, actions=actions)


def broken(**attributes: Any) -> type[Plain]:
    """Return a source in which something is other than it should be."""
    return type("Broken", (Plain,), attributes)


def told(**fields: Any) -> type[Plain]:
    """Return a source whose answer to everything is another one."""
    answer = replace(QUOTES, **fields)

    def cut(self: Plain, start: Any, end: Any) -> Any:
        return answer

    return broken(cut=cut)


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a method that raises."""

    def method(self: Plain, *arguments: Any) -> Any:
        raise error

    return method


def answering(answer: Any) -> Callable[..., Any]:
    """Return a method that returns a value."""
    return lambda self, *arguments: answer


def live(self: Plain, start: Any, end: Any) -> Any:
    """The last session is going on: each answer has another price."""
    found = Plain.cut(self, start, end)
    if len(found.bars) and found.bars.index[-1] == DAYS[-1]:
        found.bars.iloc[-1, 0] += self.requests
    return replace(found, historical=False)


def closed(self: Plain, start: Any, end: Any) -> Any:
    """No sessions are an error with the code for that."""
    found = Plain.cut(self, start, end)
    if found.bars.empty:
        raise SourceError("no session then", code="no_session")
    return found


def from_symbol(self: Plain, options: Mapping[str, Any]) -> None:
    """Demand an option, and refuse others by name."""
    if set(options) != {"key"}:
        raise ConfigError(f"wrong: {', '.join(options)}")


@pytest.mark.parametrize(
    "made",
    [
        Plain,
        broken(cut=live),
        broken(cut=closed),
        broken(quotes=replace(QUOTES, actions=None, calendar=None, currency=None)),
        broken(quotes=replace(QUOTES, actions=ACTIONS[:0])),
        broken(quotes=replace(QUOTES, bars=BARS.astype({"volume": "int64"}))),
        broken(quotes=replace(QUOTES, bars=BARS.assign(open=[np.nan] * 39 + [55.0]))),
    ],
    ids=["plain", "live", "closed", "bare", "no actions", "integers", "gaps"],
)
def test_a_good_source_passes(made: type[Plain]) -> None:
    """Whatever the contract leaves open is accepted; it is asked a dozen times."""
    source = made()
    check_source(source, "A")
    assert 10 < source.requests < 15


def test_a_source_with_a_necessary_option() -> None:
    """The options that it was made with are those that a wrong one is added to."""
    check_source(broken(option=from_symbol)({"key": 1}), "A", options={"key": 1})
    with pytest.raises(AssertionError, match="does not name it: something is wrong"):
        check_source(Blind({"key": 1}), "A", options={"key": 1})


class Blind(Plain):
    """A source whose error does not say which option is wrong."""

    def option(self, options: Mapping[str, Any]) -> None:
        if set(options) != {"key"}:
            raise ConfigError("something is wrong")


@pytest.mark.parametrize(("source", "symbol"), [("sample", "AAPL"), ("sample", "EURJPY")])
def test_the_sample_passes(source: str, symbol: str) -> None:
    """Sources of the program keep the promises too."""
    check_source(build_registry(only=["forecaster"]).source(source)({}, Path()), symbol)


def test_files_and_databases_pass(tmp_path: Path) -> None:
    """CSV, Parquet and a database with the same prices, splits and dividends."""
    actions = ACTIONS.reindex(DAYS)
    frame = BARS.assign(split=actions["split"], dividend=actions["dividend"], symbol="A")
    frame.to_csv(tmp_path / "prices.csv")
    frame.to_parquet(tmp_path / "prices.parquet")
    with closing(sqlite3.connect(tmp_path / "prices.db")) as connection:
        named = frame.rename_axis("session").reset_index().astype({"session": str})
        named.to_sql("price", connection)
    registry = build_registry(only=["forecaster"])
    query = (
        "SELECT session, close, volume, split, dividend, 'USD' AS currency FROM price "
        "WHERE symbol = :symbol AND session BETWEEN :start AND :end"
    )
    for name, options in (
        ("csv", {"file": "prices.csv"}),
        ("parquet", {"file": "prices.parquet"}),
        ("database", {"url": "prices.db", "query": query}),
    ):
        check_source(registry.source(name)(options, tmp_path), "A", options=options)


def shared(self: Plain, start: Any, end: Any) -> Any:
    """Hand over the frame that it keeps for the next one who asks."""
    if not hasattr(self, "kept"):
        self.kept = Plain.cut(self, None, None)
    return Plain.cut(self, start, end) if start or end else self.kept


def moody(self: Plain, start: Any, end: Any) -> Any:
    """Answer otherwise each time."""
    found = Plain.cut(self, start, end)
    return replace(found, bars=found.bars * (1 + self.requests / 100))


def forgetful(self: Plain, start: Any, end: Any) -> Any:
    """Know the actions only once."""
    found = Plain.cut(self, start, end)
    return replace(found, actions=found.actions if self.requests < 2 else None)


def blind_to_start(self: Plain, start: Any, end: Any) -> Any:
    """Give what is before the range too."""
    return Plain.cut(self, None, end)


def blind_to_end(self: Plain, start: Any, end: Any) -> Any:
    """Give what is after the range too."""
    return Plain.cut(self, start, None)


def without_end(self: Plain, start: Any, end: Any) -> Any:
    """Leave the last session of a range out."""
    found = Plain.cut(self, start, end)
    return replace(found, bars=found.bars.iloc[:-1] if end else found.bars)


def adjusted_to_range(self: Plain, start: Any, end: Any) -> Any:
    """As a provider that adjusts to the end of what is asked for."""
    found = Plain.cut(self, start, end)
    scale = 2.0 if end and len(found.bars) and end < date(2024, 2, 1) else 1.0
    return replace(found, bars=found.bars * scale)


def all_actions(self: Plain, start: Any, end: Any) -> Any:
    """Give actions outside the range."""
    return replace(Plain.cut(self, start, end), actions=ACTIONS.copy())


def lost_actions(self: Plain, start: Any, end: Any) -> Any:
    """Know actions only where all is asked for."""
    found = Plain.cut(self, start, end)
    return replace(found, actions=None) if start or end else found


def no_session_is_no_symbol(self: Plain, start: Any, end: Any) -> Any:
    """Take a range without sessions for an unknown symbol."""
    found = Plain.cut(self, start, end)
    if found.bars.empty:
        raise SourceError("what is that?", code="unknown_symbol")
    return found


def something_always(self: Plain, start: Any, end: Any) -> Any:
    """Give everything where there is nothing."""
    found = Plain.cut(self, start, end)
    return Plain.cut(self, None, None) if found.bars.empty else found


def counting_down(self: Plain, symbol: str) -> Any:
    """Forget requests that were sent."""
    self.requests = 0
    raise SourceError("no", code="unknown_symbol")


AT_TEN = BARS.set_axis(DAYS + pd.Timedelta(hours=10))
FAULTS: list[tuple[type[Plain], str]] = [
    (broken(name=""), "the source's name is '' and must be a word"),
    (broken(local="yes"), "local is 'yes' and must be True or False"),
    (broken(option=lambda self, options: None), "an option that it does not have is ignored"),
    (broken(option=lambda self, options: options and options["a"]),
     "an option that it does not have raises KeyError and no ConfigError"),
    (broken(cut=raising(DataError("bad prices"))), "'A': fetch raises DataError: bad prices"),
    (broken(cut=answering(BARS)), "'A': fetch returns a DataFrame and no Quotes"),
    (told(bars={"close": [1.0]}), "bars are a dict and no DataFrame"),
    (told(bars=BARS.reset_index(drop=True)), "an index of int64 and no DatetimeIndex"),
    (told(bars=BARS.tz_localize("UTC")), "bars have sessions with the zone UTC"),
    (told(bars=AT_TEN), "bars have a time of day: 2024-01-01 10:00:00"),
    (told(bars=BARS.set_axis([*DAYS[:-1], pd.NaT])), "bars have a row without a session"),
    (told(bars=BARS[::-1]), "bars do not ascend: 2024-02-22"),
    (told(bars=BARS.iloc[[0, 0, *range(1, 40)]]), "bars have a session twice: 2024-01-01"),
    (told(bars=BARS.assign(vwap=1.0)), "bars have the columns close, volume, vwap; they may be"),
    (told(bars=BARS[["volume"]]), "bars have no column close"),
    (told(bars=BARS.astype({"close": object})), "a column close of object and not of numbers"),
    (told(bars=BARS[:0]), "bars are refused: there are no bars"),
    (told(bars=BARS.assign(close=np.nan)), "no bar could be used"),
    (told(bars=BARS.assign(volume=-1.0)), "bars are refused: 40 of 40 sessions have a negative"),
    (told(bars=BARS[:9], actions=None), "9 sessions are too few to try it out with"),
    (told(bars=BARS.assign(close=50.0)),
     "prices are not as traded: the close goes from 50 to 50 at the split of 2 on 2024-02-01"),
    (told(actions=[1]), "actions are a list and no DataFrame"),
    (told(actions=ACTIONS.rename(columns={"split": "ratio"})), "actions have the columns ratio"),
    (told(actions=ACTIONS.assign(split=0.0)), "actions are refused: 2 of 2 sessions have a split"),
    (told(actions=ACTIONS.tz_localize("UTC")), "actions have sessions with the zone UTC"),
    (told(currency="dollars"), "the currency is 'dollars' and no ISO code"),
    (told(historical=None), "historical is None and no bool"),
    (told(attribution=None), "attribution is None and no str"),
    (told(calendar="XNYZ"), "the calendar is 'XNYZ': "),
    (told(calendar=7), "the calendar is 7: "),
    (told(bars=BARS.set_axis(pd.date_range("2024-01-01", periods=40)), actions=None),
     "the calendar weekdays lacks 10 of 40 sessions, first 2024-01-06"),
    (broken(cut=shared), "the second answer is not the first one: it is what the caller wrote"),
    (broken(cut=moody), "the second answer is not the first one"),
    (broken(cut=forgetful), "the second answer is not the first one"),
    (broken(cut=blind_to_start), "2024-02-06: a bar of 2024-01-01 was not asked for"),
    (broken(cut=blind_to_end), "a bar of 2024-02-07 was not asked for"),
    (broken(cut=without_end), "the bar of 2024-02-06 is missing"),
    (broken(cut=adjusted_to_range), "bars have other values than without a range"),
    (broken(cut=all_actions), "an action was not asked for"),
    (broken(cut=lost_actions), "there are other actions than without a range"),
    (broken(cut=no_session_is_no_symbol), "a SourceError with the code 'unknown_symbol'; no bars"),
    (broken(cut=something_always), "on 1800-01-01: 40 bars"),
    (broken(unknown=answering(QUOTES)), "'ZZ9NOSUCH9ZZ', which it cannot know: no SourceError"),
    (broken(unknown=raising(KeyError("x"))), "raises KeyError and no SourceError: 'x'"),
    (broken(unknown=raising(SourceError("x", code="Not Found"))), "a code in snake case"),
    (broken(unknown=raising(SourceError("\0", code="x"))), "to say why, and is 'x': ''"),
    (broken(unknown=counting_down), "its count of requests went down"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_a_broken_promise_is_refused_in_one_sentence(made: type[Plain], message: str) -> None:
    """The message names the source and says what it did."""
    with pytest.raises(AssertionError, match=re.escape(message)) as caught:
        check_source(made(), "A")
    assert "\n" not in str(caught.value)


def test_a_count_of_requests_is_a_number() -> None:
    """An attribute of that name that holds something else is refused."""
    source = Plain()
    source.requests = "many"
    with pytest.raises(AssertionError, match="requests is 'many' and must be a count"):
        check_source(source, "A")
