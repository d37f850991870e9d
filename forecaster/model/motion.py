"""How a series moves: what a move is, and from where it is counted.

A move leads from one value to another: the log return of prices, or the difference of values that
may be zero or negative. Forecasts are moves from a baseline: the last value, or with a season the
value of the same phase in the season before.
"""

from dataclasses import dataclass

import numpy as np

from forecaster.errors import DataError
from forecaster.model.scale import Floats, ValuesKind, floored_scale


@dataclass(frozen=True)
class Motion:
    """The moves of a series.

    Args:
        kind: "price", whose moves are log returns, or "difference".
        season: sessions of a season; None counts moves from the last value.
    """

    kind: ValuesKind = "price"
    season: int | None = None

    @property
    def lag(self) -> int:
        """Sessions from a value back to the one that its step is counted from."""
        return self.season or 1

    def path(self, values: Floats) -> Floats:
        """What moves are differences of: the logarithm of prices, or the values themselves.

        Raises:
            DataError: a price that has no logarithm (code "non_positive").
        """
        if self.kind == "difference":
            return values
        if np.any(values <= 0.0):
            first = int(np.argmax(values <= 0.0))
            raise DataError(
                f"value {first + 1} of {len(values)} is {values[first]:g}, and a log return needs "
                "positive prices",
                remedy='set values = "difference" for this series, or correct the value',
                code="non_positive",
            )
        return np.log(values)

    def steps(self, values: Floats) -> Floats:
        """The move to each value from the one before, or from the one a season before.

        Args:
            values: (n,), oldest first.

        Returns:
            (n - lag,); entry j is the step to value j + lag.

        Raises:
            DataError: a price that has no logarithm (code "non_positive").
        """
        path = self.path(values)
        return path[self.lag :] - path[: -self.lag]

    def scale(self, steps: Floats, decay: float) -> Floats:
        """How large steps are at each of them: `floored_scale` with the floor of this kind."""
        return floored_scale(steps, decay, self.kind)

    def baselines(self, values: Floats, horizon: int) -> Floats:
        """The naive forecast: the last value, or the newest one of the same phase.

        Returns:
            (H,), v_t for each h, or v_{t + h - m ceil(h / m)} with a season of m.
        """
        newest = values[-self.lag :]
        return newest[np.arange(horizon) % self.lag]

    def roots(self, horizon: int) -> Floats:
        """What a step's scale is multiplied by for a move over h sessions, (H,).

        sqrt(h), as of a random walk, or with a season of m the root of the seasons that the
        baseline lies back, sqrt(ceil(h / m)).
        """
        return np.sqrt(np.ceil(np.arange(1.0, horizon + 1.0) / self.lag))

    def between(self, start: float | Floats, end: float | Floats) -> Floats:
        """The move from value to value: log(end / start), or end - start."""
        if self.kind == "difference":
            return np.asarray(np.subtract(end, start), dtype=np.float64)
        return np.asarray(np.log(end) - np.log(start), dtype=np.float64)

    def apply(self, start: float | Floats, move: float | Floats) -> Floats:
        """The value that lies one move after `start`: start exp(move), or start + move."""
        moved = start * np.exp(move) if self.kind == "price" else start + move
        return np.asarray(moved, dtype=np.float64)

    def ahead(self, values: Floats, horizon: int) -> Floats:
        """The moves from the baselines at each step to what happened, (n - lag - H, H).

        Args:
            values: (n,), oldest first.
            horizon: H.

        Returns:
            Row j is seen from value j + lag, which entry j of `steps` leads to.

        Raises:
            DataError: a price that has no logarithm (code "non_positive").
        """
        path = self.path(values)
        seen = np.arange(self.lag, len(path) - horizon)[:, np.newaxis]  # (n - lag - H, 1)
        happened = seen + np.arange(1, horizon + 1)
        before = seen - self.lag + 1 + np.arange(horizon) % self.lag  # as in `baselines`
        moves: Floats = path[happened] - path[before]
        return moves
