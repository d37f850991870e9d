"""A network survives being stored, and damage is noticed."""

import io

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.errors import DataError, PluginError
from forecaster.model import (
    ACTIVATIONS,
    Activation,
    digest,
    network_from_bytes,
    network_to_bytes,
    train_network,
)

VALUES = 50.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 150)))


def _network(inputs="returns", dtype="float32", activation=ACTIVATIONS["relu"]):
    settings = ModelSettings(
        inputs=inputs, dtype=dtype, lookback=6, horizon=2, hidden_size=4, epochs=2
    )
    return train_network(
        VALUES, settings, values_kind="price", activation=activation, rng=np.random.default_rng(0)
    )


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_comes_back_forecasts_the_same_bits(inputs, dtype):
    """Parameters, encoding, activation and summary all return."""
    network = _network(inputs, dtype)
    back = network_from_bytes(network_to_bytes(network))
    assert np.array_equal(back.predict(VALUES), network.predict(VALUES))
    assert (back.encoding, back.summary) == (network.encoding, network.summary)
    assert back.activation is ACTIVATIONS["relu"]
    assert back.params["W_hh"].dtype == np.dtype(dtype)
    assert network_to_bytes(back) == network_to_bytes(network)


def test_nothing_is_pickled():
    """Every array loads with allow_pickle=False."""
    with np.load(io.BytesIO(network_to_bytes(_network())), allow_pickle=False) as file:
        assert sorted(file) == ["W_hh", "W_hy", "W_xh", "about", "b_h", "b_y"]
        assert all(file[name].dtype.kind in "fu" for name in file)


def test_an_activation_of_ones_own_is_resolved_by_name():
    """A name that is gone is what the resolver says, and never another function."""
    own = Activation("own", ACTIVATIONS["tanh"].value, ACTIVATIONS["tanh"].slope)
    data = network_to_bytes(_network(activation=own))
    assert network_from_bytes(data, {"own": own}.__getitem__).activation is own

    def gone(name):
        raise PluginError(f"activation {name!r} has gone missing")

    with pytest.raises(PluginError, match="'own'"):
        network_from_bytes(data, gone)
    with pytest.raises(ValueError, match="'own' is unknown"):
        network_from_bytes(data)


def _rewritten(data, **changes):
    """The artefact with some of its arrays replaced."""
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file}
    out = io.BytesIO()
    np.savez(
        out, **{name: value for name, value in (arrays | changes).items() if value is not None}
    )
    return out.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not an npz",
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + b"\xff" * 40 + data[240:],
        lambda data: _rewritten(data, W_hh=None),
        lambda data: _rewritten(data, about=None),
        lambda data: _rewritten(data, W_hh=np.zeros((3, 4), np.float32)),
        lambda data: _rewritten(data, W_hh=np.zeros((4, 4), np.float64)),
        lambda data: _rewritten(data, b_h=np.full(4, np.nan, np.float32)),
        lambda data: _rewritten(data, W_hy=np.zeros((5, 4), "f4"), b_y=np.zeros(5, "f4")),
        lambda data: _rewritten(data, about=np.frombuffer(b"[]", np.uint8)),
        lambda data: _rewritten(data, about=np.frombuffer(b'{"format": 2}', np.uint8)),
        lambda data: _rewritten(data, about=np.frombuffer(b'{"format": 1}', np.uint8)),
    ],
)
def test_damage_is_told_in_one_line(damage):
    """Cut, overwritten, incomplete or ill-shaped bytes are a DataError with code "artefact"."""
    with pytest.raises(DataError) as caught:
        network_from_bytes(damage(network_to_bytes(_network())))
    assert caught.value.code == "artefact"
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_the_digest_is_sha256():
    """In hexadecimal."""
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
