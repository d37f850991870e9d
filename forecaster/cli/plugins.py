"""Commands about plugins: what there is, and whether it keeps its promises."""

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, formats


@click.group()
def plugins() -> None:
    """Sources, activations, reporters, executors: list, check."""


@plugins.command("list")
@formats
@click.pass_obj
def list_plugins(invocation: Invocation, form: str | None) -> None:
    """Show what is loaded from where."""
    from forecaster.ledger import Rows

    registry = invocation.registry()
    with redirect_stdout(sys.stderr):  # a plugin may print, and standard output is ours
        loaded = registry.plugins()
    columns = ("plugin", "kind", "name", "distribution", "version", "path", "problem")
    rows: list[tuple[Any, ...]] = [
        (one.name, kind, name, one.distribution, one.version, one.path, None)
        for one in loaded
        for kind, name in one.provides
    ]
    rows += [
        (one.plugin, None, None, None, None, one.where, one.message) for one in registry.problems
    ]
    shown = ("plugin", "kind", "name", "version", "path", "problem")
    emit(Rows(columns, tuple(rows)), form, columns=shown if registry.problems else shown[:-1])


@plugins.command()
@click.argument("name")
@click.option(
    "--symbol", metavar="SYM", help="What to ask a source for, a dozen times; it may send requests."
)
@formats
@click.pass_obj
def check(invocation: Invocation, name: str, symbol: str | None, form: str | None) -> None:
    """Try out what has this name, or all of a plugin.

    The name is that of an activation, a source, a reporter or an executor, or of a plugin, which
    stands for all that it provides. Activations are compared with numbers and executors are put to
    work. Sources are asked for the symbol; without one, those that read files of this machine are
    asked for the first symbol that a series has of them, and of others only the options are looked
    at. Of reporters only the shape is. The result says so. The exit code is 1 unless all is well.
    """
    from dataclasses import astuple, fields

    from forecaster.ledger import Rows
    from forecaster.testing.registered import Finding, check_registered

    with redirect_stdout(sys.stderr):  # as above
        findings = check_registered(invocation.registry(), invocation.settings(), name, symbol)
    columns = tuple(field.name for field in fields(Finding))
    broken = [each for each in findings if each.problem]
    shown = columns if broken else columns[:-1]
    emit(Rows(columns, tuple(astuple(each) for each in findings)), form, columns=shown)
    for each in broken:
        warn(str(each))
    if broken:
        raise SystemExit(1)


COMMANDS = (plugins,)
