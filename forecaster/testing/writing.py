"""Where a function writes: that an activation fills `out`, whatever lies where in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.model.activations import Activation, Array

SHAPES = ((1,), (7,), (1, 1), (3, 4), (2, 3, 4))
BEFORE = 7.0  # in `out` before it is written, where that is not NaN
BESIDE = -3.25  # in memory that no function may touch
FLOAT32 = 1e-5  # what float32 may be off, relative to a value, or to 1


@dataclass(frozen=True, eq=False)
class Written:
    """One of an activation's two functions, in one dtype, with what it is given at points z."""

    who: str
    function: Callable[[Array, Array], object]
    dtype: np.dtype[Any]
    given: Callable[[Array], Array]

    def call(self, given: Array, out: Array, how: str) -> None:
        """Call it; whatever it raises is a broken promise."""
        try:
            self.function(given, out)
        except (Exception, SystemExit) as error:
            raise AssertionError(
                f"{self.who} raises {type(error).__name__} ({how}): {error}"
            ) from error

    def at(self, z: Array) -> Array:
        """The function at z, where it is not in question whether and where it writes."""
        given = self.given(np.asarray(z, dtype=self.dtype))
        out = np.full_like(given, np.nan)
        self.call(given, out, f"{self.dtype} {given.shape}")
        return out


def written_functions(activation: Activation, dtype: np.dtype[Any]) -> list[Written]:
    """`value`, which is given z, and `slope`, which is given z or f(z)."""
    who = f"activation {activation.name!r}:"
    value = Written(f"{who} value", activation.value, dtype, np.copy)
    given = np.copy if activation.needs_input else value.at
    return [value, Written(f"{who} slope", activation.slope, dtype, given)]


def layouts(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[tuple[str, Array, Array]]:
    """Arrays of one shape in memory: (how it lies there, all of the memory, the array in it)."""

    def room(*sizes: int) -> Array:
        return np.full(sizes, BESIDE, dtype=dtype)

    whole = room(*shape)
    yield "contiguous", whole, whole
    wider = room(*(size + 2 for size in shape))
    yield "a slice of a bigger one", wider, wider[tuple(slice(1, -1) for _ in shape)]
    longer = room(*shape[:-1], 2 * shape[-1])
    yield "every second element, backwards", longer, longer[..., ::-2]
    turned = room(*shape[::-1])
    yield "transposed", turned, turned.T


def check_writing(written: Written, points: Array) -> None:
    """Every element of `out` is written, and nothing else, whatever the shape and strides.

    What is written is what the same elements give in one row.

    Raises:
        AssertionError: naming the function, the dtype, the shape and how the arrays lie in memory.
    """
    for shape in SHAPES:
        z = np.resize(points, shape).astype(written.dtype)
        given = written.given(z)
        for lies, memory, array in layouts(shape, written.dtype):
            array[...] = given
            before = memory.copy()
            for out_lies, out_memory, out in layouts(shape, written.dtype):
                how = f"{written.dtype} {shape}, {lies}, to out, {out_lies}"
                found = _check_one_place(written, array, out, out_memory, how)
                in_a_row = written.at(z.ravel()).reshape(shape)
                if not np.allclose(found, in_a_row, rtol=FLOAT32, atol=FLOAT32, equal_nan=True):
                    raise AssertionError(
                        f"{written.who} gives other numbers here than in one row ({how})"
                    )
                if not np.array_equal(memory, before):
                    raise AssertionError(f"{written.who} changes what it is given ({how})")


def _check_one_place(written: Written, given: Array, out: Array, memory: Array, how: str) -> Array:
    """Return what is written, the same each time and whatever was there before."""
    first, again, over = (
        _outcome(written, given, out, memory, before, how) for before in (np.nan, np.nan, BEFORE)
    )
    left = np.isnan(first) & (over == BEFORE)
    if left.any():
        place = [int(k) for k in np.argwhere(left)[0]]
        raise AssertionError(f"{written.who} does not write out{place} ({how})")
    if not np.array_equal(first, again, equal_nan=True):
        raise AssertionError(f"{written.who} gives other numbers when called again ({how})")
    if not np.array_equal(first, over, equal_nan=True):
        raise AssertionError(f"{written.who} depends on what out held before ({how})")
    return first


def _outcome(
    written: Written, given: Array, out: Array, memory: Array, before: float, how: str
) -> Array:
    """What is written where `out` held `before`; memory around it must stay as it is."""
    memory.fill(BESIDE)
    out.fill(before)
    lent = out[...]  # a view of its own: a function might change what it is given as a view
    written.call(given, lent, how)
    if (lent.shape, lent.dtype) != (out.shape, out.dtype):
        raise AssertionError(f"{written.who} makes out {lent.dtype} {lent.shape} ({how})")
    found = out.copy()
    out.fill(BESIDE)
    if not np.array_equal(memory, np.full_like(memory, BESIDE)):
        raise AssertionError(f"{written.who} writes outside out ({how})")
    return found
