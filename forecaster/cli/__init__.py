"""Commands: parse, call one function, print. Nothing heavy is imported before a command runs."""

import os
from typing import Any

import click

from forecaster import __version__
from forecaster.cli import administer, configure, reading, working
from forecaster.cli.invocation import Invocation
from forecaster.errors import ForecasterError

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


class Failure(click.ClickException):
    """A foreseeable failure as a person sees it: one line on standard error."""

    def __init__(self, error: ForecasterError) -> None:
        super().__init__(str(error))
        vars(self)["exit_code"] = error.exit_code  # click declares it for the class

    def show(self, _file: Any = None) -> None:
        """Print the line."""
        click.echo(f"forecaster: {self.format_message()}", err=True)


class Commands(click.Group):
    """A group that turns the program's own errors into a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ForecasterError as error:
            if ctx.params.get("verbose"):
                raise
            raise Failure(error) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(), metavar="FILE", envvar="FORECASTER_CONFIG",
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
    """Forecast price series every trading day and account for every number."""
    # Numbers repeat bit for bit only with one BLAS thread, which must be said before NumPy loads.
    for name in BLAS_THREADS:
        os.environ[name] = "1"
    ctx.obj = Invocation(config, database, quiet, verbose)


for command in (*working.COMMANDS, *reading.COMMANDS, *administer.COMMANDS, *configure.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="forecaster")
