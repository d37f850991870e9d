"""What every command shares: which configuration, which database, how much to say."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forecaster.cli.output import printable

if TYPE_CHECKING:
    from forecaster.config import Settings
    from forecaster.hooks import Registry
    from forecaster.job.context import Job
    from forecaster.ledger import Ledger
    from forecaster.ledger.locks import Holder


@dataclass(frozen=True)
class Invocation:
    """The options before the command.

    Attributes:
        config: the configuration file, if one was named.
        database: what replaces the configured database.
        quiet: whether to print only what was asked for.
        program: how the program was called, to suggest commands that run as printed.
    """

    config: str | None
    database: str | None
    quiet: bool
    program: str

    @property
    def config_path(self) -> Path:
        """Where the configuration is, or would be."""
        return Path(self.config or "config.toml")

    def settings(self) -> "Settings":
        """Return the effective settings."""
        from forecaster.config import load_settings

        return load_settings(self.config_path, environ=os.environ, database=self.database)

    def registry(self) -> "Registry":
        """Return the plugins that the settings name and the environment allows."""
        from forecaster.hooks import build_registry

        return build_registry(self.settings().plugin_dirs(), allowed_plugins())

    @contextmanager
    def ledger(self) -> "Iterator[Ledger]":
        """Open the existing database."""
        from forecaster.ledger import open_ledger

        with open_ledger(self.settings().database_url()) as ledger:
            yield ledger

    @contextmanager
    def job(self, *, create: bool = True) -> "Iterator[Job]":
        """Open database and plugins."""
        from forecaster.job.context import open_job

        with open_job(self.settings(), create=create, plugins=allowed_plugins()) as job:
            yield replace(job, waiting=tell_of_waiting)

    @contextmanager
    def watched(self, job: "Job") -> "Iterator[Job]":
        """Show long work as a bar on a terminal's standard error, and nothing anywhere else."""
        if self.quiet or not sys.stderr.isatty():
            yield job
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress, TaskID

        tasks: dict[str, TaskID] = {}
        with Progress(console=Console(stderr=True), transient=True) as bars:

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(escape(what), total=total)
                bars.update(tasks[what], completed=done, total=total)
                if done >= total:  # a fleet has hundreds of bars, one after the other
                    bars.remove_task(tasks.pop(what))

            yield replace(job, progress=show)

    def say(self, text: str) -> None:
        """Print a line that nobody asked for, unless --quiet."""
        if not self.quiet:
            click.echo(printable(text))


def allowed_plugins() -> list[str] | None:
    """Return the plugins or distributions that FORECASTER_PLUGINS allows, None for all."""
    text = os.environ.get("FORECASTER_PLUGINS")
    return None if text is None else text.replace(",", " ").split()


def called_as(options: Sequence[str]) -> str:
    """Return what to type to call this program again, with the same options."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        words = [sys.executable, "-m", "forecaster"]
    elif called.name == "forecaster" and not _is_on_path(called):
        words = [str(called)]
    else:
        words = ["forecaster"]
    return shlex.join([*words, *options])


def _is_on_path(called: Path) -> bool:
    found = shutil.which(called.name)
    return found is not None and called.exists() and called.samefile(found)


def tell_of_waiting(holder: "Holder | None") -> None:
    """Say why nothing happens yet."""
    warn(f"waiting for {holder or 'another process'}, which works on this database")


def warn(text: str) -> None:
    """Print a line, and never two, to standard error."""
    line = printable(text).replace("\n", "\\n")
    click.echo(f"forecaster: {line}", err=True)
