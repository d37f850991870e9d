"""The first schema: prices, runs, models, forecasts and their scores."""

import importlib.resources

import sqlalchemy as sa
from alembic import op

from forecaster.ledger import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_backtest()
    create_instrument()
    create_action()
    create_bar()
    create_program()
    create_run()
    create_series()
    create_model_version()
    create_run_series()
    create_tally()
    create_tracker()
    create_decision()
    create_forecast()
    create_score()
    create_awaiting()
    create_views()
    keep_append_only()


def finite(table: str, *columns: str) -> list[sa.CheckConstraint]:
    """Refuse infinities, and NaN where the database has it."""
    return [
        sa.CheckConstraint(
            f"{column} BETWEEN -1e+300 AND 1e+300", name=op.f(f"ck_{table}_{column}_finite")
        )
        for column in columns
    ]


def create_backtest() -> None:
    op.create_table(
        "backtest",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backtest"),
        sqlite_strict=True,
    )


def create_instrument() -> None:
    op.create_table(
        "instrument",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("historical", types.Flag(), nullable=False),
        sa.Column("attribution", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instrument"),
        sa.UniqueConstraint("source", "symbol", name="uq_instrument_source_symbol"),
        sqlite_strict=True,
    )


def create_action() -> None:
    op.create_table(
        "action",
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("split", types.Real(), nullable=False),
        sa.Column("dividend", types.Real(), nullable=False),
        sa.Column("first_seen_at", types.Moment(), nullable=False),
        *finite("action", "dividend", "split"),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name="fk_action_instrument_id"
        ),
        sa.PrimaryKeyConstraint("instrument_id", "session", name="pk_action"),
        sqlite_strict=True,
    )


def create_bar() -> None:
    op.create_table(
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
        sa.ForeignKeyConstraint(["instrument_id"], ["instrument.id"], name="fk_bar_instrument_id"),
        sa.PrimaryKeyConstraint("instrument_id", "session", "revision", name="pk_bar"),
        sqlite_strict=True,
    )


def create_program() -> None:
    op.create_table(
        "program",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_program"),
        sa.UniqueConstraint("version", "environment", name="uq_program_version_environment"),
        sqlite_strict=True,
    )


def create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("seconds", types.Real(), nullable=False),
        *finite("run", "seconds"),
        sa.CheckConstraint(
            "kind IN ('live', 'backfill', 'backtest')", name=op.f("ck_run_kind_known")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'degraded', 'failed')", name=op.f("ck_run_state_known")
        ),
        sa.ForeignKeyConstraint(["backtest_id"], ["backtest.id"], name="fk_run_backtest_id"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_run_night",
        "run",
        ["kind", sa.text("coalesce(backtest_id, 0)"), "calendar", "session"],
        unique=True,
    )


def create_series() -> None:
    op.create_table(
        "series",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("paused", types.Flag(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("backfilled_at", types.Moment(), nullable=True),
        sa.Column("replaced_at", types.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name="fk_series_instrument_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint(
            "name", "instrument_id", "field", name="uq_series_name_instrument_id_field"
        ),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_series_current_name",
        "series",
        ["name"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )


def create_model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", types.Whole(), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["backtest_id"], ["backtest.id"], name="fk_model_version_backtest_id"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_model_version_run_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_model_version_series_id"),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name="fk_model_version_program_id"),
        sa.PrimaryKeyConstraint("id", name="pk_model_version"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_model_version_cell",
        "model_version",
        ["series_id", sa.text("coalesce(backtest_id, 0)"), "cutoff", "fingerprint"],
        unique=True,
    )


def create_run_series() -> None:
    op.create_table(
        "run_series",
        sa.Column("run_id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("program_id", types.Whole(), nullable=False),
        sa.Column("stored_at", types.Moment(), nullable=False),
        sa.CheckConstraint(
            "status IN ('done', 'fallback', 'deferred', 'failed')",
            name=op.f("ck_run_series_status_known"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_series_run_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_run_series_series_id"),
        sa.ForeignKeyConstraint(["program_id"], ["program.id"], name="fk_run_series_program_id"),
        sa.PrimaryKeyConstraint("run_id", "series_id", name="pk_run_series"),
        sqlite_strict=True,
    )
    op.create_index("ix_run_series_series_id", "run_series", ["series_id"])


def create_tally() -> None:
    op.create_table(
        "tally",
        sa.Column("id", types.Whole(), nullable=False),
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
        sa.CheckConstraint(
            "kind IN ('live', 'backfill', 'backtest')", name=op.f("ck_tally_kind_known")
        ),
        sa.ForeignKeyConstraint(["backtest_id"], ["backtest.id"], name="fk_tally_backtest_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_tally_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tally"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_tally_cell",
        "tally",
        ["series_id", "kind", sa.text("coalesce(backtest_id, 0)"), "horizon"],
        unique=True,
    )


def create_tracker() -> None:
    op.create_table(
        "tracker",
        sa.Column("id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("level", types.Real(), nullable=False),
        sa.Column("quantile", types.Real(), nullable=False),
        sa.Column("outcomes", types.Whole(), nullable=False),
        sa.Column("last_cutoff", types.Session(), nullable=False),
        *finite("tracker", "level", "quantile"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_tracker_series_id"),
        sa.ForeignKeyConstraint(["backtest_id"], ["backtest.id"], name="fk_tracker_backtest_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tracker"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_tracker_cell",
        "tracker",
        ["series_id", sa.text("coalesce(backtest_id, 0)"), "horizon", "level"],
        unique=True,
    )


def create_decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", types.Whole(), nullable=False),
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
        sa.CheckConstraint(
            "verdict IN ('retrain', 'reuse', 'fallback')", name=op.f("ck_decision_verdict_known")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model_version.id"], name="fk_decision_model_id"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_decision_run_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_decision_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.UniqueConstraint("run_id", "series_id", name="uq_decision_run_id_series_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_decision_series_id", "decision", ["series_id"])


def create_forecast() -> None:
    op.create_table(
        "forecast",
        sa.Column("id", types.Whole(), nullable=False),
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
        sa.CheckConstraint(
            "kind IN ('live', 'backfill', 'backtest')", name=op.f("ck_forecast_kind_known")
        ),
        sa.CheckConstraint("status IN ('ok', 'fallback')", name=op.f("ck_forecast_status_known")),
        *finite("forecast", "baseline", "basis", "hi80", "hi95"),
        sa.CheckConstraint("horizon >= 1", name=op.f("ck_forecast_horizon_positive")),
        *finite("forecast", "lo80"),
        sa.CheckConstraint(
            "lo95 <= lo80 AND lo80 <= hi80 AND hi80 <= hi95",
            name=op.f("ck_forecast_intervals_nested"),
        ),
        *finite("forecast", "lo95", "mean", "quantile80", "quantile95", "scale"),
        sa.CheckConstraint("target_session > cutoff", name=op.f("ck_forecast_target_after_cutoff")),
        sa.ForeignKeyConstraint(["backtest_id"], ["backtest.id"], name="fk_forecast_backtest_id"),
        sa.ForeignKeyConstraint(["model_id"], ["model_version.id"], name="fk_forecast_model_id"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_forecast_run_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_forecast_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_forecast"),
        sqlite_strict=True,
    )
    op.create_index("ix_forecast_run_id", "forecast", ["run_id"])
    op.create_index("ix_forecast_target", "forecast", ["series_id", "target_session", "cutoff"])
    op.create_index(
        "uq_forecast_cell",
        "forecast",
        ["series_id", "kind", sa.text("coalesce(backtest_id, 0)"), "cutoff", "horizon"],
        unique=True,
    )


def create_score() -> None:
    op.create_table(
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
        sa.ForeignKeyConstraint(["forecast_id"], ["forecast.id"], name="fk_score_forecast_id"),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_score"),
        sqlite_strict=True,
    )


def create_awaiting() -> None:
    op.create_table(
        "awaiting",
        sa.Column("forecast_id", types.Whole(), autoincrement=False, nullable=False),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("target_session", types.Session(), nullable=False),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecast.id"], name="fk_awaiting_forecast_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_awaiting_series_id"),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_awaiting"),
        sqlite_strict=True,
    )
    op.create_index("ix_awaiting_series", "awaiting", ["series_id", "target_session"])


def create_views() -> None:
    text = importlib.resources.files("forecaster.migrations").joinpath("views_0001.sql").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for statement in code.split("\n;\n"):
        if statement.strip():
            op.execute(sa.text(statement))


def keep_append_only() -> None:
    """Make the database itself refuse to change or delete a forecast."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER forecast_no_{change.lower()} BEFORE {change} ON forecast "
                "BEGIN SELECT RAISE(ABORT, 'forecast is append-only'); END"
            )
        # REPLACE takes the old row away without the trigger above.
        op.execute(
            "CREATE TRIGGER forecast_no_replace BEFORE INSERT ON forecast WHEN EXISTS (SELECT 1 "
            "FROM forecast f WHERE f.id = NEW.id OR (f.series_id = NEW.series_id AND f.kind = "
            "NEW.kind AND coalesce(f.backtest_id, 0) = coalesce(NEW.backtest_id, 0) AND f.cutoff = "
            "NEW.cutoff AND f.horizon = NEW.horizon)) "
            "BEGIN SELECT RAISE(ABORT, 'forecast is append-only: UNIQUE cell'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION forecast_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'forecast is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER forecast_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON forecast "
        "FOR EACH STATEMENT EXECUTE FUNCTION forecast_is_append_only()"
    )
