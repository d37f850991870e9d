"""The values that go in and out of the ledger: plain, frozen, free of SQL."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

Kind = Literal["live", "backfill", "backtest"]


@dataclass(frozen=True)
class Instrument:
    """Something a source quotes."""

    id: int
    source: str
    symbol: str
    calendar: str
    currency: str | None
    historical: bool
    attribution: str


@dataclass(frozen=True)
class Series:
    """One field of one instrument, as the ledger knows it."""

    id: int
    name: str
    field: str
    paused: bool
    backfilled: bool
    instrument: Instrument


@dataclass(frozen=True)
class Night:
    """What a run is: the job for one session of one calendar, of one kind."""

    kind: Kind
    calendar: str
    session: date
    backtest_id: int | None = None


@dataclass(frozen=True)
class Pending:
    """A forecast whose outcome is not stored yet.

    `basis` is the product of the splits that its prices know of, where that cannot be told from its
    cutoff: on that session there was no bar, and an older price was carried there.
    """

    forecast_id: int
    kind: Kind
    cutoff: date
    horizon: int
    target_session: date
    mean: float
    lo80: float
    hi80: float
    lo95: float
    hi95: float
    baseline: float
    basis: float | None = None


@dataclass(frozen=True)
class Score:
    """What happened, against what was said. `actual` is in the basis of the forecast.

    `eta` is the step with which the trackers learned from it, None where it came too late for that.
    """

    pending: Pending
    actual: float
    error: float
    baseline_error: float
    inside80: bool
    inside95: bool
    eta: float | None = None


@dataclass(frozen=True)
class Tracker:
    """The state that keeps one interval calibrated: one per series, horizon and level."""

    horizon: int
    level: float
    quantile: float
    outcomes: int = 0
    last_cutoff: date | None = None


@dataclass(frozen=True)
class ModelVersion:
    """Fitted parameters with what is needed to refit them. `id` is None until stored."""

    id: int | None
    cutoff: date
    fingerprint: str
    settings: str
    seed: int
    bars: int
    windows: int
    epochs: int
    best_epoch: int
    train_loss: float
    validation_loss: float | None
    baseline_loss: float | None
    seconds: float
    parameters: bytes
    sha256: str
    restarts: int = 0  # at a lower learning rate, after the training had diverged


@dataclass(frozen=True)
class Decision:
    """Retrain, reuse or fallback, with its reason and evidence."""

    verdict: Literal["retrain", "reuse", "fallback"]
    reason_code: str
    reason: str
    fingerprint: str
    age_sessions: int | None = None
    allowed_age: int | None = None
    model_fingerprint: str | None = None
    intervals: str = "{}"


@dataclass(frozen=True)
class Forecast:
    """What is said for one horizon. Prices are in the basis of the cutoff."""

    horizon: int
    target_session: date
    mean: float
    lo80: float
    hi80: float
    lo95: float
    hi95: float
    baseline: float
    scale: float
    quantile80: float
    quantile95: float
    basis: float
    status: Literal["ok", "fallback"] = "ok"
    carried: int = 0
    """Of the sessions that the network read, those to which a value was carried."""


@dataclass(frozen=True)
class Outcome:
    """How a series' night ended."""

    status: Literal["done", "fallback", "deferred", "failed"]
    reason_code: str
    reason: str


@dataclass(frozen=True)
class SeriesNight:
    """All that one night adds to the ledger for one series: stored whole or not at all."""

    series_id: int
    outcome: Outcome
    scores: tuple[Score, ...] = ()
    trackers: tuple[Tracker, ...] = ()
    decision: Decision | None = None
    model: ModelVersion | None = None
    forecasts: tuple[Forecast, ...] = ()
    completes_backfill: bool = False


Hit = tuple[int, date, bool, bool]
"""(horizon, cutoff, inside80, inside95): what a tracker learns from."""


@dataclass(frozen=True)
class Knowledge:
    """What the ledger knows of one series when its night begins.

    `hits_by_then` is given on a night that is older than a stored outcome, from which the trackers
    may have learned: the outcomes that were known by then.
    """

    pending: tuple[Pending, ...] = ()
    trackers: tuple[Tracker, ...] = ()
    model: ModelVersion | None = None
    hits_by_then: tuple[Hit, ...] | None = None


@dataclass(frozen=True)
class Rows:
    """An answer to a query: column names and rows of plain values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool = False

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Check:
    """One finding of `db check`."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Stamp:
    """When something is stored, by which program, on which machine."""

    now: datetime
    version: str
    environment: str
