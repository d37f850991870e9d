"""The tables of the ledger.

`forecast` is append-only (a trigger of the first migration refuses UPDATE and DELETE); bars and
actions are append-only by revision. `tally` holds running sums kept up to date with each score, so
that accuracy over millions of forecasts is a read of a few rows.
"""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from forecaster.ledger.types import Flag, Moment, Real, Session, Whole

HEAD = "0003"
"""The newest migration: what a database must be at for this program to use it."""

LARGEST = 1e300
"""Bound of the finite checks: infinities fall outside, and so does NaN in PostgreSQL."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _finite(*columns: str) -> list[CheckConstraint]:
    return [
        CheckConstraint(f"{column} BETWEEN -{LARGEST:g} AND {LARGEST:g}", name=f"{column}_finite")
        for column in columns
    ]


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _key() -> Column[Any]:
    return Column("id", Whole, primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    return Column(name, Whole, ForeignKey(f"{target}.id"), nullable=nullable, **options)


def _need(name: str, type_: Any, **options: Any) -> Column[Any]:
    return Column(name, type_, nullable=False, **options)


KINDS = ("live", "backfill", "backtest")
LEVELS = (0.80, 0.95)
FINISHED = ("done", "fallback")
"""States of a series' night after which there is nothing left to do."""
ORIGINS = ("told", "inferred")
HELD = ("bar", "action", "answer")
RESOLUTIONS = ("accepted", "confirmed", "corrected")
STATES = ("pending", "running", "done", "degraded", "deferred", "failed", "interrupted", "missed")
"""Of a run."""

instrument = _table(
    "instrument",
    _key(),
    _need("source", Text),
    _need("symbol", Text),
    _need("calendar", Text),
    Column("currency", Text),
    _need("historical", Flag),
    _need("attribution", Text),
    _need("created_at", Moment),
    # The newest answer's first session, number of bars and their digest: what it said is stored, or
    # held. Who writes bars in another way than `store_quotes` empties it.
    Column("answer", Text),
    UniqueConstraint("source", "symbol"),
)

series = _table(
    "series",
    _key(),
    _need("name", Text),
    _ref("instrument_id", "instrument"),
    _need("field", Text),
    _need("paused", Flag),
    _need("created_at", Moment),
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

bar = _table(
    "bar",
    _ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    _need("close", Real),
    Column("volume", Real),
    _need("first_seen_at", Moment),
    *_finite("open", "high", "low", "close", "volume"),
)

# A revision without split and dividend takes back what was said before.
action = _table(
    "action",
    _ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    _need("split", Real),
    _need("dividend", Real),
    # Whether the source told of it, or its prices did.
    _need("origin", Text),
    _need("first_seen_at", Moment),
    *_finite("split", "dividend"),
    _one_of("origin", *ORIGINS),
)

# What a source said that is not believed. The same thing, said again, is seen again.
quarantine = _table(
    "quarantine",
    _key(),
    _ref("instrument_id", "instrument"),
    Column("session", Session),
    _need("what", Text),
    _need("reason_code", Text),
    _need("reason", Text),
    # What was said, as far as it is a finite number.
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    Column("close", Real),
    Column("volume", Real),
    Column("split", Real),
    Column("dividend", Real),
    _need("first_seen_at", Moment),
    _need("last_seen_at", Moment),
    Column("resolved_at", Moment),
    Column("resolution", Text),
    *_finite("open", "high", "low", "close", "volume", "split", "dividend"),
    _one_of("what", *HELD),
    _one_of("resolution", *RESOLUTIONS),
    Index("ix_quarantine_instrument_id", "instrument_id", "session"),
)

# What was noticed about prices that are used all the same.
alert = _table(
    "alert",
    _key(),
    _ref("instrument_id", "instrument"),
    _need("session", Session),
    _need("code", Text),
    _need("message", Text),
    _need("raised_at", Moment),
    Index("ix_alert_instrument_id", "instrument_id", "raised_at"),
)

# Each time that a source was asked, or left alone, for an instrument that may be none.
pull = _table(
    "pull",
    _key(),
    _need("source", Text),
    _need("symbol", Text),
    _need("pulled_at", Moment),
    # What the source said, and what is made of it.
    _need("said", Text),
    _need("outcome", Text),
    _need("reason", Text),
    _need("requests", Whole),
    _need("new_bars", Whole),
    _need("revised_bars", Whole),
    _need("held_bars", Whole),
    # The source is to be left alone until then.
    Column("resumes_at", Moment),
    Index("ix_pull_symbol", "source", "symbol", "pulled_at"),
    Index("ix_pull_source", "source", "pulled_at"),
)

backtest = _table(
    "backtest",
    _key(),
    _need("started_at", Moment),
    Column("finished_at", Moment),
    _need("horizon", Whole),
    _need("settings", Text),
    _need("version", Text),
)

# What numbers depend on besides their inputs. It belongs to each series' night and each model: a
# run may be begun by one program and finished by another.
program = _table(
    "program",
    _key(),
    _need("version", Text),
    _need("environment", Text),
    UniqueConstraint("version", "environment"),
)

run = _table(
    "run",
    _key(),
    _need("kind", Text),
    _ref("backtest_id", "backtest", nullable=True),
    _need("calendar", Text),
    _need("session", Session),
    _need("state", Text),
    _need("started_at", Moment),
    Column("finished_at", Moment),
    # Time spent working, summed over the attempts.
    _need("seconds", Real),
    *_finite("seconds"),
    _one_of("kind", *KINDS),
    _one_of("state", *STATES),
    Index("uq_run_night", "kind", func.coalesce(text("backtest_id"), 0), "calendar", "session",
          unique=True),
)  # fmt: skip

run_series = _table(
    "run_series",
    _ref("run_id", "run", primary_key=True),
    _ref("series_id", "series", primary_key=True),
    _need("status", Text),
    _need("reason_code", Text),
    _need("reason", Text),
    _ref("program_id", "program"),
    _need("stored_at", Moment),
    _one_of("status", "done", "fallback", "deferred", "failed"),
    Index("ix_run_series_series_id", "series_id"),
)

model_version = _table(
    "model_version",
    _key(),
    _ref("series_id", "series"),
    _ref("run_id", "run"),
    _ref("backtest_id", "backtest", nullable=True),
    _ref("program_id", "program"),
    _need("cutoff", Session),
    _need("created_at", Moment),
    _need("fingerprint", Text),
    _need("settings", Text),
    _need("seed", Whole),
    _need("bars", Whole),
    _need("windows", Whole),
    _need("epochs", Whole),
    _need("best_epoch", Whole),
    _need("train_loss", Real),
    Column("validation_loss", Real),
    Column("baseline_loss", Real),
    _need("seconds", Real),
    _need("parameters", LargeBinary),
    _need("sha256", Text),
    # How often the training was begun again, at a lower learning rate, after it had diverged.
    _need("restarts", Whole, server_default=text("0")),
    *_finite("train_loss", "validation_loss", "baseline_loss", "seconds"),
    Index("uq_model_version_cell", "series_id", func.coalesce(text("backtest_id"), 0), "cutoff",
          "fingerprint", unique=True),
)  # fmt: skip

decision = _table(
    "decision",
    _key(),
    _ref("run_id", "run"),
    _ref("series_id", "series"),
    _need("verdict", Text),
    _need("reason_code", Text),
    _need("reason", Text),
    _ref("model_id", "model_version", nullable=True),
    Column("age_sessions", Whole),
    Column("allowed_age", Whole),
    _need("fingerprint", Text),
    Column("model_fingerprint", Text),
    # The settings of the spread, which no model version holds, as JSON.
    _need("intervals", Text),
    _need("decided_at", Moment),
    _one_of("verdict", "retrain", "reuse", "fallback"),
    UniqueConstraint("run_id", "series_id"),
    Index("ix_decision_series_id", "series_id"),
)

forecast = _table(
    "forecast",
    _key(),
    _ref("run_id", "run"),
    _ref("series_id", "series"),
    _ref("model_id", "model_version", nullable=True),
    _need("kind", Text),
    _ref("backtest_id", "backtest", nullable=True),
    _need("cutoff", Session),
    _need("horizon", Whole),
    _need("target_session", Session),
    _need("issued_at", Moment),
    _need("status", Text),
    _need("mean", Real),
    _need("lo80", Real),
    _need("hi80", Real),
    _need("lo95", Real),
    _need("hi95", Real),
    _need("baseline", Real),
    # The spread: standard deviation of the h-session move, and the tracker quantiles it was
    # multiplied with.
    _need("scale", Real),
    _need("quantile80", Real),
    _need("quantile95", Real),
    # Product of the split ratios up to the cutoff, as known then: the prices it was made in.
    _need("basis", Real),
    # Of the sessions that the network read, those without a bar, to which a value was carried.
    _need("carried", Whole, server_default=text("0")),
    _one_of("kind", *KINDS),
    _one_of("status", "ok", "fallback"),
    CheckConstraint("horizon >= 1", name="horizon_positive"),
    CheckConstraint("target_session > cutoff", name="target_after_cutoff"),
    CheckConstraint("lo95 <= lo80 AND lo80 <= hi80 AND hi80 <= hi95", name="intervals_nested"),
    *_finite("mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale", "quantile80",
             "quantile95", "basis"),
    Index("uq_forecast_cell", "series_id", "kind", func.coalesce(text("backtest_id"), 0),
          "cutoff", "horizon", unique=True),
    Index("ix_forecast_target", "series_id", "target_session", "cutoff"),
    Index("ix_forecast_run_id", "run_id"),
)  # fmt: skip

score = _table(
    "score",
    _ref("forecast_id", "forecast", primary_key=True, autoincrement=False),
    # The outcome in the basis of the forecast.
    _need("actual", Real),
    _need("error", Real),
    _need("abs_error", Real),
    _need("baseline_abs_error", Real),
    _need("inside80", Flag),
    _need("inside95", Flag),
    # The step with which the trackers learned from it; NULL where a later one came first.
    Column("eta", Real),
    _need("scored_at", Moment),
    *_finite("actual", "error", "abs_error", "baseline_abs_error", "eta"),
)

# Forecasts without an outcome yet, so that a night need not search the whole history for them.
awaiting = _table(
    "awaiting",
    _ref("forecast_id", "forecast", primary_key=True, autoincrement=False),
    _ref("series_id", "series"),
    _need("target_session", Session),
    Index("ix_awaiting_series", "series_id", "target_session"),
)

tracker = _table(
    "tracker",
    _key(),
    _ref("series_id", "series"),
    _ref("backtest_id", "backtest", nullable=True),
    _need("horizon", Whole),
    _need("level", Real),
    _need("quantile", Real),
    _need("outcomes", Whole),
    _need("last_cutoff", Session),
    *_finite("level", "quantile"),
    Index("uq_tracker_cell", "series_id", func.coalesce(text("backtest_id"), 0), "horizon", "level",
          unique=True),
)  # fmt: skip

tally = _table(
    "tally",
    _key(),
    _ref("series_id", "series"),
    _need("kind", Text),
    _ref("backtest_id", "backtest", nullable=True),
    _need("horizon", Whole),
    _need("n", Whole),
    _need("sum_error", Real),
    _need("sum_abs_error", Real),
    _need("sum_squared_error", Real),
    _need("sum_baseline_abs_error", Real),
    _need("sum_baseline_squared_error", Real),
    # Stored because sqrt() is a build option of SQLite.
    _need("rmse", Real),
    _need("baseline_rmse", Real),
    _need("covered80", Whole),
    _need("covered95", Whole),
    _need("sum_width80", Real),
    _need("sum_width95", Real),
    *_finite("sum_error", "sum_abs_error", "sum_squared_error", "sum_baseline_abs_error",
             "sum_baseline_squared_error", "rmse", "baseline_rmse", "sum_width80", "sum_width95"),
    _one_of("kind", *KINDS),
    Index("uq_tally_cell", "series_id", "kind", func.coalesce(text("backtest_id"), 0), "horizon",
          unique=True),
)  # fmt: skip
