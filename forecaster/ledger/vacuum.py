"""Give the space of what was deleted back to the disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from forecaster.errors import LedgerError
from forecaster.ledger.check import require_whole
from forecaster.ledger.claim import claim
from forecaster.ledger.door import Ledger
from forecaster.ledger.engine import plain_errors
from forecaster.ledger.vitals import measure


@dataclass(frozen=True)
class Vacuumed:
    """The size of a database before and after, in bytes."""

    before: int
    after: int


def vacuum(ledger: Ledger) -> Vacuumed:
    """Write the database anew, without gaps.

    Raises:
        LedgerError: somebody works with it, it is damaged, or the disk has not twice its size free.
    """
    is_file = ledger.url.get_backend_name() == "sqlite"
    with claim(ledger.url, "run", what="vacuum", wait=False), plain_errors(ledger.engine):
        require_whole(ledger)  # what is lost would be lost to every later look as well
        before = measure(ledger).whole
        if is_file:
            _require_space(Path(ledger.url.database or ""), 2 * before)
        connection = ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            if is_file:
                connection.exec_driver_sql("ROLLBACK")  # of what every connection begins with
            connection.exec_driver_sql("VACUUM" if is_file else "VACUUM (ANALYZE)")
            if is_file:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql("BEGIN")
        return Vacuumed(before, measure(ledger).whole)


def _require_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise LedgerError(
            f"writing {path} anew may take {needed:,} bytes, and {free:,} are free beside it",
            remedy="free some space first",
            code="disk_full",
        )
