"""The command that says whether all is well."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, emit_json, formats
from forecaster.errors import LedgerError

if TYPE_CHECKING:
    from forecaster.daemon.health import Health


@click.command()
@click.option("--deep", is_flag=True, help="Read the whole database and look for damage.")
@formats
@click.pass_context
def health(ctx: click.Context, deep: bool, form: str | None) -> None:
    """Say whether all is well, and if not, what is wrong.

    All is well if no session is overdue, the newest one has a forecast of each series, the daemon
    lives if it was not stopped, its configuration is in force, the database can be read, and its
    disk has room. Somebody who starts `run` by a timer needs no daemon.

    Exit codes: 0 all is well; 1 something is not.
    """
    from forecaster.ledger import Rows

    found = _found(ctx.obj, deep=deep)
    if form == "json":
        emit_json(found.document())
    else:
        rows = [*_lines(found.facts), *(("problem", each) for each in found.problems)]
        shown = rows if form else rows[: len(rows) - len(found.problems)]
        emit(Rows(("what", "how"), tuple(shown)), form)
    if form is None:
        for each in found.problems:
            click.echo(f"Wrong: {each}")
        if found.ok:
            ctx.obj.say("All is well.")
    ctx.exit(0 if found.ok else 1)


def _found(invocation: Invocation, *, deep: bool) -> "Health":
    from forecaster.daemon.health import check_health
    from forecaster.ledger import open_ledger
    from forecaster.market import Calendars

    settings = invocation.settings()
    now, calendars = datetime.now(UTC), Calendars(settings.amendments())
    try:
        ledger = open_ledger(settings.database_url())
    except LedgerError as error:
        if error.code == "no_database":
            raise
        return check_health(settings, error, now, calendars)
    with ledger:
        return check_health(settings, ledger, now, calendars, deep=deep)


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known in words, one line each."""
    daemon, database, disk = facts.get("daemon"), facts.get("database"), facts.get("disk")
    if daemon:
        yield "daemon", _daemon(daemon)
    if database:
        schema = f", schema {database['schema']}" if database["schema"] else ", cannot be used"
        size = f", {_size(database['bytes'])}" if "bytes" in database else ""
        sound = ", no damage" if database.get("damage") == [] else ""
        yield "database", f"{database['place']}{schema}{size}{sound}"
    if disk:
        yield "disk", f"{_size(disk['free'])} left"
    overdue = facts.get("overdue")
    if overdue is not None:
        yield "overdue", f"{len(overdue)} sessions" if overdue else "nothing"
    for name, one in (facts.get("calendars") or {}).items():
        ended = f" on {_moment(one['finished_at'])}" if one["finished_at"] else ""
        yield name, f"{one['session']} was {one['state']}{ended}"
    series = facts.get("series") or {}
    if series:
        oldest = min(one["session"] or "" for one in series.values())
        yield "series", f"{len(series)}, the oldest last result is of {oldest or 'none at all'}"


def _daemon(one: Mapping[str, Any]) -> str:
    if "pid" not in one:
        return str(one["state"])
    where = f"process {one['pid']} on {one['host']}"
    if one["state"] == "running":
        return f"running, looked {max(one['tick_age'], 0):.0f} s ago, {where}"
    return f"{one['state']}, {where}, looked last on {_moment(one['ticked_at'])}"


def _moment(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


COMMANDS = (health,)
