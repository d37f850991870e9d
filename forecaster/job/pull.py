"""pull: ask each source for what is missing. The only stage that touches the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from forecaster.config import SeriesSettings
from forecaster.errors import ForecasterError, PluginError, SourceError
from forecaster.hooks import Quotes, Source
from forecaster.job.border import last_settled
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.ledger import Instrument
from forecaster.ledger.before import TRUSTED, Address
from forecaster.ledger.instruments import read_answers, read_instruments
from forecaster.ledger.prices import last_sessions
from forecaster.ledger.pulls import REFUSED, Rest, doubts, read_rests
from forecaster.ledger.quarantine import Held, read_held

OVERLAP = timedelta(days=10)
"""Asked for again at each pull, so that a changed past value is seen."""

CORRECTED = timedelta(days=60)
"""For how long what is held is asked for again: sources correct within days, or never."""

RESTS = (timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=45))
"""For which a source is left alone after it has refused once, twice and more often in a row."""

LONGEST_REST = timedelta(hours=6)
"""That a source may wish for."""

DOWN = ("network", "provider_down")
MOST_FAILURES = 3
"""In a row, after which a source is down and not asked any more in this execution."""

NIGHTS = 3
"""On which a source must have said that it knows no symbol, and answered for another one."""


@dataclass(frozen=True)
class Pulled:
    """What a source answered for one instrument, or why it did not.

    Attributes:
        quotes: the answer.
        problem: why there is none; neither is there where nothing was missing.
        requests: sent for it.
        asked: whether it was asked at all.
        said: the word of the source for its problem.
        resumes_at: until when the source is to be left alone.
    """

    quotes: Quotes | None = None
    problem: ForecasterError | None = None
    requests: int = 0
    asked: bool = True
    said: str = ""
    resumes_at: datetime | None = None


@dataclass(eq=False)
class Asking:
    """A source while it is being asked for one symbol after another."""

    name: str
    source: Source | None
    rest: Rest | None
    shut: ForecasterError | None = None
    failures: int = 0

    @property
    def requests(self) -> int | None:
        """How many requests the source has sent, if it says so."""
        count = getattr(self.source, "requests", None)
        return count if isinstance(count, int) else None

    @property
    def local(self) -> bool:
        """Whether it reads from this machine, so that asking costs nothing."""
        return bool(getattr(self.source, "local", False))


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
    rests = read_rests(job.ledger)
    sources = {
        name: _open(job, name, rests.get(name)) for name in dict.fromkeys(s.source for s in wanted)
    }
    known, last = read_instruments(job.ledger), last_sessions(job.ledger)
    trusted = {one for one, mark in read_answers(job.ledger).items() if mark == TRUSTED}
    held = read_held(job.ledger)
    addresses = list(dict.fromkeys((one.source, one.symbol) for one in wanted))
    doubted = Doubts()
    for count, address in enumerate(addresses, start=1):
        asking = sources[address[0]]
        whole = wish.whole or address in trusted
        start = None if whole else _start(known.get(address), last.get(address), held)
        if (
            wish.anyway
            or whole
            or asking.local
            or _lacks(job, known.get(address), last.get(address))
        ):
            pulled = _ask(job, asking, address, start)
        else:
            pulled = Pulled(asked=False)
        if pulled.said == "unknown_symbol":
            doubted.found.append((address, pulled))
        else:
            if pulled.quotes is not None:
                doubted.answered.add(address[0])
            yield address, pulled
        job.progress("pulling prices", count, len(addresses))
    for address, pulled in doubted.found:
        yield address, _doubted(job, address, pulled, others=address[0] in doubted.answered)


def _start(
    known: Instrument | None, last: date | None, held: Mapping[int, Sequence[Held]]
) -> date | None:
    """Return from where to ask, None for everything.

    Historical prices are at hand, and whoever corrects a file corrects it anywhere. What is held
    is asked for again while it may still be corrected.
    """
    if known is None or known.historical or last is None:
        return None
    doubted = [one.session for one in held.get(known.id, ()) if one.session]
    return min([last, *(session for session in doubted if session > last - CORRECTED)]) - OVERLAP


def _lacks(job: Job, known: Instrument | None, last: date | None) -> bool:
    """Return whether a settled session of an instrument is missing."""
    if known is None or known.historical or last is None:
        return True
    return last < last_settled(job, job.calendars.get(known.calendar))


def _open(job: Job, name: str, rest: Rest | None) -> Asking:
    """Return a source, or the error of a plugin that does not work.

    Raises:
        ConfigError: an option of its table is wrong.
    """
    try:
        options = job.settings.plugins.options(name)
        source: Source = job.registry.source(name)(options, job.settings.folder)
    except PluginError as error:
        return Asking(name, None, rest, shut=error)
    except ForecasterError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return Asking(name, None, rest, shut=foreign(f"source {name}", error))
    # None is longer than the longest: such a one was noted by a clock that was wrong.
    if rest is not None and timedelta(0) < rest.resumes_at - job.clock() <= LONGEST_REST:
        return Asking(name, source, rest, shut=_resting(name, rest.resumes_at))
    return Asking(name, source, rest)


def _resting(name: str, until: datetime) -> SourceError:
    moment = until.astimezone(UTC)
    return SourceError(
        f"{name} limits requests and is left alone until {moment:%Y-%m-%d %H:%M} UTC",
        remedy="run again then",
        code=REFUSED,
    )


def _ask(job: Job, asking: Asking, address: Address, start: date | None) -> Pulled:
    """Ask a source about one symbol, unless it is shut; remember what became of it."""
    if asking.shut is not None or asking.source is None:
        return Pulled(problem=asking.shut, asked=False)
    before = asking.requests
    quotes, problem = _fetched(asking.source, asking.name, address[1], start)
    after = asking.requests
    requests = 0 if asking.local else 1
    if before is not None and after is not None:
        requests = after - before
    if problem is None:
        asking.failures, asking.rest = 0, None
        return Pulled(quotes, requests=requests)
    asking.failures = asking.failures + 1 if problem.code in DOWN else 0
    if problem.code == REFUSED:
        return _refused(job, asking, problem, requests)
    if asking.failures >= MOST_FAILURES:
        asking.shut = SourceError(
            f"not asked, because {asking.name} failed {MOST_FAILURES} times in a row",
            remedy="run again later",
            code=problem.code,
        )
    return Pulled(problem=problem, requests=requests, said=problem.code)


def _refused(job: Job, asking: Asking, problem: ForecasterError, requests: int) -> Pulled:
    """Leave a source alone, for as long as it wishes or longer each time."""
    refusals = (asking.rest.refusals if asking.rest else 0) + 1
    rest = RESTS[min(refusals, len(RESTS)) - 1]
    if isinstance(problem, SourceError) and problem.retry_after is not None:
        # NaN compares false, and no timedelta is as long as what a header may say.
        wish = max(RESTS[0].total_seconds(), problem.retry_after)
        rest = timedelta(seconds=min(wish, LONGEST_REST.total_seconds()))
    until = job.clock() + rest
    asking.shut = _resting(asking.name, until)
    return Pulled(problem=problem, requests=requests, said=problem.code, resumes_at=until)


def _fetched(
    source: Source, name: str, symbol: str, start: date | None
) -> tuple[Quotes | None, ForecasterError | None]:
    try:
        quotes = source.fetch(symbol, start, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return None, foreign(f"source {name}", error)
    if not isinstance(quotes, Quotes):  # a foreign plugin may return anything
        return None, PluginError(  # type: ignore[unreachable]
            f"source {name} returned a {type(quotes).__name__} where Quotes were due",
            remedy="report it to the plugin's author",
            code="plugin_answer",
        )
    return quotes, None


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
