"""Gates, panels and rejected models; what a forecast is made of; what a backtest finds."""

import math
from itertools import groupby

import sqlalchemy as sa
from alembic import op
from forecaster.migrations.columns import (
    add,
    finite,
    key,
    known,
    refers,
    remake,
    table,
    unique,
)
from forecaster.migrations.scripts import run_script

from forecaster.ledger import types
from forecaster.model.tracker import next_coverage

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EITHER_SERIES = sa.text("coalesce(series_id, 0)")
EITHER_BACKTEST = sa.text("coalesce(backtest_id, 0)")
EITHER_HORIZON = sa.text("coalesce(horizon, 0)")

VIEWS = (
    "accuracy", "calibration", "current_tally", "decision_history", "model_history",
    "backtest_accuracy",
)  # fmt: skip
"""Those that change, and those of the tables that SQLite can only change by making them anew."""

GAIN = """
    (o.baseline_abs_error * o.baseline_abs_error - o.error * o.error)
    / NULLIF((f.hi80 - f.lo80) * (f.hi80 - f.lo80), 0)
"""
FIGURES = (
    "mae", "rmse", "mase", "rel_mae", "rel_rmse", "pinball", "crps", "score80", "score95",
    "rel_score80", "rel_score95", "coverage80", "coverage80_lo", "coverage80_hi", "coverage95",
    "coverage95_lo", "coverage95_hi", "dm", "dm_p", "worst_quarter_rmse", "worst_quarter80",
    "training_seconds", "inference_seconds",
)  # fmt: skip


def upgrade() -> None:
    for view in VIEWS:
        op.execute(sa.text(f"DROP VIEW {view}"))
    free_models()
    describe_forecasts()
    give_evidence()
    create_gates()
    create_results()
    extend_states()
    run_script("views_0004.sql")


def free_models() -> None:
    """A model may be of all series; a refit may be rejected; a series may be held to one."""
    op.drop_index("uq_model_version_cell", "model_version")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("model_version", "series_id", nullable=True)
        op.alter_column("model_version", "run_id", nullable=True)
    else:
        remake_models()
    add("model_version", "status", sa.Text(), default="'accepted'", words=("accepted", "rejected"))
    add("model_version", "incumbent_loss", types.Real())
    add("model_version", "data_sha256", sa.Text(), default="''")
    cell = (EITHER_SERIES, EITHER_BACKTEST, "cutoff", "fingerprint")
    unique("uq_model_version_cell", "model_version", *cell)
    newest = ["series_id", "backtest_id", "cutoff", "status", "fingerprint"]
    op.create_index("ix_model_version_newest", "model_version", newest)
    add("series", "pinned_model_id", types.Whole(), target="model_version")
    later = sa.text("revision > 1")
    op.create_index(
        "ix_bar_revised",
        "bar",
        ["instrument_id", "first_seen_at"],
        sqlite_where=later,
        postgresql_where=later,
    )


def remake_models() -> None:
    remake(
        "model_version",
        "*",
        *key("model_version"),
        sa.Column("series_id", types.Whole(), nullable=True),
        sa.Column("run_id", types.Whole(), nullable=True),
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
        sa.Column("restarts", types.Whole(), nullable=False, server_default=sa.text("0")),
        *finite("model_version", "baseline_loss", "seconds", "train_loss", "validation_loss"),
        refers("model_version", "backtest_id", "backtest"),
        refers("model_version", "run_id", "run"),
        refers("model_version", "series_id", "series"),
        refers("model_version", "program_id", "program"),
    )


def describe_forecasts() -> None:
    """What an older forecast was made of cannot be told any more, but for its EWMA spread."""
    add("forecast", "network_move", types.Real())
    add("forecast", "unit", types.Real())
    add("forecast", "gate_weight", types.Real(), default="1.0")
    add("forecast", "head_scale", types.Real())
    add("forecast", "ewma_scale", types.Real())
    spreads = ("panel", "linear", "network", "ewma")
    add("forecast", "spread", sa.Text(), default="'ewma'", words=spreads)
    add("forecast", "spread_order", sa.Text(), default="'ewma'")
    add("forecast", "spread_reason", sa.Text(), default="''")
    add("forecast", "panel_id", types.Whole(), target="model_version")
    add("score", "actual_move", types.Real())


def give_evidence() -> None:
    add("decision", "new_bars", types.Whole())
    add("decision", "revised_bars", types.Whole())
    for name in ("skill", "skill_t", "spread_t", "coverage_error80", "coverage_error95"):
        add("decision", name, types.Real())
    add("decision", "alarms", sa.Text(), default="''")


def create_gates() -> None:
    table(
        "gate",
        *key("gate"),
        sa.Column("series_id", types.Whole(), nullable=False),
        sa.Column("backtest_id", types.Whole(), nullable=True),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("horizon", types.Whole(), nullable=False),
        sa.Column("gain", types.Real(), nullable=False),
        sa.Column("power", types.Real(), nullable=False),
        sa.Column("noise", types.Real(), nullable=False),
        sa.Column("size", types.Real(), nullable=False),
        sa.Column("n", types.Real(), nullable=False),
        sa.Column("t", types.Real(), nullable=False),
        sa.Column("weight", types.Real(), nullable=False),
        sa.Column("outcomes", types.Whole(), nullable=False),
        sa.Column("last_cutoff", types.Session(), nullable=False),
        *finite("gate", "gain", "n", "noise", "power", "size", "t", "weight"),
        known("gate", "head", "mean", "spread"),
        refers("gate", "backtest_id", "backtest"),
        refers("gate", "series_id", "series"),
    )
    unique("uq_gate_cell", "gate", "series_id", EITHER_BACKTEST, "horizon", "head")


def create_results() -> None:
    table(
        "backtest_result",
        *key("backtest_result"),
        sa.Column("backtest_id", types.Whole(), nullable=False),
        sa.Column("series_id", types.Whole(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("horizon", types.Whole(), nullable=True),
        sa.Column("n", types.Whole(), nullable=False),
        *(sa.Column(name, types.Real(), nullable=True) for name in FIGURES),
        *finite("backtest_result", *FIGURES),
        refers("backtest_result", "backtest_id", "backtest"),
        refers("backtest_result", "series_id", "series"),
    )
    cell = ("backtest_id", EITHER_SERIES, "method", EITHER_HORIZON)
    unique("uq_backtest_result_cell", "backtest_result", *cell)


def extend_states() -> None:
    """What trackers and sums would hold by now is made of the stored scores."""
    add("tracker", "coverage", types.Real(), default="0")
    for name in ("sum_gain", "sum_gain_squared", "gain_t"):
        add("tally", name, types.Real(), default="0")
    keep_coverage()
    sum_gains()


def keep_coverage() -> None:
    connection = op.get_bind()
    hits = connection.execute(sa.text(
        "SELECT f.series_id, f.backtest_id, f.horizon, o.inside80, o.inside95 "
        "FROM forecast f JOIN score o ON o.forecast_id = f.id WHERE o.eta IS NOT NULL "
        "ORDER BY f.series_id, coalesce(f.backtest_id, 0), f.horizon, f.cutoff"
    ))  # fmt: skip
    rows = []
    for (series_id, backtest_id, horizon), some in groupby(hits, lambda row: tuple(row[:3])):
        reached = [0.80, 0.95]
        for row in some:
            hit = (bool(row.inside80), bool(row.inside95))
            reached = [next_coverage(*one) for one in zip(reached, hit, strict=True)]
        cell = {"series": series_id, "backtest": backtest_id or 0, "horizon": horizon}
        rows += [
            {**cell, "low": low, "high": low + 0.1, "coverage": coverage}
            for low, coverage in zip((0.75, 0.9), reached, strict=True)
        ]
    if rows:
        connection.execute(sa.text(
            "UPDATE tracker SET coverage = :coverage WHERE series_id = :series "
            "AND coalesce(backtest_id, 0) = :backtest AND horizon = :horizon "
            "AND level BETWEEN :low AND :high"
        ), rows)  # fmt: skip


def sum_gains() -> None:
    connection = op.get_bind()
    # The fragment is ours.
    sums = connection.execute(sa.text(
        "SELECT series_id, kind, backtest_id, horizon, sum(gain), sum(gain * gain) FROM ("  # noqa: S608
        f"SELECT f.series_id, f.kind, f.backtest_id, f.horizon, coalesce({GAIN}, 0) AS gain "
        "FROM forecast f JOIN score o ON o.forecast_id = f.id) scored "
        "GROUP BY series_id, kind, backtest_id, horizon"
    )).fetchall()  # fmt: skip
    rows = [
        {"series": series_id, "kind": kind, "backtest": backtest_id or 0, "horizon": horizon,
         "gain": gain, "squared": squared,
         "t": gain / math.sqrt(horizon * squared) if squared else 0.0}
        for series_id, kind, backtest_id, horizon, gain, squared in sums
    ]  # fmt: skip
    if rows:
        connection.execute(sa.text(
            "UPDATE tally SET sum_gain = :gain, sum_gain_squared = :squared, gain_t = :t "
            "WHERE series_id = :series AND kind = :kind "
            "AND coalesce(backtest_id, 0) = :backtest AND horizon = :horizon"
        ), rows)  # fmt: skip
