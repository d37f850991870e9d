"""Charts with something in them that cannot be, or that looks like it and can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .entries import (
    DAYS,
    LAST,
    LISTING,
    ROW,
    SATURDAY,
    Entry,
    both,
    cells,
    changed,
    dividend,
    event,
    meta,
    quote,
    row_added,
    split,
    stamps,
    times,
    whole_row,
    without,
)
from .server import Reply


def frames() -> Iterator[Entry]:
    """Yield tables with rows that cannot be, and tables that are none."""
    yield Entry("as_it_should_be", changed(lambda _result: None))
    yield from _empty_rows()
    yield from _wrong_cells()
    yield from _wrong_rows()
    yield from _wrong_tables()


def _empty_rows() -> Iterator[Entry]:
    yield Entry("row_null", changed(whole_row(None)), none=(ROW,))
    yield Entry("first_row_null", changed(whole_row(None, 0)), none=(0,))
    yield Entry("last_row_null", changed(whole_row(None, LAST)), none=(LAST,))
    yield Entry(
        "last_row_null_without_volume",
        changed(cells(LAST, open=None, high=None, low=None, close=None, volume=None)),
        none=(LAST,),
    )
    yield Entry("all_rows_null", changed(_all_null), "no_session")
    yield Entry("row_of_nan", changed(whole_row(float("nan"))), none=(ROW,))
    yield Entry("volume_null", changed(cells(volume=None)))
    yield Entry("open_null", changed(cells(open=None)))
    yield Entry("low_and_high_null", changed(cells(low=None, high=None)))
    yield Entry("close_null", changed(cells(close=None)), held=(ROW,))
    yield Entry("last_close_null", changed(cells(LAST, close=None)), held=(LAST,))


def _all_null(result: dict[str, Any]) -> None:
    for row in range(len(DAYS)):
        whole_row(None, row)(result)


def _wrong_cells() -> Iterator[Entry]:
    for name, change in {
        "close_zero": cells(close=0),
        "all_prices_zero": whole_row(0),
        "close_negative": cells(close=-5.0),
        "all_prices_negative": times(-1, ROW),
        "close_infinite": cells(close=float("inf")),
        "close_minus_infinite": cells(close=float("-inf")),
        "open_infinite": cells(open=float("inf")),
        "close_nan": cells(close=float("nan")),
        "price_1e300": whole_row(1e300),
        "price_1e31": whole_row(1e31),
        "price_1e-300": cells(low=1e-300, close=1e-300),
        "volume_negative": cells(volume=-7),
        "volume_1e30": cells(volume=1e30),
        "high_below_low": cells(high=1.0, low=2.0),
        "open_above_high": cells(open=1000.0),
        "close_below_low": cells(close=100.0),
        "close_true": cells(close=True),
    }.items():
        yield Entry(name, changed(change), held=(ROW,))
    for name, change in {
        "close_is_text": cells(close="n/a"),
        "close_is_list": cells(close=[1.0]),
        "close_is_object": cells(close={"raw": 1.0}),
        "close_of_400_digits": cells(close=10**400),
        "volume_infinite": cells(volume=float("inf")),
        "volume_is_text": cells(volume="many"),
    }.items():
        yield Entry(name, changed(change), "bad_response")
    overflow = changed(lambda _r: None).content().replace(b"120.0,", b"1e400,", 1)
    yield Entry("open_1e400", Reply(body=overflow), held=(ROW,))
    yield Entry("close_as_digits", changed(cells(close="120.75")))


def _wrong_rows() -> Iterator[Entry]:
    yield Entry("row_100_times", changed(times(100, ROW)), held=(ROW,))
    yield Entry("row_a_hundredth", changed(times(0.01, ROW)), held=(ROW,))
    yield Entry("last_row_100_times", changed(times(100, LAST)), held=(LAST,))
    yield Entry("last_row_halved", changed(times(0.5, LAST)), held=(LAST,))
    yield Entry("last_two_halved", changed(times(0.5, LAST - 1, LAST)), held=(LAST - 1, LAST))
    yield Entry("halved_and_confirmed", changed(times(0.5, *range(40, 60))))
    yield Entry("reversed", changed(_reversed))
    stamp = LISTING.stamp(DAYS[ROW])
    yield Entry("row_twice", changed(row_added(stamp, at=ROW)))
    yield Entry("row_twice_at_the_end", changed(row_added(stamp)))
    differs = row_added(stamp, at=ROW + 1, factor=1.01)
    yield Entry("row_twice_and_different", changed(differs), held=(ROW,))
    hours = row_added(stamp + 3600, at=ROW + 1, factor=1.01)
    yield Entry("two_times_of_a_day", changed(hours), held=(ROW,))
    live = LISTING.stamp(DAYS[LAST]) + 7200
    yield Entry("live_row_beside_the_last", changed(row_added(live, LAST, factor=1.001)))
    yield Entry("saturday", changed(row_added(SATURDAY, 3, at=4)), more=1)
    yield Entry("christmas", changed(row_added(1_703_514_600, 0, at=0)), more=1)
    yield Entry("in_the_future", changed(row_added(int(time.time()) + 400 * 86_400, LAST)))
    yield Entry("time_stamps_with_fractions", changed(stamps(lambda all_: [n + 0.5 for n in all_])))


def _reversed(result: dict[str, Any]) -> None:
    for column in [*quote(result).values(), result["timestamp"]]:
        column.reverse()
    result["indicators"]["adjclose"][0]["adjclose"].reverse()


def _wrong_tables() -> Iterator[Entry]:
    for name, change in {
        "no_time_stamps": lambda r: r.pop("timestamp"),
        "time_stamps_null": stamps(lambda _all: None),
        "no_rows": lambda r: r.update(
            timestamp=[], indicators={"quote": [{}], "adjclose": [{}]}, events={}
        ),
    }.items():
        yield Entry(name, changed(change), "no_session")
    for name, change in {
        "close_too_short": lambda r: quote(r)["close"].pop(),
        "close_too_long": lambda r: quote(r)["close"].append(1.0),
        "time_stamps_too_few": lambda r: r["timestamp"].pop(),
        "time_stamps_in_ms": stamps(lambda all_: [n * 1000 for n in all_]),
        "time_stamps_in_ns": stamps(lambda all_: [n * 10**9 for n in all_]),
        "time_stamps_are_text": stamps(lambda all_: ["monday" for _ in all_]),
        "time_stamp_is_object": stamps(lambda all_: [{}, *all_[1:]]),
        "no_close": lambda r: quote(r).pop("close"),
        "close_column_of_objects": lambda r: quote(r).update(close=[{}] * len(DAYS)),
        "columns_are_text": lambda r: quote(r).update(dict.fromkeys(quote(r), "x")),
        "no_quote": lambda r: r["indicators"].pop("quote"),
        "quote_empty": lambda r: r["indicators"].update(quote=[]),
        "quote_of_nothing": lambda r: r["indicators"].update(quote=[{}]),
        "no_indicators": lambda r: r.pop("indicators"),
        "indicators_null": lambda r: r.update(indicators=None),
        "adjusted_too_short": lambda r: r["indicators"]["adjclose"][0]["adjclose"].pop(),
        "adjusted_empty": lambda r: r["indicators"].update(adjclose=[]),
    }.items():
        yield Entry(name, changed(change), "bad_response")
    for name, change in {
        "close_of_one_number": lambda r: quote(r).update(close=5),
        "close_column_null": lambda r: quote(r).update(close=None),
        "all_negative": times(-1, *range(60)),
        "highs_and_lows_confused": lambda r: quote(r).update(
            low=quote(r)["high"], high=quote(r)["low"]
        ),
        "all_on_weekends": stamps(lambda all_: [n + 4 * 86_400 for n in all_]),
    }.items():
        yield Entry(name, changed(change), refused=True)
    adjusted = [float("-inf")] * len(DAYS)
    yield Entry(
        "adjusted_infinite",
        changed(lambda r: r["indicators"].update(adjclose=[{"adjclose": adjusted}])),
    )
    yield Entry("no_adjusted", changed(lambda r: r["indicators"].pop("adjclose")))
    yield Entry("more_columns", changed(lambda r: quote(r).update(spread=[1] * len(DAYS))))


def metas() -> Iterator[Entry]:
    """Yield answers about something else than was asked for, or about nobody knows what."""
    for name, change in {
        "meta_missing": lambda r: r.pop("meta"),
        "meta_null": lambda r: r.update(meta=None),
        "meta_empty": lambda r: r.update(meta={}),
        "meta_list": lambda r: r.update(meta=[]),
        "symbol_missing": without("symbol"),
        "symbol_null": meta(symbol=None),
        "symbol_other": meta(symbol="MSFT"),
        "symbol_longer": meta(symbol="AAPL.MX"),
        "symbol_is_list": meta(symbol=["AAPL"]),
        "symbol_is_endless": meta(symbol="A\n" * 100_000),
        "zone_missing": without("exchangeTimezoneName"),
        "zone_null": meta(exchangeTimezoneName=None),
        "zone_blank": meta(exchangeTimezoneName=""),
        "zone_unknown": meta(exchangeTimezoneName="Mars/Olympus"),
        "zone_is_path": meta(exchangeTimezoneName="../../etc/passwd"),
        "zone_is_number": meta(exchangeTimezoneName=5),
        "weeks": meta(dataGranularity="1wk"),
        "minutes": meta(dataGranularity="1m"),
        "kind_missing": without("instrumentType"),
        "currency_missing": without("currency"),
        "ranges_missing": without("validRanges"),
    }.items():
        yield Entry(name, changed(change), "bad_response")
    for name, change in {
        "symbol_in_small_letters": meta(symbol="aapl"),
        "currency_null": meta(currency=None),
        "currency_is_number": meta(currency=7),
        "currency_is_markup": meta(currency="<script>"),
        "exchange_unknown": meta(exchangeName="???"),
        "exchange_missing": without("exchangeName"),
        "exchange_is_list": meta(exchangeName=[]),
        "granularity_missing": without("dataGranularity"),
        "kind_null": meta(instrumentType=None),
        "kind_fund": meta(instrumentType="MUTUALFUND"),
        "more_in_meta": meta(longName="Too Many Requests", regularMarketTime=1),
    }.items():
        yield Entry(name, changed(change))


def events() -> Iterator[Entry]:
    """Yield splits and dividends that cannot be, and some that can."""
    for name, change in {
        "split_negative": split(-2, 1),
        "split_by_zero": split(2, 0),
        "split_infinite": split(float("inf"), 1),
        "dividend_negative": dividend(-0.5),
        "dividend_infinite": dividend(float("inf")),
    }.items():
        yield Entry(name, changed(change), actions=1)
    for name, change in {
        "split_is_text": split("two", "one"),
        "split_is_list": split([2], [1]),
        "split_without_date": lambda r: r["events"].update(splits={"1": {"numerator": 2}}),
        "split_without_numerator": event("splits", ROW, denominator=1),
        "split_null": lambda r: r["events"].update(splits={"1": None}),
        "splits_are_a_list": lambda r: r["events"].update(splits=[{"date": 1}]),
        "dividend_without_amount": event("dividends", ROW),
        "dividend_is_text": dividend("much"),
        "dividends_are_text": lambda r: r["events"].update(dividends="none"),
        "events_null": lambda r: r.update(events=None),
        "split_null_over_null": split(None, None),  # which yfinance loses, and says so
        "dividend_null": both(dividend(None), dividend(0.5, 30)),
    }.items():
        yield Entry(name, changed(change), "bad_response")
    for name, change in {
        "no_events": lambda r: r.pop("events"),
        "events_empty": lambda r: r.update(events={}),
        "events_of_another_kind": lambda r: r["events"].update(earnings={"1": {"date": 1}}),
        "split_of_nothing": split(0, 1),  # yfinance's word for none
        "split_one_for_one": split(1, 1),
        "dividend_zero": dividend(0.0),
        "event_in_ms": lambda r: r["events"].update(
            dividends={"1": {"date": r["timestamp"][ROW] * 1000, "amount": 0.5}}
        ),
        "dividend": dividend(0.5),
        "dividend_in_another_currency": event("dividends", ROW, amount=0.5, currency="EUR"),
        "dividend_before_the_first": lambda r: r["events"].update(
            dividends={"1": {"date": r["timestamp"][0] - 864_000, "amount": 0.5}}
        ),
        "capital_gain": both(meta(instrumentType="ETF"), event("capitalGains", ROW, amount=0.5)),
    }.items():
        yield Entry(name, changed(change))
