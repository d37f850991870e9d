"""The configuration in force: a changed one is taken over, one that does not work is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from forecaster.config import Amendment, Settings
from forecaster.daemon.errand import Errand
from forecaster.errors import ForecasterError, LedgerError
from forecaster.market import Calendars

REFUSED = timedelta(hours=1)
"""For which what a child has refused is not tried again: a plugin may be mended by then."""


@dataclass(frozen=True)
class Refusal:
    """That a child has refused settings, why, and when."""

    works: str
    why: ForecasterError
    at: datetime


class Rules:
    """What a daemon works by.

    Args:
        load: reads the configuration anew, or raises ConfigError.
        settings: to begin with.

    Attributes:
        settings: in force.
        amendments: of the closures file, likewise.
        calendars: as they amend them.
    """

    def __init__(self, load: Callable[[], Settings], settings: Settings) -> None:
        self._load = load
        self._proven: Errand | None = None
        self._refused: Refusal | None = None
        self._take(settings, settings.amendments())

    def _take(self, settings: Settings, amendments: tuple[Amendment, ...]) -> None:
        calendars = Calendars(amendments)
        calendars.check()
        self.settings, self.amendments, self.calendars = settings, amendments, calendars

    def reload(self, now: datetime) -> bool:
        """Take a changed configuration over; return whether there was one.

        What a child has refused is one again after a while.

        Raises:
            ForecasterError: it cannot be used, and what was in force stays so.
        """
        fresh = self._load().resolved()
        if fresh.database_url() != self.settings.database_url():
            raise LedgerError(
                "the configuration names another database",
                remedy="restart the daemon to use it",
                code="other_database",
            )
        amendments = fresh.amendments()
        works, refused = _text(fresh, amendments), self._refused
        if refused and works == refused.works and abs(now - refused.at) < REFUSED:
            raise refused.why
        self._refused = None
        if works == _text(self.settings, self.amendments):
            return False
        self._take(fresh, amendments)
        return True

    def prove(self, errand: Errand) -> None:
        """Note that a child has done an errand by these settings to its end."""
        self._proven = errand

    def go_back(self, errand: Errand, why: ForecasterError, now: datetime) -> bool:
        """Put in force again what was proved, because a child refused what its errand says.

        Returns whether there is something: what never worked is still tried.
        """
        works = _text(errand.settings, errand.amendments or ())
        proven = self._proven
        if proven is None or _text(proven.settings, proven.amendments or ()) == works:
            return False
        self._refused = Refusal(works, why, now)
        if _text(self.settings, self.amendments) == works:
            self._take(proven.settings, proven.amendments or ())
        return True


def _text(settings: Settings, amendments: Sequence[Amendment]) -> str:
    """Return what settings and closures are told apart by: a number that is none equals nothing."""
    return repr((settings, amendments))
