"""What the stages of one execution share: settings, ledger, plugins, clock, progress."""

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Protocol

from forecaster import __version__
from forecaster.config import Amendment, Settings
from forecaster.hooks import Executor, Registry, build_registry
from forecaster.job.foreign import foreign
from forecaster.ledger import Ledger, Stamp, open_ledger
from forecaster.ledger.check import require_whole
from forecaster.ledger.claim import claim, untold
from forecaster.ledger.locks import Holder
from forecaster.market import Calendars


class Progress(Protocol):
    """Told how far a long piece of work has come."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `what` are done."""


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def system_clock() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Job:
    """An execution's surroundings.

    Attributes:
        settings: of config.toml and the environment.
        ledger: open.
        registry: of the plugins.
        clock: what time it is.
        progress: told how far the work has come.
        waiting: told whom is waited for.
        avoid: sources that are not to be asked.
        amendments: of the calendars; None: what the closures file says now.
    """

    settings: Settings
    ledger: Ledger
    registry: Registry
    clock: Callable[[], datetime] = system_clock
    progress: Progress = field(default=silent)
    waiting: Callable[[Holder | None], None] = field(default=untold)
    avoid: frozenset[str] = frozenset()
    amendments: tuple[Amendment, ...] | None = None

    @cached_property
    def amended(self) -> tuple[Amendment, ...]:
        """Return what calendars are amended by."""
        return self.settings.amendments() if self.amendments is None else self.amendments

    @cached_property
    def calendars(self) -> Calendars:
        """Return the calendars, as the configuration amends them."""
        return Calendars(self.amended)

    @contextmanager
    def alone(self, what: str, *, wait: bool = True) -> Iterator[None]:
        """Be the only process that works nights of this ledger, which is whole.

        Raises:
            LedgerError: another one does, and it is not waited for (code "busy"); or the database
                is damaged.
        """
        url = self.settings.database_url()
        with claim(url, "run", what=what, wait=wait, waiting=self.waiting):
            require_whole(self.ledger)
            yield
            self.ledger.checkpoint()

    def stamp(self) -> Stamp:
        """Return what is stored beside everything written now."""
        return Stamp(self.clock(), __version__, environment())

    def executor(self) -> Executor:
        """Return the executor that the configuration names.

        Raises:
            ForecasterError: there is none of that name, or it cannot be used.
        """
        name = self.settings.executor.name
        options = self.settings.plugins.options(name)
        try:
            return self.registry.executor(name)(options, self.settings.folder)
        except (Exception, SystemExit) as error:
            raise foreign(f"executor {name}", error) from error


@contextmanager
def open_job(
    settings: Settings,
    *,
    create: bool = True,
    plugins: Sequence[str] | None = None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = silent,
) -> Iterator[Job]:
    """Open the ledger and the plugins that the settings name.

    Args:
        settings: of config.toml and the environment.
        create: make a missing database.
        plugins: the only plugins or distributions that may load; None allows all.
        clock: what time it is.
        progress: told how far the work has come.

    Raises:
        ForecasterError: the database cannot be used.
    """
    with open_ledger(settings.database_url(), create=create) as ledger:
        registry = build_registry(settings.plugin_dirs(), plugins)
        yield Job(settings, ledger, registry, clock, progress)


def environment() -> str:
    """Return what numbers depend on besides the program, as JSON."""
    import numpy as np  # noqa: PLC0415  only a job that works needs it

    config: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
    blas = config.get("Build Dependencies", {}).get("blas", {})
    facts = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "kernel": _kernel(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return json.dumps(facts, sort_keys=True)


@cache
def _kernel() -> str:
    """Return the processor family whose code NumPy's BLAS runs: others round otherwise."""
    try:
        from threadpoolctl import threadpool_info  # noqa: PLC0415  only a job that works needs it
    except ImportError:
        return "unknown"
    # SciPy may have loaded a BLAS of its own beside NumPy's.
    found = sorted(
        (one for one in threadpool_info() if one["user_api"] == "blas"),
        key=lambda one: ("numpy" not in one["filepath"], one["filepath"]),
    )
    return str(found[0].get("architecture") or "unknown") if found else "unknown"
