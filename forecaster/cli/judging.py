"""Commands that say how good the forecasts have been: accuracy, calibration."""

import click

from forecaster.cli.invocation import Invocation
from forecaster.cli.output import formats
from forecaster.cli.reading import kind_option, series_option, show

NAMES_IN_A_LINE = 12


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
    exactly the same sessions. Below the table stands what can be said beyond chance, as the view
    `skill` has it: better only with 40 outcomes and a t value above 1.64.
    """
    order = ("kind", "series", "horizon")
    show(invocation, "accuracy", form, order=order, series=series, kind=kind)
    if form is None:
        _say_verdicts(invocation, series, kind)


def _say_verdicts(invocation: Invocation, series: tuple[str, ...], kind: str | None) -> None:
    """Say which series are better than the last price, and which are not, by kind."""
    from forecaster.ledger.history import read_view

    where = {"series": series or None, "kind": kind}
    with invocation.ledger() as ledger:
        rows = read_view(ledger, "skill", where=where, order=("kind", "series", "horizon"))
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    horizons: dict[tuple[str, str], int] = {}
    for row in rows.as_dicts():
        said = found.setdefault((row["kind"], row["verdict"]), {})
        said.setdefault(row["series"], []).append(str(row["horizon"]))
        cell = (row["kind"], row["series"])
        horizons[cell] = horizons.get(cell, 0) + 1
    if found:
        invocation.say("")
    for (of, verdict), said in found.items():
        names = [
            name if len(at) == horizons[of, name] else f"{name} (horizon {', '.join(at)})"
            for name, at in said.items()
        ]
        invocation.say(f"{verdict[0].upper()}{verdict[1:]} ({of}): {_some(names)}.")


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_IN_A_LINE
    shown = ", ".join(names[:NAMES_IN_A_LINE])
    return f"{shown} and {more} more" if more > 0 else shown


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
    show(invocation, "calibration", form, order=order, series=series, kind=kind)


COMMANDS = (accuracy, calibration)
