"""explain: all that a stored forecast consists of, worked again from what was known when it was."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from forecaster.job.again import moment_of, said_of, work_again
from forecaster.job.context import Job
from forecaster.job.explained import (
    Evidenced,
    Explanation,
    Feature,
    MeanPart,
    Row,
    SpreadPart,
    Step,
)
from forecaster.job.learn import Head
from forecaster.job.past import Floats
from forecaster.job.replay import compared
from forecaster.job.spread import linear_says, panel_of, panel_says
from forecaster.job.work import Mean, Work
from forecaster.ledger import Forecast, Tracker
from forecaster.ledger.history import read_view
from forecaster.ledger.prices import Origin
from forecaster.ledger.schema import LEVELS
from forecaster.model import panel_inputs, start_quantile
from forecaster.model import spread as linear
from forecaster.model.gate import FEWEST, SIGNIFICANT, WORSE, Evidence, skill


def explain(job: Job, forecast_id: int) -> Explanation:
    """Work the night of a forecast again and tell what it consists of. Nothing is stored.

    Args:
        job: settings, ledger, plugins.
        forecast_id: of the forecast.

    Raises:
        ConfigError: there is no such forecast.
        DataError: what it was made of cannot be read any more.
    """
    said = said_of(job, forecast_id)
    work = work_again(job, said)
    replayed = compared(said, work)
    if work.mean is None:
        raise ValueError("a night with forecasts has a mean")
    made = work.forecasts[said.ids.index(forecast_id)]
    row = _row(job, "forecast_history", forecast_id=forecast_id)
    parts = _row(job, "forecast_parts", forecast_id=forecast_id)
    quoted = replace(said.series.instrument, calendar=said.night.calendar)
    origins = moment_of(said).origins(job, quoted, _first_read(work))
    of_run = {"run_id": row["run_id"], "series": row["series"]}
    night = _row(job, "series_history", **of_run)
    return Explanation(
        forecast=row,
        kind_of_move=work.motion.kind,
        outcome_move=parts["actual_move"],
        replayed=replayed,
        first_session=work.past.sessions[0].item(),
        values=len(work.past.values),
        steps=_steps(work, work.mean, made.horizon - 1, origins),
        mean=_mean(work, work.mean, made),
        spread=_spread(work, made),
        trackers=tuple(_tracker(work, made.horizon, level) for level in LEVELS),
        decision=said.decision,
        model=_model(job, row["model_id"]),
        panel=_model(job, made.panel_id),
        program={name: night[name] for name in ("version", "environment")},
    )


def _row(job: Job, view: str, **where: Any) -> dict[str, Any]:
    return read_view(job.ledger, view, where=where).as_dicts()[0]


def _model(job: Job, model_id: int | None) -> Row | None:
    return None if model_id is None else _row(job, "model_history", model_id=model_id)


def _steps(work: Work, mean: Mean, k: int, origins: Mapping[date, Origin]) -> tuple[Step, ...]:
    past, count = work.past, _read(work)
    effects = _effects(work, mean, k)
    effects = [(None, None)] * (count - len(effects)) + effects
    acted = {
        session: (split, dividend)
        for session, split, dividend in zip(
            past.actions.sessions.tolist(), past.actions.splits.tolist(),
            past.actions.dividends.tolist(), strict=True,
        )
    }  # fmt: skip
    found = []
    for place, (effect, on_value) in enumerate(effects, len(past.sessions) - count):
        session: date = past.sessions[place].item()
        carried = bool(past.carried[place])
        origin = None if carried else origins.get(session)
        split, dividend = acted.get(session, (1.0, 0.0))
        found.append(
            Step(
                session=session,
                quoted=float(past.quoted[place]),
                adjusted=float(past.values[place]),
                revision=origin.revision if origin else None,
                known_since=origin.first_seen_at if origin else None,
                carried=carried,
                split=split,
                dividend=dividend,
                effect=effect,
                effect_on_value=on_value,
            )
        )
    return tuple(found)


def _read(work: Work) -> int:
    """Return how many of the newest values the network read, or would have read."""
    model = work.turn.settings.model
    needed = work.network.encoding.needed if work.network else model.lookback + work.motion.lag
    return min(needed, len(work.past.values))


def _first_read(work: Work) -> date:
    session: date = work.past.sessions[-_read(work)].item()
    return session


def _effects(work: Work, mean: Mean, k: int) -> list[tuple[float | None, float | None]]:
    """Return what each step adds to the network's move, in units and in value."""
    if work.network is None:
        return []
    values, beside = work.past.values, work.past.beside
    whole = float(work.network.predict(values, beside)[k])
    without = work.network.occluded(values, beside)[:, k]
    start, unit = float(mean.baselines[k]), float(mean.unit[k])
    found: list[tuple[float | None, float | None]] = []
    for one in without.tolist():
        possible = np.isfinite(one) and (one > 0.0 or work.motion.kind == "difference")
        # From the baseline to both, because that is how the network's move is told.
        moved = work.motion.between(start, whole) - work.motion.between(start, one)
        found.append((float(moved) / unit, whole - one) if possible else (None, None))
    return found


def _mean(work: Work, mean: Mean, made: Forecast) -> MeanPart:
    k = made.horizon - 1
    network = None
    if mean.moves is not None and work.network is not None:
        network = float(work.network.predict(work.past.values, work.past.beside)[k])
    unit = float(mean.unit[k])
    return MeanPart(
        baseline=made.baseline,
        unit=unit,
        network=network,
        move=made.network_move,
        gated=work.turn.settings.model.gate,
        weight=made.gate_weight,
        lead=float(mean.lead[k]) / unit,
        evidence=_evidence(work, "mean", made.horizon),
    )


def _evidence(work: Work, head: Head, horizon: int) -> Evidenced:
    gate = work.states.gates.get((head, horizon))
    known = None
    if gate is not None and head == "mean":
        known = skill(Evidence(gate.gain, gate.power, gate.noise, gate.size, gate.n))
    return Evidenced(gate, known, SIGNIFICANT if head == "mean" else WORSE, FEWEST)


def _spread(work: Work, made: Forecast) -> SpreadPart:
    k, order = made.horizon - 1, made.spread_order.split(" > ")
    answers: dict[str, Floats | str] = {}
    if "network" in order and work.mean is not None and work.mean.deviations is not None:
        answers["network"] = work.mean.deviations
    if "panel" in order:
        answers["panel"] = panel_says(work)
    if {"linear", "panel"} & set(order):
        answers["linear"] = linear_says(work)
    says = {
        name: None if isinstance(answer, str) else float(answer[k])
        for name, answer in answers.items()
    }
    return SpreadPart(
        order=made.spread_order,
        used=made.spread,
        reason=made.spread_reason,
        scale=made.scale,
        says={**says, "ewma": made.ewma_scale},
        silent={name: why for name, why in answers.items() if isinstance(why, str)},
        features=tuple(
            feature
            for name, answer in answers.items()
            if not isinstance(answer, str)
            for feature in _features(work, name, k)
        ),
        evidence=_evidence(work, "spread", made.horizon),
    )


def _features(work: Work, head: str, k: int) -> list[Feature]:
    past, motion = work.past, work.motion
    if head == "linear" and work.network and work.network.spread:
        fitted = work.network.spread
        added = fitted.contributions(past.values, past.ranges, motion)[k].tolist()
        names = ("always", *linear.FEATURES)
        added = [float(fitted.bias[k]), *added]
    elif head == "panel" and work.knowledge.panel:
        panel = panel_of(work.knowledge.panel)
        added = panel.contributions(past.values, past.ranges, motion)[k].tolist()
        names = panel_inputs.FEATURES
    else:
        return []
    return [Feature(head, name, effect) for name, effect in zip(names, added, strict=True)]


def _tracker(work: Work, horizon: int, level: float) -> Tracker:
    fresh = Tracker(horizon, level, start_quantile(level), coverage=level)
    return work.states.trackers.get((horizon, level), fresh)
