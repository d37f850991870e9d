"""Inputs beside the series itself: other fields of its bars, and what can be derived from them.

Each is a column over the sessions, and a window reads it as (c_i - shift_t) / scale_t, clipped to
+-8, with the shift and the scale of the window's end t. A column's value, its shift and its scale
depend on nothing later than their own session.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecaster.errors import DataError
from forecaster.model.scale import SMALLEST_SCALE, Floats, ValuesKind, floored_scale, path
from forecaster.model.windows import INPUT_LIMIT, clipped

FIELDS = ("open", "high", "low", "close", "volume")
ROLLING = 20  # sessions of the rolling volatility


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known beside the values, session by session.

    Attributes:
        sessions: (n,) datetime64[D].
        fields: (n,) each; prices in the basis of the values.
    """

    sessions: NDArray[np.datetime64]
    fields: Mapping[str, Floats]

    def between(self, start: int, stop: int) -> "Beside":
        """The sessions from place `start` to before `stop`."""
        some = slice(start, stop)
        fields = {name: column[some] for name, column in self.fields.items()}
        return Beside(self.sessions[some], fields)


def fields_of(names: Sequence[str]) -> list[str]:
    """The fields of a bar that these inputs are made of."""
    made_of = {"range": ("high", "low"), **{field: (field,) for field in FIELDS}}
    return sorted({field for name in names for field in made_of.get(name, ())})


@dataclass(frozen=True, eq=False)
class _Column:
    values: Floats  # (n,)
    shift: Floats | float = 0.0  # (n,), or the same for all
    scale: Floats | float = 1.0


@dataclass(frozen=True)
class Extras:
    """Which inputs a network reads beside its series, and how they are scaled.

    Args:
        names: of the inputs, in the order in which the network reads them.
        kind: "price" where moves are log returns, "difference" where they are differences.
        decay: of the EWMA that scales moves.
    """

    names: tuple[str, ...]
    kind: ValuesKind
    decay: float

    @property
    def width(self) -> int:
        """How many inputs a step has beside the series itself, E."""
        return sum(2 if name == "weekday" else 1 for name in self.names)

    def windows(
        self, values: Floats, beside: Beside | None, ends: NDArray[np.intp], lookback: int
    ) -> Floats:
        """The inputs (n, T, E) of windows that end at these places among the values.

        Args:
            values: (m,), those of the series.
            beside: of the same m sessions.
            ends: (n,), none before lookback - 1.
            lookback: T.

        Raises:
            DataError: a field that has no logarithm (code "non_positive").
            ValueError: a field is not there, or has another length than the values.
        """
        if not self.names:
            return np.empty((len(ends), lookback, 0))
        context = _Context(values, _checked(beside, self.names, len(values)), self)
        columns = [column for name in self.names for column in _MAKERS[name](context)]
        return np.stack([_windowed(column, ends, lookback) for column in columns], axis=2)


def _checked(beside: Beside | None, names: Sequence[str], count: int) -> Beside:
    missing = [name for name in fields_of(names) if beside is None or name not in beside.fields]
    if beside is None or missing:
        needed = ", ".join(missing) or "the sessions"
        raise ValueError(f"extra inputs {', '.join(names)} need {needed} beside the values")
    lengths = {len(beside.sessions), *(len(beside.fields[name]) for name in fields_of(names))}
    if lengths != {count}:
        raise ValueError(f"beside {count} values stand columns of {sorted(lengths)}")
    return beside


@dataclass(frozen=True, eq=False)
class _Context:
    """What columns are made of."""

    values: Floats
    beside: Beside
    extras: Extras

    def moves(self, name: str = "") -> Floats:
        """The moves (n,) of a field, or of the series itself; 0 for the first session."""
        steps = path(self.values, self.extras.kind)
        if name == "volume":  # may be 0; one share more or less is nothing
            steps = _log(1.0 + self.beside.fields[name], "1 + volume")
        elif name:
            steps = self.path(name)
        return np.diff(steps, prepend=steps[0])

    def path(self, name: str) -> Floats:
        """What the moves of a price field are differences of, (n,)."""
        field = self.beside.fields[name]
        return field if self.extras.kind == "difference" else _log(field, name)

    def scale(self, moves: Floats, kind: ValuesKind) -> Floats:
        """The size of moves as known at each session, (n,)."""
        known = floored_scale(moves[1:], self.extras.decay, kind)
        return np.concatenate([[1.0], known])  # before the first move nothing is known


def _log(field: Floats, name: str) -> Floats:
    bad = np.flatnonzero(~(field > 0.0))
    if len(bad):
        raise DataError(
            f"{name} is {field[bad[0]]:g} in bar {bad[0] + 1} of {len(field)}, and as an extra "
            "input it needs a logarithm",
            remedy="take it out of extra_inputs, or correct the prices",
            code="non_positive",
        )
    return np.asarray(np.log(field))


def _field(name: str) -> Callable[[_Context], list[_Column]]:
    """The moves of a field in units of their own size, as the series itself is read."""

    def columns(context: _Context) -> list[_Column]:
        moves = context.moves(name)
        kind = "price" if name == "volume" else context.extras.kind
        return [_Column(moves, scale=context.scale(moves, kind))]

    return columns


def _abs_return(context: _Context) -> list[_Column]:
    """|r_i| / sigma_t, with r the moves of the series and sigma their EWMA scale."""
    moves = context.moves()
    return [_Column(np.abs(moves), scale=context.scale(moves, context.extras.kind))]


def _range(context: _Context) -> list[_Column]:
    """log(high_i / low_i) / sigma_t, or (high_i - low_i) / sigma_t."""
    moves = context.moves()
    height = context.path("high") - context.path("low")
    return [_Column(height, scale=context.scale(moves, context.extras.kind))]


def _volatility(context: _Context) -> list[_Column]:
    """log(s_i / sigma_t), with s the root mean square of the last 20 moves."""
    moves = context.moves()
    sigma = context.scale(moves, context.extras.kind)
    squares = np.concatenate([np.zeros(ROLLING - 1), moves * moves])
    counts = np.minimum(np.arange(len(moves)), ROLLING)  # the first session has no move
    mean = sliding_window_view(squares, ROLLING).sum(axis=1) / np.maximum(counts, 1)
    rolling = np.maximum(np.sqrt(mean), SMALLEST_SCALE * sigma)
    rolling[0] = sigma[0]
    return [_Column(np.log(rolling), shift=np.log(sigma))]


def _weekday(context: _Context) -> list[_Column]:
    """Sine and cosine of the day's place in the week."""
    days = context.beside.sessions.astype("datetime64[D]").astype(np.int64)
    angle = 2.0 * np.pi * ((days + 3) % 7) / 7.0  # 1970-01-01 was a Thursday; Monday is 0
    return [_Column(np.sin(angle)), _Column(np.cos(angle))]


_MAKERS: Mapping[str, Callable[[_Context], list[_Column]]] = {
    **{field: _field(field) for field in FIELDS},
    "abs_return": _abs_return,
    "range": _range,
    "volatility": _volatility,
    "weekday": _weekday,
}


def _windowed(column: _Column, ends: NDArray[np.intp], lookback: int) -> Floats:
    """The column (n,) as windows (k, T) with these ends."""
    seen = sliding_window_view(column.values, lookback)[ends - (lookback - 1)]
    shift = np.broadcast_to(column.shift, column.values.shape)[ends, np.newaxis]
    scale = np.broadcast_to(column.scale, column.values.shape)[ends, np.newaxis]
    return clipped((seen - shift) / scale, INPUT_LIMIT)
