"""Tables of what the program did: backtests, runs, models and the decisions that led to them."""

from sqlalchemy import Column, Index, LargeBinary, Text, UniqueConstraint, func, text

from forecaster.ledger.columns import finite, key, need, one_of, ref, table
from forecaster.ledger.schema.words import KINDS, STATES, VERSIONS
from forecaster.ledger.types import Flag, Moment, Real, Session, Whole

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
    # Nothing is begun yet of a pending one, and never of a missed one.
    Column("started_at", Moment),
    Column("finished_at", Moment),
    # Time spent working, summed over the attempts.
    need("seconds", Real),
    # When the schedule wanted it; nothing did of an initial backfill and what was asked for.
    Column("due_at", Moment),
    need("late", Flag, server_default=text("0")),
    need("attempts", Whole, server_default=text("0")),
    Column("next_attempt_at", Moment),
    need("reason_code", Text, server_default=text("''")),
    need("reason", Text, server_default=text("''")),
    *finite("seconds"),
    one_of("kind", *KINDS),
    one_of("state", *STATES),
    Index("uq_run_night", "kind", func.coalesce(text("backtest_id"), 0), "calendar", "session",
          unique=True),
    Index("ix_run_due", "calendar", "due_at"),
)  # fmt: skip

# The one daemon of this database, or the last one there was.
daemon = table(
    "daemon",
    key(),
    need("host", Text),
    need("pid", Whole),
    need("version", Text),
    need("started_at", Moment),
    need("ticked_at", Moment),
    Column("stopped_at", Moment),
    need("problem", Text),
)

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
    # A panel is of all series, and of no run.
    ref("series_id", "series", nullable=True),
    ref("run_id", "run", nullable=True),
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
    need("status", Text, server_default=text("'accepted'")),
    # On the windows held back, of the version that it was to replace.
    Column("incumbent_loss", Real),
    # Of the values that it was trained on.
    need("data_sha256", Text, server_default=text("''")),
    *finite("train_loss", "validation_loss", "baseline_loss", "seconds", "incumbent_loss"),
    one_of("status", *VERSIONS),
    Index("uq_model_version_cell", func.coalesce(text("series_id"), 0),
          func.coalesce(text("backtest_id"), 0), "cutoff", "fingerprint", unique=True),
    # All that it takes to find the newest: what stands behind the parameters is slow to read.
    Index("ix_model_version_newest", "series_id", "backtest_id", "cutoff", "status", "fingerprint"),
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
    Column("new_bars", Whole),
    Column("revised_bars", Whole),
    Column("skill", Real),
    Column("skill_t", Real),
    Column("spread_t", Real),
    Column("coverage_error80", Real),
    Column("coverage_error95", Real),
    need("alarms", Text, server_default=text("''")),
    *finite("skill", "skill_t", "spread_t", "coverage_error80", "coverage_error95"),
    one_of("verdict", "retrain", "reuse", "fallback"),
    UniqueConstraint("run_id", "series_id"),
    Index("ix_decision_series_id", "series_id"),
)
