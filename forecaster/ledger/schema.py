"""The tables of the ledger.

`forecast` is append-only (a trigger of the first migration refuses UPDATE and DELETE); bars and
actions are append-only by revision. `tally` holds running sums kept up to date with each score, so
that accuracy over millions of forecasts is a read of a few rows.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)

from forecaster.ledger.columns import LARGEST, finite, key, metadata, need, one_of, ref, table
from forecaster.ledger.types import Flag, Moment, Real, Session, Whole

__all__ = ["LARGEST", "metadata"]

HEAD = "0003"
"""The newest migration: what a database must be at for this program to use it."""

KINDS = ("live", "backfill", "backtest")
LEVELS = (0.80, 0.95)
FINISHED = ("done", "fallback")
"""States of a series' night after which there is nothing left to do."""
ORIGINS = ("told", "inferred")
HELD = ("bar", "action", "answer")
RESOLUTIONS = ("accepted", "confirmed", "corrected")
STATES = ("pending", "running", "done", "degraded", "deferred", "failed", "interrupted", "missed")
"""Of a run."""

instrument = table(
    "instrument",
    key(),
    need("source", Text),
    need("symbol", Text),
    need("calendar", Text),
    Column("currency", Text),
    need("historical", Flag),
    need("attribution", Text),
    need("created_at", Moment),
    # The newest answer's first session, number of bars and their digest: what it said is stored, or
    # held. Who writes bars in another way than `store_quotes` empties it.
    Column("answer", Text),
    UniqueConstraint("source", "symbol"),
)

series = table(
    "series",
    key(),
    need("name", Text),
    ref("instrument_id", "instrument"),
    need("field", Text),
    need("paused", Flag),
    need("created_at", Moment),
    Column("backfilled_at", Moment),
    # Set when the name was given to another instrument or field; the history stays.
    Column("replaced_at", Moment),
    UniqueConstraint("name", "instrument_id", "field"),
    Index(
        "uq_series_current_name",
        "name",
        unique=True,
        sqlite_where=text("replaced_at IS NULL"),
        postgresql_where=text("replaced_at IS NULL"),
    ),
)

bar = table(
    "bar",
    ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    need("close", Real),
    Column("volume", Real),
    need("first_seen_at", Moment),
    *finite("open", "high", "low", "close", "volume"),
)

# A revision without split and dividend takes back what was said before.
action = table(
    "action",
    ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    need("split", Real),
    need("dividend", Real),
    # Whether the source told of it, or its prices did.
    need("origin", Text),
    need("first_seen_at", Moment),
    *finite("split", "dividend"),
    one_of("origin", *ORIGINS),
)

# What a source said that is not believed. The same thing, said again, is seen again.
quarantine = table(
    "quarantine",
    key(),
    ref("instrument_id", "instrument"),
    Column("session", Session),
    need("what", Text),
    need("reason_code", Text),
    need("reason", Text),
    # What was said, as far as it is a finite number.
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    Column("close", Real),
    Column("volume", Real),
    Column("split", Real),
    Column("dividend", Real),
    need("first_seen_at", Moment),
    need("last_seen_at", Moment),
    Column("resolved_at", Moment),
    Column("resolution", Text),
    *finite("open", "high", "low", "close", "volume", "split", "dividend"),
    one_of("what", *HELD),
    one_of("resolution", *RESOLUTIONS),
    Index("ix_quarantine_instrument_id", "instrument_id", "session"),
)

# What was noticed about prices that are used all the same.
alert = table(
    "alert",
    key(),
    ref("instrument_id", "instrument"),
    need("session", Session),
    need("code", Text),
    need("message", Text),
    need("raised_at", Moment),
    Index("ix_alert_instrument_id", "instrument_id", "raised_at"),
)

# Each time that a source was asked, or left alone, for an instrument that may be none.
pull = table(
    "pull",
    key(),
    need("source", Text),
    need("symbol", Text),
    need("pulled_at", Moment),
    # What the source said, and what is made of it.
    need("said", Text),
    need("outcome", Text),
    need("reason", Text),
    need("requests", Whole),
    need("new_bars", Whole),
    need("revised_bars", Whole),
    need("held_bars", Whole),
    # The source is to be left alone until then.
    Column("resumes_at", Moment),
    Index("ix_pull_symbol", "source", "symbol", "pulled_at"),
    Index("ix_pull_source", "source", "id"),
)

backtest = table(
    "backtest",
    key(),
    need("started_at", Moment),
    Column("finished_at", Moment),
    need("horizon", Whole),
    need("settings", Text),
    need("version", Text),
)

# What numbers depend on besides their inputs. It belongs to each series' night and each model: a
# run may be begun by one program and finished by another.
program = table(
    "program",
    key(),
    need("version", Text),
    need("environment", Text),
    UniqueConstraint("version", "environment"),
)

run = table(
    "run",
    key(),
    need("kind", Text),
    ref("backtest_id", "backtest", nullable=True),
    need("calendar", Text),
    need("session", Session),
    need("state", Text),
    need("started_at", Moment),
    Column("finished_at", Moment),
    # Time spent working, summed over the attempts.
    need("seconds", Real),
    *finite("seconds"),
    one_of("kind", *KINDS),
    one_of("state", *STATES),
    Index("uq_run_night", "kind", func.coalesce(text("backtest_id"), 0), "calendar", "session",
          unique=True),
)  # fmt: skip

run_series = table(
    "run_series",
    ref("run_id", "run", primary_key=True),
    ref("series_id", "series", primary_key=True),
    need("status", Text),
    need("reason_code", Text),
    need("reason", Text),
    ref("program_id", "program"),
    need("stored_at", Moment),
    one_of("status", "done", "fallback", "deferred", "failed"),
    Index("ix_run_series_series_id", "series_id"),
)

model_version = table(
    "model_version",
    key(),
    ref("series_id", "series"),
    ref("run_id", "run"),
    ref("backtest_id", "backtest", nullable=True),
    ref("program_id", "program"),
    need("cutoff", Session),
    need("created_at", Moment),
    need("fingerprint", Text),
    need("settings", Text),
    need("seed", Whole),
    need("bars", Whole),
    need("windows", Whole),
    need("epochs", Whole),
    need("best_epoch", Whole),
    need("train_loss", Real),
    Column("validation_loss", Real),
    Column("baseline_loss", Real),
    need("seconds", Real),
    need("parameters", LargeBinary),
    need("sha256", Text),
    # How often the training was begun again, at a lower learning rate, after it had diverged.
    need("restarts", Whole, server_default=text("0")),
    *finite("train_loss", "validation_loss", "baseline_loss", "seconds"),
    Index("uq_model_version_cell", "series_id", func.coalesce(text("backtest_id"), 0), "cutoff",
          "fingerprint", unique=True),
)  # fmt: skip

decision = table(
    "decision",
    key(),
    ref("run_id", "run"),
    ref("series_id", "series"),
    need("verdict", Text),
    need("reason_code", Text),
    need("reason", Text),
    ref("model_id", "model_version", nullable=True),
    Column("age_sessions", Whole),
    Column("allowed_age", Whole),
    need("fingerprint", Text),
    Column("model_fingerprint", Text),
    # The settings of the spread, which no model version holds, as JSON.
    need("intervals", Text),
    need("decided_at", Moment),
    one_of("verdict", "retrain", "reuse", "fallback"),
    UniqueConstraint("run_id", "series_id"),
    Index("ix_decision_series_id", "series_id"),
)

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
    one_of("kind", *KINDS),
    one_of("status", "ok", "fallback"),
    CheckConstraint("horizon >= 1", name="horizon_positive"),
    CheckConstraint("target_session > cutoff", name="target_after_cutoff"),
    CheckConstraint("lo95 <= lo80 AND lo80 <= hi80 AND hi80 <= hi95", name="intervals_nested"),
    *finite("mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale", "quantile80",
             "quantile95", "basis"),
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
    *finite("actual", "error", "abs_error", "baseline_abs_error", "eta"),
)

# Forecasts without an outcome yet, so that a night need not search the whole history for them.
awaiting = table(
    "awaiting",
    ref("forecast_id", "forecast", primary_key=True, autoincrement=False),
    ref("series_id", "series"),
    need("target_session", Session),
    Index("ix_awaiting_series", "series_id", "target_session"),
)

tracker = table(
    "tracker",
    key(),
    ref("series_id", "series"),
    ref("backtest_id", "backtest", nullable=True),
    need("horizon", Whole),
    need("level", Real),
    need("quantile", Real),
    need("outcomes", Whole),
    need("last_cutoff", Session),
    *finite("level", "quantile"),
    Index("uq_tracker_cell", "series_id", func.coalesce(text("backtest_id"), 0), "horizon", "level",
          unique=True),
)  # fmt: skip

tally = table(
    "tally",
    key(),
    ref("series_id", "series"),
    need("kind", Text),
    ref("backtest_id", "backtest", nullable=True),
    need("horizon", Whole),
    need("n", Whole),
    need("sum_error", Real),
    need("sum_abs_error", Real),
    need("sum_squared_error", Real),
    need("sum_baseline_abs_error", Real),
    need("sum_baseline_squared_error", Real),
    # Stored because sqrt() is a build option of SQLite.
    need("rmse", Real),
    need("baseline_rmse", Real),
    need("covered80", Whole),
    need("covered95", Whole),
    need("sum_width80", Real),
    need("sum_width95", Real),
    *finite("sum_error", "sum_abs_error", "sum_squared_error", "sum_baseline_abs_error",
             "sum_baseline_squared_error", "rmse", "baseline_rmse", "sum_width80", "sum_width95"),
    one_of("kind", *KINDS),
    Index("uq_tally_cell", "series_id", "kind", func.coalesce(text("backtest_id"), 0), "horizon",
          unique=True),
)  # fmt: skip
