"""What `doctor` examines."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import URL

from forecaster.config import Settings
from forecaster.errors import ForecasterError
from forecaster.hooks import Registry
from forecaster.ledger import Ledger


@dataclass(frozen=True)
class Patient:
    """What is examined.

    Attributes:
        settings: that are in force.
        registry: of the plugins.
        url: of the database.
        ledger: the open database, or why it cannot be opened.
        now: what the clock says, aware.
    """

    settings: Settings
    registry: Registry
    url: URL
    ledger: Ledger | ForecasterError
    now: datetime

    @property
    def database(self) -> Path | None:
        """The database's file, None for a server."""
        is_file = self.url.get_backend_name() == "sqlite"
        return Path(self.url.database or "").resolve() if is_file else None


class Unfit(Exception):  # noqa: N818  a finding, caught at once
    """Something is not as it should be."""
