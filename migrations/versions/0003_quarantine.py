"""What was pulled, held and noticed; actions by revision; more states of a run."""

import sqlalchemy as sa
from alembic import op
from forecaster.migrations.columns import finite, key, known, refers, remake, table
from forecaster.migrations.scripts import run_script

from forecaster.ledger import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FIELDS = ("close", "dividend", "high", "low", "open", "split", "volume")
OF_RUN = ("decision_history", "run_history", "series_history")
"""Views of the table `run`, which SQLite can only change by making it anew."""


def upgrade() -> None:
    for view in OF_RUN:
        op.execute(sa.text(f"DROP VIEW {view}"))
    keep_revisions_of_actions()
    allow_more_states()
    column = sa.Column("carried", types.Whole(), nullable=False, server_default=sa.text("0"))
    op.add_column("forecast", column)
    create_quarantine()
    create_alerts()
    create_pulls()
    run_script("views_0003.sql")


def keep_revisions_of_actions() -> None:
    remake(
        "action",
        "instrument_id, session, 1 AS revision, split, dividend, 'told' AS origin, first_seen_at",
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("revision", types.Whole(), nullable=False),
        sa.Column("split", types.Real(), nullable=False),
        sa.Column("dividend", types.Real(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("first_seen_at", types.Moment(), nullable=False),
        *finite("action", "dividend", "split"),
        known("action", "origin", "told", "inferred"),
        refers("action", "instrument_id", "instrument"),
        sa.PrimaryKeyConstraint("instrument_id", "session", "revision", name="pk_action"),
    )


def allow_more_states() -> None:
    states = known(
        "run", "state", "pending", "running", "done", "degraded", "deferred", "failed",
        "interrupted", "missed",
    )  # fmt: skip
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("ck_run_state_known", "run")
        op.create_check_constraint(states.name, "run", states.sqltext)
        return
    remake(
        "run",
        "*",
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
        states,
        refers("run", "backtest_id", "backtest"),
    )
    either = sa.text("coalesce(backtest_id, 0)")
    op.create_index("uq_run_night", "run", ["kind", either, "calendar", "session"], unique=True)


def create_quarantine() -> None:
    table(
        "quarantine",
        *key("quarantine"),
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("open", types.Real(), nullable=True),
        sa.Column("high", types.Real(), nullable=True),
        sa.Column("low", types.Real(), nullable=True),
        sa.Column("close", types.Real(), nullable=True),
        sa.Column("volume", types.Real(), nullable=True),
        sa.Column("split", types.Real(), nullable=True),
        sa.Column("dividend", types.Real(), nullable=True),
        sa.Column("first_seen_at", types.Moment(), nullable=False),
        sa.Column("last_seen_at", types.Moment(), nullable=False),
        sa.Column("resolved_at", types.Moment(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        *finite("quarantine", *FIELDS),
        known("quarantine", "what", "bar", "action", "answer"),
        known("quarantine", "resolution", "accepted", "confirmed", "corrected"),
        refers("quarantine", "instrument_id", "instrument"),
    )
    op.create_index("ix_quarantine_instrument_id", "quarantine", ["instrument_id", "session"])


def create_alerts() -> None:
    table(
        "alert",
        *key("alert"),
        sa.Column("instrument_id", types.Whole(), nullable=False),
        sa.Column("session", types.Session(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raised_at", types.Moment(), nullable=False),
        refers("alert", "instrument_id", "instrument"),
    )
    op.create_index("ix_alert_instrument_id", "alert", ["instrument_id", "raised_at"])


def create_pulls() -> None:
    table(
        "pull",
        *key("pull"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("pulled_at", types.Moment(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requests", types.Whole(), nullable=False),
        sa.Column("new_bars", types.Whole(), nullable=False),
        sa.Column("revised_bars", types.Whole(), nullable=False),
        sa.Column("held_bars", types.Whole(), nullable=False),
        sa.Column("resumes_at", types.Moment(), nullable=True),
    )
    op.create_index("ix_pull_symbol", "pull", ["source", "symbol", "pulled_at"])
    op.create_index("ix_pull_source", "pull", ["source", "id"])
