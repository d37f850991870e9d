"""The command that evaluates: backtest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, emit_json, emit_table, formats
from forecaster.cli.working import end, series_option

if TYPE_CHECKING:
    from forecaster.job.backtest import Evaluation

RIVALS = ("naive", "seasonal", "drift", "AutoETS", "AutoTheta", "AutoARIMA", "GARCH")

EACH = (
    "series", "n", "mae", "mase", "rel_rmse", "dm_p", "rel_score80", "rel_score95", "coverage80",
    "coverage95",
)  # fmt: skip
ALL = (
    "method", "rel_mae", "rel_rmse", "dm_p", "rel_score80", "rel_score95", "coverage80",
    "coverage95", "worst80", "seconds",
)  # fmt: skip

CERTAIN = 0.05
"""Of a difference that may be chance, the p value from which on it is taken for that."""


def sessions(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | str | None:
    """Return what `[retrain] every` may be: a number of sessions, or a word."""
    if value is None or value in ("always", "never"):
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is no number of sessions, and not always or never")
    return int(value)


@click.command()
@series_option
@click.option("--cutoffs", type=click.IntRange(min=1), help="The newest cutoffs to evaluate.")
@click.option("--horizon", type=click.IntRange(1, 60), help="Instead of the configured one.")
@click.option(
    "--split", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Train once on this share of the sessions, forecast over the rest.",
)  # fmt: skip
@click.option(
    "--every", callback=sessions, metavar="N", help="Refit every N sessions, or always, or never."
)
@click.option("--history", type=click.IntRange(min=10), help="Bars that a cutoff may use.")
@click.option(
    "--against", type=click.Choice(RIVALS, case_sensitive=False), multiple=True, metavar="NAME",
    help=f"Another method beside: {', '.join(RIVALS)}; may be repeated.",
)  # fmt: skip
@formats
@click.pass_obj
def backtest(
    invocation: Invocation, /, names: tuple[str, ...], form: str | None, **options: Any
) -> None:
    """Evaluate over past cutoffs, through the stages of the job.

    What is relative is so to the last price, with the quantiles of its last 252 moves around it:
    under 1 is better. Coverage has a confidence interval, and more, in --json and --csv and in the
    view backtest_result_history.

    \b
    For instance, what the settings would have been worth over two years:
      forecaster backtest --cutoffs 500 --series AAPL --against drift
    """  # noqa: D301  click's \b keeps the lines
    with invocation.job() as job:
        from forecaster.job.backtest import backtest as backtest_job
        from forecaster.job.report import report as tell

        with invocation.watched(job) as watched:
            found = backtest_job(watched, names=names, **options)
        if form == "json":
            emit_json(
                {"backtest_id": found.backtest_id, "summary": asdict(found.summary),
                 "series": found.rows.as_dicts(), "results": found.results.as_dicts()}
            )  # fmt: skip
        elif form == "csv":
            emit(found.results, form)
        else:
            _show(invocation, found)
        told = tell(job, None, only=[name for name in job.settings.reporters if name != "console"])
        if form is None:
            for one in told:
                if one.path:
                    invocation.say(f"Report: {one.path}")
    end(found.summary, [str(one.problem) for one in told if one.problem])


def _show(invocation: Invocation, found: "Evaluation") -> None:
    """Print what is found over all horizons: of each series, then of all, beside its rivals."""
    from forecaster.job.evaluation import OURS

    rows = [row for row in found.results.as_dicts() if row["horizon"] is None]
    for row in rows:
        row["worst80"] = row["worst_quarter80"]
        row["seconds"] = _sum(row["training_seconds"], row["inference_seconds"])
    ours = [row for row in rows if row["method"] == OURS]
    if not ours:  # why is told at the end
        click.echo("Nothing was forecast.")
        return
    together = [row for row in rows if row["series"] == "all"]
    _table(EACH, [row for row in ours if row["series"] != "all"])
    invocation.say("\nAll series:")
    _table(ALL, together)
    invocation.say("")
    invocation.say(verdict(ours[-1]))


def _sum(*seconds: float | None) -> float | None:
    known = [one for one in seconds if one is not None]
    return sum(known) if known else None


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    emit_table(columns, [[_cell(name, row[name]) for name in columns] for row in rows])


def _cell(name: str, value: Any) -> Any:
    """Return a figure with as many digits as say something."""
    if value is None or not isinstance(value, float):
        return value
    if name == "mae":
        return f"{value:.4g}"
    digits = {"coverage80": 3, "coverage95": 3, "worst80": 3, "dm_p": 3, "seconds": 1}
    return f"{value:.{digits.get(name, 4)}f}"


def verdict(row: Mapping[str, Any]) -> str:
    """Return what a backtest comes to, in one sentence.

    Args:
        row: of all series and horizons together.
    """
    if row["rel_rmse"] is None:
        return "No price moved: there is nothing to compare with."
    certain = row["dm_p"] is not None and row["dm_p"] < CERTAIN
    kind = "no better than" if not certain else "better than" if row["dm"] < 0 else "worse than"
    said = f"The forecasts are {kind} the last price (relative RMSE {row['rel_rmse']:.4f}"
    said += f", p = {row['dm_p']:.2g})" if row["dm_p"] is not None else ")"
    if row["rel_score80"] is not None and row["rel_score95"] is not None:
        said += (
            f"; the intervals are {_better(row['rel_score80'])} at 80 % and "
            f"{_better(row['rel_score95'])} at 95 % than naive quantiles"
        )
    inside = f"{100 * row['coverage80']:.1f} % and {100 * row['coverage95']:.1f} %"
    return f"{said}; {inside} of the outcomes lay inside."


def _better(ratio: float) -> str:
    return f"{100 * abs(1 - ratio):.1f} % {'better' if ratio <= 1 else 'worse'}"


COMMANDS = (backtest,)
