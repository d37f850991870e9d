"""Commands about the configuration itself."""

import json
import os

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, formats


@click.group()
def config() -> None:
    """The configuration: show, check, schema."""


@config.command()
@formats
@click.pass_obj
def show(invocation: Invocation, form: str | None) -> None:
    """Show the effective settings and where each comes from."""
    from forecaster.config import settings_toml, show_settings
    from forecaster.ledger import Rows

    lines = show_settings(invocation.config_path, environ=os.environ, database=invocation.database)
    if form is None:
        click.echo(settings_toml(lines), nl=False)
        return
    columns = ("table", "number", "key", "value", "origin")
    rows = tuple((one.table, one.number, one.key, one.value, one.origin) for one in lines)
    emit(Rows(columns, rows), form)


@config.command()
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Check it; each error names the file, the key and what is allowed."""
    from forecaster.config import check_settings
    from forecaster.errors import ConfigError
    from forecaster.job.named import require_plugins

    faults = check_settings(
        invocation.config_path, environ=os.environ, database=invocation.database
    )
    if faults:
        for fault in faults[:-1]:
            warn(fault)
        raise ConfigError(faults[-1])
    registry, settings = invocation.registry(), invocation.settings()
    require_plugins(registry, settings)
    if registry.problems:
        for problem in registry.problems:
            warn(str(problem))
        raise SystemExit(1)
    if not settings.each_series():
        raise ConfigError(
            f"{invocation.config_path} names no series",
            remedy="add one: forecaster series add NAME --source S --symbol SYM",
        )
    invocation.say(f"{invocation.config_path} is fine.")


@config.command()
@click.pass_obj
def schema(_invocation: Invocation) -> None:
    """Print the JSON Schema of config.toml, for editors."""
    from forecaster.config import schema as json_schema

    click.echo(json.dumps(json_schema(), indent=2))


COMMANDS = (config,)
