"""Bars, actions and calendars as pure values: no clock, no file, no database.

Importing this package loads NumPy only; pandas, exchange_calendars and holidays come in
with the first call that needs them.
"""

from forecaster.market.actions import (
    Actions,
    actions_from_frame,
    adjust,
    adjust_volume,
    bases,
    basis,
    derive_actions,
)
from forecaster.market.bars import (
    FIELDS,
    Bars,
    bars_from_frame,
    foreign_sessions,
    missing_sessions,
)
from forecaster.market.calendars import Calendar, get_calendar, infer_calendar

__all__ = [
    "FIELDS",
    "Actions",
    "Bars",
    "Calendar",
    "actions_from_frame",
    "adjust",
    "adjust_volume",
    "bars_from_frame",
    "bases",
    "basis",
    "derive_actions",
    "foreign_sessions",
    "get_calendar",
    "infer_calendar",
    "missing_sessions",
]
