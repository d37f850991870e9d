"""Commands that read the ledger."""

from collections.abc import Callable
from typing import Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, emit_json, formats, shown
from forecaster.errors import ConfigError

KIND = click.Choice(["live", "backfill", "backtest"])

series_option = click.option("--series", multiple=True, metavar="NAME", help="May be repeated.")
kind_option = click.option("--kind", type=KIND, help="live, backfill or backtest.")


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
    where: dict[str, Any],
    order: tuple[str, ...],
    limit: int | None = None,
) -> None:
    from forecaster.ledger.history import read_view
    from forecaster.ledger.prices import read_series

    with invocation.ledger() as ledger:
        names = where.get("series")
        if names:
            _require_series(names, list(read_series(ledger)))
        rows = read_view(
            ledger,
            view,
            where={name: value or None for name, value in where.items()},
            order=order,
            limit=limit,
        )
    emit(rows, form, empty="nothing is stored yet: run `forecaster run`")
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
@limit_option(100)
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
    where = {"series": series}
    if past or kind:
        order = ("-cutoff", "series", "horizon")
        where_kind = {**where, "kind": kind}
        _show(invocation, "forecast_history", form, where=where_kind, order=order, limit=limit)
    else:
        _show(invocation, "latest_forecast", form, where=where, order=("series", "horizon"))


@click.command()
@series_option
@kind_option
@formats
@click.pass_obj
def accuracy(
    invocation: Invocation, series: tuple[str, ...], kind: str | None, form: str | None
) -> None:
    """Show how forecasts have done against the baseline, the last settled value."""
    where = {"series": series, "kind": kind}
    _show(invocation, "accuracy", form, where=where, order=("kind", "series", "horizon"))


@click.command()
@series_option
@kind_option
@formats
@click.pass_obj
def calibration(
    invocation: Invocation, series: tuple[str, ...], kind: str | None, form: str | None
) -> None:
    """Show how often outcomes fell inside the intervals."""
    where = {"series": series, "kind": kind}
    order = ("kind", "series", "level", "horizon")
    _show(invocation, "calibration", form, where=where, order=order)


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
    where = {"series": series, "kind": kind}
    order = ("-session", "-decision_id")
    _show(invocation, "decision_history", form, where=where, order=order, limit=limit)


@click.command()
@kind_option
@limit_option(20)
@formats
@click.pass_obj
def runs(invocation: Invocation, kind: str | None, limit: int, form: str | None) -> None:
    """Show the runs, newest first."""
    where = {"kind": kind}
    _show(invocation, "run_history", form, where=where, order=("-run_id",), limit=limit)


@click.group()
def models() -> None:
    """The stored models."""


@models.command("list")
@series_option
@limit_option(50)
@formats
@click.pass_obj
def list_models(
    invocation: Invocation, series: tuple[str, ...], limit: int, form: str | None
) -> None:
    """Show the model versions, newest first."""
    from forecaster.ledger import Rows
    from forecaster.ledger.history import read_view

    hidden = ("settings", "environment", "sha256")
    with invocation.ledger() as ledger:
        where = {"series": series or None}
        rows = read_view(ledger, "model_history", where=where, order=("-model_id",), limit=limit)
    if form is None:
        kept = [k for k, name in enumerate(rows.columns) if name not in hidden]
        rows = Rows(
            tuple(rows.columns[k] for k in kept),
            tuple(tuple(row[k] for k in kept) for row in rows.rows),
            rows.cut,
        )
    emit(rows, form, empty="no model is stored yet: run `forecaster run`")


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
@click.option(
    "--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="Rows at most."
)
@formats
@click.pass_obj
def sql(invocation: Invocation, statement: str, limit: int, form: str | None) -> None:
    """Run one read-only SELECT over the history."""
    from forecaster.ledger.query import read_only_query

    with invocation.ledger() as ledger:
        rows = read_only_query(ledger, statement, limit=limit)
    emit(rows, form, empty="no rows")
    if rows.cut:
        warn(f"only the first {limit} rows are shown: --limit shows more")


COMMANDS = (forecasts, accuracy, calibration, decisions, runs, models, sql)
