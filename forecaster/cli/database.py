"""Commands about the database: upgrade, current, backup, restore, check, vacuum."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, formats
from forecaster.errors import LedgerError

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def db() -> None:
    """The database: upgrade, back up, restore, check it."""


@db.command()
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Bring the database to this program's schema.

    A missing database is created. An SQLite file that holds a ledger is first copied, to a file
    beside it; all of the rest happens in one transaction.
    """
    from forecaster.ledger.engine import parse_url, shown
    from forecaster.ledger.upgrade import upgrade as upgrade_database

    url = parse_url(invocation.settings().database_url())
    done = upgrade_database(url)
    if done.before == done.after:
        invocation.say(f"{shown(url)} is at schema {done.after} already.")
        return
    if done.backup:
        invocation.say(f"Backup:   {done.backup}")
    invocation.say(f"{shown(url)}: schema {done.before or 'none'} to {done.after}.")


@db.command()
@formats
@click.pass_obj
def current(invocation: Invocation, form: str | None) -> None:
    """Show the schema of the database and of the program.

    The exit code is 1 unless they are the same.
    """
    from forecaster.ledger.engine import is_missing, parse_url, refuse_remains, shown
    from forecaster.ledger.revision import look
    from forecaster.ledger.schema import HEAD

    url = parse_url(invocation.settings().database_url())
    refuse_remains(url)
    found = None if is_missing(url) else look(url)
    _emit_one(form, database=shown(url), schema=found, program=HEAD)
    with invocation.ledger():
        pass  # refuses one that is missing, older or newer, and says what to do


@db.command()
@FILE
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@formats
@click.pass_obj
def backup(invocation: Invocation, file: Path, force: bool, form: str | None) -> None:
    """Copy the database to FILE, also while others write to it.

    The copy is proved to be whole before it gets its name. It is one file, and its owner's alone.
    Copying an SQLite database with cp may leave out what was stored last.
    """
    from forecaster.ledger.backup import back_up
    from forecaster.ledger.engine import parse_url

    made = back_up(parse_url(invocation.settings().database_url()), file, replace=force)
    if form:
        _emit_one(form, backup=str(made.path), schema=made.schema, bytes=made.bytes)
    else:
        invocation.say(f"Backup: {made.path}, {made.bytes:,} bytes, schema {made.schema}.")


@db.command()
@FILE
@formats
@click.pass_obj
def restore(invocation: Invocation, file: Path, form: str | None) -> None:
    """Put a backup in the place of the database.

    FILE is proved to be a whole ledger before anything changes. What was there, damaged or not,
    stays beside it under another name. Refused while a daemon or a run works with the database.
    """
    from forecaster.ledger.engine import parse_url
    from forecaster.ledger.restore import restore as restore_database
    from forecaster.ledger.schema import HEAD

    url = parse_url(invocation.settings().database_url())
    done = restore_database(url, file, now=datetime.now(UTC))
    if form:
        aside = str(done.aside) if done.aside else None
        _emit_one(form, database=str(done.path), schema=done.schema, aside=aside)
        return
    if done.aside:
        invocation.say(f"Kept:     {done.aside}")
    invocation.say(f"Restored: {done.path}, schema {done.schema}.")
    if done.schema != HEAD:
        invocation.say(f"Next:     {invocation.program} db upgrade")


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
            f"the ledger is not whole: {', '.join(broken)}",
            remedy="restore a backup: forecaster db restore FILE",
        )


@db.command()
@formats
@click.pass_obj
def vacuum(invocation: Invocation, form: str | None) -> None:
    """Give the space of what was deleted back to the disk.

    The database is written anew, which needs twice its size free. Refused while a run works.
    """
    from forecaster.ledger.vacuum import vacuum as vacuum_database

    with invocation.ledger() as ledger:
        done = vacuum_database(ledger)
        freed = done.before - done.after
        if form:
            _emit_one(
                form, database=ledger.place, before=done.before, after=done.after, freed=freed
            )
        else:
            invocation.say(f"{ledger.place}: {freed:,} bytes freed, {done.after:,} are left.")


def _emit_one(form: str | None, **facts: Any) -> None:
    from forecaster.ledger import Rows

    emit(Rows(tuple(facts), (tuple(facts.values()),)), form)


COMMANDS = (db,)
