"""A task that is all memory: of twenty random numbers, say the sixth from the end.

Prices hardly show whether a gradient finds its way back in time: the last one says nearly all there
is. Here nothing but an input five steps back helps, and a network that cannot learn it errs as much
as one that always says the mean.
"""

from collections.abc import Mapping

import numpy as np
from article import Faults, Floats
from together import SEEDS, orthogonal_params, start_together

RECALL_STEPS = RECALL_HIDDEN = 20
BACK = 5  # steps from the last input to the one asked for
WINDOWS = 10_000
TESTED = 500
RATE = 1e-2


def recall_window(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Inputs (T, 1) and what to recall of them (1, 1)."""
    x = rng.uniform(-1.0, 1.0, (RECALL_STEPS, 1))
    return x, x[-1 - BACK].reshape(1, 1)


def recall_errors(faults: Mapping[str, Faults], hidden: int) -> dict[str, list[float]]:
    """RMSE over the standard deviation of the targets, for each seed; NaN where training diverged.

    Plain gradient descent, one window at a time, from an orthogonal W_hh.

    Args:
        faults: what to do wrong, by name.
        hidden: H.
    """
    together = start_together(list(faults.values()), hidden, orthogonal_params, RATE)
    rng = np.random.default_rng(0)
    errors = []
    with np.errstate(over="ignore", invalid="ignore"):
        for window in range(WINDOWS + TESTED):
            x, y = recall_window(rng)
            if window < WINDOWS:
                together.train_on(x, y)
            else:
                errors.append(together.forward(x)[0][-1, :, 0, 0] - y.item())
    relative = np.sqrt(np.mean(np.square(errors), axis=0) * 3.0)  # their variance is 1/3
    shares = relative.reshape(len(faults), SEEDS)
    return dict(zip(faults, shares.tolist(), strict=True))
