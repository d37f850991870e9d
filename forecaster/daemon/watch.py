"""What the daemon does every minute: see what is due, and see to it that a child does it.

Nothing here trains or fetches. What is due is decided by the calendars and the ledger, so that a
minute that is missed, or a daemon that is started anew, changes nothing.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import RLock
from typing import Protocol

from forecaster import __version__
from forecaster.config import Settings
from forecaster.daemon.child import Ending, Errand
from forecaster.daemon.rules import Rules
from forecaster.daemon.setbacks import Setbacks, blamed
from forecaster.errors import ConfigError, ForecasterError, LedgerError
from forecaster.job.schedule import (
    LADDER,
    LATE,
    Arrivals,
    sessions_due,
    take_off,
    unknown_series,
    workable,
)
from forecaster.ledger import Ledger
from forecaster.ledger.attempts import give_back, reopen, spare
from forecaster.ledger.claim import holder
from forecaster.ledger.pulse import Pulse, beat, read_pulse
from forecaster.ledger.runs import Run, open_runs, put_on_schedule
from forecaster.logs import LOG
from forecaster.market import Calendars

OVER_BY_NOW = ("ledger", "schedule", "tick")
"""Troubles that end with a tick that has come as far as to tell of itself."""

STEP = timedelta(days=1)
"""By which the clock may lag behind what the ledger says without anybody being told."""


class Working(Protocol):
    """A child at work."""

    @property
    def alive(self) -> bool:
        """Whether it is still at work."""

    def stop(self, within: float) -> None:
        """End it, within so many seconds."""


Start = Callable[[Errand, Callable[[Ending], None]], Working]
"""Starts a child with an errand; at its end it tells of that."""


@dataclass(eq=False)
class Watch:
    """The daemon's mind.

    Attributes:
        rules: that it works by.
        ledger: open.
        start: of a child.
        clock: what time it is.
        plugins: the only ones that may load; None for all.
        renew: makes sure that this is still the only daemon, or raises LedgerError.
        pulse: what it last said of itself.
        child: at work, or the last one.
        setbacks: what is remembered of children that ended badly.
        changed: what is known has, so that what did not end well is to be tried again.
        stopping: nothing is begun any more.
        unknown: series that never had a bar.
        strangers: when they are asked for again, and how often they were.
    """

    rules: Rules
    ledger: Ledger
    start: Start
    clock: Callable[[], datetime]
    plugins: tuple[str, ...] | None = None
    renew: Callable[[], None] = lambda: None
    pulse: Pulse = field(init=False)
    child: Working | None = None
    unknown: frozenset[str] = frozenset()
    strangers: tuple[datetime, int] | None = None
    troubles: dict[str, str] = field(default_factory=dict)
    setbacks: Setbacks = field(default_factory=Setbacks)
    changed: bool = False
    stopping: bool = False
    _lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        now = self.clock()
        self.pulse = Pulse(socket.gethostname(), os.getpid(), __version__, now, now)
        before = read_pulse(self.ledger)
        self._latest = max(now, before.ticked_at) if before else now

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.rules.settings

    @property
    def calendars(self) -> Calendars:
        """The calendars, as they amend them."""
        return self.rules.calendars

    def tick(self) -> bool:
        """Look once; return whether the ledger can be used."""
        with self._lock:
            try:
                self._reload()
                self._look()
            except ForecasterError as error:
                self._trouble("ledger" if isinstance(error, LedgerError) else "schedule", error)
                return not isinstance(error, LedgerError)
            except Exception as error:  # noqa: BLE001  the next minute looks again
                LOG.exception("a tick failed")
                self.troubles["tick"] = f"{type(error).__name__}: {error}"
                return False
            return True

    def _look(self) -> None:
        now = self.clock()
        self.ledger.require_same_file()
        self.renew()
        for one in take_off(self.ledger, self.calendars, now):
            LOG.warning(
                "off the schedule: not due yet, because the clock was ahead, or no session",
                extra={"run": f"{one.calendar} {one.session}"},
            )
        arrivals = self._arrivals(now)
        self._trouble("calendars", "; ".join(map(str, arrivals.unknown.values())) or None)
        self._note(arrivals)
        if self.changed:
            reopen(self.ledger, arrivals.newest, now)
            self.changed = False
        before, self._latest = self._latest, now
        back = f"the clock went back from {before:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"
        self._trouble("clock", back if now < before - STEP else None)
        lasting = [why for what, why in self.troubles.items() if what not in OVER_BY_NOW]
        self.pulse = replace(self.pulse, ticked_at=now, problem="; ".join(lasting))
        beat(self.ledger, self.pulse)
        for what in OVER_BY_NOW:
            self._trouble(what, None)
        if self.stopping or (self.child is not None and self.child.alive):
            return
        due = _in_turn([one for one in workable(self.ledger, arrivals) if one.is_due(now)])
        if (due or self._has_strangers(now)) and not self._is_busy():
            calendars = tuple(sorted(due))
            LOG.info("beginning", extra={"calendars": list(calendars)})
            avoid, amendments = self.setbacks.avoided(now), self.rules.amendments
            errand = Errand(self.settings, calendars, self.plugins, avoid, amendments)
            self.child = self.start(errand, partial(self.ended, errand))

    def _arrivals(self, now: datetime) -> Arrivals:
        return sessions_due(self.ledger, self.settings, self.calendars, now, late_after=LATE)

    def _note(self, arrivals: Arrivals) -> None:
        """Put on the schedule what has become due."""
        put_on_schedule(self.ledger, arrivals.awaited, arrivals.newest)
        for calendar, sessions in arrivals.awaited.items():
            for one in sessions:
                about = {"run": f"{calendar} {one.session}"}
                if one.missed:
                    LOG.warning("missed: %s", one.missed, extra=about)
                else:
                    LOG.info("due%s", ", late" if one.late else "", extra=about)

    def _has_strangers(self, now: datetime) -> bool:
        """Return whether it is time to ask for series that never had a bar."""
        before, self.unknown = self.unknown, frozenset(unknown_series(self.ledger, self.settings))
        # Tonight, which may have been over, may wait for a bar of those that are none any more.
        self.changed = self.changed or bool(before - self.unknown)
        if not self.unknown:
            self.strangers = None
            return False
        since, count = self.strangers or (now, 0)
        if now < since <= now + LADDER[-1]:  # if it is later, a clock was ahead
            return False
        self.strangers = (now + LADDER[min(count, len(LADDER) - 1)], count + 1)
        return True

    def _is_busy(self) -> bool:
        """Return whether somebody else works on the ledger, who then does what is due as well."""
        found = holder(self.ledger.url, "run")
        if found is not None:
            LOG.info("waiting for %s", found)
        return found is not None

    def ended(self, errand: Errand, ending: Ending) -> None:
        """Note how a child ended; what it could not say itself is said for it."""
        LOG.info("ended: %s", ending.how, extra={"seconds": round(ending.seconds, 3)})
        if ending.how == "done":
            self.rules.prove(errand)
            self.setbacks.suspect = ""
        if ending.how in ("done", "busy", "stopped"):
            return
        with self._lock:
            try:
                self._give_back(errand, ending)
            except ForecasterError as error:  # the next tick finds the runs as they were left
                self._trouble("ledger", error)
            except Exception:  # noqa: BLE001  its runs are open, and are found by the next tick
                LOG.exception("the end of a child could not be noted")

    def _give_back(self, errand: Errand, ending: Ending) -> None:
        now = self.clock()
        LOG.error("%s", ending.reason, extra={"code": ending.how, **ending.last})
        self.renew()  # another daemon's runs are not to be judged
        if ending.how == "refused":
            why = ConfigError(ending.reason, code="refused")
            if self.rules.go_back(errand, why, now):
                self._trouble("configuration", why)
                return  # the runs are open, and have their turn by the settings of before
        self.setbacks.note(ending, now)
        mine = [
            one
            for one in open_runs(self.ledger)
            if one.calendar in (errand.calendars or ()) and (one.has_begun or one.is_due(now))
        ]
        guilty = blamed(mine, ending)
        moments = {one: self._again(one, ending, now) for one in guilty}
        together = min((each for each in moments.values() if each), default=None)
        for one in mine:
            if one in guilty:
                again = together if moments[one] else None
                give_back(self.ledger, one, now, ending.how, ending.reason, again)
            elif one.has_begun:
                spare(self.ledger, one, now)

    def _again(self, one: Run, ending: Ending, now: datetime) -> datetime | None:
        calendar = self.calendars.get(one.calendar)
        return self.setbacks.again(one, ending, self.settings, calendar, now)

    def _reload(self) -> None:
        """Take a changed configuration over; a bad one is refused, and the old stays in force."""
        try:
            changed = self.rules.reload(self.clock())
        except ForecasterError as error:
            self._trouble("configuration", error)
            return
        self._trouble("configuration", None)
        if changed:
            LOG.info("the configuration has changed")
            self.strangers, self.changed = None, True

    def _trouble(self, what: str, why: object) -> None:
        """Note a trouble, or its end, and tell of it once."""
        before = self.troubles.pop(what, None)
        if why is None:
            if before:
                LOG.info("over: %s", before)
            return
        self.troubles[what] = str(why)
        if str(why) != before:
            LOG.error("%s", why, extra={"code": getattr(why, "code", what)})


def _in_turn(due: list[Run]) -> set[str]:
    """Return the calendars whose turn it is: first those of which no session failed before.

    A session that ends its child, by its deadline or otherwise, would hold the others up again.
    """
    failed = {one.calendar for one in due if one.state == "failed"}
    every = {one.calendar for one in due}
    return every - failed or every
