"""Answers that are no charts: faults on the way, statuses, bodies of all kinds."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

from .entries import LISTING, Entry, changed, good, meta
from .server import Fault, Reply, Wire, failed


def raw(data: bytes) -> Fault:
    """Send these bytes and close the connection."""
    return Fault(lambda wire: wire.send(data))


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
