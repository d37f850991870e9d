"""What the border believes of an answer."""

from __future__ import annotations

import numpy as np

from forecaster.hooks import Quotes
from forecaster.market import Bars, Calendar, Held, admit, admit_actions, get_calendar
from forecaster.market.jumps import find_jumps

NEW_YORK = get_calendar("XNYS")


def judged(quotes: Quotes, calendar: Calendar | None = NEW_YORK) -> tuple[Bars, list[Held]]:
    """Return what the border believes of an answer to somebody who has nothing yet."""
    admitted = admit(quotes.bars, calendar, positive=True)
    actions, wrong = admit_actions(quotes.actions)
    fresh = np.ones(len(admitted.bars), bool)
    jumps = find_jumps(admitted.bars, actions, fresh, limit=0.4)
    return admitted.bars.where(~jumps.bars), [*admitted.held, *wrong, *jumps.held]
