"""What every command shares: which configuration, which database, how much to say."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from forecaster.config import Settings
    from forecaster.hooks import Registry
    from forecaster.job.context import Job, Progress
    from forecaster.ledger import Ledger


@dataclass(frozen=True)
class Invocation:
    """The options before the command."""

    config: str | None
    database: str | None
    quiet: bool
    verbose: bool

    @property
    def config_path(self) -> Path:
        """Where the configuration is, or would be."""
        return Path(self.config or "config.toml")

    def settings(self) -> "Settings":
        """Return the effective settings."""
        from forecaster.config import load_settings

        return load_settings(self.config_path, environ=os.environ, database=self.database)

    def registry(self) -> "Registry":
        """Return the plugins that the settings name."""
        from forecaster.hooks import build_registry

        return build_registry(self.settings().plugin_dirs())

    @contextmanager
    def ledger(self) -> "Iterator[Ledger]":
        """Open the existing database."""
        from forecaster.ledger import open_ledger

        with open_ledger(self.settings().database_url()) as ledger:
            yield ledger

    @contextmanager
    def job(self, *, create: bool = True) -> "Iterator[Job]":
        """Open database and plugins, with a progress bar where there is a terminal."""
        from forecaster.job.context import open_job

        with (
            progress_bar(shown=not self.quiet) as progress,
            open_job(self.settings(), create=create, progress=progress) as job,
        ):
            yield job

    def say(self, text: str) -> None:
        """Print a line that nobody asked for, unless --quiet."""
        if not self.quiet:
            click.echo(text)


@contextmanager
def progress_bar(*, shown: bool) -> "Iterator[Progress]":
    """Show long work as a bar on a terminal's standard error, and nothing anywhere else."""
    from forecaster.job.context import silent

    if not shown or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    with Bars(console=Console(stderr=True), transient=True) as bars:

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def warn(text: str) -> None:
    """Print a line to standard error."""
    click.echo(f"forecaster: {text}", err=True)
