"""The border: what is wrong with one row is held with its reason, the rest goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.market import FIELDS, Admitted, admit, admit_actions, bars_from_frame, get_calendar

PRICES = FIELDS[:-1]
ROUNDING = 1e-9
NAN, INF = np.nan, np.inf

GOOD = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 500.0}
MONDAY = date(2024, 1, 1)


def days(count: int) -> pd.DatetimeIndex:
    """Return that many days in a row."""
    return pd.date_range(MONDAY, periods=count)


def frame_of(*rows: dict[str, float], index: pd.DatetimeIndex | None = None) -> pd.DataFrame:
    """Return a frame of good rows, each changed as told."""
    table = pd.DataFrame([GOOD | row for row in rows], dtype=np.float64)
    return table.set_index(days(len(rows)) if index is None else index)


def told(admitted: Admitted) -> list[tuple[str, str, str]]:
    """Return day, code and reason of what is held."""
    return [(str(one.session), one.code, one.reason) for one in admitted.held]


ROWS = [
    ({"close": NAN}, "not_finite", "no finite close (close nan)"),
    ({"close": INF}, "not_finite", "no finite close (close inf)"),
    ({"open": -INF}, "not_finite", "an infinite open"),
    ({"high": INF}, "not_finite", "an infinite high"),
    ({"volume": INF}, "not_finite", "an infinite volume"),
    ({"high": 1e31}, "too_large", "an impossible high (high 1e+31)"),
    ({"volume": 2e30}, "too_large", "an impossible volume (volume 2e+30)"),
    ({"low": -1e31}, "too_large", "an impossible low (low -1e+31)"),
    ({"volume": -1.0}, "negative_volume", "a negative volume (volume -1)"),
    ({"high": 8.0}, "high_below_low", "a high below the low (high 8, low 9)"),
    ({"open": 8.5}, "outside_range", "the open outside low and high (open 8.5, low 9, high 12)"),
    ({"close": 13.0}, "outside_range", "the close outside low and high (close 13, low 9, high 12)"),
    ({"close": 8.0, "open": NAN}, "outside_range",
     "the close outside low and high (close 8, low 9, high 12)"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "code", "reason"), ROWS)
def test_a_wrong_row_is_held_and_the_others_are_not(
    row: dict[str, float], code: str, reason: str
) -> None:
    """The row is named by its day, its reason shows the values, and what was said is kept."""
    admitted = admit(frame_of({}, row, {}))
    assert told(admitted) == [("2024-01-02", code, reason)]
    assert admitted.bars.sessions.tolist() == [date(2024, 1, 1), date(2024, 1, 3)]
    [held] = admitted.held
    assert (held.what, held.values.keys()) == ("bar", set(FIELDS))
    assert all(np.array_equal(held.values[name], {**GOOD, **row}[name], equal_nan=True)
               for name in FIELDS)  # fmt: skip


FINE: list[dict[str, float]] = [
    {},
    dict.fromkeys(("open", "high", "low", "volume"), NAN),
    {"high": NAN, "close": 20.0},
    {"low": NAN, "close": 1.0},
    {"volume": 0.0},
    {"close": 12.0 * (1 + ROUNDING / 2)},
    {"open": 9.0, "high": 9.0, "low": 9.0 * (1 + ROUNDING / 2), "close": 9.0},
    {"high": 1e29, "volume": 1e29},
    {"open": -3.0, "high": -1.0, "low": -4.0, "close": -2.0},
    dict.fromkeys(PRICES, 0.0),
]


@pytest.mark.parametrize("row", FINE)
def test_a_row_at_the_edge_of_what_may_be_passes(row: dict[str, float]) -> None:
    """What is left empty is not compared, rounding is no fault, and oil may cost less than 0."""
    admitted = admit(frame_of({}, row, {}))
    assert told(admitted) == []
    assert len(admitted.bars) == 3


@pytest.mark.parametrize("name", PRICES)
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_price_without_a_logarithm_is_held_only_where_positive_is_asked(
    name: str, value: float
) -> None:
    """The same row passes where values may be negative."""
    close = value if name == "high" else 1.0
    row = dict.fromkeys(PRICES, NAN) | {"close": close} | {name: value}
    assert told(admit(frame_of({}, row))) == []
    assert told(admit(frame_of({}, row), positive=True)) == [
        ("2024-01-02", "non_positive", f"no positive {name} ({name} {value:g})")
    ]


def test_a_session_that_the_calendar_lacks_is_held() -> None:
    """A Saturday and a holiday are no sessions; without a calendar all dates are."""
    frame = frame_of({}, {}, {}, {}, {}, {}, {}, index=days(7))
    admitted = admit(frame, get_calendar("XNYS"))
    assert [(day, code) for day, code, _ in told(admitted)] == [
        (day, "foreign_session") for day in ("2024-01-01", "2024-01-06", "2024-01-07")
    ]
    assert admitted.held[0].reason == "a date that calendar XNYS does not trade"
    assert len(admitted.bars) == 4
    assert len(admit(frame).bars) == 7


def test_two_bars_of_a_session_that_differ_are_both_held() -> None:
    """Nobody can tell which of the two is right."""
    index = days(3).insert(1, days(1)[0])
    admitted = admit(frame_of({}, {"close": 11.5}, {}, {}, index=index))
    assert told(admitted) == [("2024-01-01", "duplicate", "two bars that differ")] * 2
    assert [one.values["close"] for one in admitted.held] == [11.0, 11.5]
    assert admitted.bars.sessions.tolist() == [date(2024, 1, 2), date(2024, 1, 3)]


@pytest.mark.parametrize("copies", [2, 3, 5])
@pytest.mark.parametrize("empty", [{}, {"open": NAN, "volume": NAN}])
def test_bars_of_a_session_that_say_the_same_are_one(copies: int, empty: dict[str, float]) -> None:
    """A repeated row is taken once, whatever it leaves empty."""
    index = days(1).repeat(copies).append(days(2)[1:])
    admitted = admit(frame_of(*[empty] * copies, {}, index=index))
    assert told(admitted) == []
    assert admitted.bars.close.tolist() == [11.0, 11.0]


def test_three_bars_of_a_session_of_which_two_agree_are_held() -> None:
    """A majority is no proof, wherever the odd one stands."""
    for closes in ([11.5, 11.0, 11.0], [11.0, 11.5, 11.0], [11.0, 11.0, 11.5]):
        index = days(1).repeat(3).append(days(2)[1:])
        admitted = admit(frame_of(*({"close": close} for close in closes), {}, index=index))
        assert {code for _, code, _ in told(admitted)} == {"duplicate"}
        assert {one.values["close"] for one in admitted.held} == {11.0, 11.5}
        assert admitted.bars.sessions.tolist() == [date(2024, 1, 2)]


def test_a_row_without_any_price_is_no_bar() -> None:
    """It is neither held nor stored, with a volume or not, and beside a bar of its session."""
    nothing = dict.fromkeys(PRICES, NAN)
    admitted = admit(frame_of({}, nothing, nothing | {"volume": NAN}, {}))
    assert told(admitted) == []
    assert admitted.bars.sessions.tolist() == [date(2024, 1, 1), date(2024, 1, 4)]
    twice = admit(frame_of({}, nothing, index=days(1).repeat(2)))
    assert (len(twice.bars), twice.held) == (1, ())


def test_a_frame_of_nothing_but_empty_rows_has_no_bars() -> None:
    """It is an answer without bars, not an error."""
    admitted = admit(frame_of(*[dict.fromkeys(PRICES, NAN)] * 3))
    assert (len(admitted.bars), admitted.held) == (0, ())


@pytest.mark.parametrize(
    ("bad", "count", "refused"),
    [(10, 11, False), (11, 11, True), (11, 220, False), (12, 220, True), (11, 219, True)],
)
def test_too_many_wrong_rows_refuse_the_frame(bad: int, count: int, refused: bool) -> None:
    """More than 10 rows and more than 5 % of them are a mistake in the whole."""
    frame = frame_of(*[{"close": 99.0}] * bad, *[{}] * (count - bad))
    if not refused:
        assert len(admit(frame).held) == bad
        return
    with pytest.raises(
        DataError, match=rf"^{bad} of {count} sessions .*first 2024-01-01"
    ) as caught:
        admit(frame)
    assert caught.value.code == "outside_range"
    assert "close 99" in caught.value.message


def test_too_many_foreign_sessions_have_a_remedy() -> None:
    """Whoever follows another calendar is told to name it."""
    frame = frame_of(*[{}] * 60, index=pd.date_range("2024-01-02", periods=60))
    with pytest.raises(DataError, match="calendar XNYS does not trade") as caught:
        admit(frame, get_calendar("XNYS"))
    assert (caught.value.code, "`calendar`" in caught.value.remedy) == ("foreign_session", True)


def _of(index: Any, *columns: str) -> pd.DataFrame:
    return pd.DataFrame({name: [1.0, 2.0] for name in columns}, index=index)


STRUCTURE = {
    "empty": (pd.DataFrame({"close": []}), "empty"),
    "no close": (_of(days(2), "open"), "columns"),
    "a stranger": (_of(days(2), "close", "bid"), "columns"),
    "close twice": (pd.concat([_of(days(2), "close")] * 2, axis=1), "columns"),
    "numbers as index": (_of(range(2), "close"), "not_sessions"),
    "a zone": (_of(days(2).tz_localize("UTC"), "close"), "not_sessions"),
    "a time of day": (_of(days(2) + pd.Timedelta(hours=5), "close"), "not_sessions"),
    "no date": (_of(pd.DatetimeIndex(["2024-01-01", pd.NaT]), "close"), "not_sessions"),
    "the year 1": (
        _of(pd.DatetimeIndex(np.array(["0001-01-03", "2024-01-02"], "M8[s]")), "close"),
        "not_sessions",
    ),
    "the year 12000": (
        _of(pd.DatetimeIndex(np.array(["2024-01-02", "12000-01-03"], "M8[s]")), "close"),
        "not_sessions",
    ),
    "unsorted": (_of(days(2)[::-1], "close"), "unsorted"),
    "text": (pd.DataFrame({"close": ["1", "x"]}, index=days(2)), "not_numbers"),
}


@pytest.mark.parametrize("case", STRUCTURE)
@pytest.mark.parametrize("check", [admit, bars_from_frame])
def test_a_frame_that_is_no_table_of_bars_is_refused(
    check: Callable[[pd.DataFrame], object], case: str
) -> None:
    """What is wrong with its columns or dates is no matter of single rows."""
    frame, code = STRUCTURE[case]
    with pytest.raises(DataError) as caught:
        check(frame)
    assert caught.value.code == code


def test_whoever_wants_all_rows_gets_none_of_a_frame_with_a_wrong_one() -> None:
    """The strict form refuses what the other one holds, and takes what the other one takes."""
    with pytest.raises(DataError, match="1 of 3 sessions have a high below the low"):
        bars_from_frame(frame_of({}, {"high": 8.0}, {}))
    for row in FINE:
        assert len(bars_from_frame(frame_of({}, row))) == 2


ODD = [NAN, INF, -INF, 0.0, -1.0, 1e-300, 1e29, 1e31, -1e31, 1e300, 1.7e308, -1.7e308]
VALUES = st.one_of(
    st.sampled_from([9.0, 10.0, 10.5, 11.0, 12.0, 12.0 * (1 + 5e-10)]),
    st.sampled_from(ODD),
    st.floats(allow_nan=True, allow_infinity=True),
)


@st.composite
def garbage(draw: st.DrawFn) -> pd.DataFrame:
    """Return a frame that may hold anything, on days that ascend and repeat."""
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 1, 1, 3]), min_size=1, max_size=14))
    index = pd.DatetimeIndex([pd.Timestamp(MONDAY) + pd.Timedelta(days=d) for d in np.cumsum(gaps)])
    columns = ["close", *draw(st.lists(st.sampled_from(("open", "high", "low", "volume")),
                                       unique=True))]  # fmt: skip
    bases = draw(st.lists(st.sampled_from(["good", "again", "any"]),
                          min_size=len(index), max_size=len(index)))  # fmt: skip
    rows: list[list[float]] = []
    for base in bases:
        if base == "again" and rows:
            rows.append(rows[-1])
        elif base == "any":
            rows.append([draw(VALUES) for _ in columns])
        else:
            rows.append([GOOD[name] for name in columns])
    return pd.DataFrame(rows, columns=columns, index=index, dtype=np.float64)


def assert_sound(frame: pd.DataFrame, admitted: Admitted, *, positive: bool) -> None:
    """Demand of bars what every user of them relies on, and an account of every row."""
    bars = admitted.bars
    assert (np.diff(bars.sessions).astype(int) > 0).all()
    assert np.isfinite(bars.close).all()
    for name in FIELDS:
        assert not np.isinf(bars.field(name)).any()
        assert not (np.abs(bars.field(name)) > 1e30).any()
        if positive and name in PRICES:
            assert not (bars.field(name) <= 0).any()
    for name in ("open", "close"):
        price = bars.field(name)
        room = 2 * ROUNDING * np.maximum(np.abs(price), np.nan_to_num(np.abs(bars.high)))
        assert not (price > bars.high + room).any()
        room = 2 * ROUNDING * np.maximum(np.abs(price), np.nan_to_num(np.abs(bars.low)))
        assert not (price < bars.low - room).any()
    assert not (bars.volume < 0).any()
    assert accounted(frame, admitted)


def accounted(frame: pd.DataFrame, admitted: Admitted) -> bool:
    """Return whether each row is a bar, held, without a price, or said before on that day."""
    wide = frame.reindex(columns=FIELDS)
    priced = wide[list(PRICES)].notna().any(axis=1)
    said: dict[date, set[tuple[float, ...]]] = defaultdict(set)
    for stamp, row in wide[priced].iterrows():
        said[stamp.date()].add(_key(row))
    found: dict[date, set[tuple[float, ...]]] = defaultdict(set)
    bars = admitted.bars
    for row, day in enumerate(bars.sessions.tolist()):
        found[day].add(_key([bars.field(name)[row] for name in FIELDS]))
    for one in admitted.held:
        assert one.session is not None
        assert one.session not in set(bars.sessions.tolist())
        found[one.session].add(_key([one.values[name] for name in FIELDS]))
    return said == found


def _key(values: Sequence[float]) -> tuple[float, ...]:
    """Return values that compare equal where they are both NaN."""
    return tuple("nan" if value != value else float(value) for value in values)  # noqa: PLR0124


def admit_garbage(frame: pd.DataFrame, *, positive: bool) -> Admitted | None:
    """Return what is admitted; None where the whole is refused."""
    try:
        return admit(frame, positive=positive)
    except DataError:
        return None


@settings(max_examples=200, deadline=None)
@given(garbage(), st.booleans())
@example(frame_of({"close": NAN}, {}, {}), True)
def test_whatever_comes_only_sound_bars_are_admitted(frame: pd.DataFrame, positive: bool) -> None:
    """Of any garbage: an error of the whole, or sound bars and an account of every other row."""
    admitted = admit_garbage(frame, positive=positive)
    if admitted is not None:
        assert_sound(frame, admitted, positive=positive)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(garbage(), st.booleans())
def test_whatever_comes_for_long(frame: pd.DataFrame, positive: bool) -> None:
    """The same, a hundred times as often."""
    admitted = admit_garbage(frame, positive=positive)
    if admitted is not None:
        assert_sound(frame, admitted, positive=positive)


@pytest.mark.parametrize(
    "row",
    [
        {"close": NAN},
        {"close": 13.0},
        {"volume": -1.0},
        {"low": 1e31},
        {"open": INF},
        {"low": -1.0},
    ],
)
def test_the_demands_notice_a_bar_that_should_not_be_there(row: dict[str, float]) -> None:
    """The checker of this module fails on each kind of unsound bar."""
    frame = frame_of({}, row)
    columns = [frame[name].to_numpy() for name in FIELDS]
    bars = type(admit(frame_of({})).bars)(frame.index.to_numpy().astype("datetime64[D]"), *columns)
    with pytest.raises(AssertionError):
        assert_sound(frame, Admitted(bars), positive=True)


def test_the_account_notices_a_row_that_is_lost() -> None:
    """The checker of this module fails on a row that is neither admitted nor held."""
    frame = frame_of({}, {"close": 13.0}, {})
    admitted = admit(frame)
    assert accounted(frame, admitted)
    assert not accounted(frame, Admitted(admitted.bars))


def acting(**columns: list[float]) -> pd.DataFrame:
    """Return a frame of actions, one a day."""
    count = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=days(count))


@pytest.mark.parametrize("frame", [None, pd.DataFrame(), acting(split=[])])
def test_no_actions(frame: pd.DataFrame | None) -> None:
    """A source may tell of none in any way."""
    actions, held = admit_actions(frame)
    assert (len(actions), held) == (0, ())


def test_actions_pass_and_what_is_none_is_left_out() -> None:
    """A split of 1 and a dividend of 0 are no action; either column may be lacking."""
    both, held = admit_actions(acting(split=[1.0, 2.0, 1.0], dividend=[0.0, 0.0, 0.5]))
    assert held == ()
    assert [str(day) for day in both.sessions] == ["2024-01-02", "2024-01-03"]
    assert (both.splits.tolist(), both.dividends.tolist()) == ([2.0, 1.0], [0.0, 0.5])
    assert admit_actions(acting(split=[0.25]))[0].dividends.tolist() == [0.0]
    assert admit_actions(acting(dividend=[0.25]))[0].splits.tolist() == [1.0]


@pytest.mark.parametrize("split", [0.0, -2.0, NAN, INF, -INF])
def test_a_split_that_is_no_ratio_is_held(split: float) -> None:
    """It is held once, with what was said, even where the dividend is wrong as well."""
    for dividend in (0.5, -1.0):
        actions, [held] = admit_actions(acting(split=[2.0, split], dividend=[0.0, dividend]))
        assert actions.splits.tolist() == [2.0]
        assert (str(held.session), held.what, held.code) == ("2024-01-02", "action", "split")
        said = f"(split {split:g}, dividend {dividend:g})"
        assert held.reason == f"a split that is no ratio {said}"


@pytest.mark.parametrize("dividend", [-0.5, NAN, INF])
def test_a_dividend_that_is_no_amount_is_held(dividend: float) -> None:
    """With it the split of its session is: one action is right as a whole, or not at all."""
    actions, [held] = admit_actions(acting(split=[1.0, 3.0], dividend=[0.5, dividend]))
    assert actions.dividends.tolist() == [0.5]
    assert (held.code, held.values["split"]) == ("dividend", 3.0)
    assert held.reason == f"a negative or endless dividend (split 3, dividend {dividend:g})"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (acting(ratio=[2.0]), "columns"),
        (acting(split=[2.0, 3.0]).iloc[::-1], "unsorted"),
        (pd.DataFrame({"split": [2.0, 2.0]}, index=days(1).repeat(2)), "duplicate"),
        (pd.DataFrame({"split": [2.0]}, index=[5]), "not_sessions"),
        (
            pd.DataFrame({"split": [2.0]}, pd.DatetimeIndex(np.array(["12000-01-03"], "M8[s]"))),
            "not_sessions",
        ),
        (pd.DataFrame({"split": ["2:1"]}, index=days(1)), "not_numbers"),
    ],
)
def test_a_frame_that_is_no_table_of_actions_is_refused(frame: pd.DataFrame, code: str) -> None:
    """What is wrong with it as a whole is an error."""
    with pytest.raises(DataError) as caught:
        admit_actions(frame)
    assert caught.value.code == code


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_whatever_actions_come_each_is_used_held_or_none(said: list[tuple[float, float]]) -> None:
    """Of any numbers: those used are ratios and amounts, and every other row is accounted for."""
    frame = acting(split=[one for one, _ in said], dividend=[other for _, other in said])
    actions, held = admit_actions(frame)
    assert (np.isfinite(actions.splits) & (actions.splits > 0)).all()
    assert (np.isfinite(actions.dividends) & (actions.dividends >= 0)).all()
    nothing = sum(one == (1.0, 0.0) for one in said)
    assert len(actions) + len(held) + nothing == len(said)
