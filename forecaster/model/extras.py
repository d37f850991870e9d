"""Inputs beside the series itself: other fields of its bars, and what can be derived from them.

Each is a column over the sessions, and a window reads it as (c_i - shift_t) / scale_t, clipped to
+-8, with the shift and the scale of the window's end t. A column's value, its shift and its scale
depend on nothing later than their own session.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecaster.errors import DataError
from forecaster.model.motion import Motion
from forecaster.model.scale import SMALLEST_SCALE, Floats, ValuesKind, ewma, floored_scale
from forecaster.model.windows import INPUT_LIMIT, clipped

FIELDS = ("open", "high", "low", "close", "volume")
ROLLING = 20  # sessions of the rolling volatility
AVERAGES = (20, 63, 250)  # sessions of the slow averages: about a month, a quarter and a year


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
    shift: Floats | None = None  # (n,), or 0 for all
    scale: Floats | None = None  # (n,), or 1 for all

    def windows(self, places: NDArray[np.intp]) -> Floats:
        """What windows read at these places (k, T), scaled as known at the last of each."""
        seen, ends = self.values[places], places[:, -1:]
        if self.shift is not None:
            seen = seen - self.shift[ends]
        if self.scale is not None:
            seen = seen / self.scale[ends]
        return clipped(seen, INPUT_LIMIT)


@dataclass(frozen=True)
class Extras:
    """Which inputs a network reads beside its series, and how they are scaled.

    Args:
        names: of the inputs, in the order in which the network reads them.
        motion: of the series; fields that are prices move likewise.
        decay: of the EWMA that scales moves.
    """

    names: tuple[str, ...]
    motion: Motion
    decay: float

    @property
    def width(self) -> int:
        """How many inputs a step has beside the series itself, E."""
        return sum(_WIDTHS.get(name, 1) for name in self.names)

    def windows(
        self, values: Floats, beside: Beside | None, ends: NDArray[np.intp], lookback: int
    ) -> Floats:
        """The inputs (n, T, E) of windows that end at these places among the values.

        Args:
            values: (m,), those of the series.
            beside: of the same m sessions; None where the inputs are made of the series alone.
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
        places = ends[:, np.newaxis] + np.arange(1 - lookback, 1)  # (n, T)
        return np.stack([column.windows(places) for column in columns], axis=2)


def _checked(beside: Beside | None, names: Sequence[str], count: int) -> Beside:
    fields = fields_of(names)
    if not fields and "weekday" not in names:
        return Beside(np.empty(0, dtype="datetime64[D]"), {})
    missing = [name for name in fields if beside is None or name not in beside.fields]
    if beside is None or missing:
        needed = ", ".join(missing) or "the sessions"
        raise ValueError(f"extra inputs {', '.join(names)} need {needed} beside the values")
    lengths = {len(beside.sessions), *(len(beside.fields[name]) for name in fields)}
    if lengths != {count}:
        raise ValueError(f"beside {count} values stand columns of {sorted(lengths)}")
    return beside


@dataclass(frozen=True, eq=False)
class _Context:
    """What columns are made of."""

    values: Floats
    beside: Beside
    extras: Extras

    @cached_property
    def moves(self) -> Floats:
        """The steps (n,) of the series itself; 0 where there is none yet."""
        return self.padded(self.extras.motion.steps(self.values))

    @cached_property
    def sigma(self) -> Floats:
        """The size of the series' steps as known at each session, (n,)."""
        return self.scale(self.moves, self.extras.motion.kind)

    def field_moves(self, name: str) -> Floats:
        """As `moves`, of a field."""
        if name == "volume":  # may be 0; one share more or less is nothing
            path = _log(1.0 + self.beside.fields[name], "1 + volume")
        else:
            path = self.path(name)
        return self.padded(path[self.lag :] - path[: -self.lag])

    def path(self, name: str) -> Floats:
        """What the moves of a price field are differences of, (n,)."""
        field = self.beside.fields[name]
        return field if self.extras.motion.kind == "difference" else _log(field, name)

    def scale(self, moves: Floats, kind: ValuesKind) -> Floats:
        """The size of moves as known at each session, (n,); 1 before the first."""
        known = floored_scale(moves[self.lag :], self.extras.decay, kind)
        return np.concatenate([np.ones(self.lag), known])

    @property
    def lag(self) -> int:
        """Sessions without a step."""
        return self.extras.motion.lag

    def padded(self, steps: Floats) -> Floats:
        """Steps (n - lag,) as (n,)."""
        return np.concatenate([np.zeros(self.lag), steps])


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
        moves = context.field_moves(name)
        kind = "price" if name == "volume" else context.extras.motion.kind
        return [_Column(moves, scale=context.scale(moves, kind))]

    return columns


def _abs_return(context: _Context) -> list[_Column]:
    """|r_i| / sigma_t, with r the moves of the series and sigma their EWMA scale."""
    return [_Column(np.abs(context.moves), scale=context.sigma)]


def _range(context: _Context) -> list[_Column]:
    """log(high_i / low_i) / sigma_t, or (high_i - low_i) / sigma_t."""
    return [_Column(context.path("high") - context.path("low"), scale=context.sigma)]


def _volatility(context: _Context) -> list[_Column]:
    """log(s_i / sigma_t), with s the root mean square of the last 20 moves."""
    moves, sigma, lag = context.moves, context.sigma, context.lag
    squares = np.concatenate([np.zeros(ROLLING - 1), moves * moves])
    counts = np.clip(np.arange(len(moves)) - lag + 1, 1, ROLLING)  # the first have no move
    mean = sliding_window_view(squares, ROLLING).sum(axis=1) / counts
    rolling = np.maximum(np.sqrt(mean), SMALLEST_SCALE * sigma)
    rolling[:lag] = sigma[:lag]
    return [_Column(np.log(rolling), shift=np.log(sigma))]


def _averages(context: _Context) -> list[_Column]:
    """(p_i - A_i) / (sigma_t sqrt(k / 3)): how far the series has left its average of k sessions.

    p is the logarithm of a price, or the value itself, and A its exponential average with decay
    1 - 2 / (k + 1), started at the first value. A random walk is about sqrt(k) / 2 of its moves
    away from it, so that the three are of one size.
    """
    path = context.extras.motion.path(context.values)
    away = [path - ewma(path, 1.0 - 2.0 / (k + 1.0)) for k in AVERAGES]
    return [
        _Column(one, scale=context.sigma * (k / 3.0) ** 0.5)
        for k, one in zip(AVERAGES, away, strict=True)
    ]


def _weekday(context: _Context) -> list[_Column]:
    """Sine and cosine of the day's place in the week."""
    days = context.beside.sessions.astype("datetime64[D]").astype(np.int64)
    angle = 2.0 * np.pi * ((days + 3) % 7) / 7.0  # 1970-01-01 was a Thursday; Monday is 0
    return [_Column(np.sin(angle)), _Column(np.cos(angle))]


_WIDTHS: Mapping[str, int] = {"averages": len(AVERAGES), "weekday": 2}
_MAKERS: Mapping[str, Callable[[_Context], list[_Column]]] = {
    **{field: _field(field) for field in FIELDS},
    "averages": _averages,
    "abs_return": _abs_return,
    "range": _range,
    "volatility": _volatility,
    "weekday": _weekday,
}
