"""Commands that read the ledger."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, formats
from forecaster.errors import ConfigError

if TYPE_CHECKING:
    from forecaster.ledger import Rows

KIND = click.Choice(["live", "backfill", "backtest"])

# What a table of 80 columns has room for; --json and --csv give every column of the view.
TABLES = {
    "latest_forecast": (
        "series", "target_session", "forecast", "lo80", "hi80", "lo95", "hi95", "baseline",
    ),
    "forecast_history": (
        "series", "kind", "cutoff", "horizon", "forecast", "lo80", "hi80", "baseline", "actual",
    ),
    "forecast_parts": (
        "forecast_id", "series", "horizon", "unit", "network_move", "gate_weight", "spread",
        "scale",
    ),
    "accuracy": (
        "series", "kind", "horizon", "n", "mae", "baseline_mae", "skill_mae", "skill_rmse",
    ),
    "calibration": (
        "series", "kind", "horizon", "level", "n", "covered", "coverage", "mean_width",
    ),
    "decision_history": ("series", "kind", "session", "verdict", "model_id", "reason"),
    "run_history": (
        "run_id", "kind", "calendar", "session", "state", "late", "forecasts", "next_attempt_at",
        "reason",
    ),
}  # fmt: skip

EVIDENCE = (
    "series", "session", "reason_code", "skill", "skill_t", "spread_t", "coverage_error80",
)  # fmt: skip

series_option = click.option("--series", multiple=True, metavar="NAME", help="May be repeated.")
kind_option = click.option("--kind", type=KIND, help="Only this kind.")


def limit_option(default: int) -> Callable[[Any], Any]:
    """Return --limit with its default."""
    return click.option(
        "--limit", type=click.IntRange(min=1), default=default, show_default=True,
        help="Rows at most.",
    )  # fmt: skip


def show(
    invocation: Invocation,
    view: str,
    form: str | None,
    *,
    order: tuple[str, ...],
    limit: int | None = None,
    columns: tuple[str, ...] = (),
    **where: Any,
) -> None:
    """Print the rows of a view; a condition that is empty is none."""
    from forecaster.ledger.history import read_view
    from forecaster.ledger.instruments import read_series

    with invocation.ledger() as ledger:
        require_series(where.get("series", ()), list(read_series(ledger)))
        wanted = {name: value or None for name, value in where.items()}
        rows = read_view(ledger, view, where=wanted, order=order, limit=limit)
    columns = columns or TABLES[view]
    columns += tuple(name for name, usual in UNUSUAL.items() if _unusual(rows, name, usual))
    emit(rows, form, columns=columns, empty="Nothing is stored yet: run `forecaster run`.")
    if rows.cut:
        warn(f"only the first {limit} rows are shown: --limit shows more")


UNUSUAL = {"status": {"ok"}, "alarms": {""}}
"""Columns that a table shows where they say something else than usual."""


def _unusual(rows: "Rows", name: str, usual: set[str]) -> bool:
    if name not in rows.columns:
        return False
    return not {row[rows.columns.index(name)] for row in rows.rows} <= usual


def require_series(names: tuple[str, ...], known: list[str]) -> None:
    """Refuse a name that the ledger does not know.

    Raises:
        ConfigError: naming it, and what is near.
    """
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
@click.option("--parts", is_flag=True, help="What they are made of, with the ids for explain.")
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
    parts: bool,
    kind: str | None,
    limit: int,
    form: str | None,
) -> None:
    """Show the newest forecasts, or with --past all of them.

    With --parts: the network's move in units of the present volatility, how much of it the gate
    lets through, and the spread in use with its standard deviation.
    """
    if past or kind:
        view = "forecast_parts" if parts else "forecast_history"
        order = ("-cutoff", "series", "horizon")
        show(invocation, view, form, order=order, limit=limit, series=series, kind=kind)
    elif parts:
        newest = _newest(invocation, series)
        show(invocation, "forecast_parts", form, order=("series", "horizon"), forecast_id=newest)
    else:
        show(invocation, "latest_forecast", form, order=("series", "horizon"), series=series)


def _newest(invocation: Invocation, series: tuple[str, ...]) -> list[int]:
    from forecaster.ledger.history import read_view

    with invocation.ledger() as ledger:
        rows = read_view(ledger, "latest_forecast", where={"series": series or None})
    return [row["forecast_id"] for row in rows.as_dicts()] or [0]


@click.command()
@series_option
@kind_option
@click.option("--evidence", is_flag=True, help="Show the evidence instead of the reason.")
@limit_option(50)
@formats
@click.pass_obj
def decisions(
    invocation: Invocation,
    series: tuple[str, ...],
    kind: str | None,
    evidence: bool,
    limit: int,
    form: str | None,
) -> None:
    """Show why models were retrained or reused, newest first.

    The evidence: the network's discounted skill against the baseline and its best t value, the
    worst t value of the spread against the EWMA, by how much lately more outcomes than 80 % fell
    inside the 80 % intervals, and alarms about the prices. --json and --csv have all of it.
    """
    order, columns = ("-session", "-decision_id"), EVIDENCE if evidence else ()
    show(
        invocation, "decision_history", form, order=order, limit=limit, columns=columns,
        series=series, kind=kind,
    )  # fmt: skip


@click.command()
@kind_option
@limit_option(20)
@formats
@click.pass_obj
def runs(invocation: Invocation, kind: str | None, limit: int, form: str | None) -> None:
    """Show the runs, newest first."""
    show(invocation, "run_history", form, order=("-run_id",), limit=limit, kind=kind)


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

    The views are forecast_history, latest_forecast, forecast_parts, accuracy, skill, calibration,
    tracker_state, gate_state, decision_history, model_history, run_history, series_history,
    bar_history, action_history, quarantine_history, alert_history, pull_history, forecast_inputs,
    forecast_revision, backtest_accuracy and backtest_result_history.
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


COMMANDS = (forecasts, decisions, runs, sql)
