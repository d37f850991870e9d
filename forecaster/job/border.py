"""The border: what a source answered becomes settled bars and actions, or is held."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from forecaster.config import SeriesSettings
from forecaster.errors import DataError, PluginError, SourceError
from forecaster.hooks import Quotes
from forecaster.job.context import Job
from forecaster.ledger import Instrument
from forecaster.ledger.before import Address, Told, mark
from forecaster.market import (
    Admitted,
    Bars,
    Calendar,
    Held,
    Rules,
    admit,
    admit_actions,
    frame_sessions,
    infer_calendar,
    no_bars,
)
from forecaster.market.frames import Sessions

NOTHING = Admitted(no_bars())


@dataclass(frozen=True)
class Limits:
    """What the configured series of one instrument want of its prices, all of them together."""

    calendar: str | None = None
    positive: bool = True
    bridged: bool = False
    """Some series goes on without sessions that are missing: whoever reads of it should know."""
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, eq=False)
class Passed:
    """An answer that has passed the border.

    Attributes:
        instrument: as the source quotes it.
        known: as it is stored.
        told: its settled bars and its actions, those left out that are held.
        held: what is held, row by row.
        expected: the last session that has settled; None where prices are historical.
        rules: what it is held against the ledger by.
        due: the sessions that its calendar has up to its last bar, where missing ones are an alert.
        doubt: why the answer may be about something else than the ones before.
    """

    instrument: Instrument
    known: Instrument | None
    told: Told
    held: tuple[Held, ...]
    expected: date | None
    rules: Rules
    due: Sessions
    doubt: Held | None = None


def limits_of(every: Sequence[SeriesSettings]) -> dict[Address, Limits]:
    """Return the limits of each configured instrument: of all its series, whichever are worked."""
    alike: dict[Address, list[SeriesSettings]] = {}
    for one in every:
        alike.setdefault((one.source, one.symbol), []).append(one)
    return {address: _limits(series) for address, series in alike.items()}


def _limits(series: Sequence[SeriesSettings]) -> Limits:
    positive = all(one.values == "price" for one in series)
    jumps = [one.jump for one in series]
    return Limits(
        calendar=next((one.calendar for one in series if one.calendar), None),
        positive=positive,
        bridged=any(one.missing != "refuse" for one in series),
        rules=Rules(
            # Whoever lets one series jump lets the instrument.
            jump=max(jumps) if positive and all(jumps) else 0.0,
            alert=min(one.revision_alert for one in series),
        ),
    )


def pass_border(
    job: Job, address: Address, quotes: Quotes, limits: Limits, known: Instrument | None
) -> Passed:
    """Validate what a source answered about one instrument, and leave out what is not settled.

    Raises:
        DataError: it cannot be used as a whole.
        PluginError: what it says of the instrument cannot be stored.
        SourceError: none of its sessions has settled (code "unsettled"), or there is none.
    """
    _require_facts(quotes, address[0])
    sessions = _sessions(quotes)
    if not len(sessions) and known is None:
        raise SourceError("the source has no bars", remedy="check the symbol", code="no_session")
    calendar = job.calendars.get(_calendar_name(job, quotes, sessions, limits, known))
    expected = None if quotes.historical else last_settled(job, calendar)
    latest = np.datetime64(expected or job.clock().date() + timedelta(days=1))
    if expected is None and (sessions > latest).any():
        raise DataError(
            f"{np.count_nonzero(sessions > latest)} sessions are in the future, first "
            f"{sessions[sessions > latest][0]}",
            remedy="correct their dates",
            code="future_session",
        )
    settled = sessions <= latest
    frame = quotes.bars if settled.all() else quotes.bars[settled]
    if not len(frame) and known is None:
        raise SourceError(
            "none of the source's sessions has settled yet",
            remedy="run again after the next close",
            code="unsettled",
        )
    admitted = admit(frame, calendar, positive=limits.positive) if len(frame) else NOTHING
    actions, held = admit_actions(quotes.actions)
    told = Told(admitted.bars, None if quotes.actions is None else actions)
    return Passed(
        instrument=_instrument(address, quotes, calendar.name),
        known=known,
        told=replace(told, mark=mark(told)),
        held=(*admitted.held, *held),
        expected=expected,
        rules=limits.rules,
        due=_due(admitted.bars, calendar) if limits.bridged else admitted.bars.sessions,
        doubt=_doubt(quotes, known),
    )


def _require_facts(quotes: Quotes, source: str) -> None:
    """Raise where a foreign plugin says something of the instrument that is no such thing."""
    for name in ("calendar", "currency", "attribution"):
        said = getattr(quotes, name)
        if said is None and name != "attribution":
            continue
        if not (isinstance(said, str) and said.isprintable()):
            raise _no_fact(source, name, said, "is no text of one line")
    if not isinstance(quotes.historical, bool | np.bool_):
        raise _no_fact(source, "historical", quotes.historical, "is neither true nor false")


def _no_fact(source: str, name: str, said: object, why: str) -> PluginError:
    return PluginError(
        f"source {source} returned {name} = {said!r:.60}, which {why}",
        remedy="report it to the plugin's author",
        code="plugin_answer",
    )


def _doubt(quotes: Quotes, known: Instrument | None) -> Held | None:
    """Return what is wrong with prices of another currency: pence, for one, are not pounds."""
    before = known.currency if known else None
    if not before or not quotes.currency or before == quotes.currency:
        return None
    reason = f"the prices were in {before}, and are in {quotes.currency} now"
    return Held(None, "answer", "currency", reason)


def _due(bars: Bars, calendar: Calendar) -> Sessions:
    days = bars.sessions
    return calendar.sessions(days[0].item(), days[-1].item()) if len(days) else days


def last_settled(job: Job, calendar: Calendar) -> date:
    """Return the last session whose bars count as final."""
    delay = timedelta(minutes=job.settings.schedule.settle_delay)
    return calendar.last_closed(job.clock() - delay)


def _sessions(quotes: Quotes) -> Sessions:
    """Return the rows' sessions; an empty frame has any index."""
    empty = not len(quotes.bars)
    return np.zeros(0, "datetime64[D]") if empty else frame_sessions(quotes.bars, unique=False)


def _calendar_name(
    job: Job, quotes: Quotes, sessions: Sessions, limits: Limits, known: Instrument | None
) -> str:
    """Return the calendar: as configured, as the source says, as before, or as it looks."""
    before = known.calendar if known else None
    named = limits.calendar or quotes.calendar or before
    return named or infer_calendar(np.unique(sessions), job.calendars)


def _instrument(address: Address, quotes: Quotes, calendar: str) -> Instrument:
    source, symbol = address
    return Instrument(
        id=0,
        source=source,
        symbol=symbol,
        calendar=calendar,
        currency=quotes.currency,
        historical=bool(quotes.historical),
        attribution=quotes.attribution,
    )
