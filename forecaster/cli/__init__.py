"""Commands: parse, call one function, print. Nothing heavy is imported before a command runs."""

import atexit
import gc
import logging
import os
import sys
from typing import Any

import click
from click.core import ParameterSource
from click.exceptions import NoArgsIsHelpError

from forecaster import __version__
from forecaster.cli import (
    administer,
    backtesting,
    bars,
    configure,
    database,
    doctoring,
    explaining,
    judging,
    models,
    plugins,
    proving,
    reading,
    serving,
    watching,
    working,
)
from forecaster.cli.failures import Foreseeable, abandon_output, explained
from forecaster.cli.invocation import Invocation, called_as, warn
from forecaster.logs import LOG, VerboseLines, show_unforeseen
from forecaster.process import BLAS_THREADS, collect_seldom


class CommandLine(click.Group):
    """Tells of every foreseeable failure in one line on standard error."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command that the arguments name, and leave with its exit code."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except Foreseeable as error:
            line, code = explained(error)
            warn(line)
            if isinstance(error, OSError):
                abandon_output()
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; --verbose shows where a failure comes from."""
        try:
            return super().invoke(ctx)
        except Foreseeable:
            LOG.debug("where this comes from:", exc_info=True)
            raise


@click.group(
    "forecaster", cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--config", type=click.Path(), metavar="FILE", envvar="FORECASTER_CONFIG", show_envvar=True,
    help="The configuration; ./config.toml without it.",
)  # fmt: skip
@click.option("--database", metavar="URL", help="A file or URL instead of the configured database.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what was asked for.")
@click.option("-v", "--verbose", is_flag=True, help="Show where an error comes from.")
@click.version_option(__version__, prog_name="forecaster")
@click.pass_context
def cli(
    ctx: click.Context, config: str | None, database: str | None, quiet: bool, verbose: bool
) -> None:
    """Forecast price series every trading day and account for every number.

    \b
    A beginning, in an empty folder:
      forecaster init
      forecaster run
      forecaster accuracy

    Exit codes: 0 done, also when there was nothing to do; 2 the command line or the configuration
    was wrong; 1 everything else.
    """  # noqa: D301  click's \b keeps the lines
    # Numbers repeat bit for bit only with one BLAS thread, which must be said before NumPy loads.
    for name in BLAS_THREADS:
        os.environ[name] = "1"
    if verbose:
        _log_to_standard_error(ctx)
    said = [
        part
        for name, value in (("config", config), ("database", database))
        if value and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        for part in (f"--{name}", value)
    ]
    ctx.obj = Invocation(config, database, quiet, called_as(said))


def _log_to_standard_error(ctx: click.Context) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(VerboseLines())
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    ctx.call_on_close(lambda: LOG.removeHandler(handler))


PARTS = (
    working, serving, watching, doctoring, backtesting, reading, judging, models, explaining,
    proving, administer, database, bars, plugins, configure,
)  # fmt: skip

for command in (each for part in PARTS for each in part.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    # What is written is the owner's alone: database, locks, backups, logs, report, exports.
    os.umask(0o077)
    sys.excepthook = show_unforeseen
    collect_seldom()
    # Nor is what is left at the end searched: 0.4 s after a night of 500 series.
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # what it cannot encode is shown as an escape, not a traceback
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli(prog_name="forecaster")
