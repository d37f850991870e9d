"""The tables of the ledger.

`forecast` is append-only (a trigger of the first migration refuses UPDATE and DELETE); bars and
actions are append-only by revision. `tally` holds running sums kept up to date with each score, so
that accuracy over millions of forecasts is a read of a few rows.
"""

from forecaster.ledger.columns import LARGEST, metadata
from forecaster.ledger.schema.forecasts import awaiting, forecast, score
from forecaster.ledger.schema.prices import (
    action,
    alert,
    bar,
    instrument,
    pull,
    quarantine,
    series,
)
from forecaster.ledger.schema.runs import (
    backtest,
    daemon,
    decision,
    model_version,
    program,
    run,
    run_series,
)
from forecaster.ledger.schema.states import FIGURES, backtest_result, gate, tally, tracker
from forecaster.ledger.schema.words import (
    FINISHED,
    HEADS,
    HELD,
    KINDS,
    LEVELS,
    ORIGINS,
    RESOLUTIONS,
    SPREADS,
    STATES,
    VERSIONS,
)

HEAD = "0005"
"""The newest migration: what a database must be at for this program to use it."""

__all__ = [
    "FIGURES",
    "FINISHED",
    "HEAD",
    "HEADS",
    "HELD",
    "KINDS",
    "LARGEST",
    "LEVELS",
    "ORIGINS",
    "RESOLUTIONS",
    "SPREADS",
    "STATES",
    "VERSIONS",
    "action",
    "alert",
    "awaiting",
    "backtest",
    "backtest_result",
    "bar",
    "daemon",
    "decision",
    "forecast",
    "gate",
    "instrument",
    "metadata",
    "model_version",
    "program",
    "pull",
    "quarantine",
    "run",
    "run_series",
    "score",
    "series",
    "tally",
    "tracker",
]
