"""What a backtest finds: its figures by hand, pooled, stored, and the same after a kill."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.errors import ConfigError, DataError, PluginError
from forecaster.job import backtest as backtest_module
from forecaster.job.backtest import Evaluation, backtest
from forecaster.job.evaluation import OURS
from forecaster.job.figures import Figures, geometric_mean, pooled_figures, series_figures
from forecaster.job.marks import Marks, Outcomes, mark
from forecaster.job.past import Floats
from forecaster.job.rivals import run_rival_task, simple

from .project import Project, walk, xnys

DAYS = xnys("2022-06-01", "2023-09-29")
N = 100


def outcomes(values: Floats, **more: Any) -> Outcomes:
    """Return the outcomes (n, 2) of the cutoffs of a series."""
    n = len(values) - 2
    actual = np.column_stack([values[1:-1], values[2:]])
    plain = {"units": np.ones(n), "shares": values[:-2], "scale": 0.5, "rescale": np.ones(n)}
    cutoffs = np.arange(n).astype("datetime64[D]")
    return Outcomes(cutoffs=cutoffs, actual=actual, **{**plain, **more})


def said(values: Floats, lead: float = 0.0, reach: float = 2.0) -> Floats:
    """Return quantiles around the last value and a little more, (n, 2, 5)."""
    point = values[:-2, np.newaxis] + lead * np.array([1.0, 2.0])
    reaches = reach * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    return point[:, :, np.newaxis] + reaches


VALUES = np.array(walk(N + 2))
NAIVE = mark(outcomes(VALUES), said(VALUES))
OTHER = mark(outcomes(VALUES), said(VALUES, 0.3, 1.0))


def figures(method: Marks, naive: Marks | None, horizon: int | None) -> Figures:
    """Return the figures alone."""
    found = series_figures(method, naive, horizon)
    assert found is not None
    return found[0]


def test_figures_by_hand() -> None:
    """Errors, losses, scores, hits and ratios of one horizon are what their names say."""
    found = figures(OTHER, NAIVE, 2)
    naive = VALUES[:-2] - VALUES[2:]
    errors = naive + 0.6
    assert found["n"] == N
    assert found["mae"] == pytest.approx(np.abs(errors).mean())
    assert found["rmse"] == pytest.approx(sqrt((errors**2).mean()))
    assert found["mase"] == pytest.approx(np.abs(errors).mean() / 0.5)
    assert found["rel_mae"] == pytest.approx(np.abs(errors).mean() / np.abs(naive).mean())
    assert found["rel_rmse"] == pytest.approx(sqrt((errors**2).mean() / (naive**2).mean()))
    assert found["coverage80"] == pytest.approx((np.abs(errors) <= 1.0).mean())
    assert found["coverage95"] == pytest.approx((np.abs(errors) <= 2.0).mean())
    score = 2.0 + 10.0 * np.maximum(np.abs(errors) - 1.0, 0.0)
    theirs = 4.0 + 10.0 * np.maximum(np.abs(naive) - 2.0, 0.0)
    assert found["score80"] == pytest.approx(score.mean())
    shares = VALUES[:-2]
    assert found["rel_score80"] == pytest.approx((score / shares).mean() / (theirs / shares).mean())
    levels = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
    misses = -errors[:, np.newaxis] - np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    pinball = np.where(misses < 0, (levels - 1) * misses, levels * misses)
    assert found["pinball"] == pytest.approx(pinball.mean())
    windows = [sqrt((errors[k : k + 63] ** 2).sum() / (naive[k : k + 63] ** 2).sum())
               for k in range(N - 62)]  # fmt: skip
    assert found["worst_quarter_rmse"] == pytest.approx(max(windows))
    hits = (np.abs(errors) <= 1.0).astype(float)
    assert found["worst_quarter80"] == pytest.approx(
        min(hits[k : k + 63].mean() for k in range(N - 62))
    )
    assert found["dm"] is not None
    assert (
        (found["coverage80_lo"] or 1) < (found["coverage80"] or 0) < (found["coverage80_hi"] or 0)
    )


def test_all_horizons_together() -> None:
    """Errors are averaged over the cells, ratios as a geometric mean over the horizons."""
    one, two, both = (figures(OTHER, NAIVE, horizon) for horizon in (1, 2, None))
    assert both["n"] == 2 * N
    for name in ("mae", "pinball", "crps", "score95", "coverage80", "mase"):
        assert both[name] == pytest.approx(((one[name] or 0) + (two[name] or 0)) / 2)
    for name in ("rel_mae", "rel_rmse", "rel_score80", "rel_score95"):
        assert both[name] == pytest.approx(sqrt((one[name] or 0) * (two[name] or 0)))


def test_method_that_never_differs_from_naive_has_no_test() -> None:
    """The naive forecast is itself: every ratio is 1, and there is nothing to test."""
    for horizon in (1, 2, None):
        found = figures(NAIVE, NAIVE, horizon)
        assert [found[name] for name in ("rel_mae", "rel_rmse", "rel_score80")] == [1.0] * 3
        assert found.get("dm") is None
        assert found["worst_quarter_rmse"] == 1.0


def test_without_the_naive_forecast_nothing_is_relative() -> None:
    """What needs no comparison is there all the same."""
    found = figures(OTHER, None, 1)
    assert found["mae"] == figures(OTHER, NAIVE, 1)["mae"]
    names = ("rel_rmse", "rel_score80", "dm", "worst_quarter_rmse")
    assert [found.get(name) for name in names] == [None] * 4
    assert found["worst_quarter80"] == figures(OTHER, NAIVE, 1)["worst_quarter80"]


def test_too_few_cutoffs_have_no_quarter() -> None:
    """Under 63 cutoffs there is no worst quarter, and with none known there is nothing."""
    few = VALUES[:50]
    method = mark(outcomes(few), said(few, 0.1))
    found = figures(method, mark(outcomes(few), said(few)), 1)
    assert (found["worst_quarter_rmse"], found["worst_quarter80"]) == (None, None)
    nothing = replace(outcomes(few), actual=np.full((48, 2), np.nan))
    assert series_figures(mark(nothing, said(few)), None, None) is None


def test_prices_that_never_move_have_no_ratios() -> None:
    """A naive forecast without errors is nothing to be relative to."""
    flat = np.full(N, 5.0)
    still = outcomes(flat, scale=0.0)
    found = figures(mark(still, said(flat, 0.1)), mark(still, said(flat)), None)
    names = ("mase", "rel_mae", "rel_rmse", "dm", "worst_quarter_rmse")
    assert [found.get(name) for name in names] == [None] * 5
    assert found["mae"] == pytest.approx(0.15)


def test_unknown_outcomes_are_left_out() -> None:
    """An outcome that is not known takes its cell out of every figure, and no other."""
    holed = outcomes(VALUES)
    holed.actual[10, 1] = np.nan
    method, naive = mark(holed, said(VALUES, 0.3, 1.0)), mark(holed, said(VALUES))
    kept = np.delete(np.arange(N), 10)
    errors = (VALUES[:-2] + 0.6 - VALUES[2:])[kept]
    found = figures(method, naive, 2)
    assert (found["n"], figures(method, naive, None)["n"]) == (N - 1, 2 * N - 1)
    assert found["rmse"] == pytest.approx(sqrt((errors**2).mean()))
    assert figures(method, naive, 1) == figures(OTHER, NAIVE, 1)


def test_split_leaves_relative_figures_alone() -> None:
    """In shares of the price, a series that was split is the series that was not."""
    basis = np.where(np.arange(N) < 40, 1.0, 2.0)
    prices = VALUES[:-2]
    whole = outcomes(VALUES, units=prices)
    split = replace(
        whole,
        actual=whole.actual / basis[:, np.newaxis],
        units=prices / basis,
        shares=prices / basis,
        rescale=basis,
    )

    def held(one: Outcomes, by: Floats) -> Figures:
        ours, theirs = said(VALUES, 0.3, 1.0), said(VALUES)
        divided = by[:, np.newaxis, np.newaxis]
        return figures(mark(one, ours / divided), mark(one, theirs / divided), None)

    before, after = held(whole, np.ones(N)), held(split, basis)
    assert after["mae"] != pytest.approx(before["mae"])
    for name in before.keys() - {"mae", "rmse", "pinball", "crps", "score80", "score95"}:
        assert after[name] == pytest.approx(before[name]), name


def test_pooled_figures() -> None:
    """Ratios go together as geometric means, coverage as a mean, prices not at all."""
    other = VALUES[::-1].copy()
    pairs = [(OTHER, NAIVE), (mark(outcomes(other), said(other, -0.2, 0.5)),
                              mark(outcomes(other), said(other)))]  # fmt: skip
    found = [each for pair in pairs if (each := series_figures(*pair, 1)) is not None]
    told = pooled_figures([one[0] for one in found], [one[1] for one in found], 1)
    first, second = (one[0] for one in found)
    for name in ("mase", "rel_mae", "rel_rmse", "rel_score80", "rel_score95"):
        assert told[name] == pytest.approx(
            exp((log(first[name] or 0) + log(second[name] or 0)) / 2)
        )
    assert told["coverage95"] == ((first["coverage95"] or 0) + (second["coverage95"] or 0)) / 2
    assert told["n"] == 2 * N
    assert told["worst_quarter80"] == min(one[0]["worst_quarter80"] or 0 for one in found)
    assert told["worst_quarter_rmse"] == max(one[0]["worst_quarter_rmse"] or 0 for one in found)
    assert told.get("mae") is None
    assert told.get("rmse") is None


def test_the_same_series_twice_is_no_more_evidence() -> None:
    """What series have in common is not counted twice: the test and the interval stay."""
    found = series_figures(OTHER, NAIVE, 1)
    assert found is not None
    told = pooled_figures([found[0]] * 2, [found[1]] * 2, 1)
    for name in ("dm", "dm_p", "coverage80_lo", "coverage80_hi"):
        assert told[name] == pytest.approx(found[0][name])


def test_geometric_mean() -> None:
    """Unknown ratios are left out, nothing has none, and a perfect one makes 0."""
    assert geometric_mean([4.0, None, 1.0]) == pytest.approx(2.0)
    assert geometric_mean([None]) is None
    assert geometric_mean([0.0, 2.0]) == 0.0


# From here on with a ledger.


@pytest.fixture
def followed(project: Project) -> Project:
    """Return a project that follows A, split two for one on the way, and B."""
    closes = np.array(walk(len(DAYS)))
    closes[-15:] /= 2.0
    split = [2.0 if k == len(DAYS) - 15 else "" for k in range(len(DAYS))]
    project.quote("A", DAYS, closes.round(4).tolist(), split=split)
    project.quote("B", DAYS, walk(len(DAYS), seed=1))
    project.follow("A", "B", settings="[retrain]\nevery = 20\n")
    return project


def evaluated(project: Project, **options: Any) -> Evaluation:
    """Run a backtest."""
    with project.job() as job:
        return backtest(job, **options)


def results(project: Project) -> list[tuple[Any, ...]]:
    """Return what is stored of all backtests, less what a clock says."""
    columns = [row[1] for row in project.sql("PRAGMA table_info(backtest_result)")]
    kept = [name for name in columns if not name.endswith("seconds") and name != "id"]
    return project.sql(f"SELECT {', '.join(kept)} FROM backtest_result ORDER BY id")


def test_results_are_stored_and_told(followed: Project) -> None:
    """Each series and all, each method, each horizon and all: in the ledger as in the answer."""
    found = evaluated(followed, cutoffs=70, against=["drift"])
    rows = found.results.as_dicts()
    assert [(row["series"], row["method"], row["horizon"]) for row in rows] == [
        (series, method, horizon)
        for series in ("A", "B", "all")
        for method in (OURS, "naive", "drift")
        for horizon in (1, 2, 3, None)
    ]
    stored = {
        (row[0], row[1], row[2]): row[3]
        for row in followed.sql("SELECT series, method, horizon, n FROM backtest_result_history")
    }
    assert stored == {(row["series"], row["method"], row["horizon"]): row["n"] for row in rows}
    whole = [row for row in rows if row["horizon"] is None]
    assert {row["n"] for row in whole} == {210, 420}
    assert all(row["training_seconds"] is not None for row in whole)
    assert all(row["inference_seconds"] > 0 for row in whole)
    assert all(row["mae"] is None for row in rows if row["series"] == "all")


def test_results_agree_with_the_running_sums(followed: Project) -> None:
    """Where no split lies between the cutoffs, ratios are those of `backtest_accuracy`."""
    found = evaluated(followed, cutoffs=70)
    ours = {
        (row["series"], row["horizon"]): row
        for row in found.results.as_dicts()
        if row["method"] == OURS
    }
    for row in found.rows.as_dicts():
        mine = ours[row["series"], row["horizon"]]
        for name in ("n", "mae", "rmse", "coverage80", "coverage95"):
            assert mine[name] == pytest.approx(row[name]), name
        near = 1e-9 if row["series"] == "B" else 0.05
        assert mine["rel_rmse"] == pytest.approx(row["relative_rmse"], rel=near)
        assert mine["rel_mae"] == pytest.approx(row["relative_mae"], rel=near)


def test_rival_that_fails_is_a_note(followed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backtest goes on without it, and says so."""

    def fails(self: simple.Simple, values: Floats) -> Floats:
        if self.drift and values[0] != 100.0:
            raise DataError("cannot be fitted")
        return said_by(self, values)

    said_by = simple.Simple.say
    first = {name: walk(len(DAYS), seed=k)[0] for k, name in enumerate("AB")}
    monkeypatch.setattr(simple.Simple, "say", fails)
    assert first["A"] != 100.0
    found = evaluated(followed, cutoffs=10, against=["drift"])
    assert found.summary.status == "done"
    assert found.summary.problems == ()
    notes = [f"{name}: drift is left out of the evaluation: cannot be fitted" for name in "AB"]
    assert list(found.summary.alerts) == notes
    assert {row["method"] for row in found.results.as_dicts()} == {OURS, "naive"}


def test_interrupted_evaluation_is_made_up_for(
    followed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the last night and the results, a backtest is resumed to the same ones."""
    evaluated(followed, cutoffs=70, against=["drift"])
    expected = results(followed)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(backtest_module, "store_results", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluated(followed, cutoffs=70, against=["drift"])
    assert results(followed) == expected
    found = evaluated(followed, cutoffs=70, against=["drift"])
    assert found.backtest_id == 2
    assert [row[1:] for row in results(followed)[len(expected) :]] == [row[1:] for row in expected]
    assert found.summary.trained == 0


def test_every_and_history_are_those_asked_for(followed: Project) -> None:
    """--every refits as often as it says, --history shows each cutoff so many bars."""
    counts = {}
    for every in ("always", 7, "never"):
        found = evaluated(followed, cutoffs=20, names=["B"], every=every, history=100)
        counts[every] = found.summary.trained
    assert counts == {"always": 20, 7: 3, "never": 1}
    assert followed.sql("SELECT DISTINCT bars FROM model_version") == [(100,)]
    with pytest.raises(ConfigError, match="history 10 does not go with series A: history = 10"):
        evaluated(followed, history=10, horizon=30)
    with pytest.raises(ConfigError, match="trains once"):
        evaluated(followed, split=0.8, every=5)


def test_what_it_is_held_against_may_be_configured(followed: Project) -> None:
    """[backtest] against names the rivals of every backtest; what is asked for goes before it."""
    text = (followed.folder / "config.toml").read_text()
    followed.configure(f'{text}\n[backtest]\nagainst = ["seasonal"]\ncutoffs = 5\n')
    for options, rivals in (({}, {"seasonal"}), ({"against": ["drift"]}, {"drift"})):
        found = evaluated(followed, names=["B"], **options)
        assert {row["method"] for row in found.results.as_dicts()} == {OURS, "naive"} | rivals


def test_split_is_a_test_on_the_rest(followed: Project) -> None:
    """Rivals of a split backtest are evaluated on the same cells."""
    found = evaluated(followed, split=0.8, against=["drift"])
    counts = {row["method"]: row["n"] for row in found.results.as_dicts() if row["series"] == "A"}
    assert len(set(counts.values())) == 1


def test_backtest_that_said_nothing_has_no_results(
    followed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every night failed there is nothing to evaluate, and the summary says why."""

    def fails(*_: object) -> None:
        raise DataError("no forecast tonight")

    monkeypatch.setattr("forecaster.job.run.forecast", fails)
    found = evaluated(followed, cutoffs=3)
    assert found.results.rows == ()
    assert found.summary.status == "failed"


def test_results_of_another_series_are_refused(
    followed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor that mixes up its results ends the backtest: nobody gets another's figures."""

    class Reversing:
        name = "reversing"

        def map(self, function: Any, items: Any) -> Iterator[Any]:
            evaluating = function is run_rival_task
            return map(function, reversed(items) if evaluating else items)

    with followed.job() as job:
        monkeypatch.setattr(type(job), "executor", lambda _: Reversing())
        with pytest.raises(PluginError, match="executor reversing is not that of its task"):
            backtest(job, cutoffs=5, every="never")
