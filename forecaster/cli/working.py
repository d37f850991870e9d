"""Commands that do the work: init, run, backfill, report."""

from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, emit_csv, emit_json, formats

if TYPE_CHECKING:
    from forecaster.hooks import RunSummary
    from forecaster.job.context import Job

NEXT = (
    ("accuracy", "how each horizon has done against the last price"),
    ("backtest", "the same over many more sessions"),
    ('sql "select * from latest_forecast"', ""),
)


def day(_ctx: click.Context, _param: click.Parameter, value: datetime | None) -> date | None:
    """Return an option's date."""
    return value.date() if value else None


DATE = click.DateTime(["%Y-%m-%d"])
series_option = click.option(
    "--series", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)


@click.command()
@click.pass_obj
def init(invocation: Invocation) -> None:
    """Write a commented config.toml and create the database.

    The configuration runs as it stands, on prices that come with the program.
    """
    from forecaster.config import create_config
    from forecaster.ledger import open_ledger

    create_config(invocation.config_path)
    try:
        with open_ledger(invocation.settings().database_url(), create=True) as ledger:
            invocation.say(f"Wrote {invocation.config_path} and created {ledger.place}.")
    except BaseException:
        invocation.config_path.unlink()  # so that the next attempt finds an empty folder
        raise
    invocation.say(f"Next: {invocation.program} run")


@click.command()
@series_option
@click.option(
    "--as-of", type=DATE, callback=day, metavar="DATE", help="Do the session of YYYY-MM-DD."
)
@click.option("--retrain", is_flag=True, help="Train whatever the age.")
@click.option("--reuse", is_flag=True, help="Keep a model whatever its age.")
@formats
@click.pass_obj
def run(
    invocation: Invocation,
    names: tuple[str, ...],
    as_of: date | None,
    retrain: bool,
    reuse: bool,
    form: str | None,
) -> None:
    """Do the daily job once, now: what is missing, nothing else.

    New prices are pulled, outcomes that they settle are scored, models are retrained or reused,
    and the next sessions are forecast. A new series is first walked over its past sessions.
    Run again, it does nothing.
    """
    if retrain and reuse:
        raise click.UsageError("--retrain and --reuse exclude each other")
    forced = "retrain" if retrain else "reuse" if reuse else None
    with invocation.job() as job:
        from forecaster.job.run import run as run_job

        with invocation.watched(job) as watched:
            summary = run_job(watched, names=names, as_of=as_of, forced=forced)
        failures = _tell(invocation, job, summary, form)
    end(summary, failures)


@click.command()
@click.option(
    "--from", "first", type=DATE, callback=day, required=True, metavar="DATE",
    help="The first session, YYYY-MM-DD.",
)  # fmt: skip
@click.option(
    "--to", "last", type=DATE, callback=day, required=True, metavar="DATE", help="The last one.",
)  # fmt: skip
@series_option
@formats
@click.pass_obj
def backfill(
    invocation: Invocation, first: date, last: date, names: tuple[str, ...], form: str | None
) -> None:
    """Do the job for past sessions, with the bars known by then.

    \b
    For instance:
      forecaster backfill --from 2012-01-01 --to 2012-06-30
    """  # noqa: D301  click's \b keeps the lines
    with invocation.job() as job:
        from forecaster.job.backfill import backfill as backfill_job

        with invocation.watched(job) as watched:
            summary = backfill_job(watched, first=first, last=last, names=names)
        failures = _tell(invocation, job, summary, form)
    end(summary, failures)


@click.command()
@formats
@click.pass_obj
def report(invocation: Invocation, form: str | None) -> None:
    """Write the HTML report of what the ledger holds."""
    with invocation.job(create=False) as job:
        from forecaster.job.report import report as tell

        told = tell(job, None, only=[name for name in job.settings.reporters if name != "console"])
    places = [
        {"reporter": one.reporter, "path": str(one.path)} for one in told if one.path is not None
    ]
    if form == "json":
        emit_json(places)
    elif form == "csv":
        emit_csv(("reporter", "path"), [tuple(place.values()) for place in places])
    else:
        for place in places:
            click.echo(f"Report: {place['path']}")
    for one in told:
        if one.problem:
            raise one.problem


def _tell(invocation: Invocation, job: "Job", summary: "RunSummary", form: str | None) -> list[str]:
    """Let the reporters tell of the run, then say where things are; return what went wrong."""
    from forecaster.job.report import report as tell
    from forecaster.ledger.history import read_view

    names = list(job.settings.reporters)
    if form or invocation.quiet:
        names = [name for name in names if name != "console"]
    told = tell(job, summary, only=names)
    paths = {one.reporter: str(one.path) for one in told if one.path}
    if form:
        latest = read_view(job.ledger, "latest_forecast", order=("series", "horizon"))
        document = {
            **asdict(summary),
            "database": job.ledger.place,
            "reports": paths,
            "forecasts": latest.as_dicts(),
        }
        emit_json(document) if form == "json" else emit(latest, form)
    else:
        invocation.say("")
        invocation.say(f"Database: {job.ledger.place}")
        for path in paths.values():
            invocation.say(f"Report:   {path}")
        _suggest(invocation)
    for problem in job.registry.problems:
        warn(str(problem))
    return [str(one.problem) for one in told if one.problem]


def _suggest(invocation: Invocation) -> None:
    invocation.say("Next:")
    commands = [(f"{invocation.program} {command}", why) for command, why in NEXT]
    width = max(len(command) for command, why in commands if why)
    for command, why in commands:
        invocation.say(f"  {command:{width}}  {why}".rstrip())


def end(summary: "RunSummary", failures: list[str]) -> None:
    """Say on standard error what went wrong, and leave with the exit code that says so."""
    for alert in summary.alerts:
        warn(f"note: {alert}")
    for problem in (*summary.problems, *failures):
        warn(problem)
    if summary.problems:
        warn(f"the run ended {summary.status}")
    if summary.problems or failures:
        raise SystemExit(1)


COMMANDS = (init, run, backfill, report)
