"""The command that examines the machine."""

from datetime import UTC, datetime

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, formats
from forecaster.errors import ForecasterError


@click.command()
@formats
@click.pass_obj
def doctor(invocation: Invocation, form: str | None) -> None:
    """Examine whether this machine is fit for the daemon.

    Looks at SQLite and its settings, the disk, modes of files, the clock, calendars, the library
    of linear algebra, memory and plugins; changes nothing. The exit code is 1 if something is not
    as it should be.
    """
    from forecaster.daemon.doctor import examine
    from forecaster.ledger import Rows

    found = examine(invocation.settings(), invocation.registry(), now=datetime.now(UTC))
    rows = tuple((one.name, one.ok, one.detail) for one in found)
    emit(Rows(("check", "ok", "detail"), rows), form)
    wrong = [one.name for one in found if not one.ok]
    if wrong:
        raise ForecasterError(
            f"not as it should be: {', '.join(wrong)}", remedy="each detail says what to do"
        )


COMMANDS = (doctor,)
