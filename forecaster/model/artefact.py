"""A network as bytes: npz without pickle, the same network always the same bytes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np

from forecaster.errors import DataError
from forecaster.model.activations import Activation, Array, get_activation
from forecaster.model.cell import check_shapes
from forecaster.model.extras import Extras
from forecaster.model.inputs import Encoding, MinMax, Returns, Window
from forecaster.model.network import Network, TrainingSummary
from forecaster.model.probe import Probe, probe, require_unchanged

FORMAT = 2
NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")
ENCODINGS: Mapping[str, Callable[..., Encoding]] = {
    "returns": Returns,
    "window": Window,
    "minmax": MinMax,
}


def network_to_bytes(network: Network) -> bytes:
    """The network as npz: the five arrays, and a JSON text `about` with everything else."""
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
    }
    text = json.dumps(about, sort_keys=True).encode()
    file = BytesIO()
    arrays = {name: np.ascontiguousarray(network.params[name]) for name in NAMES}
    np.savez(file, about=np.frombuffer(text, dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def network_from_bytes(
    data: bytes, resolve: Callable[[str], Activation] = get_activation
) -> Network:
    """The network that `network_to_bytes` wrote.

    Args:
        data: npz bytes.
        resolve: gives the activation of a name; what it raises passes through. By default only the
            built-in ones are known.

    Raises:
        DataError: the bytes are damaged or not of such a network (code "artefact"), or the
            activation is another function than the one trained with (code "activation_changed").
    """
    try:
        about, params = _read(data)
        encoding = ENCODINGS[about["inputs"]](**about["encoding"])
        summary = TrainingSummary(**about["summary"])
        names = tuple(about["extras"].pop("names"))
        extras = Extras(names, **about["extras"])
        horizon, quantiles = int(about["horizon"]), tuple(about["quantiles"])
        _check(params, encoding, extras, horizon, quantiles)
        name = str(about["activation"])
        then = _read_probe(about["probe"])
    except (
        AttributeError, BadZipFile, EOFError, KeyError, OSError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise DataError(
            f"these {len(data)} bytes are not a stored network: {error}",
            remedy="retrain the series, or restore the database from a backup",
            code="artefact",
        ) from error
    activation = resolve(name)
    require_unchanged(activation, then)
    return Network(params, encoding, extras, horizon, quantiles, activation, summary)


def digest(data: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    with np.load(BytesIO(data), allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
        params = {name: file[name] for name in NAMES}
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']}, this program reads {FORMAT}")
    return about, params


def _read_probe(numbers: Mapping[str, Sequence[float]]) -> Probe:
    then = Probe(**{name: tuple(map(float, each)) for name, each in numbers.items()})
    if not len(then.points) == len(then.values) == len(then.slopes):
        raise ValueError("its activation's points, values and slopes are not equally many")
    return then


def _check(
    params: Mapping[str, Array],
    encoding: Encoding,
    extras: Extras,
    horizon: int,
    quantiles: tuple[float, ...],
) -> None:
    dtypes = {value.dtype for value in params.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"its arrays are of type {', '.join(sorted(map(str, dtypes)))}")
    check_shapes(params, np.empty((1, encoding.lookback, 1 + extras.width)))
    outputs = encoding.horizon * max(1, len(quantiles))
    if len(params["b_y"]) != outputs or encoding.horizon not in (1, horizon):
        raise ValueError(f"it has {len(params['b_y'])} outputs for horizon {horizon}")
    if not all(np.isfinite(value).all() for value in params.values()):
        raise ValueError("it holds numbers that are not finite")
