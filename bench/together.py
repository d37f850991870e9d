"""Networks with the article's faults, trained side by side: the same numbers, several at a time."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import article
import numpy as np
from article import Experiment, Faults, Floats, Params
from numpy.typing import NDArray
from rich.progress import track

from forecaster.model import init_params

SEEDS = 3

First = Callable[[np.random.Generator, int, int], Params]


@dataclass(frozen=True, eq=False)
class Together:
    """N networks that are trained side by side on the same windows, each with faults of its own.

    The same numbers as `article.gradients`, N at a time: what a fault changes in the loop is
    prepared before it. Arrays have a leading axis for the network.
    """

    faults: Sequence[Faults]
    rngs: Sequence[np.random.Generator]
    params: Params  # W_xh (N, H, 1), W_hh (N, H, H), b_h (N, H, 1), W_hy (N, 1, H), b_y (N, 1, 1)
    learning_rate: float = article.LEARNING_RATE

    def train_on(self, x: Floats, y: Floats) -> None:
        """One step of gradient descent on one window, x (T, 1), y (1, 1)."""
        outputs, states = self.forward(x)
        for name, gradient in self.gradients(x, y, outputs, states).items():
            self.params[name] -= self.learning_rate * gradient

    def forward(self, x: Floats) -> tuple[Floats, Floats]:
        """Equations (1) to (3): outputs (T, N, 1, 1), states (T + 1, N, H, 1)."""
        params = self.params
        states = np.zeros((len(x) + 1, *params["b_h"].shape))
        states[1:] = params["W_xh"] * x.reshape(-1, 1, 1, 1) + params["b_h"]
        for before, after in pairwise(states):
            np.tanh(params["W_hh"] @ before + after, out=after)
        return params["W_hy"] @ states[1:] + params["b_y"], states

    def gradients(self, x: Floats, y: Floats, outputs: Floats, states: Floats) -> Params:
        """Equations (5) to (8), as `article.gradients` has them."""
        params, steps = self.params, len(x)
        shift = self._where("states_off_by_one")
        after = np.where(shift, states[:-1], states[1:])  # (T, N, H, 1), what is taken for a_t
        before = np.where(shift, states[np.maximum(np.arange(steps) - 1, 0)], states[:-1])
        slope = 1.0 - after**2
        receiving = self._where("slope_of_receiving_step")
        on_the_way_in = np.where(receiving, 1.0, slope)  # multiplies before W_hh', as in (6)
        on_the_way_out = np.where(receiving, slope, 1.0)
        transposed = params["W_hh"].swapaxes(1, 2)
        recurrent = np.where(
            self._where("recurrence_not_transposed"), params["W_hh"], transposed
        )  # (N, H, H)

        # In a network of its own each fault may begin at another step.
        lasts = [
            (params["b_h"].shape[1] if each.loop_over_hidden_size else steps) - 1
            for each in self.faults
        ]
        da = np.zeros((steps + 1, *params["b_h"].shape))
        dy = np.zeros((steps, len(self.faults), 1, 1))
        for network, last in enumerate(lasts):
            dy[last, network] = 2.0 * (outputs[last, network] - y)
        da[:-1] = params["W_hy"].swapaxes(1, 2) * dy
        for t in range(max(lasts) - 1, -1, -1):
            da[t] += (recurrent @ (on_the_way_in[t + 1] * da[t + 1])) * on_the_way_out[t]
        dz = da[:-1] * slope
        dz[0] *= ~self._where("first_step_left_out")
        return self._sums(x, dy, dz, after, before)

    def _sums(self, x: Floats, dy: Floats, dz: Floats, after: Floats, before: Floats) -> Params:
        """Equations (7) and (8): sums over t as one product for each network."""
        across = dz[..., 0].transpose(1, 2, 0)  # (N, H, T)
        grads = {
            "W_hh": across @ before[..., 0].transpose(1, 0, 2),
            "W_xh": across @ x,
            "b_h": dz.sum(axis=0),
            "W_hy": (dy * after).sum(axis=0).swapaxes(1, 2),
            "b_y": dy.sum(axis=0),
        }
        for network, (faults, rng) in enumerate(zip(self.faults, self.rngs, strict=True)):
            if faults.noise_in_output_gradient:
                grads["W_hy"][network] += rng.standard_normal(grads["W_hy"].shape[1:]) / 5.0
            if faults.noise_in_input_gradient:
                grads["W_xh"][network] += rng.standard_normal(grads["W_xh"].shape[1:]) / 5.0
        return grads

    def _where(self, fault: str) -> NDArray[np.bool_]:
        return np.array([getattr(each, fault) for each in self.faults]).reshape(-1, 1, 1)


def orthogonal_params(rng: np.random.Generator, inputs: int, hidden: int) -> Params:
    """This program's first weights as columns: W_hh is orthogonal."""
    params = init_params(rng, inputs, hidden, 1)
    return {name: value.reshape(len(value), -1) for name, value in params.items()}


def start_together(
    faults: Sequence[Faults],
    hidden: int = article.HIDDEN,
    first: First = article.first_params,
    learning_rate: float = article.LEARNING_RATE,
) -> Together:
    """Networks with these faults, SEEDS of each: the first three start alike, and so on."""
    rngs = [np.random.default_rng(seed) for _ in faults for seed in range(SEEDS)]
    firsts = [first(rng, 1, hidden) for rng in rngs]
    params = {name: np.stack([each[name] for each in firsts]) for name in firsts[0]}
    kinds = [each for each in faults for _ in range(SEEDS)]
    return Together(kinds, rngs, params, learning_rate)


def trained(
    experiment: Experiment,
    faults: Sequence[Faults],
    hidden: int = article.HIDDEN,
    epochs: int = article.EPOCHS,
    first: First = article.first_params,
) -> dict[Faults, list[Params]]:
    """The weights after the article's training, for each seed."""
    together = start_together(faults, hidden, first)
    for _ in track(range(epochs), f"H = {hidden}", disable=not sys.stderr.isatty()):
        with np.errstate(over="ignore", invalid="ignore"):  # some of the wrong ones diverge
            for x, y in zip(experiment.x, experiment.y, strict=True):
                together.train_on(x, y)
    each = [
        {name: value[network] for name, value in together.params.items()}
        for network in range(len(together.faults))
    ]
    return {kind: each[SEEDS * i : SEEDS * (i + 1)] for i, kind in enumerate(faults)}
