"""Ask a source, as often as it can bear: not while it refuses, and not when it is down."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from forecaster.errors import ForecasterError, PluginError, SourceError
from forecaster.hooks import Quotes, Source
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.ledger.before import Address
from forecaster.ledger.pulls import REFUSED, Rest, read_rest

RESTS = (timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=45))
"""For which a source is left alone after it has refused once, twice and more often in a row."""

LONGEST_REST = timedelta(hours=6)
"""That a source may wish for."""

DOWN = ("network", "provider_down")
MOST_FAILURES = 3
"""In a row, after which a source is down and not asked any more in this execution."""


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


def open_source(job: Job, name: str) -> Asking:
    """Return a source, or the error of a plugin that does not work.

    Raises:
        ConfigError: an option of its table is wrong.
    """
    rest = read_rest(job.ledger, name)
    if name in job.avoid:
        return Asking(name, None, rest, shut=_hung(name))
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


def _hung(name: str) -> SourceError:
    return SourceError(
        f"{name} is not asked: it did not answer before the last deadline",
        remedy="it is asked again in an hour; see the log for where it hung",
        code="provider_down",
    )


def _resting(name: str, until: datetime) -> SourceError:
    moment = until.astimezone(UTC)
    return SourceError(
        f"{name} limits requests and is left alone until {moment:%Y-%m-%d %H:%M} UTC",
        remedy="run again then",
        code=REFUSED,
    )


def ask(job: Job, asking: Asking, address: Address, start: date | None) -> Pulled:
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
