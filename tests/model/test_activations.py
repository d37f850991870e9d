"""Activations keep their contract."""

import pickle

import numpy as np
import pytest

from forecaster.model import ACTIVATIONS, get_activation

POINTS = np.array([-30.0, -2.0, -0.5, 0.3, 1.0, 40.0])
VALUES = {
    "tanh": np.tanh(POINTS),
    "relu": np.where(POINTS > 0, POINTS, 0.0),
    "sigmoid": 1.0 / (1.0 + np.exp(-POINTS)),
    "identity": POINTS,
}
each = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)


@each
def test_values_are_those_of_the_function(activation):
    """Value writes f(z) into `out` and leaves z."""
    z, out = POINTS.copy(), np.empty_like(POINTS)
    activation.value(z, out)
    np.testing.assert_allclose(out, VALUES[activation.name], rtol=1e-12, atol=1e-13)
    assert np.array_equal(z, POINTS)


@each
def test_slopes_are_those_of_the_function(activation):
    """Slope writes f'(z), compared with a central difference."""
    above, below, a, slope = (np.empty_like(POINTS) for _ in range(4))
    activation.value(POINTS + 1e-6, above)
    activation.value(POINTS - 1e-6, below)
    activation.value(POINTS.copy(), a)
    activation.slope(POINTS if activation.needs_input else a, slope)
    np.testing.assert_allclose(slope, (above - below) / 2e-6, atol=1e-8)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_may_be_written_in_place_and_strided(activation, dtype):
    """`out` may be z; arrays may have any strides; the dtype stays."""
    room = np.zeros((6, 2), dtype=dtype)
    z = room[:, 0]
    z[...] = POINTS
    activation.value(z, z)
    np.testing.assert_allclose(z, VALUES[activation.name], rtol=1e-5, atol=1e-6)
    slope = np.zeros_like(room)[:, 1]
    activation.slope(z, slope)
    assert not room[:, 1].any()
    assert np.isfinite(slope).all()


@each
def test_activations_travel_to_other_processes(activation):
    """A pickled activation comes back equal."""
    assert pickle.loads(pickle.dumps(activation)) == activation


def test_an_activation_is_found_by_name_or_is_itself():
    """A value needs no registration."""
    tanh = ACTIVATIONS["tanh"]
    assert get_activation("tanh") is tanh
    assert get_activation(tanh) is tanh
