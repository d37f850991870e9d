"""`doctor`: is this machine fit for the daemon, and what is it made of.

Each examination returns what is wrong, or what there is; none changes anything.
"""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, select

from forecaster.config import Settings
from forecaster.daemon import storage
from forecaster.daemon.patient import Patient, Unfit
from forecaster.errors import ForecasterError
from forecaster.hooks import Registry
from forecaster.ledger import Check, Ledger, open_ledger
from forecaster.ledger.engine import parse_url
from forecaster.ledger.schema import bar, instrument, run
from forecaster.market.rules import find_rule

MEMORY = 300 << 20
"""Bytes of memory that a night of a small project wants."""
AHEAD = timedelta(days=1)
"""By which the ledger may be ahead of the clock."""
EXTRAS = {
    "postgres": "psycopg", "parquet": "pyarrow", "dask": "distributed", "notify": "apprise",
    "metrics": "prometheus_client", "datasette": "datasette", "bench": "torch",
}  # fmt: skip


def examine(settings: Settings, registry: Registry, *, now: datetime) -> list[Check]:
    """Return the findings, one for each examination that this machine and database allow."""
    url = parse_url(settings.database_url())
    try:
        ledger: Ledger | ForecasterError = open_ledger(settings.database_url())
    except ForecasterError as error:
        ledger = error
    patient = Patient(settings, registry, url, ledger, now)
    try:
        return [_finding(name, look, patient) for name, look in EXAMINATIONS]
    finally:
        if isinstance(ledger, Ledger):
            ledger.close()


def _finding(name: str, look: Callable[[Patient], str], patient: Patient) -> Check:
    try:
        return Check(name, True, look(patient))
    except (Unfit, ForecasterError, OSError) as problem:
        return Check(name, False, str(problem))


def python(_: Patient) -> str:
    """The interpreter, of 64 bits."""
    if sys.maxsize < 2**32:
        raise Unfit("Python has 32 bits: install one of 64")
    return f"{sys.version.split()[0]} in {sys.prefix}"


def database(patient: Patient) -> str:
    """The ledger, which can be opened with this program's schema."""
    if isinstance(patient.ledger, ForecasterError):
        if patient.ledger.code == "no_database":
            return f"{patient.ledger.message}: the first run creates it"
        raise patient.ledger
    return patient.ledger.place


def clock(patient: Patient) -> str:
    """The clock, which is not before what the ledger has seen."""
    told = patient.now.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(patient.ledger, Ledger):
        with patient.ledger.reading() as connection:
            seen = [
                connection.execute(select(func.max(column))).scalar()
                for column in (run.c.started_at, bar.c.first_seen_at)
            ]
        newest = max((one for one in seen if one), default=None)
        if newest and newest > patient.now + AHEAD:
            raise Unfit(f"{told} is before {newest:%Y-%m-%d %H:%M}, which the ledger has seen")
    return told


def time_zones(_: Patient) -> str:
    """The time zone database."""
    try:
        for name in ("America/New_York", "Europe/Berlin", "Asia/Tokyo"):
            ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        raise Unfit(f"{error.args[0]}: pip install tzdata") from error
    return "present"


def calendars(patient: Patient) -> str:
    """How far the calendars in use know their sessions."""
    used = {one.calendar for one in patient.settings.each_series() if one.calendar}
    if isinstance(patient.ledger, Ledger):
        with patient.ledger.reading() as connection:
            used |= set(connection.scalars(select(instrument.c.calendar)))
    known = {name: find_rule(name).latest for name in sorted(used)}
    version = importlib.metadata.version("exchange_calendars")
    short = {name: day for name, day in known.items() if day < patient.now.date() + 60 * AHEAD}
    if short:
        told = ", ".join(f"{name} ends {day}" for name, day in short.items())
        raise Unfit(f"{told}: pip install --upgrade exchange_calendars (this is {version})")
    until = ", ".join(f"{name} until {day}" for name, day in known.items())
    return f"exchange_calendars {version}" + (f": {until}" if until else "")


def blas(_: Patient) -> str:
    """One thread for linear algebra: numbers repeat bit for bit only so."""
    import numpy as np  # noqa: F401, PLC0415  whose library is looked for
    from threadpoolctl import threadpool_info  # noqa: PLC0415  heavy with it

    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    told = ", ".join(
        f"{one['internal_api']} {one['version']} for {one.get('architecture', 'any')}, "
        f"{one['num_threads']} thread" + ("s" if one["num_threads"] > 1 else "")
        for one in found
    )
    if any(one["num_threads"] != 1 for one in found):
        raise Unfit(f"{told}: set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1")
    return told or "unknown"


def memory(_: Patient) -> str:
    """Memory for a night beside the daemon."""
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.exists() else []
    free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")]
    if not free:
        return "unknown"
    if free[0] < MEMORY:
        raise Unfit(f"{free[0] >> 20} MB are free: a night wants {MEMORY >> 20}")
    return f"{free[0] >> 20:,} MB free"


def network(_: Patient) -> str:
    """What Yahoo is asked with."""
    try:
        import curl_cffi  # noqa: F401, PLC0415  a library that may be broken
    except (ImportError, OSError) as error:
        raise Unfit(f"curl_cffi cannot be loaded: {error}") from error
    return ", ".join(
        f"{one} {importlib.metadata.version(one)}" for one in ("curl_cffi", "yfinance")
    )


def plugins(patient: Patient) -> str:
    """Plugins, all of which load."""
    problems = patient.registry.problems
    if problems:
        raise Unfit("; ".join(str(one) for one in problems))
    return "all load"


def extras(_: Patient) -> str:
    """The companions that are installed."""
    there = [name for name, module in EXTRAS.items() if importlib.util.find_spec(module)]
    return ", ".join(there) or "none"


EXAMINATIONS: Sequence[tuple[str, Callable[[Patient], str]]] = (
    ("Python", python),
    ("database", database),
    ("SQLite", storage.sqlite),
    ("pragmas", storage.pragmas),
    ("file system", storage.file_system),
    ("space", storage.space),
    ("file modes", storage.file_modes),
    ("clock", clock),
    ("time zones", time_zones),
    ("calendars", calendars),
    ("BLAS", blas),
    ("memory", memory),
    ("network", network),
    ("plugins", plugins),
    ("extras", extras),
)
