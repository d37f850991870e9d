"""Repeat the article's experiment: the published code against the program's own settings.

Both learn from the first 605 of 756 opening prices and foretell, one session ahead, the 101
targets whose 50 past prices lie in the rest. The published code is that of `article`, with all its
faults and all its 200 epochs. The program trains once, with its defaults but for the horizon.
"""

import time
from math import ceil
from statistics import median

import article
import numpy as np
from rows import Row
from turns import one_core, take_turns

from forecaster.config import ModelSettings
from forecaster.model import ACTIVATIONS, Motion, train_network

GROUP = "article"
OURS = "this program, its own settings"
PUBLISHED = "the published code"


def forecasts_of_this_program(prices: article.Floats) -> article.Floats:
    """Train on the first 80 %, then forecast each target from all prices before it, (101,)."""
    count = ceil(len(prices) * article.TRAINING_SHARE)
    network = train_network(
        prices[:count],
        ModelSettings(horizon=1),
        motion=Motion(),
        activation=ACTIVATIONS["tanh"],
        rng=np.random.default_rng(0),
    )
    targets = range(count + article.LOOKBACK, len(prices))
    return np.array([network.predict(prices[:target])[0] for target in targets])


def published(experiment: article.Experiment) -> tuple[float, float]:
    """Seconds and error of the published code, training and forecasting."""
    start = time.perf_counter()
    params = article.train(experiment, np.random.default_rng(0))
    rmse = article.test_rmse(params, experiment)
    return time.perf_counter() - start, rmse


def rows(quick: bool = False) -> list[Row]:
    """Return a row for the naive forecast, this program and the published code."""
    prices = article.opening_prices()
    if prices is None:
        return [Row(GROUP, "GOOGL, 101 targets", None, "no FORECASTER_TEST_DATA")]
    experiment = article.prepare(prices)
    naive = experiment.naive_rmse
    errors = forecasts_of_this_program(prices) - experiment.dollars
    rmse = float(np.sqrt(np.mean(errors**2)))
    with one_core():
        taken = take_turns({OURS: lambda: forecasts_of_this_program(prices)}, 9, 0.05)[OURS]
        theirs = None if quick else published(experiment)
    seconds = median(taken)
    found = [_row("the last price", None, naive, naive), _row(OURS, seconds, rmse, naive)]
    if theirs is None:
        return [*found, Row(GROUP, PUBLISHED, None, "left out: it takes minutes")]
    row = _row(PUBLISHED, *theirs, naive)
    ratio = theirs[0] / seconds
    note = f"{row.note}; this program is {ratio:,.0f} times as fast"
    return [*found, Row(GROUP, PUBLISHED, row.seconds, note, {**row.figures, "ratio": ratio})]


def _row(work: str, seconds: float | None, rmse: float, naive: float) -> Row:
    note = f"RMSE {rmse:.3f} dollars, {rmse / naive:.3f} of the last price's"
    return Row(GROUP, work, seconds, note, {"rmse": rmse, "relative_rmse": rmse / naive})
