"""Tables of what was said and what happened."""

from sqlalchemy import CheckConstraint, Column, Index, Text, func, text

from forecaster.ledger.columns import finite, key, need, one_of, ref, table
from forecaster.ledger.schema.words import KINDS, SPREADS
from forecaster.ledger.types import Flag, Moment, Real, Session, Whole

forecast = table(
    "forecast",
    key(),
    ref("run_id", "run"),
    ref("series_id", "series"),
    ref("model_id", "model_version", nullable=True),
    need("kind", Text),
    ref("backtest_id", "backtest", nullable=True),
    need("cutoff", Session),
    need("horizon", Whole),
    need("target_session", Session),
    need("issued_at", Moment),
    need("status", Text),
    need("mean", Real),
    need("lo80", Real),
    need("hi80", Real),
    need("lo95", Real),
    need("hi95", Real),
    need("baseline", Real),
    # The spread: standard deviation of the h-session move, and the tracker quantiles it was
    # multiplied with.
    need("scale", Real),
    need("quantile80", Real),
    need("quantile95", Real),
    # Product of the split ratios up to the cutoff, as known then: the prices it was made in.
    need("basis", Real),
    # Of the sessions that the network read, those without a bar, to which a value was carried.
    need("carried", Whole, server_default=text("0")),
    # What the network said, as a move from the baseline in `unit`s, and the share of it in `mean`.
    Column("network_move", Real),
    Column("unit", Real),
    need("gate_weight", Real, server_default=text("1.0")),
    # What the spread head says, used or not, and what stands in for it.
    Column("head_scale", Real),
    Column("ewma_scale", Real),
    need("spread", Text, server_default=text("'ewma'")),
    need("spread_order", Text, server_default=text("'ewma'")),
    need("spread_reason", Text, server_default=text("''")),
    ref("panel_id", "model_version", nullable=True),
    one_of("kind", *KINDS),
    one_of("status", "ok", "fallback"),
    one_of("spread", *SPREADS),
    CheckConstraint("horizon >= 1", name="horizon_positive"),
    CheckConstraint("target_session > cutoff", name="target_after_cutoff"),
    CheckConstraint("lo95 <= lo80 AND lo80 <= hi80 AND hi80 <= hi95", name="intervals_nested"),
    *finite("mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale", "quantile80",
             "quantile95", "basis", "network_move", "unit", "gate_weight", "head_scale",
             "ewma_scale"),
    Index("uq_forecast_cell", "series_id", "kind", func.coalesce(text("backtest_id"), 0),
          "cutoff", "horizon", unique=True),
    Index("ix_forecast_target", "series_id", "target_session", "cutoff"),
    Index("ix_forecast_run_id", "run_id"),
)  # fmt: skip

score = table(
    "score",
    ref("forecast_id", "forecast", primary_key=True, autoincrement=False),
    # The outcome in the basis of the forecast.
    need("actual", Real),
    need("error", Real),
    need("abs_error", Real),
    need("baseline_abs_error", Real),
    need("inside80", Flag),
    need("inside95", Flag),
    # The step with which the trackers learned from it; NULL where a later one came first.
    Column("eta", Real),
    need("scored_at", Moment),
    # The move from the baseline in units of the forecast's `unit`.
    Column("actual_move", Real),
    *finite("actual", "error", "abs_error", "baseline_abs_error", "eta", "actual_move"),
)

# Forecasts without an outcome yet, so that a night need not search the whole history for them.
awaiting = table(
    "awaiting",
    ref("forecast_id", "forecast", primary_key=True, autoincrement=False),
    ref("series_id", "series"),
    need("target_session", Session),
    Index("ix_awaiting_series", "series_id", "target_session"),
)
