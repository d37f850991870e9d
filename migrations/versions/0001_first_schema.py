"""The first schema: prices, runs, models, forecasts and their scores."""

import sqlalchemy as sa
from alembic import op
from forecaster.migrations.columns import finite, key, known, refers, table, unique
from forecaster.migrations.scripts import run_script

from forecaster.ledger import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# NULLs differ from each other in a unique index; of no backtest there is only one.
EITHER_BACKTEST = sa.text("coalesce(backtest_id, 0)")


def upgrade() -> None:
    create_instruments()
    create_prices()
    create_runs()
    create_models()
    create_decisions()
    create_forecasts()
    create_scores()
    create_sums()
    run_script("views_0001.sql")
    run_script(f"append_only_{op.get_bind().dialect.name}_0001.sql")


def create_instruments() -> None:
    table(
        "instrument",
        *key("instrument"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("historical", types.Flag(), nullable=False),
        sa.Column("attribution", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.UniqueConstraint("source", "symbol", name="uq_instrument_source_symbol"),
    )
    table(
        "series",
        *key("series"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("paused", types.Flag(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("backfilled_at", types.Moment(), nullable=True),
        sa.Column("replaced_at", types.Moment(), nullable=True),
        refers("series", "instrument_id", "instrument"),
        sa.UniqueConstraint(
            "name", "instrument_id", "field", name="uq_series_name_instrument_id_field"
        ),
    )
    op.create_index(
        "uq_series_current_name",
        "series",
        ["name"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )


def create_prices() -> None:
    table(
        "bar",
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("revision", types.Whole(), nullable=False),
        sa.Column("open", types.Real(), nullable=True),
        sa.Column("high", types.Real(), nullable=True),
        sa.Column("low", types.Real(), nullable=True),
        sa.Column("close", types.Real(), nullable=False),
        sa.Column("volume", types.Real(), nullable=True),
        sa.Column("first_seen_at", types.Moment(), nullable=False),
        *finite("bar", "close", "high", "low", "open", "volume"),
        refers("bar", "instrument_id", "instrument"),
        sa.PrimaryKeyConstraint("instrument_id", "session", "revision", name="pk_bar"),
    )
    table(
        "action",
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("split", types.Real(), nullable=False),
        sa.Column("dividend", types.Real(), nullable=False),
        sa.Column("first_seen_at", types.Moment(), nullable=False),
        *finite("action", "dividend", "split"),
        refers("action", "instrument_id", "instrument"),
        sa.PrimaryKeyConstraint("instrument_id", "session", name="pk_action"),
    )


def create_runs() -> None:
    table(
        "backtest",
        *key("backtest"),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
    )
    table(
        "program",
        *key("program"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.UniqueConstraint("version", "environment", name="uq_program_version_environment"),
    )
    table(
        "run",
        *key("run"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("seconds", types.Real(), nullable=False),
        *finite("run", "seconds"),
        known("run", "kind", "live", "backfill", "backtest"),
        known("run", "state", "running", "done", "degraded", "failed"),
        refers("run", "backtest_id", "backtest"),
    )
    unique("uq_run_night", "run", "kind", EITHER_BACKTEST, "calendar", "session")
    table(
        "run_series",
        sa.Column("run_id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("program_id", types.Whole(), nullable=False),
        sa.Column("stored_at", types.Moment(), nullable=False),
        known("run_series", "status", "done", "fallback", "deferred", "failed"),
        refers("run_series", "run_id", "run"),
        refers("run_series", "series_id", "series"),
        refers("run_series", "program_id", "program"),
        sa.PrimaryKeyConstraint("run_id", "series_id", name="pk_run_series"),
    )
    op.create_index("ix_run_series_series_id", "run_series", ["series_id"])


def create_models() -> None:
    table(
        "model_version",
        *key("model_version"),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("run_id", types.Whole(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("program_id", types.Whole(), nullable=False),
        sa.Column("cutoff", types.Session(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("seed", types.Whole(), nullable=False),
        sa.Column("bars", types.Whole(), nullable=False),
        sa.Column("windows", types.Whole(), nullable=False),
        sa.Column("epochs", types.Whole(), nullable=False),
        sa.Column("best_epoch", types.Whole(), nullable=False),
        sa.Column("train_loss", types.Real(), nullable=False),
        sa.Column("validation_loss", types.Real(), nullable=True),
        sa.Column("baseline_loss", types.Real(), nullable=True),
        sa.Column("seconds", types.Real(), nullable=False),
        sa.Column("parameters", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        *finite("model_version", "baseline_loss", "seconds", "train_loss", "validation_loss"),
        refers("model_version", "backtest_id", "backtest"),
        refers("model_version", "run_id", "run"),
        refers("model_version", "series_id", "series"),
        refers("model_version", "program_id", "program"),
    )
    unique(
        "uq_model_version_cell",
        "model_version",
        "series_id",
        EITHER_BACKTEST,
        "cutoff",
        "fingerprint",
    )


def create_decisions() -> None:
    table(
        "decision",
        *key("decision"),
        sa.Column("run_id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model_id", types.Whole(), nullable=True),
        sa.Column("age_sessions", types.Whole(), nullable=True),
        sa.Column("allowed_age", types.Whole(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=True),
        sa.Column("intervals", sa.Text(), nullable=False),
        sa.Column("decided_at", types.Moment(), nullable=False),
        known("decision", "verdict", "retrain", "reuse", "fallback"),
        refers("decision", "model_id", "model_version"),
        refers("decision", "run_id", "run"),
        refers("decision", "series_id", "series"),
        sa.UniqueConstraint("run_id", "series_id", name="uq_decision_run_id_series_id"),
    )
    op.create_index("ix_decision_series_id", "decision", ["series_id"])


def create_forecasts() -> None:
    table(
        "forecast",
        *key("forecast"),
        sa.Column("run_id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("model_id", types.Whole(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("cutoff", types.Session(), nullable=False),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("target_session", types.Session(), nullable=False),
        sa.Column("issued_at", types.Moment(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("mean", types.Real(), nullable=False),
        sa.Column("lo80", types.Real(), nullable=False),
        sa.Column("hi80", types.Real(), nullable=False),
        sa.Column("lo95", types.Real(), nullable=False),
        sa.Column("hi95", types.Real(), nullable=False),
        sa.Column("baseline", types.Real(), nullable=False),
        sa.Column("scale", types.Real(), nullable=False),
        sa.Column("quantile80", types.Real(), nullable=False),
        sa.Column("quantile95", types.Real(), nullable=False),
        sa.Column("basis", types.Real(), nullable=False),
        known("forecast", "kind", "live", "backfill", "backtest"),
        known("forecast", "status", "ok", "fallback"),
        *finite("forecast", "baseline", "basis", "hi80", "hi95"),
        sa.CheckConstraint("horizon >= 1", name=op.f("ck_forecast_horizon_positive")),
        *finite("forecast", "lo80"),
        sa.CheckConstraint(
            "lo95 <= lo80 AND lo80 <= hi80 AND hi80 <= hi95",
            name=op.f("ck_forecast_intervals_nested"),
        ),
        *finite("forecast", "lo95", "mean", "quantile80", "quantile95", "scale"),
        sa.CheckConstraint("target_session > cutoff", name=op.f("ck_forecast_target_after_cutoff")),
        refers("forecast", "backtest_id", "backtest"),
        refers("forecast", "model_id", "model_version"),
        refers("forecast", "run_id", "run"),
        refers("forecast", "series_id", "series"),
    )
    op.create_index("ix_forecast_run_id", "forecast", ["run_id"])
    op.create_index("ix_forecast_target", "forecast", ["series_id", "target_session", "cutoff"])
    unique(
        "uq_forecast_cell", "forecast", "series_id", "kind", EITHER_BACKTEST, "cutoff", "horizon"
    )


def create_scores() -> None:
    table(
        "awaiting",
        sa.Column("forecast_id", types.Whole(), autoincrement=False, nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("target_session", types.Session(), nullable=False),
        refers("awaiting", "forecast_id", "forecast"),
        refers("awaiting", "series_id", "series"),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_awaiting"),
    )
    op.create_index("ix_awaiting_series", "awaiting", ["series_id", "target_session"])
    table(
        "score",
        sa.Column("forecast_id", types.Whole(), autoincrement=False, nullable=False),
        sa.Column("actual", types.Real(), nullable=False),
        sa.Column("error", types.Real(), nullable=False),
        sa.Column("abs_error", types.Real(), nullable=False),
        sa.Column("baseline_abs_error", types.Real(), nullable=False),
        sa.Column("inside80", types.Flag(), nullable=False),
        sa.Column("inside95", types.Flag(), nullable=False),
        sa.Column("eta", types.Real(), nullable=True),
        sa.Column("scored_at", types.Moment(), nullable=False),
        *finite("score", "abs_error", "actual", "baseline_abs_error", "error", "eta"),
        refers("score", "forecast_id", "forecast"),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_score"),
    )


def create_sums() -> None:
    table(
        "tracker",
        *key("tracker"),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("level", types.Real(), nullable=False),
        sa.Column("quantile", types.Real(), nullable=False),
        sa.Column("outcomes", types.Whole(), nullable=False),
        sa.Column("last_cutoff", types.Session(), nullable=False),
        *finite("tracker", "level", "quantile"),
        refers("tracker", "series_id", "series"),
        refers("tracker", "backtest_id", "backtest"),
    )
    unique("uq_tracker_cell", "tracker", "series_id", EITHER_BACKTEST, "horizon", "level")
    table(
        "tally",
        *key("tally"),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("n", types.Whole(), nullable=False),
        sa.Column("sum_error", types.Real(), nullable=False),
        sa.Column("sum_abs_error", types.Real(), nullable=False),
        sa.Column("sum_squared_error", types.Real(), nullable=False),
        sa.Column("sum_baseline_abs_error", types.Real(), nullable=False),
        sa.Column("sum_baseline_squared_error", types.Real(), nullable=False),
        sa.Column("rmse", types.Real(), nullable=False),
        sa.Column("baseline_rmse", types.Real(), nullable=False),
        sa.Column("covered80", types.Whole(), nullable=False),
        sa.Column("covered95", types.Whole(), nullable=False),
        sa.Column("sum_width80", types.Real(), nullable=False),
        sa.Column("sum_width95", types.Real(), nullable=False),
        *finite(
            "tally",
            "baseline_rmse",
            "rmse",
            "sum_abs_error",
            "sum_baseline_abs_error",
            "sum_baseline_squared_error",
            "sum_error",
            "sum_squared_error",
            "sum_width80",
            "sum_width95",
        ),
        known("tally", "kind", "live", "backfill", "backtest"),
        refers("tally", "backtest_id", "backtest"),
        refers("tally", "series_id", "series"),
    )
    unique("uq_tally_cell", "tally", "series_id", "kind", EITHER_BACKTEST, "horizon")
