"""The command that accounts for one forecast: explain."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit_csv, emit_json, formats, printable


@click.command()
@click.argument("forecast_id", type=click.IntRange(min=1))
@formats
@click.pass_obj
def explain(invocation: Invocation, forecast_id: int, form: str | None) -> None:
    """Account for one forecast: what it is made of, and why.

    Its night is worked again from the bars, the network and the outcomes that were known then, and
    the first lines say whether every bit came out the same. Then stand the mean with the gate's
    evidence, the spread with its trackers, what the network read and what each session adds to
    what it says, the decision with its evidence, and the model. Nothing is stored.

    `forecaster forecasts --parts` shows the ids.
    """
    with invocation.job(create=False) as job:
        from forecaster.job.explain import explain as explain_job

        found = explain_job(job, forecast_id)
    if form:
        document = _plain(asdict(found))
        emit_json(document) if form == "json" else emit_csv(("part", "value"), [*_flat(document)])
    else:
        from forecaster.cli.account import account

        click.echo(printable("\n".join(account(found))))
    if found.replayed.differences:
        warn("this is not what was stored: `forecaster replay` shows every difference")


def _plain(value: Any) -> Any:
    from forecaster.ledger.history import plain

    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return plain(value)


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number and text of a document with its place, such as "mean.evidence.gate.t"."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for name, each in items:
            yield from _flat(each, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


COMMANDS = (explain,)
