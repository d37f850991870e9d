"""What is remembered of children that ended badly, so that the same does not end the next ones."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from forecaster.config import Settings
from forecaster.daemon.ending import Ending
from forecaster.job.schedule import next_attempt
from forecaster.ledger.runs import DIED, Run
from forecaster.market import Calendar

HUNG = timedelta(hours=1)
"""For which a source is not asked at which a child has hung."""


@dataclass(eq=False)
class Setbacks:
    """Sources that are left alone for a while, and runs whose attempts are used up.

    Attributes:
        hung: sources that are not asked, and until when.
        suspect: a source at which the last child ended.
        spent: runs that had an attempt after their last one, at which nothing foreign is called.
    """

    hung: dict[str, datetime] = field(default_factory=dict)
    suspect: str = ""
    spent: set[int] = field(default_factory=set)

    def avoided(self, now: datetime) -> tuple[str, ...]:
        """Return the sources that are not asked now: the others have their turn."""
        hung = self.hung.items()
        self.hung = {name: until for name, until in hung if now < until <= now + HUNG}
        return tuple(self.hung)

    def note(self, ending: Ending, now: datetime) -> None:
        """Leave the source alone at which a child hung, or ended twice: once may be chance."""
        asked = ending.last.get("series", "") if ending.last.get("stage") == "pull" else ""
        source, before = asked.partition(" ")[0], self.suspect
        self.suspect = source if ending.how in DIED else ""
        if source and (ending.how == "deadline" or before == self.suspect != ""):
            self.hung[source] = now + HUNG

    def again(
        self, one: Run, ending: Ending, settings: Settings, calendar: Calendar, now: datetime
    ) -> datetime | None:
        """Return when a run is tried again at which a child ended; None for never."""
        begun = one.attempts - one.has_begun
        if ending.how == "killed" and not begun:
            return now  # once it is chance, and later sessions build on this one
        again = next_attempt(replace(one, attempts=begun), settings, calendar, now, not_before=now)
        if again is None and one.id not in self.spent and ending.how in DIED:
            self.spent.add(one.id)
            return now  # so that what was never said is said without what ended the process
        return again


def blamed(runs: list[Run], ending: Ending) -> list[Run]:
    """Return the runs that a child's end is put down to.

    That is the session that it was at work on, if it had come so far: the others had no part in it.
    """
    where = ending.last.get("run")
    return [one for one in runs if f"{one.calendar} {one.session}" == where] or runs
