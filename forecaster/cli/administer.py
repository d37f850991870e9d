"""Commands that administer series and the database."""

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


@click.group()
def db() -> None:
    """The database: upgrade, current, check."""


@db.command()
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Bring the database to this program's schema.

    A missing database is created; all of it happens in one transaction.
    """
    from forecaster.ledger.engine import create_file, parse_url, shown
    from forecaster.ledger.upgrade import upgrade as upgrade_database

    url = parse_url(invocation.settings().database_url())
    create_file(url)
    before, after = upgrade_database(url)
    if before == after:
        invocation.say(f"{shown(url)} is at schema {after} already.")
    else:
        invocation.say(f"{shown(url)}: schema {before or 'none'} to {after}.")


@db.command()
@formats
@click.pass_obj
def current(invocation: Invocation, form: str | None) -> None:
    """Show the schema of the database and of the program.

    The exit code is 1 unless they are the same.
    """
    from forecaster.ledger import Rows
    from forecaster.ledger.engine import is_missing, make_engine, parse_url, shown
    from forecaster.ledger.schema import HEAD
    from forecaster.ledger.upgrade import current as current_revision

    url = parse_url(invocation.settings().database_url())
    found = None
    if not is_missing(url):
        engine = make_engine(url)
        found = current_revision(engine)
        engine.dispose()
    emit(Rows(("database", "schema", "program"), ((shown(url), found, HEAD),)), form)
    with invocation.ledger():
        pass  # refuses one that is missing, older or newer, and says what to do


@db.command()
@formats
@click.pass_obj
def check(invocation: Invocation, form: str | None) -> None:
    """Prove that the ledger is whole.

    What is derived, such as accuracy, trackers and gates, is computed again from what is not.
    """
    from forecaster.job.learn import relearn
    from forecaster.ledger import Rows
    from forecaster.ledger.check import check_ledger

    with invocation.ledger() as ledger:
        found = check_ledger(ledger, relearn)
    emit(
        Rows(("check", "ok", "detail"), tuple((one.name, one.ok, one.detail) for one in found)),
        form,
    )
    broken = [one.name for one in found if not one.ok]
    if broken:
        raise LedgerError(
            f"the ledger is not whole: {', '.join(broken)}", remedy="restore a backup"
        )


COMMANDS = (series, db)
