"""Whether the daemon lives: by its lock, which ends with it, and by what it last said of itself."""

from datetime import datetime, timedelta
from typing import Any

from forecaster.config import Settings
from forecaster.job.schedule import unknown_series
from forecaster.ledger import Ledger
from forecaster.ledger.claim import holder
from forecaster.ledger.locks import Holder
from forecaster.ledger.pulse import Pulse, read_pulse

OVERDUE = timedelta(minutes=15)
"""After it was due, in which a session may be worked or a new daemon may begin to."""

SILENT = timedelta(minutes=3)
"""In which a daemon that lives has looked at the schedule: it does so every minute."""

NAMED = 5
"""Series or sessions that are told one by one."""

Findings = tuple[Any, list[str]]
"""What is known, for programs, and what is wrong, for people."""


def check_daemon(ledger: Ledger, settings: Settings, now: datetime) -> Findings:
    """Return how the daemon stands, and what is wrong with that."""
    pulse, held = read_pulse(ledger), holder(ledger.url, "daemon")
    state, problem = _state(pulse, held, now)
    problems = [problem] if problem else []
    facts: dict[str, Any] = {"state": state}
    if pulse is not None:
        facts |= {
            "host": pulse.host, "pid": pulse.pid, "version": pulse.version,
            "started_at": moment_text(pulse.started_at), "ticked_at": moment_text(pulse.ticked_at),
            "stopped_at": moment_text(pulse.stopped_at),
            "tick_age": round((now - pulse.ticked_at).total_seconds(), 3),
            "problem": pulse.problem,
        }  # fmt: skip
    if pulse is not None and state == "running":
        problems += [f"the daemon says: {pulse.problem}"] if pulse.problem else []
        strangers = unknown_series(ledger, settings)
        if strangers and now - pulse.started_at > OVERDUE:
            some = f"{len(strangers)} series never had" if strangers[1:] else "it never had"
            problems.append(f"{_some(strangers)}: {some} a bar; the log says what the source said")
    return facts, problems


def _state(pulse: Pulse | None, held: Holder | None, now: datetime) -> tuple[str, str]:
    """Return the daemon's state and what is wrong with that."""
    if held is not None and (pulse is None or pulse.stopped_at or held.pid not in (0, pulse.pid)):
        late = bool(held.since) and now - _since(held) > SILENT
        return "starting", f"the daemon, {held}, has not begun yet; see its log" if late else ""
    if pulse is None:
        return "never started", ""
    if pulse.stopped_at is not None:
        return "stopped", ""
    if held is None:
        return "dead", (
            f"the daemon, process {pulse.pid} on {pulse.host}, died after"
            f" {pulse.ticked_at:%Y-%m-%d %H:%M} UTC; start it again: forecaster daemon"
        )
    if abs(now - pulse.ticked_at) > SILENT:  # the clock may have gone back since
        return "silent", (
            f"the daemon, {held}, has not looked at the schedule since"
            f" {pulse.ticked_at:%Y-%m-%d %H:%M} UTC; see its log, and restart it"
        )
    return "running", ""


def _since(held: Holder) -> datetime:
    moment = datetime.fromisoformat(held.since)
    return moment if moment.tzinfo else datetime.fromisoformat(f"{held.since}+00:00")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if names[NAMED:] else ""
    return f"{', '.join(names[:NAMED])}{more}"


def moment_text(moment: datetime | None) -> str | None:
    """Return a moment as JSON has it."""
    return moment.isoformat(timespec="seconds") if moment else None
