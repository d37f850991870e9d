"""decide: retrain or reuse, with the reason and the evidence."""

import hashlib
import json
from dataclasses import replace
from typing import Literal

from forecaster.config import SeriesSettings
from forecaster.errors import ConfigError
from forecaster.job.evidence import gathered
from forecaster.job.work import Work
from forecaster.ledger import Decision, ModelVersion

TRAINING_REVISION = 2
"""Raised when the program trains otherwise from the same settings: older models are refitted."""

REVISED = 0.05
"""Share of the bars a model was trained on that may have changed since."""


def decide(work: Work) -> Work:
    """Say whether the series' newest model is reused tonight."""
    if not work.turn.speaks:
        return work
    settings = work.turn.settings
    rest: dict[str, object] = {**settings.intervals.model_dump(), "gate": settings.model.gate}
    decision = _decision(work)
    if decision.verdict == "fallback":  # what no model holds, because there is none
        rest["shaping"] = shaping_settings(settings)
    return replace(work, decision=replace(decision, intervals=json.dumps(rest, sort_keys=True)))


Ruling = tuple[Literal["retrain", "reuse", "fallback"], str, str]
"""The verdict, the reason's code, and the reason in words."""


def _decision(work: Work) -> Decision:
    fingerprint = settings_fingerprint(work.turn.settings)
    evidence = gathered(work, fingerprint)
    model = work.knowledge.model
    ruling: Ruling
    if work.turn.forced == "fallback":
        why = work.problem.message if work.problem else "there are no prices"
        ruling = ("fallback", "exhausted", f"the forecast is the last value: {why}")
    elif work.turn.forced == "retrain":
        ruling = ("retrain", "forced", "asked for by --retrain")
    elif model is None:
        ruling = ("retrain", "no_model", "the series has no model yet")
    else:
        ruling = (
            _by_order(work, model, fingerprint)
            or _by_prices(work, model, evidence)
            or _by_age(work, model, evidence)
        )
    verdict, code, reason = ruling
    return replace(evidence, verdict=verdict, reason_code=code, reason=reason)


def _by_order(work: Work, model: ModelVersion, fingerprint: str) -> Ruling | None:
    """What the user says, in the configuration or on the command line."""
    if work.knowledge.pinned:
        require_same_settings(model.id, model.settings, work.turn.settings)
        return "reuse", "pinned", f"the model of {model.cutoff} is pinned"
    if model.fingerprint != fingerprint:
        changed = ", ".join(changes(model.settings, work.turn.settings))
        return "retrain", "settings", f"settings that shape the model have changed: {changed}"
    return ("reuse", "forced", "asked for by --reuse") if work.turn.forced == "reuse" else None


def _by_prices(work: Work, model: ModelVersion, evidence: Decision) -> Ruling | None:
    if evidence.alarms:
        why = f"the prices look wrong ({evidence.alarms}): nothing is learnt from them tonight"
        return "reuse", "alarm", why
    revised = work.knowledge.revised_bars
    if revised > REVISED * model.bars and work.turn.settings.retrain.every != "never":
        why = f"{revised} of the {model.bars} bars it was trained on have changed since"
        return "retrain", "revised", why
    return None


def _by_age(work: Work, model: ModelVersion, evidence: Decision) -> Ruling:
    every, age = work.turn.settings.retrain.every, evidence.age_sessions or 0
    since, what = age, f"the model is {_sessions(age)} old"
    tried = work.knowledge.attempt
    if tried is not None and tried[1] == model.fingerprint and tried[0] > model.cutoff:
        since = len(work.calendar.sessions(tried[0], work.cutoff)) - 1
        what += f", a refit {_sessions(since)} ago was no better"
    if every == "always" or (every != "never" and since >= every):
        return "retrain", "age", f"{what}, {evidence.allowed_age} are allowed"
    allowed = "it is kept for ever" if every == "never" else f"{every} are allowed"
    return "reuse", "fresh", f"{what}, {allowed}"


def _sessions(count: int) -> str:
    return f"{count} session" + ("s" if count != 1 else "")


def shaping_settings(settings: SeriesSettings) -> dict[str, object]:
    """Return the settings that a model's parameters depend on."""
    model = settings.model
    return {
        **model.model_dump(exclude={"gate"}),
        "extra_inputs": list(model.extras),
        "field": settings.field,
        "values": settings.values,
        "season": settings.season,
        "missing": settings.missing,
        # Not there where it has no effect, so that the models of before stay.
        **({"carry": settings.carry} if settings.missing == "carry" else {}),
        "training_revision": TRAINING_REVISION,
    }


def settings_text(settings: SeriesSettings) -> str:
    """Return the shaping settings as canonical JSON."""
    return json.dumps(shaping_settings(settings), sort_keys=True)


def settings_fingerprint(settings: SeriesSettings) -> str:
    """Return 16 hexadecimal digits that change when a shaping setting does."""
    return hashlib.sha256(settings_text(settings).encode()).hexdigest()[:16]


def changes(stored: str, settings: SeriesSettings) -> list[str]:
    """Return what shapes a model otherwise now than in these settings of a stored one."""
    before, now = json.loads(stored), shaping_settings(settings)
    return [
        f"{key} {before.get(key)} to {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def require_same_settings(model_id: int | None, stored: str, settings: SeriesSettings) -> None:
    """Refuse to hold a series to a model that its settings would not give.

    Raises:
        ConfigError: naming what has changed.
    """
    changed = changes(stored, settings)
    if changed:
        raise ConfigError(
            f"model {model_id} cannot be pinned with other settings than it was trained with: "
            f"{', '.join(changed)}",
            remedy=f"set them back, or let it go: `forecaster models unpin {settings.name}`",
            code="pinned_settings",
        )
