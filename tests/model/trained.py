"""Series to train on, networks trained on them, and one whose numbers can be worked out."""

import numpy as np

from forecaster.config import ModelSettings
from forecaster.model import ACTIVATIONS, Motion, Network, TrainingSummary, train_network
from forecaster.model.extras import Extras
from forecaster.model.inputs import MinMax

SETTINGS = ModelSettings(
    lookback=8, horizon=3, hidden_size=8, epochs=6, learning_rate=3e-3, validation=0.15
)


def prices(n=300, seed=0, phi=0.0):
    """Prices whose returns follow an AR(1) with coefficient phi."""
    rng = np.random.default_rng(seed)
    r = rng.normal(0.0, 0.01, n)
    for t in range(1, n):
        r[t] += phi * r[t - 1]
    return 100.0 * np.exp(np.cumsum(r))


def train(values, settings=SETTINGS, seed=0, motion=None, ranges=None, **changes):
    """A network trained with these settings, but for the changes."""
    settings = settings.model_copy(update=changes)
    return train_network(
        values,
        settings,
        motion=motion or Motion(),
        activation=ACTIVATIONS[settings.activation],
        rng=np.random.default_rng(seed),
        ranges=ranges,
    )


ONE_MEMBER = Network(
    members=(
        {
            "W_xh": np.array([[0.5]]), "W_hh": np.array([[0.8]]), "b_h": np.array([0.1]),
            "W_hy": np.array([[2.0], [1.0]]), "b_y": np.array([-0.3, 0.1]),
        },
    ),
    encoding=MinMax(lookback=2, horizon=2, low=0.0, high=10.0),
    extras=Extras((), Motion(), 0.94),
    horizon=2,
    quantiles=(),
    activation=ACTIVATIONS["identity"],
    summary=TrainingSummary(50, 1, 1, 0.5, None, None),
)  # fmt: skip
