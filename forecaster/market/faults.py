"""What may be wrong with single bars, whatever the ones around them are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecaster.errors import DataError
from forecaster.market.bars import FIELDS, PRICES, Bars, foreign_sessions
from forecaster.market.calendars import Calendar
from forecaster.market.frames import Floats, Mask, Sessions, counted

# Vendors compute and round each of the four prices on their own.
ROUNDING = 1e-9
# No price or volume comes near it, and returns beyond it would overflow.
LARGEST = 1e30


@dataclass(frozen=True, eq=False)
class Fault:
    """What is wrong with the rows where `wrong`, (n,), holds; `shown` are the values to tell."""

    code: str
    what: str
    wrong: Mask
    shown: dict[str, Floats] = field(default_factory=dict)

    def reason(self, row: int) -> str:
        """Return what is wrong with one row."""
        shown = ", ".join(f"{name} {values[row]:g}" for name, values in self.shown.items())
        return self.what + (f" ({shown})" if shown else "")


def is_clean(bars: Bars, calendar: Calendar | None, *, positive: bool) -> bool:
    """Return whether there is certainly no fault, at a tenth of the cost of looking for each.

    Comparisons with NaN are false, so that what is left empty is not compared.
    """
    prices = np.stack([bars.field(name) for name in PRICES])
    opened, high, low, close = prices
    wrong = (
        ~np.isfinite(close)
        | (np.abs(prices) > LARGEST).any(axis=0)
        | ((low > high) | (opened < low) | (opened > high) | (close < low) | (close > high))
        | ((bars.volume < 0) | (bars.volume > LARGEST))
    )
    if wrong.any() or (positive and (prices <= 0).any()):
        return False
    if (bars.sessions[1:] == bars.sessions[:-1]).any():
        return False
    return calendar is None or not len(foreign_sessions(bars, calendar))


def find_faults(bars: Bars, calendar: Calendar | None, *, positive: bool) -> Iterator[Fault]:
    """Yield each fault that rows may have, with those that have it."""
    days, close, volume = bars.sessions, bars.close, bars.volume
    twice = days[1:] == days[:-1]
    yield Fault("duplicate", "two bars that differ", _either(twice))
    yield Fault("not_finite", "no finite close", ~np.isfinite(close), {"close": close})
    for name in FIELDS:
        values = bars.field(name)
        yield Fault("not_finite", f"an infinite {name}", np.isinf(values))
        yield Fault("too_large", f"an impossible {name}", np.abs(values) > LARGEST, {name: values})
    yield Fault("negative_volume", "a negative volume", volume < 0, {"volume": volume})
    yield from _range_faults(bars)
    if positive:
        for name in PRICES:
            values = bars.field(name)
            yield Fault("non_positive", f"no positive {name}", values <= 0, {name: values})
    if calendar is not None:
        foreign = np.isin(days, foreign_sessions(bars, calendar))
        what = f"a date that calendar {calendar.name} does not trade"
        yield Fault("foreign_session", what, foreign)


def _either(pair: Mask) -> Mask:
    """Return both rows of each pair of neighbours."""
    either: Mask = np.append(pair, False) | np.append(False, pair)
    return either


def _range_faults(bars: Bars) -> Iterator[Fault]:
    # Comparisons with NaN are false, so that what is left empty is not compared.
    low, high = bars.low, bars.high
    yield Fault(
        "high_below_low", "a high below the low", _above(low, high), {"high": high, "low": low}
    )
    for name in ("open", "close"):
        price = bars.field(name)
        outside = _above(low, price) | _above(price, high)
        shown = {name: price, "low": low, "high": high}
        yield Fault("outside_range", f"the {name} outside low and high", outside, shown)


def _above(upper: Floats, lower: Floats) -> Mask:
    """Return where `upper` is above `lower` by more than rounding."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are a fault of their own
        room = ROUNDING * np.maximum(np.abs(upper), np.abs(lower))
        above: Mask = upper > lower + room
    return above


def all_of(faults: Sequence[Fault], days: Sessions) -> DataError:
    """Return the error that names the first kind of fault, with its count and first session."""
    for fault in faults:
        if fault.wrong.any():
            remedy = ""
            if fault.code == "foreign_session":
                remedy = "name the calendar these prices follow (`calendar` of the series)"
            what = f"have {fault.what}"
            return counted(
                fault.wrong, days, what, code=fault.code, shown=fault.shown, remedy=remedy
            )
    raise ValueError("there is no fault")
