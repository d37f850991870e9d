"""Real charts with real defects, told again by a server, where they are at hand."""

from __future__ import annotations

import csv
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecaster.plugins.yahoo import YahooSource

from .judging import judged
from .listings import Listing, Row
from .server import Reply, YahooServer

FOLDER = Path(os.environ.get("FORECASTER_TEST_DATA", "nowhere")) / "defects"
QUICK = {"tries": 1, "interval": 0.0}
# What is held of which file. In one the prices have no decimals, in the other some opens are
# outside their day's range. Units that are wrong for longer, as in AET.L, nobody can see.
HELD = {
    "ALPHA-PA": {(f"2023-{day}", "jump") for day in ("04-24", "04-27", "05-08", "05-23")},
    "SSW-JO": {(f"2023-05-{day}", "outside_range") for day in ("02", "10", "19", "23")},
}
FILES = sorted(FOLDER.glob("*.csv"))

pytestmark = pytest.mark.skipif(not FILES, reason="the real charts are not at hand")


def told(path: Path) -> tuple[Listing, list[float]]:
    """Return a file as a listing without calendar, and its adjusted closes."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    bars: dict[date, Row] = {}
    for row in rows:
        price = [_number(row[name]) for name in ("open", "high", "low", "close")]
        volume = _number(row["volume"])
        bars[date.fromisoformat(row["date"][:10])] = (
            price[0], price[1], price[2], price[3], None if volume is None else int(volume)
        )  # fmt: skip
    symbol = path.name.split("-1d")[0].replace("-", ".")
    listing = Listing(symbol, bars, exchange="XXX", zone="UTC")
    return listing, [_number(row["adj_close"]) or 0.0 for row in rows]


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def fetched(server: YahooServer, path: Path) -> Any:
    """Return what the source hands over of a file."""
    listing, adjusted = told(path)
    chart = listing.chart()
    chart["chart"]["result"][0]["indicators"]["adjclose"] = [{"adjclose": adjusted}]
    server.answer_charts(Reply(body=json.dumps(chart)))
    return listing, YahooSource(QUICK, Path()).fetch(listing.symbol, None, None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_handed_over_as_told(server: YahooServer, path: Path) -> None:
    """Each real chart arrives with every price that it has, right or wrong."""
    listing, quotes = fetched(server, path)
    sessions = [stamp.date() for stamp in quotes.bars.index]
    assert sessions == [day for day, row in sorted(listing.bars.items()) if any(row[:4])]
    closes = [listing.bars[day][3] for day in sessions]
    np.testing.assert_array_equal(quotes.bars["close"], np.array(closes, float))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_the_border_believes(server: YahooServer, path: Path) -> None:
    """Rows that cannot be are held; a level that lasts three sessions more counts as real."""
    _listing, quotes = fetched(server, path)
    bars, held = judged(quotes, None)
    found = {(str(one.session), one.code) for one in held}
    assert found == HELD.get(path.name.split("-1d")[0], set())
    assert len(bars) == len(quotes.bars) - len(found)
