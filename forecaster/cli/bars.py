"""Commands about bars: pull, show, import, check, accept."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, formats
from forecaster.cli.working import DATE, day, series_option

if TYPE_CHECKING:
    from forecaster.job.intake import Intake

FOUND = ("symbol", "what", "session", "code", "detail", "close")
TAKEN = ("session", "what", "close", "split", "dividend", "reason")
PULLED = ("source", "symbol", "outcome", "new_bars", "revised_bars", "held_bars", "requests")


class Moment(click.DateTime):
    """A moment in UTC; a date alone is the end of that day."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return what the user wrote."""
        found: datetime = super().convert(value, param, ctx)
        last = time.max if "T" not in str(value) else found.time()
        return datetime.combine(found.date(), last, UTC)


@click.group()
def bars() -> None:
    """The stored prices: pull, show, import, check, accept."""


@bars.command()
@series_option
@click.option("--all", "everything", is_flag=True, help="The whole history, not what is missing.")
@formats
@click.pass_obj
def pull(
    invocation: Invocation, names: tuple[str, ...], everything: bool, form: str | None
) -> None:
    """Ask the sources for prices now, and store what is settled.

    Every source is asked, even when no session is missing; nothing is forecast.
    """
    with invocation.job() as job:
        from forecaster.job.intake import pull_bars

        with invocation.watched(job) as watched:
            found = pull_bars(watched, names, everything=everything)
        _emit_intake(found, form)


@bars.command()
@click.argument("name")
@click.option(
    "--last", type=click.IntRange(min=1), default=20, show_default=True, help="Newest bars shown."
)
@click.option(
    "--as-of", type=Moment(), metavar="MOMENT",
    help="As they were known at YYYY-MM-DD[THH:MM], in UTC; a date alone is its end.",
)  # fmt: skip
@click.option("--adjusted", is_flag=True, help="For splits and dividends up to the last one shown.")
@formats
@click.pass_obj
def show(
    invocation: Invocation,
    name: str,
    last: int,
    as_of: datetime | None,
    adjusted: bool,
    form: str | None,
) -> None:
    """Show the newest bars of a series' instrument, oldest first.

    Prices are as traded, unless --adjusted.
    """
    from forecaster.job.bars import show_bars

    with invocation.ledger() as ledger:
        rows = show_bars(ledger, name, last=last, as_of=as_of, adjusted=adjusted)
    empty = "No bar was known then." if as_of else "No bar is stored."
    emit(rows, form, columns=rows.columns[:-1], empty=empty)


@bars.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--series", "name", required=True, metavar="NAME", help="Whose bars these are.")
@formats
@click.pass_obj
def import_file(invocation: Invocation, file: Path, name: str, form: str | None) -> None:
    """Take the bars of a CSV or Parquet file for a series.

    They pass the same border as what a source says, and what differs from a stored bar becomes a
    revision of it.

    \b
    For instance:
      forecaster bars import AAPL-2019.csv --series AAPL
    """  # noqa: D301  click's \b keeps the lines
    with invocation.job() as job:
        from forecaster.job.intake import import_bars

        _emit_intake(import_bars(job, file, name), form)


@bars.command()
@series_option
@formats
@click.pass_obj
def check(invocation: Invocation, names: tuple[str, ...], form: str | None) -> None:
    """Show what is wrong with the stored prices; asks nobody.

    What is held and why, the sessions without a bar between the first and the last one, the alerts
    of the last 30 days, and how each last pull went. The exit code is 1 when something is held, or
    missing where `missing` is "refuse".
    """
    with invocation.job(create=False) as job:
        from forecaster.job.bars import check_bars

        found = check_bars(job, names)
    empty = "Nothing is held or missing, nothing was noticed, and the last pulls went well."
    if not found.instruments:
        empty = "No bar is stored yet: run `forecaster bars pull`."
    emit(found.rows if form else found.trouble(), form, columns=FOUND, empty=empty)
    if found.wrong:
        many = "instruments have" if found.wrong > 1 else "instrument has"
        warn(f"{found.wrong} {many} held or missing bars; `forecaster bars accept` takes held ones")
        raise SystemExit(1)


@bars.command("accept")
@click.argument("name")
@click.option(
    "--session", type=DATE, callback=day, metavar="DATE", help="Only what is held of YYYY-MM-DD."
)
@formats
@click.pass_obj
def accept_held(invocation: Invocation, name: str, session: date | None, form: str | None) -> None:
    """Believe what is held of a series' instrument.

    Bars and splits are stored as they were said; after a whole answer the next pull is believed.
    """
    with invocation.job(create=False) as job:
        from forecaster.job.bars import ACCEPTED, accept_bars, accepted_row
        from forecaster.ledger import Rows

        found = accept_bars(job, name, session=session)
    rows = Rows(ACCEPTED, tuple(map(accepted_row, found.accepted)))
    emit(rows, form, columns=TAKEN, empty="Nothing was accepted.")
    for problem in found.problems:
        warn(str(problem))
    if found.problems:
        raise SystemExit(1)


def _emit_intake(found: "Intake", form: str | None) -> None:
    emit(found.rows, form, columns=PULLED)
    for alert in found.alerts:
        warn(f"note: {alert}")
    for problem in found.problems:
        warn(problem)
    if found.problems:
        raise SystemExit(1)


COMMANDS = (bars,)
