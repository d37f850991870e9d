"""The daemon's own row: that it lives, and what troubles it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from forecaster.ledger.door import Ledger, fields, upsert
from forecaster.ledger.schema import daemon

ONLY = 1


@dataclass(frozen=True)
class Pulse:
    """What the daemon of a database last said of itself.

    Attributes:
        host: it runs on.
        pid: its process there.
        version: of the program.
        started_at: when it began.
        ticked_at: when it last looked for what is due.
        stopped_at: when it ended in order, if it did.
        problem: what it needs a person for, on one line; nothing if all is well.
    """

    host: str
    pid: int
    version: str
    started_at: datetime
    ticked_at: datetime
    stopped_at: datetime | None = None
    problem: str = ""


def beat(ledger: Ledger, pulse: Pulse) -> None:
    """Store it."""
    with ledger.writing() as connection:
        upsert(connection, daemon, [{"id": ONLY, **fields(pulse)}], keys=[daemon.c.id])


def read_pulse(ledger: Ledger) -> Pulse | None:
    """Return it, None if there never was a daemon."""
    columns = [daemon.c[name] for name in Pulse.__dataclass_fields__]
    with ledger.reading() as connection:
        row = connection.execute(select(*columns)).first()
    return Pulse(*row) if row else None
