"""The daemon's body: one scheduler, one tick a minute, until a signal ends it."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

from forecaster.config import Settings
from forecaster.daemon.child import Child, Ending, Errand
from forecaster.daemon.notify import Notifier
from forecaster.daemon.rules import Rules
from forecaster.daemon.signals import on_signals
from forecaster.daemon.storage import MOUNTS, REMOTE, mounted_as
from forecaster.daemon.watch import Start, Watch, Working
from forecaster.errors import ForecasterError
from forecaster.job.context import system_clock
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.attempts import interrupt
from forecaster.ledger.claim import claim
from forecaster.ledger.locks import sqlite_file
from forecaster.ledger.pulse import beat
from forecaster.logs import LOG, relay, start_logging

if TYPE_CHECKING:
    from forecaster.daemon.steady import SteadyScheduler

TICK = 60
"""Seconds from one look at the schedule to the next."""

CHILD_ENDS = 5.0
"""Seconds that a child has to end; then it is killed."""

ALL_ENDS = 8.0
"""Seconds that everything has to end: who sends SIGTERM waits ten before sending SIGKILL."""


def start_child(errand: Errand, ended: Callable[[Ending], None]) -> Working:
    """Start a process that does an errand."""
    return Child(errand, relay=relay, ended=ended, deadline=60.0 * errand.settings.daemon.deadline)


def serve(
    load: Callable[[], Settings],
    *,
    plugins: tuple[str, ...] | None,
    clock: Callable[[], datetime] = system_clock,
    start: Start = start_child,
    every: float = TICK,
) -> NoReturn:
    """Run the daily job for ever; a signal ends the process, with exit code 0.

    Args:
        load: reads the configuration.
        plugins: the only plugins or distributions that may load; None allows all.
        clock: what time it is.
        start: of a child.
        every: seconds from one look at the schedule to the next.

    Raises:
        ForecasterError: the configuration or the database cannot be used, or another daemon runs.
    """
    settings = load().resolved()
    with ExitStack() as held:
        url = settings.database_url()
        alone = held.enter_context(claim(url, "daemon", what="daemon", wait=False))
        ledger = held.enter_context(open_ledger(url, create=True))
        _start_logging(settings)
        _warn_of_place(ledger)
        notifier = Notifier()
        watch = Watch(Rules(load, settings), ledger, start, clock, plugins, alone.renew)
        _open_endpoint(held, watch)
        scheduler = _scheduler(watch, notifier, min(every, notifier.interval))
        _end_on_signals(scheduler)
        LOG.info("the daemon begins", extra={"pid": os.getpid(), "database": ledger.place})
        notifier.ready()
        scheduler.start()  # until a signal
        notifier.stopping()
        ending = Thread(target=_end, args=(watch,), daemon=True)
        ending.start()
        ending.join(ALL_ENDS)
        # A tick that waits for a locked database would keep this process alive: nothing of it
        # is needed any more.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _start_logging(settings: Settings) -> None:
    log = settings.daemon.log
    start_logging(
        settings.folder / log if log else None,
        settings.daemon.log_size,
        stream=sys.stderr,
        terminal=sys.stderr.isatty(),
    )


def _warn_of_place(ledger: Ledger) -> None:
    """Say where SQLite's locks do not hold: nothing else would, until a night is lost."""
    file = sqlite_file(ledger.url) if ledger.engine.dialect.name == "sqlite" else None
    kind, place = mounted_as(file, MOUNTS) if file else ("", "")
    if kind.startswith(REMOTE):
        LOG.warning("the database is on %s at %s: its locks are not safe there", kind, place)


def _open_endpoint(held: ExitStack, watch: Watch) -> None:
    """Serve health and metrics, if that is wanted."""
    port = watch.settings.daemon.port
    if port is None:
        return
    from forecaster.daemon.endpoint import open_endpoint  # noqa: PLC0415  few want it

    rules = watch.rules
    endpoint = open_endpoint(
        port, watch.ledger, lambda: (rules.settings, rules.calendars), watch.clock
    )
    held.callback(endpoint.close)
    LOG.info("answering on http://127.0.0.1:%s", endpoint.port)


def _scheduler(watch: Watch, notifier: Notifier, every: float) -> "SteadyScheduler":
    """Return the scheduler: in memory, one job, never skipped for being late, never twice."""
    from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: PLC0415  only daemons need it
    from apscheduler.jobstores.memory import MemoryJobStore  # noqa: PLC0415

    from forecaster.daemon.steady import SteadyScheduler  # noqa: PLC0415

    def tick() -> None:
        if watch.tick():
            notifier.watchdog()
        notifier.status("; ".join(watch.troubles.values()) or "all is well")

    scheduler = SteadyScheduler(
        every,
        timezone="UTC",
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    at_once = datetime.now(UTC)
    scheduler.add_job(tick, "interval", seconds=every, id="tick", next_run_time=at_once)
    return scheduler


def _end_on_signals(scheduler: "SteadyScheduler") -> None:
    """End the scheduler at SIGTERM and SIGINT."""

    def end() -> None:
        while not scheduler.running:  # the signal came before the scheduler had started
            time.sleep(0.01)
        scheduler.shutdown(wait=False)

    on_signals(end)


def _end(watch: Watch) -> None:
    """Leave the ledger as the next start expects it."""
    watch.stopping = True
    child = watch.child
    broken_off = child is not None and child.alive
    if child is not None and broken_off:
        child.stop(within=CHILD_ENDS)
    now = watch.clock()
    try:
        watch.renew()  # what another daemon notes is left alone
        if broken_off:
            interrupt(watch.ledger, now, "stopped", "the daemon was stopped before it was done")
        beat(watch.ledger, replace(watch.pulse, stopped_at=now))
    except ForecasterError as error:  # the next start finds out by itself
        LOG.error("%s", error, extra={"code": error.code})
    LOG.info("the daemon ends")
