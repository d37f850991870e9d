"""decide: retrain or reuse, with the reason and the evidence."""

import hashlib
import json
from dataclasses import replace

from forecaster.config import SeriesSettings
from forecaster.job.work import Work
from forecaster.ledger import Decision, ModelVersion

TRAINING_REVISION = 1
"""Raised when the program trains otherwise from the same settings: older models are refitted."""


def decide(work: Work) -> Work:
    """Say whether the series' newest model is reused tonight."""
    if not work.turn.speaks:
        return work
    intervals = json.dumps(work.turn.settings.intervals.model_dump(), sort_keys=True)
    return replace(work, decision=replace(_decision(work), intervals=intervals))


def _decision(work: Work) -> Decision:
    fingerprint = settings_fingerprint(work.turn.settings)
    model = work.knowledge.model
    every = work.turn.settings.retrain.every
    if work.turn.forced == "retrain":
        return Decision("retrain", "forced", "asked for by --retrain", fingerprint)
    if model is None:
        return Decision("retrain", "no_model", "the series has no model yet", fingerprint)
    age = len(work.calendar.sessions(model.cutoff, work.cutoff)) - 1
    evidence = Decision("reuse", "fresh", "", fingerprint, age, _allowed(every), model.fingerprint)
    if model.fingerprint != fingerprint:
        changed = ", ".join(_changed(model, work.turn.settings))
        reason = f"settings that shape the model have changed: {changed}"
        return replace(evidence, verdict="retrain", reason_code="settings", reason=reason)
    if work.turn.forced == "reuse":
        return replace(evidence, reason_code="forced", reason="asked for by --reuse")
    if every == "always" or (every != "never" and age >= every):
        reason = f"the model is {_sessions(age)} old, {evidence.allowed_age} are allowed"
        return replace(evidence, verdict="retrain", reason_code="age", reason=reason)
    allowed = "it is kept for ever" if every == "never" else f"{every} are allowed"
    return replace(evidence, reason=f"the model is {_sessions(age)} old, {allowed}")


def _sessions(count: int) -> str:
    return f"{count} session" + ("s" if count != 1 else "")


def _allowed(every: int | str) -> int | None:
    if every == "always":
        return 0
    return None if every == "never" else int(every)


def shaping_settings(settings: SeriesSettings) -> dict[str, object]:
    """Return the settings that a model's parameters depend on."""
    return {
        **settings.model.model_dump(),
        "field": settings.field,
        "values": settings.values,
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


def _changed(model: ModelVersion, settings: SeriesSettings) -> list[str]:
    before, now = json.loads(model.settings), shaping_settings(settings)
    return [
        f"{key} {before.get(key)} to {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
