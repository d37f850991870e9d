"""What a provider may answer, by name, and what must come of it."""

from __future__ import annotations

import copy
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from .listings import Listing, prices
from .server import Fault, Reply, Sends, Wire, failed

# Twelve weeks in which New York has no holiday, and changes its clocks.
LISTING = Listing("AAPL", prices(60, first=date(2024, 9, 3)))
DAYS = sorted(LISTING.bars)
ROW = 20  # the one that is changed
LAST = 59
SATURDAY = LISTING.stamp(date(2024, 9, 6)) + 86_400


@dataclass(frozen=True)
class Entry:
    """One answer of a provider.

    Attributes:
        name: of the entry.
        reply: what is sent.
        code: of the error that comes of it; blank where prices do.
        none: rows of the listing that are no bars.
        held: rows of the listing that are handed over and must not be believed.
        more: sessions beyond the listing's that are handed over and must not be believed.
        actions: how many actions are handed over that must not be believed.
        refused: so much is handed over that must not be believed that none of it may be.
    """

    name: str
    reply: Sends
    code: str = ""
    none: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    more: int = 0
    actions: int = 0
    refused: bool = False


def catalogue() -> list[Entry]:
    """Return every entry."""
    return [*transport(), *statuses(), *bodies(), *frames(), *metas(), *events()]


# The way there


def raw(data: bytes) -> Fault:
    """Send these bytes and close the connection."""
    return Fault(lambda wire: wire.send(data))


def good() -> bytes:
    """Return a good body."""
    return json.dumps(LISTING.chart()).encode()


def transport() -> Iterator[Entry]:
    """Yield what can go wrong on the way, whatever the answer is."""
    head, body = Reply().head, good()
    known = head(len(body))
    coded = {"Content-Encoding": "gzip"}
    packed = gzip.compress(body)
    chunked = Reply(headers={"Transfer-Encoding": "chunked"}).head(None)
    chunk = b"%x\r\n" % len(body) + body + b"\r\n"
    for name, fault in {
        "reset_at_once": Fault(Wire.reset),
        "closed_at_once": raw(b""),
        "half_status_line": raw(b"HTTP/1.1 20"),
        "no_body": raw(known),
        "short_body": raw(known + body[: len(body) // 2]),
        "one_byte_missing": raw(known + body[:-1]),
        "reset_in_body": Fault(lambda wire: (wire.send(known + body[:99]), wire.reset())[1]),
        "cut_between_chunks": raw(chunked + chunk),
        "cut_in_chunk": raw(chunked + chunk[: len(chunk) // 2]),
        "chunk_of_no_size": raw(chunked + b"zz\r\n" + body),
        "silence": Fault(Wire.hush),
        "silence_after_headers": Fault(lambda wire: (wire.send(known), wire.hush())[1]),
        "headers_drip": Fault(lambda wire: wire.drip(known, 0.05)),
        "body_drips": Fault(lambda wire: (wire.send(known), wire.drip(body, 0.05))[1]),
        "another_protocol": raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        "random_bytes": raw(bytes(range(256)) * 4),
        "endless_headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X-More: %s\r\n" % (b"x" * 4000) * 400),
        "no_such_version": raw(b"HTTP/9.9 200 OK\r\n\r\n" + body),
    }.items():
        yield Entry(name, fault, "network")
    for name, reply in {
        "gzip_that_is_none": Reply(body=body, headers=coded),
        "gzip_of_rubbish": Reply(body=packed[:20] + b"\0" * 200, headers=coded),
        "encoding_nobody_knows": Reply(body=body, headers={"Content-Encoding": "snappy"}),
        "brotli_that_is_none": Reply(body=body, headers={"Content-Encoding": "br"}),
        "zstd_that_is_none": Reply(body=body, headers={"Content-Encoding": "zstd"}),
        "redirect_to_itself": Reply(302, headers={"Location": "/v8/finance/chart/AAPL"}),
        "redirect_elsewhere": Reply(301, headers={"Location": "http://127.0.0.1:9/"}),
        "redirect_to_nowhere": Reply(307),
        "redirect_with_prices": Reply(308, body, headers={"Location": "/"}),
        "endless_body": Fault(lambda wire: _endless(wire, Reply().head(None), b" " * 65536)),
        "bomb": Reply(body=gzip.compress(b" " * 20_000_000), headers=coded),
        "half_headers": raw(known[:40]),  # which curl takes for all
        "no_content": Reply(204),
        "not_modified": Reply(304),
    }.items():
        yield Entry(name, reply, "bad_response")
    deflated = zlib.compress(body)
    for name, fine in {
        "gzip": Reply(body=packed, headers=coded),
        "deflate": Reply(body=deflated, headers={"Content-Encoding": "deflate"}),
        "chunked": raw(chunked + chunk + b"0\r\n\r\n"),
        "until_closed": raw(head(None) + body),
        "http_1_0": raw(b"HTTP/1.0 200 OK\r\n\r\n" + body),
        "continue_first": raw(b"HTTP/1.1 100 Continue\r\n\r\n" + known + body),
        "hints_first": raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + known + body),
        "more_than_announced": raw(known + body + b"HTTP/1.1 500 No\r\n\r\n"),
        "in_small_pieces": Fault(lambda wire: _pieces(wire, known + body)),
    }.items():
        yield Entry(name, fine)


def _endless(wire: Wire, head: bytes, piece: bytes) -> None:
    wire.send(head)
    while not wire.stopped.is_set():
        wire.send(piece)


def _pieces(wire: Wire, data: bytes) -> None:
    for at in range(0, len(data), 97):
        wire.send(data[at : at + 97])


# Status and body

STATUS_CODES = {
    400: "bad_response",
    401: "provider_down",
    403: "provider_down",
    404: "bad_response",
    408: "provider_down",
    410: "bad_response",
    418: "bad_response",
    422: "bad_response",
    429: "rate_limited",
    451: "provider_down",
    500: "provider_down",
    501: "provider_down",
    502: "provider_down",
    503: "provider_down",
    504: "provider_down",
    520: "provider_down",
    999: "rate_limited",
}


def statuses() -> Iterator[Entry]:
    """Yield each status with each kind of body; a status speaks louder than any of them."""
    not_found = failed(200, "Not Found", "No data found, symbol may be delisted").body
    for status, code in STATUS_CODES.items():
        for kind, body in {
            "not_found": not_found,
            "html": "<html><title>Sorry</title></html>",
            "nothing": "",
            "other_json": '{"finance": {"error": {"code": "internal-error"}}}',
            "prices": good(),
        }.items():
            right = "unknown_symbol" if (status, kind) == (404, "not_found") else code
            yield Entry(f"status_{status}_{kind}", Reply(status, body), right)


def bodies() -> Iterator[Entry]:
    """Yield bodies that are not Yahoo's JSON, or say something else than prices."""
    text = good().decode()
    for name, reply in {
        "will_be_right_back": Reply(
            body="<h1>Will be right back...</h1>", content_type="text/html"
        ),
        "will_be_right_back_502": Reply(502, "Will be right back"),
        "down_with_another_s_prices": Reply(503, changed(meta(symbol="MSFT")).content()),
    }.items():
        yield Entry(name, reply, "provider_down")
    yield Entry("too_many_requests_200", Reply(body="Edge: Too Many Requests"), "rate_limited")
    for status in (400, 422):
        early = failed(status, "Bad Request", "Data doesn't exist for startDate = 1, endDate = 2")
        yield Entry(f"no_data_{status}", early, "no_session")
    yield Entry(
        "not_found_200", failed(200, "Not Found", "No data found, symbol may be delisted"),
        "bad_response",
    )  # fmt: skip
    for name, body in {
        "html": "<html><body>Consent</body></html>",
        "nothing": "",
        "blank": " \n ",
        "null": "null",
        "number": "7",
        "string": '"chart"',
        "list": "[]",
        "object": "{}",
        "chart_null": '{"chart": null}',
        "chart_list": '{"chart": []}',
        "chart_text": '{"chart": "x"}',
        "result_null": '{"chart": {"result": null, "error": null}}',
        "result_empty": '{"chart": {"result": [], "error": null}}',
        "result_object": '{"chart": {"result": {}, "error": null}}',
        "result_of_null": '{"chart": {"result": [null], "error": null}}',
        "result_of_list": '{"chart": {"result": [[]], "error": null}}',
        "result_of_text": '{"chart": {"result": ["x"], "error": null}}',
        "no_error_key": '{"chart": {"result": [{}]}}',
        "error_text": '{"chart": {"result": null, "error": "broken"}}',
        "error_list": '{"chart": {"result": null, "error": [1]}}',
        "error_without_words": '{"chart": {"result": null, "error": {"code": null}}}',
        "error_on_lines": failed(200, "x", "one\ntwo\x1b[31m\u202ethree" + "long " * 999).body,
        "truncated": text[: len(text) // 2],
        "two_documents": text + text,
        "python": "{'chart': None}",
        "deep": '{"chart":' + "[" * 200_000,
        "deep_and_closed": '{"chart":' + "[" * 50_000 + "]" * 50_000 + "}",
        "long_number": text.replace("100.0", "1" * 5000, 1),
        "nul_bytes": b"\0" * 5000,
        "half_a_character": good()[:-40] + b"\xff\xfe" + good()[-40:],
    }.items():
        yield Entry(f"body_{name}", Reply(body=body), "bad_response")
    for name, fine in {
        "byte_order_mark": Reply(body=b"\xef\xbb\xbf" + good()),
        "utf_16": Reply(body=text.encode("utf-16")),
        "utf_32": Reply(body=text.encode("utf-32-le")),
        "latin_1": Reply(body=good(), content_type="application/json; charset=latin-1"),
        "charset_nobody_knows": Reply(body=good(), content_type="application/json; charset=x-y"),
        "called_html": Reply(body=good(), content_type="text/html"),
        "blanks_around": Reply(body=b"\n\n " + good() + b" \n"),
        "key_twice": Reply(body='{"chart": 1, ' + text[1:]),
        "two_results": Reply(body=_two_results()),
    }.items():
        yield Entry(f"body_{name}", fine)


def _two_results() -> str:
    chart = LISTING.chart()
    chart["chart"]["result"] *= 2
    return json.dumps(chart)


# The table

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> Reply:
    """Return the good answer after a change of its result."""
    chart = LISTING.chart()
    change(chart["chart"]["result"][0])
    return Reply(body=json.dumps(chart))


def quote(result: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a result."""
    columns: dict[str, list[Any]] = result["indicators"]["quote"][0]
    return columns


def cells(row: int = ROW, **values: Any) -> Change:
    """Return the change of some values of a row."""

    def change(result: dict[str, Any]) -> None:
        for name, value in values.items():
            quote(result)[name][row] = value

    return change


def whole_row(value: Any, row: int = ROW) -> Change:
    """Return the change of the four prices of a row."""
    return cells(row, open=value, high=value, low=value, close=value)


def times(factor: float, *rows: int) -> Change:
    """Return the multiplication of the prices of rows."""

    def change(result: dict[str, Any]) -> None:
        for name in ("open", "high", "low", "close"):
            for row in rows:
                quote(result)[name][row] *= factor

    return change


def row_added(stamp: int, like: int = ROW, at: int | None = None, factor: float = 1.0) -> Change:
    """Return the addition of a row like another."""

    def change(result: dict[str, Any]) -> None:
        place = len(result["timestamp"]) if at is None else at
        for name, column in quote(result).items():
            value = column[like] if name == "volume" else column[like] * factor
            column.insert(place, value)
        adjusted = result["indicators"]["adjclose"][0]["adjclose"]
        adjusted.insert(place, adjusted[like])
        result["timestamp"].insert(place, stamp)

    return change


def stamps(change: Callable[[list[int]], list[Any] | None]) -> Change:
    """Return a change of the time stamps."""

    def apply(result: dict[str, Any]) -> None:
        result["timestamp"] = change(result["timestamp"])

    return apply


def _reversed(result: dict[str, Any]) -> None:
    for column in [*quote(result).values(), result["timestamp"]]:
        column.reverse()
    result["indicators"]["adjclose"][0]["adjclose"].reverse()


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


# What it says about itself


def meta(**values: Any) -> Change:
    """Return the change of what the answer says about the symbol."""
    return lambda result: result["meta"].update(values)


def without(name: str) -> Change:
    """Return the removal of something that the answer says about the symbol."""
    return lambda result: result["meta"].pop(name)


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


# Splits and dividends


def event(kind: str, row: int, **values: Any) -> Change:
    """Return the addition of an event on the session of a row."""

    def change(result: dict[str, Any]) -> None:
        stamp = result["timestamp"][row]
        result["events"].setdefault(kind, {})[str(stamp)] = {"date": stamp, **values}

    return change


def split(numerator: Any, denominator: Any, row: int = ROW) -> Change:
    """Return the addition of a split."""
    return event("splits", row, numerator=numerator, denominator=denominator)


def dividend(amount: Any, row: int = ROW) -> Change:
    """Return the addition of a dividend."""
    return event("dividends", row, amount=amount)


def both(one: Change, other: Change) -> Change:
    """Return two changes as one."""
    return lambda result: (one(result), other(result))


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


def copied(listing: Listing) -> dict[str, Any]:
    """Return the result of a listing's chart, to be changed."""
    result: dict[str, Any] = copy.deepcopy(listing.chart()["chart"]["result"][0])
    return result
