"""Days on which a market is closed, or open, otherwise than its calendar's library knows.

One a line, `#` begins a comment:

    XNYS 2025-01-09 closed       # a day of mourning, announced ten days before
    XBOM 2025-02-01 open 10:00   # the budget, a Saturday; closes at 10:00 UTC
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from forecaster.errors import ConfigError

REMEDY = "write CALENDAR DATE closed, or CALENDAR DATE open [HH:MM of its close, in UTC]"


@dataclass(frozen=True)
class Amendment:
    """What one line says.

    Attributes:
        calendar: its name.
        day: the day in question.
        opens: whether it is a session.
        close: when, in UTC, it closes; None leaves that to the calendar.
        where: file and line, for messages.
    """

    calendar: str
    day: date
    opens: bool
    close: time | None
    where: str


def read_closures(path: Path) -> tuple[Amendment, ...]:
    """Return what a file says.

    Raises:
        ConfigError: it cannot be read, a line says something else, or two speak of the same day.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"schedule.closures: {path} cannot be read: {reason}") from error
    found: dict[tuple[str, date], Amendment] = {}
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        one = _amendment(words, f"{path}, line {number}")
        first = found.setdefault((one.calendar, one.day), one)
        if first is not one:
            raise ConfigError(
                f"{one.where}: {first.where.rpartition(', ')[2]} speaks of {one.calendar} "
                f"{one.day} already",
                remedy="keep one of them",
            )
    return tuple(found.values())


def _amendment(words: list[str], where: str) -> Amendment:
    match words:
        case [calendar, day, "closed"]:
            return Amendment(calendar, _day(day, where), opens=False, close=None, where=where)
        case [calendar, day, "open"]:
            return Amendment(calendar, _day(day, where), opens=True, close=None, where=where)
        case [calendar, day, "open", moment]:
            close = _time(moment, where)
            return Amendment(calendar, _day(day, where), opens=True, close=close, where=where)
    raise ConfigError(f"{where}: {' '.join(words)[:60]!r} is not understood", remedy=REMEDY)


def _day(text: str, where: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise ConfigError(
            f"{where}: {text!r} is no date such as 2025-01-09", remedy=REMEDY
        ) from error


def _time(text: str, where: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").replace(tzinfo=UTC).time()
    except ValueError as error:
        raise ConfigError(
            f"{where}: {text!r} is no time of day such as 10:00", remedy=REMEDY
        ) from error
