"""Commands that administer series."""

from typing import TYPE_CHECKING

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, formats
from forecaster.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from forecaster.ledger import Ledger

FIELDS = click.Choice(["open", "high", "low", "close", "volume"])


@click.group()
def series() -> None:
    """What is forecast: list, add, pause, resume."""


@series.command("list")
@formats
@click.pass_obj
def list_series(invocation: Invocation, form: str | None) -> None:
    """Show the configured series and where each stands."""
    from forecaster.ledger import Rows, open_ledger

    settings = invocation.settings()
    columns = ("name", "source", "symbol", "field", "calendar", "state", "last_session", "held")
    try:
        with open_ledger(settings.database_url()) as ledger:
            known = _standing(ledger)
    except LedgerError as error:
        if error.code != "no_database":
            raise
        known = {}
    rows = []
    for one in settings.each_series():
        standing = known.get((one.name, one.source, one.symbol), (one.calendar, "new", None, 0))
        rows.append((one.name, one.source, one.symbol, one.field, *standing))
    emit(Rows(columns, tuple(rows)), form, empty="No series is configured.")


def _standing(ledger: "Ledger") -> dict[tuple[str, str, str], tuple[str, str, str | None, int]]:
    from forecaster.ledger.instruments import read_series
    from forecaster.ledger.prices import last_sessions
    from forecaster.ledger.quarantine import read_held

    last, held = last_sessions(ledger), read_held(ledger)
    found = {}
    for one in read_series(ledger).values():
        address = (one.instrument.source, one.instrument.symbol)
        state = "paused" if one.paused else "active"
        session = last[address].isoformat() if address in last else None
        number = len(held.get(one.instrument.id, ()))
        found[one.name, *address] = (one.instrument.calendar, state, session, number)
    return found


@series.command("add")
@click.argument("name")
@click.option("--source", required=True, help="The source plugin that quotes it.")
@click.option("--symbol", required=True, help="What the source calls it.")
@click.option("--field", type=FIELDS, default="close", show_default=True, help="Of its bars.")
@click.option("--calendar", help="XNYS, ECB, 24/7, weekdays ...; else the source's.")
@click.pass_obj
def add(
    invocation: Invocation, name: str, source: str, symbol: str, field: str, calendar: str | None
) -> None:
    """Append a series to config.toml; comments and layout are kept.

    \b
    For instance, from a file AAPL.csv beside config.toml:
      forecaster series add AAPL --source csv --symbol AAPL
    """  # noqa: D301  click's \b keeps the lines
    from forecaster.config import add_series
    from forecaster.errors import PluginError
    from forecaster.market import get_calendar

    try:
        invocation.registry().source(source)
    except PluginError as error:
        raise ConfigError(error.message, remedy=error.remedy, code=error.code) from error
    if calendar is not None:
        get_calendar(calendar)
    add_series(
        invocation.config_path, name=name, source=source, symbol=symbol, field=field,
        calendar=calendar,
    )  # fmt: skip
    invocation.say(f"Added {name} to {invocation.config_path}. Next: {invocation.program} run")


@series.command()
@click.argument("name")
@click.pass_obj
def pause(invocation: Invocation, name: str) -> None:
    """Stop forecasting a series; its history stays."""
    _set_paused(invocation, name, paused=True)


@series.command()
@click.argument("name")
@click.pass_obj
def resume(invocation: Invocation, name: str) -> None:
    """Forecast a paused series again."""
    _set_paused(invocation, name, paused=False)


def _set_paused(invocation: Invocation, name: str, *, paused: bool) -> None:
    from forecaster.config import near
    from forecaster.ledger.instruments import read_series, set_paused

    with invocation.ledger() as ledger:
        if not set_paused(ledger, name, paused=paused):
            raise ConfigError(
                f"the ledger has no series {name!r}",
                remedy=near(name, list(read_series(ledger))) or "`forecaster run` puts it there",
                code="unknown_series",
            )  # fmt: skip
    invocation.say(f"{name} is {'paused' if paused else 'active'}.")


COMMANDS = (series,)
