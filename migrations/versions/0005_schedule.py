"""When a run was due, how often it was tried and when it is tried next; the daemon's own row."""

import sqlalchemy as sa
from alembic import op
from forecaster.migrations.columns import add, finite, key, known, refers, remake, table, unique
from forecaster.migrations.scripts import run_script

from forecaster.ledger import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OF_RUN = ("decision_history", "run_history", "series_history")
"""Views of the table `run`, which SQLite can only change by making it anew."""


def upgrade() -> None:
    for view in OF_RUN:
        op.execute(sa.text(f"DROP VIEW {view}"))
    allow_pending()
    add("run", "due_at", types.Moment())
    add("run", "late", types.Flag(), default="0")
    add("run", "attempts", types.Whole(), default="0")
    add("run", "next_attempt_at", types.Moment())
    add("run", "reason_code", sa.Text(), default="''")
    add("run", "reason", sa.Text(), default="''")
    op.create_index("ix_run_due", "run", ["calendar", "due_at"])
    table(
        "daemon",
        *key("daemon"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", types.Whole(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("ticked_at", types.Moment(), nullable=False),
        sa.Column("stopped_at", types.Moment(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
    )
    run_script("views_0005.sql")


def allow_pending() -> None:
    """A run that is pending has not begun."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("run", "started_at", nullable=True)
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
        sa.Column("started_at", types.Moment(), nullable=True),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("seconds", types.Real(), nullable=False),
        *finite("run", "seconds"),
        known("run", "kind", "live", "backfill", "backtest"),
        known(
            "run", "state", "pending", "running", "done", "degraded", "deferred", "failed",
            "interrupted", "missed",
        ),
        refers("run", "backtest_id", "backtest"),
    )  # fmt: skip
    either = sa.text("coalesce(backtest_id, 0)")
    unique("uq_run_night", "run", "kind", either, "calendar", "session")
