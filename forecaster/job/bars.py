"""bars: what is stored of an instrument, as anyone may see it, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.config import near
from forecaster.errors import ConfigError, DataError
from forecaster.job.context import Job
from forecaster.job.noticed import read_noticed
from forecaster.ledger import Instrument, Ledger, Rows, Series
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_series
from forecaster.ledger.prices import read_sessions
from forecaster.ledger.pulls import Pull, last_pulls
from forecaster.ledger.quarantine import Held, accept, read_held
from forecaster.market import FIELDS, Actions, adjust, adjust_volume

BARS = ("session", *FIELDS, "revision", "first_seen_at")
ACCEPTED = ("session", "what", "reason_code", "reason", *FIELDS, "split", "dividend")
FINDINGS = ("source", "symbol", "what", "session", "code", "detail", "close")


@dataclass(frozen=True)
class Check:
    """What `bars check` found.

    Attributes:
        rows: one each for what is held, what is missing, each alert and the last pull.
        instruments: that were looked at.
        wrong: those of which something is held or missing.
    """

    rows: Rows
    instruments: int
    wrong: int

    def trouble(self) -> Rows:
        """Return the rows without the pulls that went well."""
        what, code = FINDINGS.index("what"), FINDINGS.index("code")
        kept = (row for row in self.rows.rows if (row[what], row[code]) != ("pull", "ok"))
        return Rows(FINDINGS, tuple(kept))


@dataclass(frozen=True)
class Accepted:
    """What was held and now counts, and why the rest of it still is."""

    accepted: tuple[Held, ...]
    problems: tuple[DataError, ...] = ()


def known_series(ledger: Ledger, name: str) -> Series:
    """Return a series of the ledger.

    Raises:
        ConfigError: there is none of that name.
    """
    known = read_series(ledger)
    if name not in known:
        raise ConfigError(
            f"the ledger has no series {name!r}",
            remedy=near(name, known) or "`forecaster bars pull` puts it there",
            code="unknown_series",
        )
    return known[name]


def show_bars(
    ledger: Ledger,
    name: str,
    *,
    last: int,
    as_of: datetime | None = None,
    adjusted: bool = False,
) -> Rows:
    """Return the newest bars of a series' instrument, ascending.

    Args:
        ledger: where from.
        name: of the series.
        last: how many at most.
        as_of: as they were known at that moment.
        adjusted: for the splits and dividends up to the last one, in its prices.
    """
    instrument = known_series(ledger, name).instrument
    found = _known_at(ledger, "bar_history", instrument, as_of)[:last][::-1]
    if adjusted and found:
        found = _adjusted(found, _actions(ledger, instrument, as_of))
    return Rows(BARS, tuple(tuple(row[name] for name in BARS) for row in found))


def _known_at(
    ledger: Ledger, view: str, instrument: Instrument, as_of: datetime | None
) -> list[dict[str, Any]]:
    """Return of each session the revision that counted at a moment, newest session first."""
    mine = {"source": instrument.source, "symbol": instrument.symbol}
    rows = read_view(ledger, view, where=mine, order=("-session", "-revision")).as_dicts()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if as_of is None or datetime.fromisoformat(row["first_seen_at"]) <= as_of:
            found.setdefault(row["session"], row)
    return list(found.values())


def _actions(ledger: Ledger, instrument: Instrument, as_of: datetime | None) -> Actions:
    rows = _known_at(ledger, "action_history", instrument, as_of)[::-1]
    return Actions(
        np.array([row["session"] for row in rows], dtype="datetime64[D]"),
        np.array([row["split"] for row in rows], dtype=np.float64),
        np.array([row["dividend"] for row in rows], dtype=np.float64),
    )


def _adjusted(rows: list[dict[str, Any]], actions: Actions) -> list[dict[str, Any]]:
    sessions = np.array([row["session"] for row in rows], dtype="datetime64[D]")
    cutoff: date = sessions[-1].item()
    told = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in FIELDS}

    def one(name: str) -> NDArray[np.float64]:
        if name == "volume":
            return adjust_volume(told[name], sessions, actions, cutoff=cutoff)
        return adjust(told[name], sessions, told["close"], actions, cutoff=cutoff)

    values = {name: one(name).tolist() for name in FIELDS}
    return [
        row | {name: values[name][k] if row[name] is not None else None for name in FIELDS}
        for k, row in enumerate(rows)
    ]


def check_bars(job: Job, names: Sequence[str] = ()) -> Check:
    """Return what is held, missing and alarming of each instrument, and how its last pull went.

    A session that is missing is wrong where a series of its instrument refuses to go without.

    Args:
        job: settings, ledger, clock.
        names: of the series whose instruments are looked at; all that are configured otherwise.

    Raises:
        ConfigError: the ledger has no such series.
    """
    known, configured = read_series(job.ledger), job.settings.each_series()
    wanted = [known_series(job.ledger, name) for name in names] or [
        known[one.name] for one in configured if one.name in known
    ]
    instruments = list({one.instrument.id: one.instrument for one in wanted}.values())
    noticed = read_noticed(job.ledger, instruments, now=job.clock())
    pulls = last_pulls(job.ledger)
    refusing = {(one.source, one.symbol) for one in configured if one.missing == "refuse"}
    rows: list[tuple[Any, ...]] = []
    wrong = 0
    for one in instruments:
        address = one.source, one.symbol
        held, alerts = noticed[address].held, noticed[address].alerts
        lacking = list(_missing(job, one, {row["session"] for row in held}))
        wrong += bool(held or (lacking and address in refusing))
        found: list[tuple[Any, ...]] = [
            *(("held", row["session"], row["reason_code"], row["reason"], row["close"])
              for row in held),
            *(("missing", first, "missing", detail, None) for first, detail in lacking),
            *(("alert", row["session"], row["code"], row["message"], None) for row in alerts),
        ]  # fmt: skip
        rows += [(*address, *row) for row in (*found, *_pull_rows(pulls.get(address)))]
    if not names:
        # Those that never had a bar are no instruments yet.
        never = dict.fromkeys((one.source, one.symbol) for one in configured)
        rows += [
            (*address, *row)
            for address in never
            if address not in noticed
            for row in _pull_rows(pulls.get(address))
        ]
    return Check(Rows(FINDINGS, tuple(rows)), len(instruments), wrong)


def _pull_rows(last: Pull | None) -> list[tuple[Any, ...]]:
    return [("pull", None, last.outcome, _told(last), None)] if last else []


def _missing(job: Job, instrument: Instrument, held: set[str | None]) -> Iterator[tuple[str, str]]:
    """Yield each gap between the first and the last bar: its first session, and how long it is.

    A session whose bar is held is not missing as well.
    """
    stored = read_sessions(job.ledger, instrument.id)
    if not stored:
        return
    calendar = job.calendars.get(instrument.calendar)
    sessions = calendar.sessions(stored[0], stored[-1])
    known = [*stored, *(date.fromisoformat(one) for one in held if one)]
    lacking = ~np.isin(sessions, np.array(known, dtype="datetime64[D]"))
    for gap in np.split(np.flatnonzero(lacking), _ends(np.flatnonzero(lacking))):
        if len(gap):
            first, last = sessions[gap[0]], sessions[gap[-1]]
            many = f"{len(gap)} sessions to {last} have" if len(gap) > 1 else "the session has"
            yield str(first), f"{many} no bar"


def _ends(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where in ascending places, (n,), the next one is not the one after."""
    return np.flatnonzero(np.diff(places) > 1) + 1


def _told(one: Pull) -> str:
    reason = f": {one.reason}" if one.reason else ""
    return f"{one.pulled_at:%Y-%m-%d %H:%M} UTC{reason}"


def accepted_row(one: Held) -> tuple[Any, ...]:
    """Return what was held as a row of `ACCEPTED`."""
    values = (one.values.get(name) for name in ACCEPTED[4:])
    session = one.session.isoformat() if one.session else None
    return (session, one.what, one.reason_code, one.reason, *values)


def accept_bars(job: Job, name: str, *, session: date | None = None) -> Accepted:
    """Believe what is held of a series' instrument, as far as it can be stored.

    Args:
        job: whose ledger.
        name: of the series.
        session: only that one's.

    Raises:
        ConfigError: there is no such series, or nothing is held for it.
    """
    instrument = known_series(job.ledger, name).instrument
    days = [one.session for one in read_held(job.ledger, [instrument.id]).get(instrument.id, [])]
    if not days or session not in (None, *days):
        when = f" on {session}" if session else ""
        raise ConfigError(
            f"nothing is held of {name}{when}",
            remedy="`forecaster bars check` shows what is",
            code="nothing_held",
        )
    try:
        found = accept(job.ledger, instrument.id, session=session, now=job.clock())
        return Accepted(tuple(found))
    except DataError as error:
        if session is not None or len(set(days)) == 1:
            return Accepted((), (error,))
    # One that cannot be stored does not keep the others back.
    accepted: list[Held] = []
    problems: list[DataError] = []
    for day in sorted({one for one in days if one is not None}):
        try:
            accepted += accept(job.ledger, instrument.id, session=day, now=job.clock())
        except DataError as error:
            problems.append(error)
    return Accepted(tuple(accepted), tuple(problems))
