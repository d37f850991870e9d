"""Commands that read the ledger."""

from collections.abc import Callable
from typing import Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, emit_json, formats, shown
from forecaster.errors import ConfigError

KIND = click.Choice(["live", "backfill", "backtest"])

# What a table of 80 columns has room for; --json and --csv give every column of the view.
TABLES = {
    "latest_forecast": (
        "series", "target_session", "forecast", "lo80", "hi80", "lo95", "hi95", "baseline",
    ),
    "forecast_history": (
        "series", "kind", "cutoff", "horizon", "forecast", "lo80", "hi80", "baseline", "actual",
    ),
    "accuracy": (
        "series", "kind", "horizon", "n", "mae", "baseline_mae", "skill_mae", "skill_rmse",
    ),
    "calibration": (
        "series", "kind", "horizon", "level", "n", "covered", "coverage", "mean_width",
    ),
    "decision_history": ("series", "kind", "session", "verdict", "model_id", "reason"),
    "run_history": (
        "run_id", "kind", "calendar", "session", "state", "finished_at", "forecasts",
    ),
    "model_history": (
        "model_id", "series", "cutoff", "bars", "epochs", "validation_loss", "baseline_loss",
        "seconds",
    ),
}  # fmt: skip

series_option = click.option("--series", multiple=True, metavar="NAME", help="May be repeated.")
kind_option = click.option("--kind", type=KIND, help="Only this kind.")


def limit_option(default: int) -> Callable[[Any], Any]:
    """Return --limit with its default."""
    return click.option(
        "--limit", type=click.IntRange(min=1), default=default, show_default=True,
        help="Rows at most.",
    )  # fmt: skip


def _show(
    invocation: Invocation,
    view: str,
    form: str | None,
    *,
    order: tuple[str, ...],
    limit: int | None = None,
    **where: Any,
) -> None:
    """Print the rows of a view; a condition that is empty is none."""
    from forecaster.ledger.history import read_view
    from forecaster.ledger.instruments import read_series

    with invocation.ledger() as ledger:
        _require_series(where.get("series", ()), list(read_series(ledger)))
        wanted = {name: value or None for name, value in where.items()}
        rows = read_view(ledger, view, where=wanted, order=order, limit=limit)
    fallback = any(row.get("status") == "fallback" for row in rows.as_dicts())
    columns = (*TABLES[view], "status") if fallback else TABLES[view]
    emit(rows, form, columns=columns, empty="Nothing is stored yet: run `forecaster run`.")
    if rows.cut:
        warn(f"only the first {limit} rows are shown: --limit shows more")


def _require_series(names: tuple[str, ...], known: list[str]) -> None:
    from forecaster.config import near

    for name in names:
        if name not in known:
            raise ConfigError(
                f"the ledger has no series {name!r}", remedy=near(name, known),
                code="unknown_series",
            )  # fmt: skip


@click.command()
@series_option
@click.option("--past", is_flag=True, help="Everything ever said, with outcomes, newest first.")
@kind_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True,
    help="Rows at most of --past.",
)  # fmt: skip
@formats
@click.pass_obj
def forecasts(
    invocation: Invocation,
    series: tuple[str, ...],
    past: bool,
    kind: str | None,
    limit: int,
    form: str | None,
) -> None:
    """Show the newest forecasts, or with --past all of them."""
    if past or kind:
        order = ("-cutoff", "series", "horizon")
        _show(
            invocation, "forecast_history", form, order=order, limit=limit, series=series, kind=kind
        )
    else:
        _show(invocation, "latest_forecast", form, order=("series", "horizon"), series=series)


@click.command()
@series_option
@kind_option
@formats
@click.pass_obj
def accuracy(
    invocation: Invocation, series: tuple[str, ...], kind: str | None, form: str | None
) -> None:
    """Show how forecasts have done against the last price.

    The last price is the baseline. A skill above zero means that the forecasts were closer, on
    exactly the same sessions.
    """
    order = ("kind", "series", "horizon")
    _show(invocation, "accuracy", form, order=order, series=series, kind=kind)


@click.command()
@series_option
@kind_option
@formats
@click.pass_obj
def calibration(
    invocation: Invocation, series: tuple[str, ...], kind: str | None, form: str | None
) -> None:
    """Show how often outcomes fell inside the intervals."""
    order = ("kind", "series", "level", "horizon")
    _show(invocation, "calibration", form, order=order, series=series, kind=kind)


@click.command()
@series_option
@kind_option
@limit_option(50)
@formats
@click.pass_obj
def decisions(
    invocation: Invocation,
    series: tuple[str, ...],
    kind: str | None,
    limit: int,
    form: str | None,
) -> None:
    """Show why models were retrained or reused, newest first."""
    order = ("-session", "-decision_id")
    _show(invocation, "decision_history", form, order=order, limit=limit, series=series, kind=kind)


@click.command()
@kind_option
@limit_option(20)
@formats
@click.pass_obj
def runs(invocation: Invocation, kind: str | None, limit: int, form: str | None) -> None:
    """Show the runs, newest first."""
    _show(invocation, "run_history", form, order=("-run_id",), limit=limit, kind=kind)


@click.group()
def models() -> None:
    """The stored models: list, show."""


@models.command("list")
@series_option
@limit_option(50)
@formats
@click.pass_obj
def list_models(
    invocation: Invocation, series: tuple[str, ...], limit: int, form: str | None
) -> None:
    """Show the model versions, newest first."""
    _show(invocation, "model_history", form, order=("-model_id",), limit=limit, series=series)


@models.command("show")
@click.argument("model_id", type=int)
@formats
@click.pass_obj
def show_model(invocation: Invocation, model_id: int, form: str | None) -> None:
    """Show one model version: what it was trained on and with."""
    from forecaster.ledger.history import read_view

    with invocation.ledger() as ledger:
        rows = read_view(ledger, "model_history", where={"model_id": model_id})
    if not rows.rows:
        raise ConfigError(
            f"there is no model {model_id}", remedy="`forecaster models list` shows them"
        )
    if form == "json":
        emit_json(rows.as_dicts()[0])
    elif form == "csv":
        emit(rows, form)
    else:
        for name, value in rows.as_dicts()[0].items():
            click.echo(f"{name:16} {shown(value)}")


@click.command()
@click.argument("statement")
@limit_option(10_000)
@formats
@click.pass_obj
def sql(invocation: Invocation, statement: str, limit: int, form: str | None) -> None:
    """Run one read-only SELECT over the history.

    \b
    For instance:
      forecaster sql "select series, horizon, forecast from latest_forecast"
      forecaster sql --csv "select * from accuracy" > accuracy.csv

    The views are forecast_history, latest_forecast, accuracy, calibration, decision_history,
    model_history, run_history, series_history, bar_history, action_history, quarantine_history,
    alert_history, pull_history, forecast_inputs, forecast_revision and backtest_accuracy.
    """  # noqa: D301  click's \b keeps the lines
    from forecaster.ledger.query import read_only_query

    with invocation.ledger() as ledger:
        rows = read_only_query(ledger, statement, limit=limit)
    twice = {name for name in rows.columns if rows.columns.count(name) > 1}
    if twice and form == "json":
        raise ConfigError(
            f"SQL: two columns are named {min(twice)!r}, which an object cannot hold",
            remedy="give one another name with AS",
        )
    emit(rows, form, empty="No rows.")
    if rows.cut:
        warn(f"only the first {limit} rows are shown: --limit shows more")


COMMANDS = (forecasts, accuracy, calibration, decisions, runs, models, sql)
