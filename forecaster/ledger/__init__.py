"""The only door to the database.

`open_ledger` gives a `Ledger`; the modules beside this one read and write through it:
`prices` (instruments, series, bars), `knowledge` (what a night needs), `nights` (what it adds),
`backtests`, `history` (the views), `query` (SQL of the user's own) and `check`.
"""

from forecaster.ledger.door import Ledger, open_ledger
from forecaster.ledger.records import (
    Check,
    Decision,
    Forecast,
    Hit,
    Instrument,
    Kind,
    Knowledge,
    ModelVersion,
    Night,
    Outcome,
    Pending,
    Rows,
    Score,
    Series,
    SeriesNight,
    Stamp,
    Tracker,
)

__all__ = [
    "Check",
    "Decision",
    "Forecast",
    "Hit",
    "Instrument",
    "Kind",
    "Knowledge",
    "Ledger",
    "ModelVersion",
    "Night",
    "Outcome",
    "Pending",
    "Rows",
    "Score",
    "Series",
    "SeriesNight",
    "Stamp",
    "Tracker",
    "open_ledger",
]
