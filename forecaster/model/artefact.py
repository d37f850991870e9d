"""A network as bytes: npz without pickle, the same network always the same bytes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from io import BytesIO
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np

from forecaster.errors import DataError
from forecaster.model.activations import IDENTITY, Activation, Array, get_activation
from forecaster.model.cell import check_shapes
from forecaster.model.extras import Extras
from forecaster.model.inputs import Encoding, MinMax, Returns, Window
from forecaster.model.motion import Motion
from forecaster.model.network import Network, TrainingSummary
from forecaster.model.probe import Probe, probe, require_unchanged
from forecaster.model.spread import LinearSpread

FORMAT = 3
FEATURES = 6  # of the linear spread
NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")
ENCODINGS: Mapping[str, Callable[..., Encoding]] = {
    "returns": Returns,
    "window": Window,
    "minmax": MinMax,
}


def network_to_bytes(network: Network) -> bytes:
    """The network as npz.

    Five arrays with the members along their first axis, two of the spread where there is one, and
    a JSON text `about` with everything else.
    """
    spread = network.spread
    about = {
        "format": FORMAT,
        "activation": network.activation.name,
        "probe": asdict(probe(network.activation)),
        "inputs": network.encoding.name,
        "encoding": asdict(network.encoding),  # type: ignore[call-overload]
        "extras": asdict(network.extras),
        "horizon": network.horizon,
        "quantiles": network.quantiles,
        "summary": asdict(network.summary),
        "spread": None if spread is None else {"ranged": spread.ranged},
    }
    arrays = {name: np.stack([each[name] for each in network.members]) for name in NAMES}
    if spread is not None:
        arrays |= {"spread_bias": spread.bias, "spread_weights": spread.weights}
    return write(about, arrays)


def network_from_bytes(
    data: bytes, resolve: Callable[[str], Activation] = get_activation
) -> Network:
    """The network that `network_to_bytes` wrote.

    Args:
        data: npz bytes; of an earlier version too, which stored one member and no spread.
        resolve: gives the activation of a name; what it raises passes through. By default only the
            built-in ones are known.

    Raises:
        DataError: the bytes are damaged or not of such a network (code "artefact"), or the
            activation is another function than the one trained with (code "activation_changed").
    """
    with refused(data, "network"):
        about, arrays = read(data)
        if about["format"] == 2:
            about, arrays = _of_format_2(about, arrays)
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']}, this program reads {FORMAT}")
        network = _network(about, arrays)
        name = str(about["activation"])
        then = _read_probe(about["probe"])
    activation = resolve(name)
    require_unchanged(activation, then)
    return replace(network, activation=activation)


def write(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Arrays, and facts that JSON can hold, as npz: the same always as the same bytes."""
    text = json.dumps(about, sort_keys=True).encode()
    file = BytesIO()
    contiguous: dict[str, Any] = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
    np.savez(file, about=np.frombuffer(text, dtype=np.uint8), **contiguous)
    return file.getvalue()


def read(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `write` was given; nothing is unpickled. Call it inside `refused`."""
    with np.load(BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file}
    about = json.loads(arrays.pop("about").tobytes())
    return about, arrays


@contextmanager
def refused(data: bytes, kind: str) -> Iterator[None]:
    """Tell of whatever is wrong with stored bytes, of a "network" or another kind of thing.

    Raises:
        DataError: in place of what making something of them raised (code "artefact").
    """
    try:
        yield
    except (  # the last ones come of flags and headers of the archive that are not as written
        AttributeError, BadZipFile, EOFError, KeyError, OSError, TypeError, ValueError,
        MemoryError, RuntimeError, TokenError,
    ) as error:  # fmt: skip
        raise DataError(
            f"these {len(data)} bytes are not a stored {kind}: {error}",
            remedy="retrain the series, or restore the database from a backup",
            code="artefact",
        ) from error


def digest(data: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def _of_format_2(
    about: dict[str, Any], arrays: Mapping[str, Array]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """What format 3 would say of a network that was stored before it: one member, no season."""
    facts = {key: dict(about[key]) for key in ("encoding", "extras")}
    motion = {"kind": facts["extras"].pop("kind"), "season": None}
    facts["extras"]["motion"] = motion
    if facts["encoding"].pop("kind", None) is not None:
        facts["encoding"]["motion"] = motion
    members = {name: arrays[name][np.newaxis] for name in NAMES}
    return {**about, **facts, "format": FORMAT, "spread": None}, members


def _network(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Network:
    """The network, but for its activation."""
    encoding, extras = _moving(about["encoding"]), _moving(about["extras"])
    network = Network(
        members=_members(arrays),
        encoding=ENCODINGS[about["inputs"]](**encoding),
        extras=Extras(**{**extras, "names": tuple(extras["names"])}),
        horizon=int(about["horizon"]),
        quantiles=tuple(about["quantiles"]),
        activation=IDENTITY,
        summary=TrainingSummary(**about["summary"]),
        spread=_spread(about, arrays),
    )
    _check(network)
    return network


def _moving(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with their motion, where they have one, as such."""
    return {**facts, "motion": Motion(**facts["motion"])} if "motion" in facts else dict(facts)


def _members(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], ...]:
    """Each member's arrays, in memory of its own as after the training."""
    counts = {len(arrays[name]) for name in NAMES}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"its arrays are of {sorted(counts)} members")
    return tuple({name: arrays[name][k].copy() for name in NAMES} for k in range(*counts))


def _spread(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> LinearSpread | None:
    if about["spread"] is None:
        return None
    bias, weights = (arrays[name].astype(np.float64) for name in ("spread_bias", "spread_weights"))
    if bias.shape != (int(about["horizon"]),) or weights.shape != (len(bias), FEATURES):
        raise ValueError(f"its spread has the shapes {bias.shape} and {weights.shape}")
    if not (np.isfinite(bias).all() and np.isfinite(weights).all()):
        raise ValueError("its spread holds numbers that are not finite")
    return LinearSpread(bias, weights, ranged=bool(about["spread"]["ranged"]))


def _read_probe(numbers: Mapping[str, Sequence[float]]) -> Probe:
    then = Probe(**{name: tuple(map(float, each)) for name, each in numbers.items()})
    if not len(then.points) == len(then.values) == len(then.slopes):
        raise ValueError("its activation's points, values and slopes are not equally many")
    return then


def _check(network: Network) -> None:
    encoding = network.encoding
    outputs = encoding.horizon * max(1, len(network.quantiles))
    for params in network.members:
        dtypes = {value.dtype for value in params.values()}
        if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
            raise ValueError(f"its arrays are of type {', '.join(sorted(map(str, dtypes)))}")
        check_shapes(params, np.empty((1, encoding.lookback, 1 + network.extras.width)))
        if len(params["b_y"]) != outputs or encoding.horizon not in (1, network.horizon):
            raise ValueError(f"it has {len(params['b_y'])} outputs for horizon {network.horizon}")
        if not all(np.isfinite(value).all() for value in params.values()):
            raise ValueError("it holds numbers that are not finite")
