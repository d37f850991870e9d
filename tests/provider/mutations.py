"""Bodies that were good once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

from .listings import Listing, prices

FIRST, SPLIT = date(2024, 9, 3), 8
DAYS = sorted(prices(14, first=FIRST))
BARS = prices(14, 400.0, FIRST) | {
    day: row for day, row in prices(14, 100.0, FIRST).items() if day >= DAYS[SPLIT]
}
LISTING = Listing(
    "AAPL", BARS, splits={DAYS[SPLIT]: (4, 1)}, dividends={DAYS[3]: 0.5, DAYS[10]: 0.25}
)
GOOD = LISTING.chart()
TEXT = json.dumps(GOOD).encode()
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 7.25, 1e-300, 1e300, 10**30, 10**400, float("nan"),
    float("inf"), float("-inf"), "", "x", "1", "-3.5", "1e5", "NaN", "null", "AAPL", "UTC", "1d",
    "Asia/Tokyo", "\x00\n\x1b[0m", "delisted", [], [None], [1, 2], {}, {"raw": 1}, [[[]]],
    1_725_370_200, 1_725_370_200_000, 4_102_444_800, -1_000_000,
]  # fmt: skip

Mutation = Callable[[Random], bytes]


def mutated(random: Random) -> bytes:
    """Return a body that differs from a good one in one to three ways."""
    return random.choice((_bytes, _tree, _tree, _tree))(random)


def _bytes(random: Random) -> bytes:
    body = bytearray(TEXT)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(body))
        to = min(len(body), at + random.randint(1, 40))
        match random.randrange(6):
            case 0:
                body[at] ^= 1 << random.randrange(8)
            case 1:
                body[at] = random.choice(b'0123456789.-eE,:[]{}"tfn \x00\xff')
            case 2:
                del body[at:to]
            case 3:
                body[at:at] = body[at:to]
            case 4:
                body[at:to] = random.randbytes(to - at)
            case _:
                del body[max(1, at) :]
    return bytes(body)


def _tree(random: Random) -> bytes:
    tree = copy.deepcopy(GOOD)
    for _ in range(random.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break  # the one before has left nothing
        # Few of the many numbers, so that the rest has its share.
        scalars = [place for place in places if not isinstance(place[0][place[1]], dict | list)]
        holder, key = random.choice(random.choice((places, scalars)) or places)
        match random.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[random.randrange(len(holder))]))
            case 2 if isinstance(holder[key], int | float):
                holder[key] *= random.choice((-1, 0.01, 100, 1.5, 1e6))
            case 3 if isinstance(holder[key], list):
                random.shuffle(holder[key])
            case _:
                holder[key] = copy.deepcopy(random.choice(VALUES))
    return json.dumps(tree).encode()


def _places(tree: Any) -> Any:
    """Yield each (object or list, key or index) of a tree."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(steps):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)
