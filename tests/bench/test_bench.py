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


def test_seasonal_origins_leave_all_targets_in_what_is_judged() -> None:
    """The first forecast is of the first value that training did not see, the last of the last."""
    seasonal = bench_module("seasonal")
    assert [*seasonal.origins(np.zeros(20), 3, 15)] == [15, 16, 17]


def test_the_seasonal_naive_is_judged_by_what_comes() -> None:
    """Repeating four values of a line errs by the distance, 4 or 8 steps, and knows no more."""
    seasonal = bench_module("seasonal")
    motion = seasonal.Motion("difference", 4)
    assert seasonal.naive_error(np.arange(40.0), 8, motion, 30) == 6.0
    assert seasonal.naive_error(np.arange(40.0), 3, motion, 30) == 4.0


def test_the_season_is_chosen_on_what_is_trained_on() -> None:
    """By its newest part: where a season of 7 gives way to one of 5, that of 5."""
    seasonal = bench_module("seasonal")
    case = seasonal.Case(
        "", "", 5, 5, tuple(seasonal.Motion("difference", m) for m in (None, 5, 7))
    )
    steps = np.arange(200)
    values = np.where(steps < 100, np.sin(2 * np.pi * steps / 7), np.sin(2 * np.pi * steps / 5))
    assert seasonal.best_motion(values, case).season == 5
    assert seasonal.best_motion(values[:100], case).season == 7


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
