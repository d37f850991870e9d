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
    no_actions,
)
from forecaster.market.bars import (
    FIELDS,
    Bars,
    foreign_sessions,
    missing_sessions,
    no_bars,
)
from forecaster.market.border import Admitted, Held, admit, admit_actions, bars_from_frame
from forecaster.market.calendars import Calendar, Calendars, get_calendar, infer_calendar
from forecaster.market.frames import frame_sessions
from forecaster.market.merged import NOISE, Alert, Kept
from forecaster.market.reconcile import Reconciled, Rules, reconcile

__all__ = [
    "FIELDS",
    "NOISE",
    "Actions",
    "Admitted",
    "Alert",
    "Bars",
    "Calendar",
    "Calendars",
    "Held",
    "Kept",
    "Reconciled",
    "Rules",
    "actions_from_frame",
    "adjust",
    "adjust_volume",
    "admit",
    "admit_actions",
    "bars_from_frame",
    "bases",
    "basis",
    "derive_actions",
    "foreign_sessions",
    "frame_sessions",
    "get_calendar",
    "infer_calendar",
    "missing_sessions",
    "no_actions",
    "no_bars",
    "reconcile",
]
