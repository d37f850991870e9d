"""pull: ask each source for what is missing. The only stage that touches the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from forecaster.config import SeriesSettings
from forecaster.errors import ForecasterError, PluginError, SourceError
from forecaster.hooks import Quotes, Source
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.ledger import Instrument
from forecaster.ledger.instruments import read_instruments
from forecaster.ledger.prices import last_sessions

OVERLAP = timedelta(days=10)
"""Asked for again at each pull, so that a changed past value is seen."""

Address = tuple[str, str]
"""(source, symbol)"""


@dataclass(frozen=True)
class Pulled:
    """What a source answered for one instrument, or why it did not."""

    quotes: Quotes | None
    problem: ForecasterError | None = None

    def quotes_or_raise(self) -> Quotes:
        """Return the answer, or raise why there is none."""
        if self.quotes is None:
            raise self.problem or SourceError("the source gave no answer")
        return self.quotes


def pull(job: Job, wanted: Sequence[SeriesSettings]) -> Iterator[tuple[Address, Pulled]]:
    """Fetch every instrument of the wanted series once, each failing alone.

    One after the other, as they are asked for: not all prices are in memory at once.
    """
    sources = {name: _open_source(job, name) for name in dict.fromkeys(s.source for s in wanted)}
    known = read_instruments(job.ledger)
    last = last_sessions(job.ledger)
    addresses = list(dict.fromkeys((one.source, one.symbol) for one in wanted))
    for count, address in enumerate(addresses, start=1):
        yield address, _ask(sources, address, _start(known.get(address), last.get(address)))
        job.progress("pulling prices", count, len(addresses))


def _start(known: Instrument | None, last: date | None) -> date | None:
    """Return from where to ask, None for everything.

    Historical prices are at hand, and whoever corrects a file corrects it anywhere.
    """
    if known is None or known.historical or last is None:
        return None
    return last - OVERLAP


def _open_source(job: Job, name: str) -> Source | ForecasterError:
    """Return a source, or the error of a plugin that does not work.

    Raises:
        ConfigError: an option of its table is wrong.
    """
    try:
        return job.registry.source(name)(job.settings.plugins.options(name), job.settings.folder)
    except PluginError as error:
        return error
    except ForecasterError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return foreign(f"source {name}", error)


def _ask(
    sources: Mapping[str, Source | ForecasterError], address: Address, start: date | None
) -> Pulled:
    name, symbol = address
    source = sources[name]
    if isinstance(source, ForecasterError):
        return Pulled(None, source)
    try:
        quotes = source.fetch(symbol, start, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return Pulled(None, foreign(f"source {name}", error))
    if not isinstance(quotes, Quotes):  # a foreign plugin may return anything
        return Pulled(  # type: ignore[unreachable]
            None,
            PluginError(
                f"source {name} returned a {type(quotes).__name__} where Quotes were due",
                remedy="report it to the plugin's author",
                code="plugin_answer",
            ),
        )
    return Pulled(quotes)
