"""Measure refitting and forecasting one series against the automatic models of statsforecast.

The series is the last 756 closes of IBM in the embedded prices. Everyone fits it from nothing and
forecasts five sessions with intervals at 80 and 95 %, on one core, taking turns; the first call of
each, which compiles, is not counted. This program trains with its default settings and puts the
intervals of the daily job around the forecast, with trackers as they start. Reading prices and
storing anything is left out on both sides. Seconds alone are compared: how good forecasts are is
another measurement.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rows import Row
from turns import median_ratio, one_core, take_turns

from forecaster.config import ModelSettings
from forecaster.hooks import build_registry
from forecaster.model import ACTIVATIONS, Motion, start_quantile, train_network

GROUP = "refit"
OURS = "this program"
BARS = 756
LEVELS = (0.80, 0.95)

Floats = NDArray[np.float64]


def closes() -> Floats:
    """The series, (756,)."""
    source = build_registry().source("sample")({}, Path())
    values: Floats = source.fetch("IBM", None, None).bars["close"].to_numpy(np.float64)
    return values[-BARS:]


def this_program(values: Floats, settings: ModelSettings) -> tuple[Floats, Floats]:
    """Train, forecast, and put the intervals around: (5,) and (2 levels, 2 bounds, 5)."""
    motion = Motion()
    network = train_network(
        values,
        settings,
        motion=motion,
        activation=ACTIVATIONS["tanh"],
        rng=np.random.default_rng(0),
    )
    means = network.predict(values)
    if network.spread is None:
        raise ValueError(f"{len(values)} bars are too few for the spread")
    spread = network.spread.scales(values, None, motion)
    bounds = [
        [motion.apply(means, side * start_quantile(level) * spread) for side in (-1, 1)]
        for level in LEVELS
    ]
    return means, np.array(bounds)


def statsforecast_models() -> dict[str, Any]:
    """AutoETS, AutoTheta and AutoARIMA, for a series without a season; {} where not installed."""
    try:
        from statsforecast import models  # noqa: PLC0415 - only who has it is asked
    except ImportError:
        return {}
    kinds = (models.AutoETS, models.AutoTheta, models.AutoARIMA)
    return {kind.__name__: kind(season_length=1) for kind in kinds}


def rows(quick: bool = False) -> list[Row]:
    """Return a row for each of us."""
    values, settings = closes(), ModelSettings()
    levels = [int(100 * level) for level in LEVELS]
    works: dict[str, Callable[[], object]] = {OURS: lambda: this_program(values, settings)}
    with one_core(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of others about their own dependencies
        for name, model in statsforecast_models().items():
            works[name] = lambda model=model: model.forecast(
                y=values, h=settings.horizon, level=levels
            )
        taken = take_turns(works, 1 if quick else 9, 0.05)
    ours = taken.pop(OURS)
    found = [Row(GROUP, OURS, median(ours), f"{BARS} bars, {settings.horizon} sessions ahead")]
    for name, theirs in taken.items():
        ratio = median_ratio(theirs, ours)
        note = f"this program is {ratio:.1f} times as fast"
        found.append(Row(GROUP, name, median(theirs), note, {"ratio": ratio}))
    if len(found) == 1:
        found.append(Row(GROUP, "statsforecast", None, "not installed"))
    return found
