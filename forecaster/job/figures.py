"""The figures of a backtest: of a series, at a horizon or over all of them, and of all series.

Errors, quantile losses and interval scores are told in the prices of each cutoff. What is relative
to the naive forecast is a ratio of means over the same cells: of errors in prices, or in shares of
the cutoff's price where a split changes the unit in between, and of interval scores always in
shares of it. Ratios of several horizons or series go together as geometric means. What needs an
uncertainty is counted by cutoff: all cells of one cutoff are one entry, the mean over them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, sqrt

import numpy as np
from numpy.typing import NDArray

from forecaster.job.marks import Marks
from forecaster.job.past import Floats
from forecaster.model import evaluate

Figures = dict[str, float | None]


@dataclass(frozen=True, eq=False)
class Entries:
    """What counts of each cutoff: (n,), the mean over its cells.

    `loss` is the squared error and `naive` the naive one, both in shares of the mean naive one of
    their horizon, so that far horizons and wild series do not drown the others; NaN where that is
    nothing.
    """

    cutoffs: NDArray[np.datetime64]
    loss: Floats
    naive: Floats
    inside80: Floats
    inside95: Floats

    def tests(self, horizon: int) -> Figures:
        """Return the confidence intervals of coverage, and the test against the naive forecast."""
        found: Figures = {}
        for name, hits in (("coverage80", self.inside80), ("coverage95", self.inside95)):
            reached = evaluate.coverage(hits, horizon)
            found |= {f"{name}_lo": reached.low, f"{name}_hi": reached.high}
        known = ~np.isnan(self.loss)
        compared = evaluate.diebold_mariano(self.loss[known], self.naive[known], horizon)
        if compared is not None:
            found |= {"dm": compared.statistic, "dm_p": compared.p}
        return found

    def worst_quarters(self) -> Figures:
        """Return the worst of 63 cutoffs in a row, of accuracy and of coverage."""
        known = ~np.isnan(self.loss)
        ours = evaluate.rolling_means(self.loss[known])
        theirs = evaluate.rolling_means(self.naive[known])
        ratios = [sqrt(a / b) for a, b in zip(ours, theirs, strict=True) if b > 0.0]
        return {
            "worst_quarter_rmse": max(ratios, default=None),
            "worst_quarter80": evaluate.worst_rolling(self.inside80, worst="least"),
        }


def entries(method: Marks, naive: Marks, horizon: int | None) -> Entries:
    """Return what counts of each cutoff with an outcome, at a horizon or over all."""
    kept = _columns(horizon)
    there = ~np.isnan(method.errors[:, kept]).all(axis=1)
    ours, theirs = method.relative[there, kept] ** 2, naive.relative[there, kept] ** 2
    usual = _means(theirs, axis=0)
    usual[usual == 0.0] = np.nan
    return Entries(
        method.outcomes.cutoffs[there],
        _means(ours / usual, axis=1),
        _means(theirs / usual, axis=1),
        _means(method.inside80[there, kept], axis=1),
        _means(method.inside95[there, kept], axis=1),
    )


def series_figures(
    method: Marks, naive: Marks | None, horizon: int | None
) -> tuple[Figures, Entries] | None:
    """Return the figures of a method for a series, and what counts of each cutoff.

    Args:
        method: how it did.
        naive: how the naive forecast did; without it there is nothing that is relative to it.
        horizon: None for all together.

    Returns:
        None where no outcome is known.
    """
    kept, outcomes = _columns(horizon), method.outcomes
    errors = _known(method.errors[:, kept])
    if not len(errors):
        return None
    rescaled = _known((method.errors * outcomes.rescale[:, np.newaxis])[:, kept])
    found: Figures = {
        "n": len(errors),
        "mae": evaluate.mae(errors),
        "rmse": evaluate.rmse(errors),
        "mase": evaluate.mase(rescaled, outcomes.scale),
    }
    for name in ("pinball", "crps", "score80", "score95"):
        found[name] = float(_known(getattr(method, name)[:, kept]).mean())
    for level in ("80", "95"):
        hits = _known(getattr(method, f"inside{level}")[:, kept])
        found[f"coverage{level}"] = float(hits.mean())
    counted = entries(method, naive or method, horizon)
    found |= counted.tests(horizon or method.errors.shape[1]) | counted.worst_quarters()
    if naive is None:
        return found | {"worst_quarter_rmse": None}, counted
    return found | _relative(method, naive, horizon), counted


def _relative(method: Marks, naive: Marks, horizon: int | None) -> Figures:
    """Return the ratios to the naive forecast: their geometric mean, over several horizons."""
    columns = range(method.errors.shape[1]) if horizon is None else [horizon - 1]
    shares = method.outcomes.shares[:, np.newaxis]
    named = {
        "rel_mae": (np.abs(method.relative), np.abs(naive.relative), 1.0),
        "rel_rmse": (method.relative**2, naive.relative**2, 0.5),
        "rel_score80": (method.score80 / shares, naive.score80 / shares, 1.0),
        "rel_score95": (method.score95 / shares, naive.score95 / shares, 1.0),
    }
    return {
        name: geometric_mean(_ratio(ours[:, k], theirs[:, k], power) for k in columns)
        for name, (ours, theirs, power) in named.items()
    }


def _ratio(ours: Floats, theirs: Floats, power: float) -> float | None:
    ours, theirs = _known(ours), _known(theirs)
    usual = float(theirs.mean()) if len(theirs) else 0.0
    return float((ours.mean() / usual) ** power) if usual > 0.0 else None


POOLED = ("mase", "rel_mae", "rel_rmse", "rel_score80", "rel_score95")
"""Ratios: what has the unit of a series does not go together with that of another."""


def pooled_figures(found: Sequence[Figures], counted: Sequence[Entries], horizon: int) -> Figures:
    """Return the figures of a method over all series.

    Args:
        found: of each series.
        counted: of each series, at the same horizons.
        horizon: the farthest of them.
    """
    told: Figures = {"n": int(fsum(one["n"] or 0 for one in found))}
    for name in POOLED:
        told[name] = geometric_mean(one.get(name) for one in found)
    for name in ("coverage80", "coverage95", "training_seconds", "inference_seconds"):
        known = [value for one in found if (value := one.get(name)) is not None]
        usual = 1 if name.endswith("seconds") else len(known)
        told[name] = fsum(known) / usual if known else None
    for name, worst in (("worst_quarter_rmse", max), ("worst_quarter80", min)):
        told[name] = worst((v for one in found if (v := one.get(name)) is not None), default=None)
    return told | _together(counted).tests(horizon)


def _together(counted: Sequence[Entries]) -> Entries:
    """Return the mean over the series of what counts of each cutoff."""
    cutoffs, places = np.unique(
        np.concatenate([one.cutoffs for one in counted]), return_inverse=True
    )

    def mean(name: str) -> Floats:
        numbers = np.concatenate([getattr(one, name) for one in counted])
        known = ~np.isnan(numbers)
        sums = np.bincount(places[known], numbers[known], len(cutoffs))
        counts = np.bincount(places[known], minlength=len(cutoffs))
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    return Entries(cutoffs, mean("loss"), mean("naive"), mean("inside80"), mean("inside95"))


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Return the geometric mean of those that are known; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return 0.0 if min(known) <= 0.0 else exp(fsum(map(log, known)) / len(known))


def _columns(horizon: int | None) -> slice:
    return slice(None) if horizon is None else slice(horizon - 1, horizon)


def _known(numbers: Floats) -> Floats:
    return np.asarray(numbers[~np.isnan(numbers)])


def _means(numbers: Floats, axis: int) -> Floats:
    """Return the means over the known numbers of an axis; NaN where none is."""
    known = ~np.isnan(numbers)
    counts = known.sum(axis=axis)
    sums = np.where(known, numbers, 0.0).sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
