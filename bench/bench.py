"""Measure this machine: training steps, refitting a series, and the whole daily job.

Ratios between lines of one run are what counts; absolute times move from machine to machine.
"""

import os

# One BLAS thread, said before NumPy loads.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from forecaster.config import ModelSettings
from forecaster.model import ACTIVATIONS, init_params, train_network
from forecaster.model.optimisers import Adam
from forecaster.model.unrolled import Unrolled, pack

RESULTS = Path(__file__).with_name("results.json")
STEPS, HIDDEN = 50, 50


def median_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Return the median time of one call, after a first one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_peak() -> float:
    """Return what the processor reaches on a large float32 product, in GFLOP/s."""
    a = np.ones((1024, 1024), np.float32)
    return 2 * 1024**3 / median_seconds(lambda: a @ a) / 1e9


def training_step(batch: int) -> float:
    """Return the seconds of one Adam step: H = T = 50, one input, float32."""
    rng = np.random.default_rng(0)
    params = init_params(rng, 1, HIDDEN, 1, dtype=np.float32)
    weights = pack(params)
    network = Unrolled(weights, ACTIVATIONS["tanh"], STEPS, batch, "last")
    optimiser = Adam(1e-3)
    x = rng.standard_normal((batch, STEPS, 1)).astype(np.float32)
    y = rng.standard_normal((batch, 1)).astype(np.float32)

    def many() -> None:
        for _ in range(20):
            network.loss_and_gradient(x, y)
            optimiser.step(weights.flat, network.gradient.flat)

    return median_seconds(many) / 20


def refit(bars: int) -> float:
    """Return the seconds to train the default network on a random walk and forecast from it."""
    values = 100 * np.exp(0.01 * np.random.default_rng(1).standard_normal(bars).cumsum())

    def train() -> None:
        network = train_network(
            values,
            ModelSettings(),
            values_kind="price",
            activation=ACTIVATIONS["tanh"],
            rng=np.random.default_rng(2),
        )
        network.predict(values)

    return median_seconds(train)


def nights() -> list[tuple[str, float, str]]:
    """Time the first `forecaster run` on the embedded prices, and the one that finds nothing."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, command in [
            ("forecaster --help", ["--help"]),
            ("init", ["-q", "init"]),
            ("run: 8 series, 61 sessions each", ["-q", "run"]),
            ("run again: nothing to do", ["-q", "run"]),
            ("backtest: 8 series, 250 cutoffs", ["-q", "backtest", "--json"]),
        ]:
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "forecaster", *command],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            rows.append((what, time.perf_counter() - start, "whole process"))
    return rows


def main() -> None:
    """Print one table and store it as JSON."""
    peak = matrix_peak()
    rows: list[tuple[str, float, str]] = []
    for batch in (1, 32, 64, 256):
        seconds = training_step(batch)
        speed = 6 * STEPS * HIDDEN**2 * batch / seconds / 1e9
        share = f"{speed:.0f} GFLOP/s, {speed / peak:.0%} of the {peak:.0f} of a matrix product"
        rows.append((f"training step, batch {batch}", seconds, share))
    rows += [(f"refit and forecast, {bars} bars", refit(bars), "") for bars in (756, 2000)]
    rows += nights()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows[-1] = (*rows[-1][:2], f"whole process; largest of these {children:.0f} MB")
    table = Table("work", "seconds", "", box=None)
    for what, seconds, note in rows:
        table.add_row(what, f"{seconds:.5f}" if seconds < 0.1 else f"{seconds:.2f}", note)
    Console(width=120).print(table)
    RESULTS.write_text(
        json.dumps([{"work": w, "seconds": s, "note": n} for w, s, n in rows], indent=2)
    )


if __name__ == "__main__":
    main()
