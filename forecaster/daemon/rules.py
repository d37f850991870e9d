"""The configuration in force: a changed one is taken over, one that does not work is not."""

from collections.abc import Callable

from forecaster.config import Amendment, Settings
from forecaster.errors import ForecasterError, LedgerError
from forecaster.market import Calendars

Works = tuple[Settings, tuple[Amendment, ...]]
"""Settings, and the closures file as it was then."""


class Rules:
    """What a daemon works by.

    Args:
        load: reads the configuration anew, or raises ConfigError.
        settings: to begin with.

    Attributes:
        settings: in force.
        calendars: as they amend them.
    """

    def __init__(self, load: Callable[[], Settings], settings: Settings) -> None:
        self._load = load
        self._proven: Settings | None = None
        self._refused: tuple[Works, ForecasterError] | None = None
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        self.settings, self._amendments = settings, settings.amendments()
        self.calendars = Calendars(self._amendments)

    def reload(self) -> bool:
        """Take a changed configuration over; return whether there was one.

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
        works = (fresh, fresh.amendments())
        if self._refused is not None and works == self._refused[0]:
            raise self._refused[1]
        self._refused = None
        if works == (self.settings, self._amendments):
            return False
        self._take(fresh)
        return True

    def prove(self, settings: Settings) -> None:
        """Note that a child has worked by these settings to its end."""
        self._proven = settings

    def go_back(self, settings: Settings, why: ForecasterError) -> bool:
        """Put the settings in force again that were proved, because a child refused these.

        Returns whether there are some: what never worked is still tried.
        """
        if self._proven is None or self._proven == settings:
            return False
        self._refused = ((settings, self._amendments), why)
        if self.settings == settings:
            self._take(self._proven)
        return True
