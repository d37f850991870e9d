"""The check of activations is itself checked: each broken promise is refused by its name."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from forecaster.hooks import build_registry
from forecaster.model import ACTIVATIONS, Activation
from forecaster.testing import check_activation

TANH, RELU, GELU = (ACTIVATIONS[name] for name in ("tanh", "relu", "gelu"))
calls = count()

REGISTERED = [
    each.value for each in build_registry(only=["forecaster"]).provided("activation").values()
]


@pytest.mark.parametrize("activation", REGISTERED, ids=lambda each: each.name)
def test_every_registered_activation_passes(activation: Activation) -> None:
    """All that the program comes with keep their promises."""
    check_activation(activation)
    assert len(REGISTERED) == 8


def made(
    value: Callable[[Any], Any], slope: Callable[[Any], Any], *, of_input: bool = True
) -> Activation:
    """Return an activation of two plain functions."""
    return Activation(
        "own",
        lambda z, out: np.copyto(out, value(z)),
        lambda given, out: np.copyto(out, slope(given)),
        needs_input=of_input,
    )


HONEST = {
    "hard_tanh": made(lambda z: np.clip(z, -1.0, 1.0), lambda z: np.where(abs(z) < 1.0, 1.0, 0.0)),
    "relu6": made(
        lambda z: np.clip(z, 0.0, 6.0), lambda z: np.where((z > 0.0) & (z < 6.0), 1.0, 0.0)
    ),
    "softplus": made(lambda z: np.logaddexp(0.0, z), lambda z: (1.0 + np.tanh(z / 2.0)) / 2.0),
    "snake": made(lambda z: z + np.sin(z) ** 2, lambda z: 1.0 + 2.0 * np.sin(z) * np.cos(z)),
    "asinh": made(np.arcsinh, lambda z: 1.0 / np.hypot(1.0, z)),
    "abs": made(np.abs, np.sign),
    "steep": made(
        lambda z: np.tanh(30.0 * np.clip(z, -9.0, 9.0)),
        lambda z: 30.0 * (1.0 - np.tanh(30.0 * np.clip(z, -9.0, 9.0)) ** 2),
    ),
    "faint": made(lambda z: 1e-3 * z, lambda z: 1e-3 + 0.0 * z),
}


@pytest.mark.parametrize("name", HONEST)
def test_other_honest_functions_pass(name: str) -> None:
    """Kinks at 0, 1 or 6, oscillation, steep and faint slopes trip nothing."""
    check_activation(HONEST[name])
    assert HONEST[name].gain == 1.0


def value(function: Callable[[Any, Any], object]) -> Activation:
    """Return tanh with another `value`."""
    return replace(TANH, name="own", value=function)


def slope(function: Callable[[Any, Any], object]) -> Activation:
    """Return tanh with another `slope`."""
    return replace(TANH, name="own", slope=function)


def tanh_slope(a: Any, out: Any) -> None:
    """Write the right slope of tanh."""
    np.subtract(1.0, a * a, out=out)


def _first_only(z: Any, out: Any) -> None:
    np.tanh(z[:1], out=out[:1])


def _not_the_last(a: Any, out: Any) -> None:
    tanh_slope(a, out)
    out[..., -1] = np.nan if a.size > 1 else out[..., -1]


def _through_ravel(z: Any, out: Any) -> None:
    np.tanh(z.ravel(), out=out.ravel())


def _adds(z: Any, out: Any) -> None:
    out[...] = np.tanh(z) + (0.0 if np.isnan(out).any() else 0.1)


def _counts(a: Any, out: Any) -> None:
    tanh_slope(a, out)
    out += 1e-12 * next(calls)


def _changes_z(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    if out is not z:
        z *= 0.5


def _changes_a(a: Any, out: Any) -> None:
    tanh_slope(a, out)
    a *= a


def _beside(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    base = out
    while base.base is not None:
        base = base.base
    base.ravel()[-1] *= 1.0 if base.size == out.size else 2.0


def _half_in_place(z: Any, out: Any) -> None:
    np.abs(z, out=out)
    out += 1.0
    np.divide(z, out, out=out)


def _softmax(z: Any, out: Any) -> None:
    np.exp(z - z.max(), out=out)
    out /= out.sum()


def _hides_nan(z: Any, out: Any) -> None:
    np.tanh(np.nan_to_num(z), out=out)


def _spreads_nan(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    out *= 1.0 if np.isfinite(z).all() else np.nan


def _hides_infinity(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    np.copyto(out, 0.0, where=np.isinf(z))


def _nan_at_zero(z: Any, out: Any) -> None:
    np.multiply(z, np.divide(z, z), out=out)


def _in_order_of_memory(z: Any, out: Any) -> None:
    out[...] = np.tanh(z).ravel("K").reshape(z.shape)


def _mixes_rows(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    if z.ndim > 1:
        out *= 1.0 + 0.1 * (z.max() > 1.0)


def _exits(z: Any, out: Any) -> None:
    raise SystemExit(3)


def _overflowing_sigmoid(z: Any, out: Any) -> None:
    out[...] = 1.0 / (1.0 + np.exp(-z))


def _nan_when_huge(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    np.copyto(out, np.nan, where=np.abs(z) > 1e30)


def _divides(a: Any, out: Any) -> None:
    tanh_slope(a, out)
    np.divide(1.0, 1.0 / out, out=out)


def _infinite_slope(a: Any, out: Any) -> None:
    out.fill(1.0)
    np.copyto(out, np.inf, where=np.abs(a) > 1e100 if a.dtype == np.float64 else np.abs(a) > 1e30)


def _coarse(z: Any, out: Any) -> None:
    out[...] = np.tanh(z) if z.dtype == np.float64 else np.tanh(z.astype(np.float16))


def _narrow(z: Any, out: Any) -> None:
    out[...] = np.tanh(z.astype(np.float32))


def _narrow_slope(a: Any, out: Any) -> None:
    tanh_slope(a.astype(np.float32), out)


def _reshapes(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    with warnings.catch_warnings(action="ignore"):  # NumPy means to forbid it
        out.shape = (out.size,)


def _raises(z: Any, out: Any) -> None:
    raise RuntimeError("burst")


def _only_rows(z: Any, out: Any) -> None:
    np.tanh(z, out=out)
    if z.ndim > 2:
        raise ValueError("two axes at most")


FAULTS: dict[str, tuple[Any, str]] = {
    "no activation": (np.tanh, "<ufunc 'tanh'> is no forecaster.model.Activation"),
    "no name": (replace(TANH, name=" "), "the activation's name is ' ' and must be a word"),
    "a number for a name": (replace(TANH, name=3), "name is 3 and must be a word"),  # type: ignore[arg-type]
    "no gain": (replace(TANH, gain=0.0), "'tanh': its gain is 0.0 and must be a positive number"),
    "infinite gain": (replace(TANH, gain=np.inf), "its gain is inf"),
    "NaN gain": (replace(TANH, gain=np.nan), "its gain is nan"),
    "text for a gain": (replace(TANH, gain="1"), "its gain is '1'"),  # type: ignore[arg-type]
    "value raises": (
        value(_raises),
        "'own': value raises RuntimeError (float64 (1,), contiguous, to out, contiguous): burst",
    ),
    "slope raises": (slope(_raises), "'own': slope raises RuntimeError (float64 (1,), contig"),
    "value exits": (value(_exits), "'own': value raises SystemExit (float64 (1,), contiguous, to"),
    "NaN at zero": (
        replace(ACTIVATIONS["identity"], value=_nan_at_zero), "value(0) is nan (float64)"
    ),
    "by its place in memory": (value(_in_order_of_memory), "value gives other numbers here than"),
    "mixes rows": (value(_mixes_rows), "value gives other numbers here than"),
    "slope of one axis": (
        slope(lambda a, out: np.multiply(1.0 - a * a, 1.0 + (a.ndim > 1), out=out)),
        "slope gives other numbers here than",
    ),
    "raises at three axes": (value(_only_rows), "value raises ValueError (float64 (2, 3, 4), "),
    "returned, not written": (
        value(lambda z, out: np.tanh(z)),
        "value does not write out[0] (float64 (1,), contiguous",
    ),
    "slope returned, not written": (
        slope(lambda a, out: 1.0 - a * a),
        "slope does not write out[0]",
    ),
    "first row only": (value(_first_only), "value does not write out[1] (float64 (7,)"),
    "not the last": (slope(_not_the_last), "slope gives other numbers here than in one row"),
    "into a copy": (
        value(_through_ravel),
        "value does not write out[0] (float64 (7,), contiguous, to out, every second element, ",
    ),
    "depends on out": (value(_adds), "value depends on what out held before"),
    "never the same": (slope(_counts), "slope gives other numbers when called again"),
    "changes z": (value(_changes_z), "value changes what it is given (float64 (1,), contiguous"),
    "changes a": (slope(_changes_a), "slope changes what it is given (float64 (1,), contiguous"),
    "writes beside out": (
        value(_beside),
        "value writes outside out (float64 (1,), contiguous, to out, a slice of a bigger one)",
    ),
    "another shape": (value(_reshapes), "value makes out float64 (1,) (float64 (1, 1), "),
    "not in place": (
        replace(ACTIVATIONS["softsign"], value=_half_in_place),
        "'softsign': value(-1.01258) is 1 where out is z itself, and -0.503126 where it is not (f",
    ),
    "softmax": (value(_softmax), "'own': value(-913.7) is 1 alone and 0 among others (float64)"),
    "NaN for a slope": (slope(lambda a, out: out.fill(np.nan)), "slope(-1.01258) is nan (float64)"),
    "too large for float32": (
        value(lambda z, out: np.expm1(np.minimum(z, 300.0), out=out)),
        "value(92.251) is inf (float32)",
    ),
    "coarse float32": (value(_coarse), "'own': value(-1.01258) is -0.767"),
    "float64 through float32": (value(_narrow), "'own': value computes float64 in float32"),
    "slope through float32": (slope(_narrow_slope), "'own': slope computes float64 in float32"),
    "hides NaN": (
        value(_hides_nan),
        "of [0.5, nan, -0.5, nan] (float64): NaN must stay NaN, and nothing else become it",
    ),
    "spreads NaN": (value(_spreads_nan), "makes [nan, nan, nan, nan] of [0.5, nan, -0.5, nan] "),
    "hides infinity": (
        value(_hides_infinity),
        "value(inf) is 0 and value(1e+30) is 1 (float64): infinity must not be hidden",
    ),
    "overflows": (
        replace(ACTIVATIONS["sigmoid"], value=_overflowing_sigmoid),
        "'sigmoid': value raises FloatingPointError (float64 (1,)): overflow encountered in exp, a",
    ),
    "NaN when huge": (value(_nan_when_huge), "value(1.15792e+77) is nan (float64)"),
    "slope divides by zero": (slope(_divides), "divide by zero encountered in divide, at 10000"),
    "infinite slope when huge": (
        replace(ACTIVATIONS["identity"], slope=_infinite_slope),
        "slope(1.34078e+154) is inf (float64)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_refused_in_one_sentence(fault: str) -> None:
    """The message names the activation, what it does wrong, and where."""
    activation, message = FAULTS[fault]
    with pytest.raises(AssertionError, match=re.escape(message)) as caught:
        check_activation(activation)
    assert "\n" not in str(caught.value)


def _elu_without_its_one(a: Any, out: Any) -> None:
    np.minimum(a, 0.0, out=out)


WRONG_SLOPES = {
    "a thousandth off": slope(lambda a, out: np.multiply(1.001, 1.0 - a * a, out=out)),
    "a thousandth off below zero": slope(
        lambda a, out: np.multiply(np.where(a < 0.0, 0.999, 1.0), 1.0 - a * a, out=out)
    ),
    "a thousandth off where small": slope(
        lambda a, out: np.multiply(np.where(abs(a) < 1e-3, 1.001, 1.0), 1.0 - a * a, out=out)
    ),
    "of the input, not the output": replace(TANH, needs_input=True),
    "of the output, not the input": replace(GELU, needs_input=False),
    "gelu by tanh": replace(
        GELU,
        value=lambda z, out: np.copyto(
            out, 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * z * (1.0 + 0.044715 * z * z)))
        ),
    ),
    "squared": slope(lambda a, out: np.square(1.0 - a, out=out)),
    "constant": slope(lambda a, out: out.fill(1.0)),
    "zero": slope(lambda a, out: out.fill(0.0)),
    "other side": replace(RELU, slope=lambda a, out: np.copyto(out, np.where(a > 0.0, 0.0, 1.0))),
    "leak forgotten": replace(ACTIVATIONS["leaky_relu"], slope=RELU.slope),
    "elu without its one": replace(ACTIVATIONS["elu"], slope=_elu_without_its_one),
    "sigmoid's without a": replace(
        ACTIVATIONS["sigmoid"], slope=lambda a, out: np.subtract(1.0, a, out=out)
    ),
}
POINT = re.compile(
    r"activation '\w+': slope\((-?[\d.e+-]+)\) is (\S+), the central difference of its value there "
    r"is (-?[\d.e+-]+)"
)


@pytest.mark.parametrize("wrong", WRONG_SLOPES)
def test_a_wrong_slope_is_refused_with_the_point(wrong: str) -> None:
    """The message says where, what it is, and what the central difference there is."""
    with pytest.raises(AssertionError) as caught, np.errstate(all="ignore"):
        check_activation(WRONG_SLOPES[wrong])
    found = POINT.fullmatch(str(caught.value))
    assert found, str(caught.value)
    z, is_, should = map(float, found.groups())
    assert 1e-4 < abs(z) < 1e3
    assert not abs(is_ - should) <= 1e-6 * abs(should)


def test_the_difference_named_is_the_true_slope() -> None:
    """At the point nearest to 1 where a slope is wrong, the right number stands beside it."""
    with pytest.raises(AssertionError) as caught:
        check_activation(WRONG_SLOPES["a thousandth off"])
    found = POINT.fullmatch(str(caught.value))
    assert found
    z, _, should = map(float, found.groups())
    assert abs(z) == pytest.approx(1.0, rel=0.08)
    assert should == pytest.approx(1.0 - np.tanh(z) ** 2, rel=1e-5)
