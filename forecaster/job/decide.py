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
    rest = json.dumps(
        {**settings.intervals.model_dump(), "gate": settings.model.gate}, sort_keys=True
    )
    return replace(work, decision=replace(_decision(work), intervals=rest))


def _decision(work: Work) -> Decision:
    fingerprint = settings_fingerprint(work.turn.settings)
    model, every = work.knowledge.model, work.turn.settings.retrain.every
    evidence = gathered(work, fingerprint)

    def say(verdict: Literal["retrain", "reuse"], code: str, reason: str) -> Decision:
        return replace(evidence, verdict=verdict, reason_code=code, reason=reason)

    if work.turn.forced == "retrain":
        return say("retrain", "forced", "asked for by --retrain")
    if model is None:
        return say("retrain", "no_model", "the series has no model yet")
    if work.knowledge.pinned:
        require_same_settings(model.id, model.settings, work.turn.settings)
        return say("reuse", "pinned", f"the model of {model.cutoff} is pinned")
    if model.fingerprint != fingerprint:
        changed = ", ".join(changes(model.settings, work.turn.settings))
        return say("retrain", "settings", f"settings that shape the model have changed: {changed}")
    if work.turn.forced == "reuse":
        return say("reuse", "forced", "asked for by --reuse")
    if evidence.alarms:
        why = f"the prices look wrong ({evidence.alarms}): nothing is learnt from them tonight"
        return say("reuse", "alarm", why)
    revised = work.knowledge.revised_bars
    if revised > REVISED * model.bars and every != "never":
        why = f"{revised} of the {model.bars} bars it was trained on have changed since"
        return say("retrain", "revised", why)
    return _by_age(work, evidence, model)


def _by_age(work: Work, evidence: Decision, model: ModelVersion) -> Decision:
    every, age = work.turn.settings.retrain.every, evidence.age_sessions or 0
    since, what = age, f"the model is {_sessions(age)} old"
    tried = work.knowledge.attempt
    if tried is not None and tried[1] == model.fingerprint and tried[0] > model.cutoff:
        since = len(work.calendar.sessions(tried[0], work.cutoff)) - 1
        what += f", a refit {_sessions(since)} ago was no better"
    if every == "always" or (every != "never" and since >= every):
        reason = f"{what}, {evidence.allowed_age} are allowed"
        return replace(evidence, verdict="retrain", reason_code="age", reason=reason)
    allowed = "it is kept for ever" if every == "never" else f"{every} are allowed"
    return replace(evidence, reason_code="fresh", reason=f"{what}, {allowed}")


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
