"""Commands about stored models: list, show, pin, unpin, prune."""

import json
from dataclasses import asdict, astuple
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.invocation import Invocation, warn
from forecaster.cli.output import emit, emit_json, formats, shown
from forecaster.cli.reading import limit_option, require_series, series_option
from forecaster.errors import ConfigError

if TYPE_CHECKING:
    from forecaster.ledger import Rows
    from forecaster.ledger.versions import Use

LISTED = (
    "model_id", "series", "cutoff", "status", "validation_loss", "baseline_loss", "in_use",
    "pinned",
)  # fmt: skip
PRUNED = ("model_id", "series", "cutoff", "bytes")
WIDTH = 80
LABEL = 17


@click.group()
def models() -> None:
    """The stored models: list, show, pin, unpin, prune."""


@models.command("list")
@series_option
@limit_option(100)
@formats
@click.pass_obj
def list_models(
    invocation: Invocation, series: tuple[str, ...], limit: int, form: str | None
) -> None:
    """Show the model versions of each series, newest first.

    A rejected one lost more on the newest windows than the one it should have replaced, and is
    never used. In use is the one that the next night finds. A panel belongs to no series.
    """
    from forecaster.ledger.history import read_view
    from forecaster.ledger.instruments import read_series

    with invocation.ledger() as ledger:
        require_series(series, list(read_series(ledger)))
        rows = read_view(
            ledger, "model_history", where={"series": series or None},
            order=("series", "-cutoff", "-model_id"), limit=limit,
        )  # fmt: skip
    emit(
        rows if form else _for_people(rows), form, columns=LISTED,
        empty="Nothing is stored yet: run `forecaster run`.",
    )  # fmt: skip
    if rows.cut:
        warn(f"only the first {limit} rows are shown: --limit shows more")


def _for_people(rows: "Rows") -> "Rows":
    from forecaster.ledger import Rows

    found = [
        row | {"series": row["series"] or "(panel)"}
        | {name: bool(row[name]) for name in ("in_use", "pinned")}
        for row in rows.as_dicts()
    ]  # fmt: skip
    return Rows(rows.columns, tuple(tuple(row.values()) for row in found), rows.cut)


@models.command("show")
@click.argument("model_id", type=int)
@formats
@click.pass_obj
def show_model(invocation: Invocation, model_id: int, form: str | None) -> None:
    """Show one model version: what it was trained on and with.

    The settings that shaped it, the bars and the losses, the versions of what its numbers depend
    on, and the forecasts that it has a part in.
    """
    from forecaster.ledger.history import read_view
    from forecaster.ledger.versions import read_uses

    with invocation.ledger() as ledger:
        rows = read_view(ledger, "model_history", where={"model_id": model_id})
        uses = read_uses(ledger, model_id)
    if not rows.rows:
        raise ConfigError(
            f"there is no model {model_id}", remedy="`forecaster models list` shows them",
            code="unknown_model",
        )  # fmt: skip
    row = rows.as_dicts()[0]
    if form == "json":
        emit_json(row | {"forecasts": [_plain(use) for use in uses]})
    elif form == "csv":
        emit(rows, form)
    else:
        for name, value in row.items():
            _print(name, _folded(value) if name in ("settings", "environment") else shown(value))
        _print("forecasts", "; ".join(map(_used, uses)) or "none")


def _plain(use: "Use") -> dict[str, Any]:
    from forecaster.ledger.history import plain

    return {name: plain(value) for name, value in asdict(use).items()}


def _used(use: "Use") -> str:
    return f"{use.forecasts:,} {use.kind} from {use.first_cutoff} to {use.last_cutoff}"


def _folded(document: str) -> str:
    return ", ".join(
        f"{name} {json.dumps(value) if isinstance(value, list) else value}"
        for name, value in json.loads(document).items()
    )


def _print(name: str, text: str) -> None:
    lines = wrap(text, WIDTH - LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    for label, line in zip([name, *[""] * len(lines)], lines, strict=False):
        click.echo(f"{label:{LABEL}}{line}".rstrip())


@models.command()
@click.argument("series")
@click.argument("model_id", type=int)
@click.pass_obj
def pin(invocation: Invocation, series: str, model_id: int) -> None:
    """Hold a series to one of its models: no night retrains it.

    Until `models unpin` the decision of each night is to reuse it, because it is pinned; only
    `run --retrain` trains another for once. A rejected model, one of another series or of a
    backtest, and one that was trained with other settings are refused.
    """
    from forecaster.job.pinning import pin_model

    with invocation.ledger() as ledger:
        pin_model(invocation.settings(), ledger, series, model_id)
    invocation.say(f"{series} is held to model {model_id}.")


@models.command()
@click.argument("series")
@click.pass_obj
def unpin(invocation: Invocation, series: str) -> None:
    """Let a series be retrained again when that is due.

    The next night decides by the age of its newest model.
    """
    from forecaster.job.pinning import pin_model

    with invocation.ledger() as ledger:
        pin_model(invocation.settings(), ledger, series, None)
    invocation.say(f"{series} is held to no model.")


@models.command()
@click.option(
    "--keep", type=click.IntRange(min=0), default=0, show_default=True,
    help="Of each series, the newest rejected ones to keep.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would go, and leave it.")
@formats
@click.pass_obj
def prune(invocation: Invocation, keep: int, dry_run: bool, form: str | None) -> None:
    """Take away the parameters of models that nothing needs.

    These are rejected ones: no forecast is made of them and no night may choose them. What was
    found out about them stays. Every forecast can still be replayed.
    """
    from forecaster.ledger import Rows
    from forecaster.ledger.history import plain
    from forecaster.ledger.pruning import prune as prune_models
    from forecaster.ledger.pruning import read_unneeded

    with invocation.ledger() as ledger:
        found = (read_unneeded if dry_run else prune_models)(ledger, keep=keep)
    rows = tuple(tuple(map(plain, astuple(one))) for one in found)
    emit(Rows(PRUNED, rows), form, empty="Nothing to prune: every model's parameters are needed.")
    if form is None and found:
        size = sum(one.bytes for one in found)
        whose = "1 model" if len(found) == 1 else f"{len(found):,} models"
        gone = "would go" if dry_run else "are gone"
        invocation.say(f"The parameters of {whose}, {size:,} bytes, {gone}.")


COMMANDS = (models,)
