"""pull: ask each source for what is missing. The only stage that touches the network."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from forecaster.config import SeriesSettings
from forecaster.errors import ForecasterError, SourceError
from forecaster.job.asking import Pulled, ask, open_source
from forecaster.job.border import last_settled
from forecaster.job.context import Job
from forecaster.ledger import Instrument
from forecaster.ledger.before import Address
from forecaster.ledger.instruments import read_answers, read_instruments
from forecaster.ledger.prices import last_sessions
from forecaster.ledger.pulls import doubts
from forecaster.ledger.quarantine import TRUSTED, Held, read_held
from forecaster.logs import LOG, about

OVERLAP = timedelta(days=10)
"""Asked for again at each pull, so that a changed past value is seen."""

CORRECTED = timedelta(days=60)
"""For how long what is held is asked for again: sources correct within days, or never."""

NIGHTS = 3
"""On which a source must have said that it knows no symbol, and answered for another one."""


@dataclass(frozen=True)
class Wish:
    """How much is asked for: `anyway`, also where nothing is missing; `whole`, from the start."""

    anyway: bool = False
    whole: bool = False


@dataclass(eq=False)
class Doubts:
    """Symbols that a source says it does not know, until it is seen how it answers for others."""

    found: list[tuple[Address, Pulled]] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


def pull(
    job: Job, wanted: Sequence[SeriesSettings], wish: Wish = Wish()
) -> Iterator[tuple[Address, Pulled]]:
    """Fetch every instrument of the wanted series once, each failing alone.

    One after the other, as they are asked for: not all prices are in memory at once. Only a
    settled session that is missing is asked for, with the days before it. A source that refuses
    is left alone for a while, and one that is down is not asked for every symbol.
    """
    sources = {name: open_source(job, name) for name in dict.fromkeys(s.source for s in wanted)}
    stored = Stored.of(job)
    addresses = list(dict.fromkeys((one.source, one.symbol) for one in wanted))
    doubted = Doubts()
    spent = 0.0
    for count, address in enumerate(addresses, start=1):
        asking = sources[address[0]]
        if wish.anyway or asking.local or stored.lacks(job, address):
            start = None if wish.whole else stored.start(address)
            begun = time.perf_counter()
            with about(stage="pull", series=" ".join(address)):
                pulled = ask(job, asking, address, start)
            spent += time.perf_counter() - begun
        else:
            pulled = Pulled(asked=False)
        # A file that lacks a symbol is no outage.
        if pulled.said == "unknown_symbol" and not asking.local:
            doubted.found.append((address, pulled))
        else:
            if pulled.quotes is not None:
                doubted.answered.add(address[0])
            yield address, pulled
        job.progress("pulling prices", count, len(addresses))
    LOG.info("pull done", extra={"stage": "pull", "seconds": round(spent, 6)})
    for address, pulled in doubted.found:
        yield address, _doubted(job, address, pulled, others=address[0] in doubted.answered)


@dataclass(frozen=True)
class Stored:
    """What is stored of instruments: what need not be asked for."""

    known: Mapping[Address, Instrument]
    last: Mapping[Address, date]
    trusted: frozenset[Address]
    held: Mapping[int, Sequence[Held]]

    @classmethod
    def of(cls, job: Job) -> "Stored":
        """Read it."""
        marks = read_answers(job.ledger)
        return cls(
            known=read_instruments(job.ledger),
            last=last_sessions(job.ledger),
            trusted=frozenset(one for one, mark in marks.items() if mark == TRUSTED),
            held=read_held(job.ledger),
        )

    def lacks(self, job: Job, address: Address) -> bool:
        """Return whether something is missing: a settled session, or all that was accepted."""
        known, last = self.known.get(address), self.last.get(address)
        if known is None or known.historical or last is None or address in self.trusted:
            return True
        try:
            return last < last_settled(job, job.calendars.get(known.calendar))
        except ForecasterError:  # the calendar has ended: nothing settles any more
            return False

    def start(self, address: Address) -> date | None:
        """Return from where to ask, None for everything.

        Historical prices are at hand, and whoever corrects a file corrects it anywhere. What is
        held is asked for again while it may still be corrected.
        """
        known, last = self.known.get(address), self.last.get(address)
        if known is None or known.historical or last is None or address in self.trusted:
            return None
        doubted = [one.session for one in self.held.get(known.id, ()) if one.session]
        return (
            min([last, *(session for session in doubted if session > last - CORRECTED)]) - OVERLAP
        )


def _doubted(job: Job, address: Address, pulled: Pulled, *, others: bool) -> Pulled:
    """Return what is made of a source that says it knows no symbol: an outage may look the same."""
    name, symbol = address
    nights = doubts(job.ledger, name, symbol, also=job.clock() if others else None)
    said = pulled.problem.message if pulled.problem else ""
    if nights >= NIGHTS:
        problem = SourceError(
            f"{said}; it has said so on {nights} days on which it answered for other symbols",
            remedy="correct the symbol, or `forecaster series pause` it: its history stays",
            code="unknown_symbol",
        )
    else:
        problem = SourceError(
            f"{said}; an outage may look the same, so it is believed after {NIGHTS} nights",
            remedy="check the spelling of the symbol",
            code="bad_response",
        )
    return Pulled(problem=problem, requests=pulled.requests, said=pulled.said)
