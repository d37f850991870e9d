"""Whether everything is as it should be, and if not, what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecaster.config import Settings
from forecaster.daemon.alive import NAMED, OVERDUE, Findings, check_daemon, moment_text
from forecaster.daemon.storage import room
from forecaster.errors import ForecasterError, LedgerError
from forecaster.job.schedule import Arrivals, sessions_due, workable
from forecaster.ledger import Ledger
from forecaster.ledger.engine import parse_url, shown
from forecaster.ledger.locks import sqlite_file
from forecaster.ledger.schema import HEAD
from forecaster.ledger.vitals import behind, last_done, last_finished, measure, quick_check
from forecaster.logfile import escaped
from forecaster.market import Calendars

LARGEST_WAL = 1 << 26
"""Bytes of SQLite's write-ahead log, which the ledger has SQLite cut to as much."""


@dataclass(frozen=True)
class Health:
    """How the program stands.

    Attributes:
        problems: each on one line; none if all is well.
        facts: what is known, as JSON has it.
    """

    problems: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """Return all of it as one JSON object."""
        return {"ok": self.ok, "problems": list(self.problems), **self.facts}


def check_health(
    settings: Settings,
    ledger: Ledger | LedgerError,
    now: datetime,
    calendars: Calendars,
    *,
    deep: bool = False,
) -> Health:
    """Return how the program stands; it never raises what the ledger does.

    Args:
        settings: in force.
        ledger: open, or why it cannot be opened.
        now: the time.
        calendars: as the settings amend them.
        deep: read the whole database file and check its structure.
    """
    facts: dict[str, Any] = {"checked_at": moment_text(now)}
    problems: list[str] = []
    for name, look in _parts(settings, ledger, now, calendars, deep):
        try:
            facts[name], found = look()
        except ForecasterError as error:
            facts[name], found = None, [str(error)]
        problems += [each for each in map(escaped, found) if each not in problems]
    return Health(tuple(problems), facts)


def _parts(
    settings: Settings,
    ledger: Ledger | LedgerError,
    now: datetime,
    calendars: Calendars,
    deep: bool,
) -> Iterator[tuple[str, Callable[[], Findings]]]:
    yield "disk", lambda: _disk(settings)
    if isinstance(ledger, LedgerError):
        why = ledger
        place = shown(parse_url(settings.database_url()))
        yield "database", lambda: ({"place": place, "schema": None}, [str(why)])
        return
    opened = ledger
    yield "database", lambda: _database(opened, deep=deep)
    yield "daemon", lambda: check_daemon(opened, settings, now)
    yield "overdue", lambda: _overdue(opened, settings, now, calendars)
    yield "calendars", lambda: _calendars(opened)
    yield "series", lambda: _series(opened)


def _disk(settings: Settings) -> Findings:
    url = parse_url(settings.database_url())
    file = sqlite_file(url) if url.get_backend_name() == "sqlite" else None
    if file is None or not file.parent.exists():
        return None, []
    free, needed = room(file)
    problems = []
    if free < needed:
        problems.append(
            f"the disk of {file} has {_megabytes(free)} left: free some space, it should have"
            f" {_megabytes(needed)}"
        )
    return {"free": free, "needed": needed}, problems


def _database(ledger: Ledger, *, deep: bool) -> Findings:
    size = measure(ledger)
    facts: dict[str, Any] = {
        "place": ledger.place, "schema": HEAD, "bytes": size.database, "wal_bytes": size.wal,
    }  # fmt: skip
    problems = []
    if size.wal > LARGEST_WAL:
        problems.append(
            f"the log of database {ledger.place} has grown to {_megabytes(size.wal)}: some program"
            " has been reading for too long; end it"
        )
    if deep:
        wrong = quick_check(ledger)
        facts["damage"] = wrong
        if wrong:
            problems.append(f"database {ledger.place} is damaged: {wrong[0]}; restore a backup")
    return facts, problems


def _overdue(ledger: Ledger, settings: Settings, now: datetime, calendars: Calendars) -> Findings:
    arrivals = sessions_due(ledger, settings, calendars, now)
    facts = overdue_sessions(ledger, arrivals, now)
    problems = [str(each) for each in arrivals.unknown.values()]
    problems += [_told(each) for each in facts[:NAMED]]
    if facts[NAMED:]:
        problems.append(f"{len(facts) - NAMED} further sessions are overdue")
    return facts, problems


def overdue_sessions(ledger: Ledger, arrivals: Arrivals, now: datetime) -> list[dict[str, Any]]:
    """Return the sessions that should have been worked: noted and open, or not even noted."""
    late = now - OVERDUE
    facts = [
        {
            "calendar": one.calendar, "session": one.session.isoformat(), "state": one.state,
            "due_at": moment_text(one.due_at), "attempts": one.attempts,
            "next_attempt_at": moment_text(one.next_attempt_at),
            "reason_code": one.reason_code, "reason": one.reason,
        }
        for one in workable(ledger, arrivals)
        if one.due_at < late
    ]  # fmt: skip
    facts += [
        {
            "calendar": calendar, "session": one.session.isoformat(), "state": None,
            "due_at": moment_text(one.due_at), "attempts": 0, "next_attempt_at": None,
            "reason_code": "unseen", "reason": "nobody has looked at the schedule since",
        }
        for calendar, awaited in arrivals.awaited.items()
        for one in awaited
        if one.due_at < late and not one.missed
    ]  # fmt: skip
    return facts


def _told(one: Mapping[str, Any]) -> str:
    parts = [f"{one['calendar']} {one['session']} is overdue since {_shown(one['due_at'])}"]
    parts += [str(one["state"])] if one["state"] else []
    parts += [one["reason"]] if one["reason"] else []
    parts += [f"tried again at {_shown(one['next_attempt_at'])}"] if one["next_attempt_at"] else []
    return "; ".join(parts)


def _calendars(ledger: Ledger) -> Findings:
    return {
        name: {
            "session": one.session.isoformat(), "state": one.state,
            "finished_at": moment_text(one.finished_at),
        }
        for name, one in sorted(last_done(ledger).items())
    }, []  # fmt: skip


def _series(ledger: Ledger) -> Findings:
    found = behind(ledger)
    facts = {
        name: {"calendar": calendar, "session": session.isoformat() if session else None}
        for name, (calendar, session) in last_finished(ledger).items()
    }
    problems = [
        f"{one.series}: {one.calendar} {one.session} {one.status} for good: {one.reason}"
        for one in found[:NAMED]
    ]
    if found[NAMED:]:
        problems.append(f"so did {len(found) - NAMED} further series")
    return facts, problems


def _shown(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
