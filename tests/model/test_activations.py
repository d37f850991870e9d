"""Activations keep their contract."""

import pickle
import subprocess
import sys
from dataclasses import replace
from math import exp
from statistics import NormalDist

import numpy as np
import pytest

from forecaster.model import ACTIVATIONS, forward, get_activation, init_params

POINTS = np.array([-30.0, -2.0, -0.5, 0.3, 1.0, 40.0])
VALUES = {
    "tanh": np.tanh(POINTS),
    "relu": np.where(POINTS > 0, POINTS, 0.0),
    "sigmoid": 1.0 / (1.0 + np.exp(-POINTS)),
    "identity": POINTS,
    "leaky_relu": np.where(POINTS > 0, POINTS, 0.01 * POINTS),
    "softsign": POINTS / (1.0 + np.abs(POINTS)),
    "elu": [z if z > 0 else exp(z) - 1.0 for z in POINTS],
    "gelu": [z * NormalDist().cdf(z) for z in POINTS],
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


# E f(z)^2 for a standard normal z, by summing over a fine grid.
GRID = np.linspace(-12.0, 12.0, 240_001)
DENSITY = np.exp(-(GRID**2) / 2.0)
DENSITY /= DENSITY.sum()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "gelu"])
def test_the_gain_of_a_rectifier_keeps_the_mean_square(name):
    """It is 1 / sqrt(E f(z)^2) for a standard normal z: sqrt(2) for relu."""
    f = ACTIVATIONS[name]
    out = np.empty_like(GRID)
    f.value(GRID, out)
    assert f.gain == pytest.approx(1.0 / np.sqrt(DENSITY @ out**2), rel=1e-9)
    assert ACTIVATIONS["relu"].gain == np.sqrt(2.0)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "identity"])
def test_the_gain_of_the_others_is_one_over_the_slope_at_0(name):
    """Near 0 they are a straight line."""
    f = ACTIVATIONS[name]
    a, slope = np.empty(1), np.empty(1)
    f.value(np.zeros(1), a)
    f.slope(a, slope)
    assert f.gain == 1.0 / slope[0]


def _growth(activation, hidden, inputs, *, recurrent_gain=1.0, seed=0):
    """Root mean square of the state after 1 step and after 50, of inputs of variance 1."""
    rng = np.random.default_rng(seed)
    params = init_params(rng, inputs, hidden, 1, gain=activation.gain)
    params["W_hh"] *= recurrent_gain
    _, tape = forward(params, rng.standard_normal((64, 50, inputs)), activation)
    return [float(np.sqrt(np.mean(tape.a[:, t] ** 2))) for t in (1, 50)]


@each
@pytest.mark.parametrize(("hidden", "inputs"), [(16, 1), (32, 4), (64, 3)])
def test_a_state_neither_vanishes_nor_explodes(activation, hidden, inputs):
    """Of ten networks, none's is under 0.7 or over 10 times as large after 50 steps as after one.

    Measured: 0.95 to 2.7 times, and 6 to 9 for identity, which adds up its 50 inputs.
    """
    for seed in range(10):
        first, last = _growth(activation, hidden, inputs, seed=seed)
        assert 0.1 < first < 1.0
        assert 0.7 < last / first < 10.0


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_a_gain_on_the_recurrent_weights_would_explode(name):
    """Which is why W_hh has none: of ten networks the worst grows a thousandfold, and more."""
    f = ACTIVATIONS[name]
    states = [_growth(f, 16, 1, recurrent_gain=f.gain, seed=seed) for seed in range(10)]
    assert max(last / first for first, last in states) > 1000.0


def test_only_gelu_needs_scipy():
    """All others work without loading it."""
    code = (
        "import sys, numpy; from forecaster.model import ACTIVATIONS\n"
        "for name, f in ACTIVATIONS.items():\n"
        "    f.value(numpy.ones(2), a := numpy.empty(2)); f.slope(a, numpy.empty(2))\n"
        "    print(name, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = dict(line.split() for line in done.stdout.splitlines())
    assert [name for name, scipy in loaded.items() if scipy == "True"] == ["gelu"]


def test_gelu_is_not_its_approximation():
    """Against the tanh formula of the same paper: they differ by up to 5e-4."""
    out = np.empty_like(GRID)
    ACTIVATIONS["gelu"].value(GRID, out)
    by_tanh = 0.5 * GRID * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (GRID + 0.044715 * GRID**3)))
    assert 1e-4 < np.abs(out - by_tanh).max() < 1e-3


@each
def test_an_activation_says_what_its_slope_needs(activation):
    """Only gelu's cannot be had from the output; a changed name is all that `replace` needs."""
    assert activation.needs_input == (activation.name == "gelu")
    assert replace(activation, name="own").value is activation.value
