"""Where a forecast comes from: a model version, and the decision to train or to keep it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True)
class ModelVersion:
    """Fitted parameters with what is needed to refit them.

    `id` and `created_at` are None until stored. A rejected version is never used: on the windows
    held back, `incumbent_loss` of the one it should have replaced was lower.
    """

    id: int | None
    cutoff: date
    fingerprint: str
    settings: str
    seed: int
    bars: int
    windows: int
    epochs: int
    best_epoch: int
    train_loss: float
    validation_loss: float | None
    baseline_loss: float | None
    seconds: float
    parameters: bytes
    sha256: str
    restarts: int = 0  # at a lower learning rate, after the training had diverged
    status: Literal["accepted", "rejected"] = "accepted"
    incumbent_loss: float | None = None
    data_sha256: str = ""  # of the values it was trained on
    created_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """Retrain, reuse or fallback, with its reason and evidence.

    Evidence is None where there is none yet. `new_bars` and `revised_bars` are counted from the
    model found; skill is that of the network before its gate, over all horizons, with the best t
    value of one; `spread_t` is the worst of one; coverage errors are means over the horizons.
    """

    verdict: Literal["retrain", "reuse", "fallback"]
    reason_code: str
    reason: str
    fingerprint: str
    age_sessions: int | None = None
    allowed_age: int | None = None
    model_fingerprint: str | None = None
    intervals: str = "{}"
    new_bars: int | None = None
    revised_bars: int | None = None
    skill: float | None = None
    skill_t: float | None = None
    spread_t: float | None = None
    coverage_error80: float | None = None
    coverage_error95: float | None = None
    alarms: str = ""
