"""A network survives being stored, and damage is noticed."""

import io
import json
import re
from dataclasses import replace

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


def _faulty(**functions):
    """Tanh under a name of one's own, with other functions."""
    tanh = ACTIVATIONS["tanh"]
    return Activation("own", functions.get("value", tanh.value), functions.get("slope", tanh.slope))


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (
            _faulty(value=ACTIVATIONS["softsign"].value),
            "its value at -23.7 was -1 then and is -0.95951417 now",
        ),
        (
            _faulty(value=lambda z, out: np.tanh(1.000001 * z, out=out)),
            "its value at -2.9 was -0.993963167 then and is -0.993963202 now",
        ),
        (
            _faulty(slope=lambda a, out: np.multiply(1.001, 1.0 - a * a, out=out)),
            "its slope at -7.3 was 1.82",
        ),
        (_faulty(value=lambda z, out: out.fill(np.nan)), "is nan now"),
    ],
)
def test_another_function_under_the_same_name_is_refused(now, message):
    """The point is named, with what was there then and what is there now."""
    data = network_to_bytes(_network(activation=_faulty()))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        network_from_bytes(data, lambda _: now)
    assert caught.value.code == "activation_changed"
    assert str(caught.value).startswith("activation 'own' is no longer the function that the model")
    assert "run with --retrain" in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_the_same_function_written_otherwise_is_the_same():
    """What differs by rounding alone, as on another processor, is no other function."""
    data = network_to_bytes(_network(activation=_faulty()))
    other = _faulty(value=lambda z, out: np.copyto(out, 1.0 - 2.0 / (1.0 + np.exp(2.0 * z))))
    assert network_from_bytes(data, lambda _: other).activation is other


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda each: each.name)
def test_each_activation_is_recognised(activation):
    """Every activation's own probe fits it and no other's does; the bytes are always the same."""
    data = network_to_bytes(_network(activation=activation))
    assert network_from_bytes(data).activation is activation
    assert network_to_bytes(_network(activation=activation)) == data
    for other in ACTIVATIONS.values():
        if other is not activation:
            with pytest.raises(DataError, match="no longer the function"):
                network_from_bytes(data, lambda _, other=other: other)


def test_where_an_activation_gives_no_number_it_gives_none_later():
    """A function that is NaN or infinite at some point is stored with that, and recognised."""
    odd = _faulty(slope=lambda a, out: np.copyto(out, np.where(a < -0.9, np.nan, 1.0)))
    network = replace(_network(), activation=odd)
    assert network_from_bytes(network_to_bytes(network), lambda _: odd).activation is odd


def _about(data, **changes):
    """The artefact with some of its facts replaced."""
    with np.load(io.BytesIO(data)) as file:
        about = json.loads(file["about"].tobytes()) | changes
    return _rewritten(data, about=np.frombuffer(json.dumps(about).encode(), np.uint8))


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
        lambda data: _about(data, format=1),
        lambda data: _about(data, probe=None),
        lambda data: _about(data, probe=[]),
        lambda data: _about(data, probe={"points": [1.0], "values": [], "slopes": [1.0]}),
        lambda data: _about(data, probe={"points": [1.0], "values": ["x"], "slopes": [1.0]}),
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
