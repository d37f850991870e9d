"""Tables of what is made of outcomes: states that learn, running sums, and what backtests found."""

from sqlalchemy import Column, Index, Text, func, text

from forecaster.ledger.columns import finite, key, need, one_of, ref, table
from forecaster.ledger.schema.words import HEADS, KINDS
from forecaster.ledger.types import Real, Session, Whole

FIGURES = (
    "mae", "rmse", "mase", "rel_mae", "rel_rmse", "pinball", "crps", "score80", "score95",
    "rel_score80", "rel_score95", "coverage80", "coverage80_lo", "coverage80_hi", "coverage95",
    "coverage95_lo", "coverage95_hi", "dm", "dm_p", "worst_quarter_rmse", "worst_quarter80",
    "training_seconds", "inference_seconds",
)  # fmt: skip
"""What a backtest finds of one method."""

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
    need("coverage", Real, server_default=text("0")),
    *finite("level", "quantile", "coverage"),
    Index("uq_tracker_cell", "series_id", func.coalesce(text("backtest_id"), 0), "horizon", "level",
          unique=True),
)  # fmt: skip

# What lets a head speak: sums over outcomes, each outcome counting a little less than the next.
gate = table(
    "gate",
    key(),
    ref("series_id", "series"),
    ref("backtest_id", "backtest", nullable=True),
    need("head", Text),
    need("horizon", Whole),
    need("gain", Real),
    need("power", Real),
    need("noise", Real),
    need("size", Real),
    need("n", Real),
    need("t", Real),
    need("weight", Real),
    need("outcomes", Whole),
    need("last_cutoff", Session),
    *finite("gain", "power", "noise", "size", "n", "t", "weight"),
    one_of("head", *HEADS),
    Index("uq_gate_cell", "series_id", func.coalesce(text("backtest_id"), 0), "horizon", "head",
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
    # Of the squared error against the baseline's, in squared widths of the 80 % interval.
    need("sum_gain", Real, server_default=text("0")),
    need("sum_gain_squared", Real, server_default=text("0")),
    need("gain_t", Real, server_default=text("0")),
    *finite("sum_error", "sum_abs_error", "sum_squared_error", "sum_baseline_abs_error",
             "sum_baseline_squared_error", "rmse", "baseline_rmse", "sum_width80", "sum_width95",
             "sum_gain", "sum_gain_squared", "gain_t"),
    one_of("kind", *KINDS),
    Index("uq_tally_cell", "series_id", "kind", func.coalesce(text("backtest_id"), 0), "horizon",
          unique=True),
)  # fmt: skip

# Of one series, or of all together; of one horizon, or of all.
backtest_result = table(
    "backtest_result",
    key(),
    ref("backtest_id", "backtest"),
    ref("series_id", "series", nullable=True),
    need("method", Text),
    Column("horizon", Whole),
    need("n", Whole),
    *(Column(name, Real) for name in FIGURES),
    *finite(*FIGURES),
    Index("uq_backtest_result_cell", "backtest_id", func.coalesce(text("series_id"), 0), "method",
          func.coalesce(text("horizon"), 0), unique=True),
)  # fmt: skip
