"""Commands that prove what is stored: replay, prove-no-leak."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, emit_json, formats
from forecaster.errors import LedgerError

if TYPE_CHECKING:
    from forecaster.job.proof import Proof
    from forecaster.job.replay import Replayed


@click.command()
@click.argument("forecast_id", type=click.IntRange(min=1), required=False)
@click.option("--run", "run_id", type=click.IntRange(min=1), help="Every forecast of a run.")
@click.option("--from-scratch", is_flag=True, help="Train the networks again too.")
@formats
@click.pass_obj
def replay(
    invocation: Invocation,
    forecast_id: int | None,
    run_id: int | None,
    from_scratch: bool,
    form: str | None,
) -> None:
    """Compute a stored forecast again and compare.

    It is made of the bars that were known when it was issued, of the stored networks, and of
    trackers and gates that learn once more what they had learned by then. On the same kind of
    machine every bit must be the same, on others the first six digits: otherwise the exit code is
    1. With --from-scratch the networks are trained again as well, and must get the same weights.
    Nothing is stored.

    `forecaster forecasts --json` shows the ids.
    """
    if (forecast_id is None) == (run_id is None):
        raise click.UsageError("give a FORECAST_ID or --run RUN_ID")
    with invocation.job(create=False) as job:
        from forecaster.job.replay import replay as replay_job
        from forecaster.ledger import Rows

        with invocation.watched(job) as watched:
            found = replay_job(
                watched, forecast_id=forecast_id, run_id=run_id, from_scratch=from_scratch
            )
    if form == "json":
        emit_json([asdict(one) for one in found])
    else:
        emit(Rows(REPLAYED, tuple(_row(one) for one in found)), form)
    _refuse_differences(found)


REPLAYED = ("series", "cutoff", "forecasts", "bits", "differences", "retrained")


def _row(one: "Replayed") -> tuple[str | int, ...]:
    weights = ["same" if model.same_weights else "others" for model in one.retrained]
    return (
        one.series, one.cutoff, one.count, "all" if one.exact else "six digits",
        len(one.differences), " and ".join(weights),
    )  # fmt: skip


def _refuse_differences(found: "list[Replayed]") -> None:
    different = [one for night in found for one in night.differences]
    if different:
        first = different[0]
        count = f"{len(different)} numbers come" if different[1:] else "1 number comes"
        raise LedgerError(
            f"{count} out otherwise, first {first.name} of forecast "
            f"{first.forecast_id}: {first.stored!r} is stored, {first.replayed!r} comes out",
            remedy="`forecaster replay --json` shows all; `forecaster db check` looks for damage",
            code="replay",
        )
    for model in (model for night in found for model in night.retrained if model.differs):
        what = "saw other prices" if model.same_data is False else "got other weights"
        raise LedgerError(
            f"model {model.model_id} {what} when it was trained again",
            remedy="`forecaster db check` looks for damage; `forecaster bars check` at the prices",
            code="replay",
        )


@click.command("prove-no-leak")
@click.option(
    "--series", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@formats
@click.pass_obj
def prove_no_leak(invocation: Invocation, names: tuple[str, ...], form: str | None) -> None:
    """Take the future away and demand the same forecasts.

    In copies of the prices everything after a cutoff is cut away, and then garbled: bars of all
    series, splits, models, scores, trackers, gates and panels. Whatever is stored of the nights up
    to the cutoff must stay the same, bit for bit: otherwise the exit code is 1. Nothing is stored
    in the ledger itself.
    """
    with invocation.job(create=False) as job:
        from forecaster.job.proof import prove_no_leak as prove
        from forecaster.ledger import Rows

        with invocation.watched(job) as watched:
            found = prove(watched, names=names)
    if form == "json":
        emit_json([asdict(one) for one in found])
    else:
        emit(Rows(PROVEN, tuple(_proven(one) for one in found if not one.unproven)), form)
    for name, why in {one.series: one.unproven for one in found if one.unproven}.items():
        warn(f"nothing is proven of {name}: {why}")
    _refuse_leaks(found)
    if form is None:
        invocation.say("Nothing after a cutoff touches what is forecast up to it.")


PROVEN = ("series", "cutoff", "future", "numbers", "differences")


def _proven(one: "Proof") -> tuple[str | int, ...]:
    return (one.series, one.cutoff, one.future, one.numbers, len(one.differences))


def _refuse_leaks(found: "list[Proof]") -> None:
    leaks = [one for one in found if one.differences]
    if leaks:
        raise LedgerError(
            f"the future leaks into {len({one.series for one in leaks})} series, first "
            f"{leaks[0].series} up to {leaks[0].cutoff}: {leaks[0].differences[0]}",
            remedy="do not trust these forecasts; `prove-no-leak --json` shows all differences",
            code="leak",
        )


COMMANDS = (replay, prove_no_leak)
