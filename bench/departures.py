"""Measure what each fault of the article's published code does: to the gradient, and to the result.

    FORECASTER_TEST_DATA=folder python bench/departures.py

For each fault alone and for all together: the error of the gradient at random points; the error on
the article's 101 test targets after the article's training, relative to the naive forecast; and
what can be learnt where memory is all that counts (`recall`).
Takes some ten minutes on one core.
"""

import os

# One BLAS thread, said before NumPy loads.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import article
import numpy as np
from article import CORRECT, PUBLISHED, Experiment, Faults, Floats, Params
from recall import RECALL_HIDDEN, recall_errors, recall_window
from rich.console import Console
from rich.table import Table
from together import SEEDS, orthogonal_params, trained

RESULTS = Path(__file__).with_name("departures.json")
POINTS = 100
FEWER_HIDDEN = 20  # where H is not T, the loop over the hidden size begins at another step
NAMES = tuple(field.name for field in fields(Faults))
ALONE = {name: Faults(**{name: True}) for name in NAMES}
QUIET = replace(PUBLISHED, noise_in_output_gradient=False, noise_in_input_gradient=False)

Draw = Callable[[np.random.Generator], tuple[Params, tuple[Floats, Floats]]]


def gradient_errors(draw: Draw, faults: Faults) -> dict[str, float]:
    """|g_faulty - g| / |g|, the median over random points, for all arrays together and for each.

    Args:
        draw: weights and a window.
        faults: what to do wrong.
    """
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(POINTS):
        params, (x, y) = draw(rng)
        passed = article.forward(params, x)
        right, wrong = (
            article.gradients(params, x, y, *passed, each, rng) for each in (CORRECT, faults)
        )
        errors.append(_relative_errors(wrong, right))
    return {name: float(np.median([each[name] for each in errors])) for name in errors[0]}


def places(
    experiment: Experiment, weights: Sequence[Params], hidden: int, recall_hidden: int
) -> dict[str, Draw]:
    """Where gradients are compared.

    Args:
        experiment: the article's windows, for its first weights ("start") and its last ("end").
        weights: its last.
        hidden: H of both.
        recall_hidden: H of an orthogonal start on windows to recall from ("recall").
    """

    def window(rng: np.random.Generator) -> tuple[Floats, Floats]:
        place = rng.integers(len(experiment.x))
        return experiment.x[place], experiment.y[place]

    return {
        "start": lambda rng: (article.first_params(rng, 1, hidden), window(rng)),
        "end": lambda rng: (weights[rng.integers(len(weights))], window(rng)),
        "recall": lambda rng: (orthogonal_params(rng, 1, recall_hidden), recall_window(rng)),
    }


def _relative_errors(wrong: Params, right: Params) -> dict[str, float]:
    off = {name: wrong[name] - right[name] for name in right}
    each = {name: np.linalg.norm(off[name]) / np.linalg.norm(right[name]) for name in right}
    return {"all": _norm(off) / _norm(right), **each}


def _norm(arrays: Params) -> float:
    return float(np.sqrt(sum(np.sum(array**2) for array in arrays.values())))


def relative_rmse(weights: Sequence[Params], experiment: Experiment) -> list[float]:
    """Test error over that of the naive forecast, for each seed."""
    return [article.test_rmse(params, experiment) / experiment.naive_rmse for params in weights]


@dataclass(frozen=True, eq=False)
class Trained:
    """All that was trained: by its faults, the weights for each seed."""

    usual: dict[Faults, list[Params]]  # H = 50
    fewer: dict[Faults, list[Params]]  # H = 20: the correct network, and the wrong loop
    orthogonal: dict[Faults, list[Params]]  # H = 50, from an orthogonal W_hh


def train_all(experiment: Experiment, epochs: int) -> Trained:
    """Train the correct network, the published one, and one for each fault that matters there."""
    elsewhere = ("loop_over_hidden_size", "test_scaler_refitted")  # they change nothing at H = T
    alone = [faults for name, faults in ALONE.items() if name not in elsewhere]
    loops = [CORRECT, ALONE["loop_over_hidden_size"]]
    return Trained(
        usual=trained(experiment, [CORRECT, PUBLISHED, *alone], epochs=epochs),
        fewer=trained(experiment, loops, hidden=FEWER_HIDDEN, epochs=epochs),
        orthogonal=trained(
            experiment, [CORRECT, PUBLISHED], epochs=epochs, first=orthogonal_params
        ),
    )


def test_errors(weights: Trained, prices: Floats) -> dict[str, list[float]]:
    """The relative test errors for each seed, by what was wrong."""
    fair, peeking = article.prepare(prices, CORRECT), article.prepare(prices, PUBLISHED)
    names = {faults: name for name, faults in ALONE.items()}
    names |= {CORRECT: "correct", PUBLISHED: "published, training scaler"}
    usual = {names[faults]: relative_rmse(each, fair) for faults, each in weights.usual.items()}
    fewer = {
        f"{names[faults]}, H = {FEWER_HIDDEN}": relative_rmse(each, fair)
        for faults, each in weights.fewer.items()
    }
    elsewhere = {
        f"{names[faults]}, orthogonal start": relative_rmse(each, fair)
        for faults, each in weights.orthogonal.items()
    }
    return {
        **usual,
        **fewer,
        **elsewhere,
        "test_scaler_refitted": relative_rmse(weights.usual[CORRECT], peeking),
        "published": relative_rmse(weights.usual[PUBLISHED], peeking),
    }


def recalled() -> dict[str, list[float]]:
    """The errors of recalling an input, for each seed, by what was wrong."""
    alone = {name: each for name, each in ALONE.items() if name != "test_scaler_refitted"}
    cases = {"correct": CORRECT, **alone, "published": PUBLISHED}
    fewer = RECALL_HIDDEN // 2
    loops = {"correct": CORRECT, "loop_over_hidden_size": ALONE["loop_over_hidden_size"]}
    return {
        **recall_errors(cases, RECALL_HIDDEN),
        **{f"{name}, H = {fewer}": each for name, each in recall_errors(loops, fewer).items()},
    }


def gradient_table(
    weights: Trained, experiment: Experiment
) -> dict[str, dict[str, dict[str, float]]]:
    """Gradient errors of each fault that concerns gradients, at each place."""
    usual = places(experiment, weights.usual[CORRECT], article.HIDDEN, RECALL_HIDDEN)
    fewer = places(experiment, weights.fewer[CORRECT], FEWER_HIDDEN, RECALL_HIDDEN // 2)
    cases = {name: (faults, usual) for name, faults in ALONE.items()}
    del cases["test_scaler_refitted"]
    cases |= {
        "loop_over_hidden_size, H < T": (ALONE["loop_over_hidden_size"], fewer),
        "published": (PUBLISHED, usual),
        "published, without noise": (QUIET, usual),
    }
    return {
        name: {place: gradient_errors(draw, faults) for place, draw in draws.items()}
        for name, (faults, draws) in cases.items()
    }


def recurrent_norms(weights: Trained) -> dict[str, float]:
    """The largest singular value of W_hh, mean of seeds, as the article's training goes."""
    rngs = (np.random.default_rng(seed) for seed in range(SEEDS))
    when = {"start": [article.first_params(rng) for rng in rngs], "end": weights.usual[CORRECT]}
    return {
        moment: float(np.mean([np.linalg.norm(params["W_hh"], 2) for params in some]))
        for moment, some in when.items()
    }


def tabulated(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Gradient errors, a line for each fault and kind of point."""
    arrays = ("all", "W_xh", "W_hh", "b_h", "W_hy", "b_y")
    table = Table("gradient error", "at", *arrays, box=None)
    for name, kinds in found.items():
        for kind, errors in kinds.items():
            table.add_row(name, kind, *(f"{errors[array]:.3g}" for array in arrays))
    return table


def by_seed(title: str, errors: Mapping[str, Sequence[float]]) -> Table:
    """A line for each kind of fault: the mean over seeds, and each seed."""
    table = Table(title, "mean", f"{SEEDS} seeds", box=None)
    for name, values in errors.items():
        table.add_row(name, f"{np.mean(values):.3f}", " ".join(f"{value:.3f}" for value in values))
    return table


def main() -> None:
    """Print three tables and store them as JSON."""
    prices = article.opening_prices()
    if prices is None:
        sys.exit("FORECASTER_TEST_DATA names no folder with article/GOOGL.csv")
    console, experiment = Console(width=120), article.prepare(prices, CORRECT)
    recall = recalled()
    console.print(by_seed("recall error", recall))
    weights = train_all(experiment, int(sys.argv[1]) if len(sys.argv) > 1 else article.EPOCHS)
    gradients, norms = gradient_table(weights, experiment), recurrent_norms(weights)
    console.print(tabulated(gradients))
    console.print("largest singular value of W_hh", norms)
    errors = test_errors(weights, prices)
    console.print(by_seed("test RMSE / naive", errors))
    found = {
        "recall": recall,
        "gradients": gradients,
        "largest_singular_value": norms,
        "test": errors,
    }
    RESULTS.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
