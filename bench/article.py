"""The network and the training of the article, as published, and with each of its faults corrected.

"Building Blocks of Time: The Mathematical Foundation and Python Implementation of RNNs" (Najib
Sharifi, Towards Data Science, 20 January 2024) trains an Elman network on GOOGL's opening prices:
one window at a time, plain gradient descent, float64, every step of the forward and the backward
pass a few NumPy calls on one window. This module does the same work in the same steps, so that its
seconds and its errors can stand beside those of this program. `Faults` switches the places where
the published code departs from its own equations; with none of them the gradient is exact.

Symbols and equation numbers are those of `forecaster/model/cell.py`. Here vectors are columns:
x_t (D, 1), a_t (H, 1), y_t (O, 1). Steps are counted from 0.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Params = dict[str, Floats]

LOOKBACK = 50
HIDDEN = 50
EPOCHS = 200
LEARNING_RATE = 1e-3
TRAINING_SHARE = 0.8


@dataclass(frozen=True)
class Faults:
    """Where the published code departs from its mathematics; all False is the correct network."""

    loop_over_hidden_size: bool = False  # the backward loop begins at step H - 1, not T - 1
    first_step_left_out: bool = False  # and ends before step 0
    noise_in_output_gradient: bool = False  # the sum for dW_hy starts from random numbers
    noise_in_input_gradient: bool = False  # so does the sum for dW_xh
    recurrence_not_transposed: bool = False  # W_hh where (5) has W_hh'
    slope_of_receiving_step: bool = False  # f' of step t multiplies what comes from step t + 1
    states_off_by_one: bool = False  # the state before a step is taken for the state after it
    test_scaler_refitted: bool = False  # the test prices are scaled by their own range


CORRECT = Faults()
PUBLISHED = Faults(*[True] * 8)


@dataclass(frozen=True, eq=False)
class Experiment:
    """The windows to train on, those to test on, and what turns outputs into dollars."""

    x: Floats  # (555, 50, 1)
    y: Floats  # (555, 1, 1)
    x_test: Floats  # (101, 50, 1)
    dollars: Floats  # (101,), what the test windows have to foretell
    low: float  # of the scale of x_test
    high: float

    @property
    def naive_rmse(self) -> float:
        """Error of saying that tomorrow opens where today opened, in dollars."""
        last = self.x_test[:, -1, 0] * (self.high - self.low) + self.low
        return _rmse(last - self.dollars)


def opening_prices(folder: Path | None = None) -> Floats | None:
    """The article's 756 prices from `folder`/article/GOOGL.csv, or None where there are none.

    Args:
        folder: by default the one that the environment variable FORECASTER_TEST_DATA names.
    """
    path = Path(folder or os.environ.get("FORECASTER_TEST_DATA", ""), "article", "GOOGL.csv")
    if not path.exists():
        return None
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=1)


def prepare(prices: Floats, faults: Faults = PUBLISHED) -> Experiment:
    """Scale to 0..1 and cut windows; test windows lie wholly in the last fifth of the prices."""
    count = ceil(len(prices) * TRAINING_SHARE)
    training, test = prices[:count], prices[count:]
    scaled = (training - training.min()) / (training.max() - training.min())
    seen = test if faults.test_scaler_refitted else training
    low, high = float(seen.min()), float(seen.max())
    return Experiment(
        x=_windows(scaled),
        y=scaled[LOOKBACK:].reshape(-1, 1, 1),
        x_test=_windows((test - low) / (high - low)),
        dollars=test[LOOKBACK:],
        low=low,
        high=high,
    )


def _windows(values: Floats) -> Floats:
    count = len(values) - LOOKBACK
    return np.array([values[start : start + LOOKBACK] for start in range(count)])[..., np.newaxis]


def first_params(
    rng: np.random.Generator, inputs: int = 1, hidden: int = HIDDEN, outputs: int = 1
) -> Params:
    """The article's starting point: a hundredth of standard normal numbers, and zero biases."""
    return {
        "W_hh": 0.01 * rng.standard_normal((hidden, hidden)),
        "W_xh": 0.01 * rng.standard_normal((hidden, inputs)),
        "W_hy": 0.01 * rng.standard_normal((outputs, hidden)),
        "b_h": np.zeros((hidden, 1)),
        "b_y": np.zeros((outputs, 1)),
    }


def forward(params: Params, x: Floats) -> tuple[list[Floats], list[Floats]]:
    """Equations (1) to (3), for one window x (T, D).

    Returns:
        T outputs (O, 1), and T + 1 states (H, 1) of which the first is that before any step.
    """
    w_xh, w_hh, b_h = params["W_xh"], params["W_hh"], params["b_h"]
    w_hy, b_y = params["W_hy"], params["b_y"]
    states = [np.zeros_like(b_h)]
    outputs = []
    for t in range(len(x)):
        state = np.tanh(np.dot(w_hh, states[t]) + np.dot(w_xh, x[t].reshape(-1, 1)) + b_h)
        states.append(state)
        outputs.append(np.dot(w_hy, state) + b_y)
    return outputs, states


def gradients(
    params: Params,
    x: Floats,
    y: Floats,
    outputs: list[Floats],
    states: list[Floats],
    faults: Faults = CORRECT,
    rng: np.random.Generator | None = None,
) -> Params:
    """Equations (5) to (8) for one window and the squared error of the last step.

    Args:
        params: what `forward` had.
        x: (T, D).
        y: (O, 1).
        outputs: what `forward` returned.
        states: what `forward` returned.
        faults: what to do wrong.
        rng: the noise of those faults that add some.
    """
    last = (len(params["b_h"]) if faults.loop_over_hidden_size else len(x)) - 1
    first = 1 if faults.first_step_left_out else 0
    shift = 0 if faults.states_off_by_one else 1  # states[t + shift] is taken for a_t
    recurrent = params["W_hh"] if faults.recurrence_not_transposed else params["W_hh"].T
    grads = _where_sums_start(params, faults, rng)
    da = np.zeros((len(x) + 1, *params["b_h"].shape))  # (T + 1, H, 1)
    slope = np.ones_like(params["b_h"])
    for t in range(last, first - 1, -1):
        dy = 2.0 * (outputs[t] - y) if t == last else np.zeros_like(y)
        slope_after, slope = slope, 1.0 - states[t + shift] ** 2
        from_after = da[t + 1] if faults.slope_of_receiving_step else slope_after * da[t + 1]
        from_after = np.dot(recurrent, from_after)
        if faults.slope_of_receiving_step:
            from_after = from_after * slope
        da[t] = np.dot(params["W_hy"].T, dy) + from_after
        dz = da[t] * slope
        grads["b_y"] += dy
        grads["W_hy"] += np.dot(dy, states[t + shift].T)
        grads["W_xh"] += np.dot(dz, x[t].reshape(1, -1))
        grads["W_hh"] += np.dot(dz, states[max(t + shift - 1, 0)].T)
        grads["b_h"] += dz
    return grads


def _where_sums_start(params: Params, faults: Faults, rng: np.random.Generator | None) -> Params:
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    noisy = {"W_hy": faults.noise_in_output_gradient, "W_xh": faults.noise_in_input_gradient}
    for name in (name for name, wrong in noisy.items() if wrong):
        if rng is None:
            raise ValueError(f"the noise in the gradient of {name} needs an rng")
        grads[name] = rng.standard_normal(params[name].shape) / 5.0
    return grads


def train_on(
    params: Params, x: Floats, y: Floats, faults: Faults, rng: np.random.Generator
) -> None:
    """One step of gradient descent on one window, in place."""
    outputs, states = forward(params, x)
    grads = gradients(params, x, y, outputs, states, faults, rng)
    for name, gradient in grads.items():
        params[name] -= LEARNING_RATE * gradient


def train(
    experiment: Experiment,
    rng: np.random.Generator,
    faults: Faults = PUBLISHED,
    epochs: int = EPOCHS,
) -> Params:
    """Train from the first weights on every window in order, `epochs` times."""
    params = first_params(rng)
    for _ in range(epochs):
        for x, y in zip(experiment.x, experiment.y, strict=True):
            train_on(params, x, y, faults, rng)
    return params


def test_rmse(params: Params, experiment: Experiment) -> float:
    """Error over the 101 test targets, in dollars."""
    last = np.array([forward(params, x)[0][-1].item() for x in experiment.x_test])
    return _rmse(last * (experiment.high - experiment.low) + experiment.low - experiment.dollars)


def _rmse(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def training_step(faults: Faults = PUBLISHED) -> Callable[[], Any]:
    """The work of one training step, ready to be timed: H = T = 50, one input, one window."""
    rng = np.random.default_rng(0)
    params = first_params(rng)
    x, y = rng.uniform(size=(LOOKBACK, 1)), rng.uniform(size=(1, 1))
    return lambda: train_on(params, x, y, faults, rng)
