"""The only door to the database.

`open_ledger` gives a `Ledger`; the modules beside this one read and write through it:
`prices` (instruments, series, bars), `knowledge` (what a night needs), `nights` (what it adds),
`backtests`, `history` (the views), `query` (SQL of the user's own) and `check`.
"""

from forecaster.ledger.door import Ledger, open_ledger
from forecaster.ledger.lineage import Decision, ModelVersion
from forecaster.ledger.records import (
    Check,
    Forecast,
    Instrument,
    Kind,
    Knowledge,
    Night,
    Outcome,
    Pending,
    Rows,
    Score,
    Series,
    SeriesNight,
    Stamp,
)
from forecaster.ledger.states import Gate, Lesson, Tracker

__all__ = [
    "Check",
    "Decision",
    "Forecast",
    "Gate",
    "Instrument",
    "Kind",
    "Knowledge",
    "Ledger",
    "Lesson",
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
