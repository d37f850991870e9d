"""The account of one forecast in words, for a screen of 80 columns."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from forecaster.cli.lines import Written, columns, folded, line
from forecaster.cli.output import shown
from forecaster.job.explained import Evidenced, Explanation, Feature, MeanPart, SpreadPart, Step
from forecaster.ledger import Decision, Tracker


def account(found: Explanation) -> list[str]:
    """Return the lines."""
    return [
        *_head(found),
        "",
        *_mean(found.mean, Written(found)),
        "",
        *_spread(found.spread, found.trackers, Written(found)),
        "",
        *_steps(found),
        "",
        *_decision(found.decision),
        "",
        *_models(found),
    ]


def _head(found: Explanation) -> Iterator[str]:
    row, write = found.forecast, Written(found).value
    ahead = f"{row['horizon']} session{'s' if row['horizon'] > 1 else ''}"
    yield (
        f"Forecast {row['forecast_id']}: {row['series']} {row['field']} for "
        f"{row['target_session']}, {ahead} after {row['cutoff']}"
    )
    fallback = ", fallback: the baseline" if row["status"] == "fallback" else ""
    yield f"{row['kind']}, issued {shown(row['issued_at'])} UTC{fallback}"
    yield from folded(f"Worked again: {_again(found)}.")
    yield ""
    said = [write(row["forecast"])]
    for level in ("80", "95"):
        low, high = write(row[f"lo{level}"]), write(row[f"hi{level}"])
        said.append(f"{level} %: {low} to {high}")
    yield from line("forecast", "   ".join(said))
    yield from line("baseline", write(row["baseline"]))
    yield from line("outcome", _outcome(found))


def _again(found: Explanation) -> str:
    replayed = found.replayed
    if replayed.differences:
        first = replayed.differences[0]
        return (
            f"{len(replayed.differences)} numbers of this night come out otherwise, first "
            f"{first.name} of horizon {first.horizon}: {first.stored!r} is stored, "
            f"{first.replayed!r} comes out"
        )
    if not replayed.exact:
        return "the same in six digits; it was made on another kind of machine"
    return f"every bit is the same, in all {replayed.count} horizons of its night"


def _outcome(found: Explanation) -> str:
    row, write = found.forecast, Written(found).value
    if row["actual"] is None:
        return "not known yet"
    inside = [level for level in ("80", "95") if row[f"inside{level}"]]
    where = f"inside {inside[0]} %" if inside else "outside 95 %"
    error, base = row["abs_error"], row["baseline_abs_error"]
    than = "as far as" if error == base else "closer than" if error < base else "further than"
    moved = "" if found.outcome_move is None else f" ({found.outcome_move:+.2f} units)"
    return (
        f"{write(row['actual'])}{moved}: {where}; off by {write(error)}, {than} the baseline"
        f"{'' if error == base else f', {write(base)}'}"
    )


def _mean(mean: MeanPart, write: Written) -> Iterator[str]:
    if mean.network is None or mean.move is None:
        yield "The mean: the baseline, because there is no network"
        yield from line("unit", f"{write.move(mean.unit)}, the present volatility")
        return
    part = "the baseline" if not mean.lead else "what the network says"
    if mean.lead and mean.weight < 1:
        part = f"{mean.weight:.0%} of what the network says".replace("%", " %")
    yield f"The mean: {part}"
    change = write.change(mean.baseline, mean.network)
    says = (
        f"{write.value(mean.network)}: {mean.move:+.4f} units, {change}"
        if mean.move
        else "exactly the baseline"
    )
    yield from line("network", f"{says}; a unit is the volatility, {write.move(mean.unit)}")
    yield from line(
        "gate", _gate(mean.evidence, mean.weight) if mean.gated else "none: [model] gate is off"
    )


def _gate(evidence: Evidenced, weight: float) -> str:
    gate = evidence.gate
    if gate is None:
        return "closed: there is no outcome to judge the network by yet"
    facts = f"t = {gate.t:.2f}, n = {gate.n:.1f}"
    if evidence.skill is not None:
        facts += f", skill {100 * evidence.skill:+.2f} %"
    needed = f"t above {evidence.needed_t:g} and n above {evidence.needed_n:g}"
    state = f"open with weight {weight:.3f}" if weight else "closed"
    why = "" if weight else f"; it opens with {needed}"
    return f"{state}: the network's {facts} ({gate.outcomes} outcomes, discounted){why}"


def _spread(spread: SpreadPart, trackers: Sequence[Tracker], write: Written) -> Iterator[str]:
    yield f"The spread: {spread.used}, a standard deviation of {write.move(spread.scale)}"
    for name, says in spread.says.items():
        used = ", which is used" if name == spread.used else ""
        text = spread.silent.get(name, "") if says is None else f"{write.move(says)}{used}"
        yield from line(name, text)
    order = f"{spread.order}; {spread.reason}" if spread.reason else spread.order
    yield from line("order", order)
    gate, needed = spread.evidence.gate, spread.evidence
    if gate is not None:
        state = "holds" if gate.weight else "is switched off"
        facts = (
            f"{state}: t = {gate.t:.2f} against ewma, n = {gate.n:.1f} ({gate.outcomes} outcomes)"
        )
        off = f"off with t under {needed.needed_t:g} and n above {needed.needed_n:g}"
        yield from line("gate", f"{facts}; {off}")
    for head in dict.fromkeys(feature.head for feature in spread.features):
        added = [one for one in spread.features if one.head == head]
        yield from line(f"log {head}", _features(added))
    for one in trackers:
        yield from line(
            f"{one.level:.0%}".replace("%", " %"),
            f"{one.quantile:.3f} deviations to each side; {one.outcomes} outcomes, lately "
            f"{100 * one.coverage:.1f} % inside",
        )


def _features(added: Sequence[Feature]) -> str:
    """Return what features add, those of one kind together with their decays."""
    found: dict[str, list[str]] = {}
    for one in added:
        kind, _, decay = one.name.partition(", decay ")
        found.setdefault(kind, []).append(f"{one.effect:+.3f}{f' ({decay})' if decay else ''}")
    return "; ".join(f"{kind} {', '.join(effects)}" for kind, effects in found.items())


def _steps(found: Explanation) -> Iterator[str]:
    steps = list(found.steps)
    read = [step for step in steps if step.effect is not None] or steps
    before = steps[: len(steps) - len(read)]
    kept = [*before, *read] if len(before) <= 1 else read
    if found.mean.network is None:
        yield "The newest values; no network has read them"
    else:
        yield "What the network read, and what each session adds to its move"
    yield from columns(_step_cells(kept, Written(found)))
    if len(before) > 1:
        yield f"  and {len(before)} sessions before, which these moves are counted from"
    yield f"  Scales and averages are made of {found.values:,} values since {found.first_session}."


def _step_cells(steps: Sequence[Step], write: Written) -> Iterator[tuple[str, ...]]:
    yield "session", "quoted", "adjusted", "rev", "known since", "units", "in value", ""
    for one in steps:
        since = one.known_since
        yield (
            str(one.session),
            write.value(one.quoted),
            write.value(one.adjusted),
            "" if one.revision is None else str(one.revision),
            since.astimezone(UTC).strftime("%Y-%m-%d") if since else "",
            "" if one.effect is None else f"{one.effect:+.4f}",
            "" if one.effect_on_value is None else f"{one.effect_on_value:+.2g}",
            _note(one),
        )


def _note(one: Step) -> str:
    notes = ["carried"] if one.carried else []
    notes += [f"split {one.split:.3g}"] if one.split != 1.0 else []
    notes += [f"div {one.dividend:.3g}"] if one.dividend else []
    return ", ".join(notes)


def _decision(made: Decision) -> Iterator[str]:
    yield f"The decision: {made.verdict} ({made.reason_code})"
    yield from line("reason", made.reason)
    counts = (("new bars", made.new_bars), ("revised bars", made.revised_bars))
    values = (("best t", made.skill_t), ("worst spread t", made.spread_t))
    off = (("80 %", made.coverage_error80), ("95 %", made.coverage_error95))
    facts = [f"{name} {count}" for name, count in counts if count is not None]
    facts += [] if made.skill is None else [f"skill {100 * made.skill:+.1f} %"]
    facts += [f"{name} {value:.2f}" for name, value in values if value is not None]
    facts += [
        f"{name} covers {100 * share:+.1f} points" for name, share in off if share is not None
    ]
    yield from line("evidence", ", ".join(facts) or "none yet")
    if made.alarms:
        yield from line("alarms", made.alarms)


def _models(found: Explanation) -> Iterator[str]:
    if found.model is None:
        yield "No model"
    for what, row in (("Model", found.model), ("Panel", found.panel)):
        if row is None:
            continue
        yield f"{what} {row['model_id']}: {row['bars']:,} bars up to {row['cutoff']}"
        losses = (("training", "train_loss"), ("held back", "validation_loss"),
                  ("baseline there", "baseline_loss"))  # fmt: skip
        told = [f"{name} {row[key]:.4f}" for name, key in losses if row[key] is not None]
        kept = f"weights of epoch {row['best_epoch']} of {row['epochs']}"
        yield from line("losses", f"{', '.join(told)}; {kept}, seed {row['seed']}")
        yield from line("trained by", _program(row))
    yield from line("said by", _program(found.program))


def _program(row: Any) -> str:
    about = json.loads(row["environment"])
    names = {"python": "Python", "numpy": "NumPy", "blas": "", "kernel": "kernel", "machine": ""}
    parts = [f"{names.get(name, name)} {about[name]}".strip() for name in names if name in about]
    return ", ".join([f"forecaster {row['version']}", *parts])
