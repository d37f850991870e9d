"""What `make bench` measures with is in order; no figure is asserted."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


def bench_module(name: str) -> ModuleType:
    """Import a module of bench/, whose modules import each other as siblings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        return __import__(name)


WITHOUT_FRAMEWORKS = """
import runpy, sys
sys.modules.update(torch=None, jax=None)  # to import them is an ImportError
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[1:]
runpy.run_module("bench", run_name="__main__")
"""


def test_bench_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    """Training steps are measured quickly; a framework that is not there is said not to be."""
    results = tmp_path / "results.json"
    options = ["--only", "step", "--quick", "--results", results]
    command = [sys.executable, "-c", WITHOUT_FRAMEWORKS, BENCH, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(results.read_text(encoding="utf-8"))
    assert document["versions"]["numpy"] == np.__version__
    rows = {row["work"]: row for row in document["rows"]}
    assert all(row["work"] in done.stdout for row in rows.values())
    assert rows["batch 32: this program"]["figures"]["share_of_peak"] > 0
    assert rows["batch 32: the article's code"]["figures"]["ratio"] > 0
    assert rows["PyTorch"]["note"] == rows["JAX"]["note"] == "not installed"


def test_each_group_has_a_module_that_measures_it() -> None:
    """Each name that --only takes leads to a module with `rows(quick=...)`."""
    groups = bench_module("bench").GROUPS
    assert len(groups) > 5
    for module, _ in groups.values():
        tree = ast.parse((BENCH / f"{module}.py").read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        arguments = next(each.args for each in found if each.name == "rows")
        assert [each.arg for each in arguments.args] == ["quick"], module


def test_contenders_compute_the_same() -> None:
    """Loss and gradient of the article's code, without its faults, are those of this program."""
    frameworks = bench_module("frameworks")
    given = frameworks.problem(3)
    makers = (frameworks.this_program, frameworks.article_code)
    frameworks.check_agreement({make.__name__: make(given).gradient() for make in makers})


@pytest.mark.parametrize("array", ["loss", "W_xh", "W_hh", "b_h", "W_hy", "b_y"])
def test_a_contender_that_computes_something_else_is_refused(array: str) -> None:
    """A loss, or any one array of the gradient, that is 0.1 % off does not pass."""
    frameworks = bench_module("frameworks")
    loss, grads = frameworks.this_program(frameworks.problem(3)).gradient()
    wrong = {name: value * (1.001 if name == array else 1.0) for name, value in grads.items()}
    gradients = {"one": (loss, grads), "other": (loss * 1.001 if array == "loss" else loss, wrong)}
    with pytest.raises(AssertionError, match=array):
        frameworks.check_agreement(gradients)


@pytest.mark.parametrize("season", [1, 7, 12])
def test_windows_of_the_seasonal_series_see_nothing_ahead(season: int) -> None:
    """What is known at an origin, its naive forecast too, survives a change of all that follows."""
    seasonal = bench_module("seasonal")
    case = seasonal.Case("", "", horizon=9, lookback=5, seasons=(season,), periods=(season,))
    values = np.random.default_rng(0).standard_normal(120)
    before = seasonal.windows(values, case, season, 80)
    for origin in (80, 95, 110):
        changed = np.where(np.arange(120) > origin, 1e6, values)
        after = seasonal.windows(changed, case, season, 80)
        at = int(np.flatnonzero(before.origins == origin)[0])
        assert np.array_equal(after.x[at], before.x[at])
        assert np.array_equal(after.naive[at], before.naive[at])
        assert (after.actual[at] == 1e6).all()


def test_windows_to_train_on_and_to_judge_by_share_no_target() -> None:
    """Every target of a training window lies before every target that the network is judged by."""
    seasonal = bench_module("seasonal")
    case = seasonal.Case("", "", horizon=9, lookback=5, seasons=(7,), periods=(7.0,))
    every = seasonal.windows(np.arange(120.0) ** 2, case, 7, 80)  # the square of its own place
    seen, asked = every.between(0, 80), every.between(80, 120)
    assert seen.actual.max() == 79**2
    assert asked.actual.min() == 80**2
    assert asked.actual.max() == 119**2
    assert len(seen.x) + len(asked.x) + 9 - 1 == len(every.x)


def test_the_seasonal_naive_repeats_the_newest_season() -> None:
    """Nine steps ahead with a season of four: the last four values, again, and again."""
    seasonal = bench_module("seasonal")
    case = seasonal.Case("", "", horizon=9, lookback=2, seasons=(4,), periods=(4.0,))
    found = seasonal.windows(np.arange(40.0) ** 2, case, 4, 30)
    at = int(np.flatnonzero(found.origins == 20)[0])
    assert np.sqrt(found.naive[at]).tolist() == [17, 18, 19, 20, 17, 18, 19, 20, 17]


def test_figures_are_put_between_the_marks_of_the_document() -> None:
    """Measured figures replace those before, and nothing else of docs/speed.md changes."""
    document = bench_module("document")
    step = {"group": "step", "work": "batch 64: this program", "seconds": 0.00075, "note": "fast"}
    found = {
        "date": "2026-01-02",
        "machine": {"processor": "P", "cores": 2},
        "versions": {"python": "3.11", "torch": None},
        "rows": [{**step, "figures": {"share_of_peak": 0.59}}],
    }
    part = document.measured(found)
    assert "| batch 64: this program | 750 µs | fast |" in part
    assert "| of the peak, batch 64 | 50 %, better 60 % | 59% |" in part
    assert "torch" not in part
    before = document.DOCUMENT.read_text(encoding="utf-8")
    once = document.replaced(before, part)
    assert part in once
    assert document.replaced(once, part) == once
    for one in (before, once):
        assert one.count(document.BEGIN) == one.count(document.END) == 1
    assert once.partition(document.BEGIN)[0] == before.partition(document.BEGIN)[0]
    assert once.partition(document.END)[2] == before.partition(document.END)[2]


def test_times_have_three_digits_and_a_unit() -> None:
    """Whatever its size, a time is read at a glance."""
    text = bench_module("bench").time_text
    assert [text(each) for each in (None, 1.234e-5, 9.996e-4, 0.05, 1.5, 141.2)] == [
        "", "12.3 µs", "1.00 ms", "50.0 ms", "1.50 s", "141 s",
    ]  # fmt: skip
