"""A network survives being stored, and damage is noticed."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.errors import DataError, PluginError
from forecaster.model import (
    ACTIVATIONS,
    Activation,
    Motion,
    digest,
    network_from_bytes,
    network_to_bytes,
    train_network,
)

NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")
VALUES = 50.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 150)))


def _network(
    inputs="returns", dtype="float32", activation=ACTIVATIONS["relu"], values=VALUES, **changes
):
    settings = ModelSettings(
        inputs=inputs, dtype=dtype, lookback=6, horizon=2, hidden_size=4, epochs=2
    )
    return train_network(
        values,
        settings,
        motion=changes.get("motion", Motion()),
        activation=activation,
        rng=np.random.default_rng(0),
        ranges=changes.get("ranges"),
    )


def _long(n=400, seed=1):
    """Values that are enough to fit a spread on."""
    return 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, n)))


@pytest.mark.parametrize("inputs", ["returns", "window", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_comes_back_forecasts_the_same_bits(inputs, dtype):
    """Parameters, encoding, activation and summary all return."""
    network = _network(inputs, dtype)
    back = network_from_bytes(network_to_bytes(network))
    assert np.array_equal(back.predict(VALUES), network.predict(VALUES))
    assert (back.encoding, back.summary) == (network.encoding, network.summary)
    assert back.activation is ACTIVATIONS["relu"]
    assert back.members[0]["W_hh"].dtype == np.dtype(dtype)
    assert network_to_bytes(back) == network_to_bytes(network)
    assert (len(back.members), back.spread) == (3, None)


@pytest.mark.parametrize("motion", [Motion(), Motion("difference"), Motion("price", 5)], ids=str)
@pytest.mark.parametrize("ranged", [True, False])
def test_the_spread_and_the_motion_come_back(motion, ranged):
    """And say the same, to the last bit."""
    values = _long()
    ranges = np.full(400, 0.02) + 0.001 * values if ranged else None
    network = _network(values=values, motion=motion, ranges=ranges)
    back = network_from_bytes(network_to_bytes(network))
    assert (back.extras, back.encoding) == (network.extras, network.encoding)
    assert back.encoding.motion == motion
    assert back.spread.ranged == ranged
    found, expected = (each.spread.scales(values, ranges, motion) for each in (back, network))
    assert np.array_equal(found, expected)
    assert np.array_equal(back.predict(values), network.predict(values))
    assert network_to_bytes(back) == network_to_bytes(network)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("returns", [54.88071523717821, 54.892984206309386]),
        ("minmax", [54.67998430788721, 54.71108363447551]),
        ("quantiles", [55.03571541724527, 55.01302540502]),
    ],
)
def test_what_an_earlier_version_stored_says_what_it_said(name, said):
    """Format 2: one network, without a spread; it is stored again in the present format."""
    data = (Path(__file__).parent / "format_2" / f"{name}.npz").read_bytes()
    network = network_from_bytes(data)
    np.testing.assert_allclose(network.predict(VALUES), said, rtol=1e-9)
    assert (len(network.members), network.spread) == (1, None)
    assert network.extras.motion == Motion()
    again = network_from_bytes(network_to_bytes(network))
    assert np.array_equal(again.predict(VALUES), network.predict(VALUES))


def test_nothing_is_pickled():
    """Every array loads with allow_pickle=False."""
    with np.load(io.BytesIO(network_to_bytes(_network())), allow_pickle=False) as file:
        assert sorted(file) == ["W_hh", "W_hy", "W_xh", "about", "b_h", "b_y"]
        assert all(file[name].dtype.kind in "fu" for name in file)
        assert file["W_xh"].shape == (3, 4, 4)  # the members come first


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
        lambda data: _rewritten(data, W_hh=np.zeros((3, 3, 4), np.float32)),
        lambda data: _rewritten(data, W_hh=np.zeros((3, 4, 4), np.float64)),
        lambda data: _rewritten(data, W_hh=np.zeros((4, 4), np.float32)),
        lambda data: _rewritten(data, W_hh=np.zeros((2, 4, 4), np.float32)),
        lambda data: _rewritten(data, W_hh=np.float32(1.0)),
        lambda data: _rewritten(data, b_h=np.full((3, 4), np.nan, np.float32)),
        lambda data: _rewritten(data, W_hy=np.zeros((3, 5, 4), "f4"), b_y=np.zeros((3, 5), "f4")),
        lambda data: _rewritten(data, **{name: np.zeros((0, 4)) for name in NAMES}),
        lambda data: _rewritten(data, about=np.frombuffer(b"[]", np.uint8)),
        lambda data: _rewritten(data, about=np.frombuffer(b'{"format": 2}', np.uint8)),
        lambda data: _rewritten(data, about=np.frombuffer(b'{"format": 3}', np.uint8)),
        lambda data: _rewritten(data, about=np.frombuffer(b'{"format": 1}', np.uint8)),
        lambda data: _about(data, format=1),
        lambda data: _about(data, format=2),
        lambda data: _about(data, format=4),
        lambda data: _about(data, spread={"ranged": True}),
        lambda data: _about(data, extras={"names": [], "decay": 0.94, "motion": {"kin": "price"}}),
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


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: _rewritten(data, spread_bias=None),
        lambda data: _rewritten(data, spread_bias=np.zeros(3)),
        lambda data: _rewritten(data, spread_weights=np.zeros((2, 5))),
        lambda data: _rewritten(data, spread_weights=np.full((2, 6), np.inf)),
        lambda data: _rewritten(data, spread_weights=np.array(["wide"] * 12).reshape(2, 6)),
        lambda data: _about(data, spread={}),
    ],
)
def test_damage_to_the_spread_is_told(damage):
    """As that to the network is."""
    data = network_to_bytes(_network(values=_long()))
    assert network_from_bytes(data).spread is not None
    with pytest.raises(DataError, match="not a stored network") as caught:
        network_from_bytes(damage(data))
    assert caught.value.code == "artefact"


def test_the_digest_is_sha256():
    """In hexadecimal."""
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
