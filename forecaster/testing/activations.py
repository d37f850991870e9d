"""What an activation promises, tried out with numbers."""

from math import isfinite
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from forecaster.model.activations import Activation, Array
from forecaster.testing.writing import FLOAT32, Written, check_writing, layouts, written_functions

# From 0.00037 to 914, on both sides. None of them is a round number, nor nearer to one than a
# step: where a function has a kink, at 0, 1 or 6, it lies between two points.
MAGNITUDES = np.geomspace(0.00037, 913.7, 200)
POINTS = np.concatenate([-MAGNITUDES[::-1], MAGNITUDES])
STEP = 1e-5  # of the central differences; their error is about 1e-10, and more for large values
RELATIVE, ABSOLUTE = 1e-6, 1e-9  # what a slope may be off

DTYPES = (np.dtype(np.float64), np.dtype(np.float32))


def check_activation(activation: Activation) -> None:
    """Try out all that an activation promises; see `forecaster.model.Activation`.

    In float64 and float32, on shapes and strides like those that training uses: `value` and
    `slope` write every element of `out` and nothing else, `value` in place too, element by element
    and always the same; NaN stays NaN; huge numbers neither overflow nor become NaN. The slope
    is compared with a central difference of the value in float64 at 400 points, to 1e-6.

    Args:
        activation: what to check.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    _check_fields(activation)
    both = [written_functions(activation, dtype) for dtype in DTYPES]
    with np.errstate(all="ignore"):  # but where it is the question
        for value, slope in both:
            for written in (value, slope):
                check_writing(written, POINTS[::37])
                _check_elements(written)
            _check_in_place(value)
        for wide, narrow in zip(*both, strict=True):
            _check_precision(wide, narrow)
        _check_slope(*both[0])
        for value, slope in both:
            _check_not_finite(value)
            _check_huge(value)
            _check_huge(slope)


def _check_fields(activation: Activation) -> None:
    if not isinstance(activation, Activation):
        raise AssertionError(  # noqa: TRY004 - a suite raises nothing else
            f"{activation!r} is no forecaster.model.Activation"
        )
    name: object = activation.name
    gain: object = activation.gain
    if not (isinstance(name, str) and name.strip()):
        raise AssertionError(f"the activation's name is {name!r} and must be a word")
    if not (isinstance(gain, Real) and isfinite(gain) and float(gain) > 0.0):
        raise AssertionError(
            f"activation {name!r}: its gain is {gain!r} and must be a positive number"
        )


def _check_elements(written: Written) -> None:
    """Numbers give numbers, and each element depends on its own element alone."""
    together = written.at(POINTS)
    if not np.isfinite(together).all():
        k = _plainest(~np.isfinite(together))
        raise AssertionError(f"{written.who}({POINTS[k]:.6g}) is {together[k]} ({written.dtype})")
    at_zero = written.at(np.zeros(1))[0]  # a session without a move, at the first step
    if not isfinite(at_zero):
        raise AssertionError(f"{written.who}(0) is {at_zero} ({written.dtype})")
    for k in range(0, len(POINTS), 7):
        alone = written.at(POINTS[k : k + 1])[0]
        if not np.isclose(together[k], alone, rtol=FLOAT32, atol=FLOAT32):
            raise AssertionError(
                f"{written.who}({POINTS[k]:.6g}) is {alone:.6g} alone and {together[k]:.6g} among "
                f"others ({written.dtype})"
            )


def _check_in_place(value: Written) -> None:
    """`out` may be z itself."""
    expected = value.at(POINTS)
    for lies, _, array in layouts(POINTS.shape, value.dtype):
        array[...] = POINTS
        value.call(array, array, "with z for out")
        wrong = ~np.isclose(array, expected, rtol=FLOAT32, atol=FLOAT32)
        if wrong.any():
            k = _plainest(wrong)
            raise AssertionError(
                f"{value.who}({POINTS[k]:.6g}) is {array[k]:.6g} where out is z itself, and "
                f"{expected[k]:.6g} where it is not ({value.dtype}, {lies})"
            )


def _check_not_finite(value: Written) -> None:
    """NaN stays NaN and infinity is not hidden: a divergence has to be seen."""
    z = np.array([0.5, np.nan, -0.5, np.nan])
    found = value.at(z)
    if not np.array_equal(np.isnan(found), np.isnan(z)):
        raise AssertionError(
            f"{value.who} makes {found.tolist()} of {z.tolist()} ({value.dtype}): NaN must stay "
            "NaN, and nothing else become it"
        )
    for infinity, far in ((np.inf, 1e30), (-np.inf, -1e30)):
        end, before = value.at(np.array([infinity, far]))
        if isfinite(end) and not np.isclose(end, before, rtol=FLOAT32, atol=FLOAT32):
            raise AssertionError(
                f"{value.who}({infinity}) is {end:.6g} and value({far:g}) is {before:.6g} "
                f"({value.dtype}): infinity must not be hidden"
            )


def _check_huge(written: Written) -> None:
    """The largest numbers there are give numbers, and no floating-point error on the way."""
    most = float(np.finfo(written.dtype).max)
    sizes = (1e4, most**0.25, most**0.5, most**0.75, most / 2.0, most)
    for z in (sign * size for size in sizes for sign in (1.0, -1.0)):
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                found = written.at(np.array([z]))[0]
        except AssertionError as error:
            raise AssertionError(f"{error}, at {z:.6g}") from error
        if not isfinite(found):
            raise AssertionError(f"{written.who}({z:.6g}) is {found} ({written.dtype})")


def _check_precision(wide: Written, narrow: Written) -> None:
    """float32 agrees with float64, and float64 is more than float32."""
    z = POINTS.astype(np.float32)
    expected, found = wide.at(z), narrow.at(z)
    wrong = ~(np.abs(found - expected) <= FLOAT32 * np.maximum(1.0, np.abs(expected)))
    if wrong.any():
        k = _plainest(wrong)
        raise AssertionError(
            f"{wide.who}({z[k]:.6g}) is {found[k]:.9g} in float32 and {expected[k]:.9g} in float64"
        )
    finer = wide.at(POINTS)
    curved = len(np.unique(finer)) > len(POINTS) // 4  # a few constants may be float32 too
    if curved and np.array_equal(finer, finer.astype(np.float32)):
        raise AssertionError(f"{wide.who} computes float64 in float32")


def _check_slope(value: Written, slope: Written) -> None:
    """The slope is that of the value."""
    above, below = POINTS + STEP, POINTS - STEP
    high, low = value.at(above), value.at(below)
    expected = (high - low) / (above - below)
    found = slope.at(POINTS)
    rounding = 8.0 * np.finfo(np.float64).eps * np.maximum(np.abs(high), np.abs(low)) / STEP
    allowed = RELATIVE * np.abs(expected) + ABSOLUTE + rounding
    wrong = ~(np.abs(found - expected) <= allowed)  # a NaN is wrong too
    if wrong.any():
        k = _plainest(wrong)
        raise AssertionError(
            f"{slope.who}({POINTS[k]:.6g}) is {found[k]:.9g}, the "
            f"central difference of its value there is {expected[k]:.9g}"
        )


def _plainest(wrong: NDArray[np.bool_]) -> int:
    """Of the points where something is wrong, the one nearest to 1 or -1."""
    distance: Array = np.where(wrong, np.abs(np.log(np.abs(POINTS))), np.inf)
    return int(np.argmin(distance))
