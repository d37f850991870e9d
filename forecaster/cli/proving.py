"""Commands that prove what is stored: replay."""

from dataclasses import asdict

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import emit, emit_json, formats
from forecaster.errors import LedgerError


@click.command()
@click.argument("forecast_id", type=click.IntRange(min=1), required=False)
@click.option("--run", "run_id", type=click.IntRange(min=1), help="Every forecast of a run.")
@formats
@click.pass_obj
def replay(
    invocation: Invocation, forecast_id: int | None, run_id: int | None, form: str | None
) -> None:
    """Compute a stored forecast again and compare.

    It is made of the bars that were known when it was issued, and of the stored network. On the
    same kind of machine every bit must be the same, on others the first six digits: otherwise the
    exit code is 1. Nothing is stored.

    `forecaster forecasts --json` shows the ids.
    """
    if (forecast_id is None) == (run_id is None):
        raise click.UsageError("give a FORECAST_ID or --run RUN_ID")
    with invocation.job(create=False) as job:
        from forecaster.job.replay import replay as replay_job
        from forecaster.ledger import Rows

        found = replay_job(job, forecast_id=forecast_id, run_id=run_id)
    different = [one for night in found for one in night.differences]
    columns = ("series", "cutoff", "forecasts", "bits", "differences")
    rows = tuple(
        (one.series, one.cutoff, one.count, "all" if one.exact else "six digits",
         len(one.differences))
        for one in found
    )  # fmt: skip
    if form == "json":
        emit_json([asdict(one) for one in found])
    else:
        emit(Rows(columns, rows), form)
    if different:
        first = different[0]
        count = f"{len(different)} numbers come" if different[1:] else "1 number comes"
        raise LedgerError(
            f"{count} out otherwise, first {first.name} of forecast "
            f"{first.forecast_id}: {first.stored!r} is stored, {first.replayed!r} comes out",
            remedy="`forecaster replay --json` shows all; `forecaster db check` looks for damage",
            code="replay",
        )


COMMANDS = (replay,)
