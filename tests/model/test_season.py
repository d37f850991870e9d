"""A series with a season is forecast by its deviation from the seasonal naive forecast."""

from dataclasses import replace

import numpy as np
import pytest

from forecaster.errors import DataError
from forecaster.model import Motion, bars_needed

from .trained import SETTINGS, train


def _seasonal(n=700, season=7, seed=0):
    """A season, an AR(1) around it, and a level above zero."""
    rng = np.random.default_rng(seed)
    noise = np.zeros(n)
    for t in range(1, n):
        noise[t] = 0.8 * noise[t - 1] + rng.normal(0.0, 0.2)
    return 10.0 + np.sin(np.arange(n) * 2 * np.pi / season) + noise


@pytest.mark.parametrize("kind", ["price", "difference"])
def test_with_a_season_the_untrained_network_repeats_it(kind):
    """The baseline is the seasonal naive forecast, to the last bit."""
    values = _seasonal()
    settings = SETTINGS.model_copy(update={"horizon": 10, "learning_rate": 1e-30})
    network = train(values, settings, motion=Motion(kind, 7))
    expected = [*values[-7:], *values[-7:-4]]
    np.testing.assert_allclose(network.predict(values), expected, rtol=1e-6)
    network = replace(network, members=(_silent(network.members[0]),))
    assert np.array_equal(network.predict(values), expected)


def _silent(params):
    return {**params, "W_hy": 0.0 * params["W_hy"], "b_y": 0.0 * params["b_y"]}


@pytest.mark.parametrize("kind", ["price", "difference"])
def test_with_a_season_the_deviation_from_it_is_learnt(kind):
    """Where the noise around a season lasts, the error is well below the seasonal naive's."""
    values = _seasonal(1100)
    settings = SETTINGS.model_copy(update={"epochs": 60, "lookback": 14, "learning_rate": 0.01})
    network = train(values[:800], settings, motion=Motion(kind, 7))
    ends = range(800, 1097)
    errors = [network.predict(values[:end]) - values[end : end + 3] for end in ends]
    naive = [values[end - 7 : end - 4] - values[end : end + 3] for end in ends]
    assert np.abs(errors).mean() < 0.8 * np.abs(naive).mean()


def test_bars_needed_with_a_season_are_enough_and_one_less_is_told():
    """A season takes as many more as it is longer than a session."""
    needed = bars_needed(SETTINGS, 7)
    assert needed == bars_needed(SETTINGS) + 6
    values = _seasonal(needed)
    motion = Motion("difference", 7)
    train(values, motion=motion)
    with pytest.raises(DataError, match=f"training needs {needed} "):
        train(values[1:], motion=motion)
