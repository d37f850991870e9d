"""The values that go in and out of the ledger: plain, frozen, free of SQL."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from forecaster.ledger.lineage import Decision, ModelVersion
from forecaster.ledger.states import Gate, Lesson, Tracker

Kind = Literal["live", "backfill", "backtest"]

LONGEST_REASON = 500
"""Letters of why a run is as it is."""


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
    pinned_model_id: int | None = None


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
    cutoff: on that session there was no bar, and an older price was carried there. What a forecast
    consists of is None where an older program made it.
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
    network_move: float | None = None
    unit: float | None = None
    head_scale: float | None = None
    ewma_scale: float | None = None


@dataclass(frozen=True)
class Score:
    """What happened, against what was said. `actual` is in the basis of the forecast.

    `eta` is the step with which the trackers learned from it, None where it came too late for that:
    then the gates did not learn from it either. `actual_move` is the move from the baseline in
    units of the forecast's `unit`.
    """

    pending: Pending
    actual: float
    error: float
    baseline_error: float
    inside80: bool
    inside95: bool
    eta: float | None = None
    actual_move: float | None = None


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
    network_move: float | None = None
    """The network's own mean, as a move from the baseline in units of `unit`."""
    unit: float | None = None
    gate_weight: float = 1.0
    """The share of `network_move` that is in `mean`."""
    head_scale: float | None = None
    """What the spread head says, whether or not `scale` is made of it."""
    ewma_scale: float | None = None
    spread: str = "ewma"
    """What `scale` is of, and the order in which it was looked for, such as "linear > ewma"."""
    spread_order: str = "ewma"
    spread_reason: str = ""
    panel_id: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a series' night ended."""

    status: Literal["done", "fallback", "deferred", "failed"]
    reason_code: str
    reason: str


@dataclass(frozen=True)
class SeriesNight:
    """All that one night adds to the ledger for one series: stored whole or not at all.

    `rejected` is a refit that is stored and not used, beside the `model` that is.
    """

    series_id: int
    outcome: Outcome
    scores: tuple[Score, ...] = ()
    trackers: tuple[Tracker, ...] = ()
    decision: Decision | None = None
    model: ModelVersion | None = None
    forecasts: tuple[Forecast, ...] = ()
    completes_backfill: bool = False
    gates: tuple[Gate, ...] = ()
    rejected: ModelVersion | None = None


@dataclass(frozen=True)
class Knowledge:
    """What the ledger knows of one series when its night begins.

    Attributes:
        pending: forecasts whose outcome may be known now.
        trackers: in their newest state.
        model: the newest accepted version, or the pinned one.
        lessons_by_then: on a night that is older than a stored outcome, from which the states may
            have learned: the outcomes that were known by then.
        gates: in their newest state.
        attempt: cutoff and fingerprint of the newest version, rejected ones included.
        pinned: `model` is held by the user.
        panel: the newest version that was trained on all series.
        revised_bars: bars of the night's past that were revised since `model` was stored.
    """

    pending: tuple[Pending, ...] = ()
    trackers: tuple[Tracker, ...] = ()
    model: ModelVersion | None = None
    lessons_by_then: tuple[Lesson, ...] | None = None
    gates: tuple[Gate, ...] = ()
    attempt: tuple[date, str] | None = None
    pinned: bool = False
    panel: ModelVersion | None = None
    revised_bars: int = 0


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
