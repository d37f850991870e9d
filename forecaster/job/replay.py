"""Replay: compute a stored forecast again, from what was known when it was made."""

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from forecaster.errors import DataError
from forecaster.job.again import (
    require_as_many,
    said_of,
    settings_of,
    unknown,
    work_again,
)
from forecaster.job.context import Job, environment
from forecaster.job.decide import TRAINING_REVISION
from forecaster.job.panel import REVISION, panel_again
from forecaster.job.prices import Moment
from forecaster.job.task import run_task
from forecaster.job.train import task_of
from forecaster.job.work import Work
from forecaster.ledger import Forecast
from forecaster.ledger.said import Fitted, Said, nights_of_run
from forecaster.model import digest

TOLERANCE = 1e-6
"""Relative; within it numbers of another processor, BLAS or NumPy are the same."""

UNCOMPARED = {"target_session", "status", "spread_reason"}
"""Of a forecast: what is no result, or words."""


@dataclass(frozen=True)
class Difference:
    """Something about a forecast as it was stored, and as it comes out now."""

    forecast_id: int
    horizon: int
    name: str
    stored: Any
    replayed: Any


@dataclass(frozen=True)
class Replayed:
    """What a replay found.

    Attributes:
        series: whose forecasts these are.
        cutoff: their session, as ISO text.
        count: how many there are.
        exact: they were made on this kind of machine, so that every bit must be the same.
        differences: numbers that are not.
        retrained: the models that were trained again, with what came of that; see `_retrained`.
    """

    series: str
    cutoff: str
    count: int
    exact: bool
    differences: tuple[Difference, ...]
    retrained: tuple["Retrained", ...] = ()


@dataclass(frozen=True)
class Retrained:
    """A model that was trained again from its stored inputs.

    Attributes:
        model_id: of the version.
        exact: it was trained on this kind of machine, so that every bit must be the same.
        same_data: it saw the same prices, to the bit; None where an older program noted nothing.
        same_weights: its stored form is the same, to the bit.
    """

    model_id: int
    exact: bool
    same_data: bool | None
    same_weights: bool

    @property
    def differs(self) -> bool:
        """Whether something is wrong."""
        return self.same_data is False or (self.exact and not self.same_weights)


def replay(
    job: Job,
    *,
    forecast_id: int | None = None,
    run_id: int | None = None,
    from_scratch: bool = False,
) -> list[Replayed]:
    """Compute the forecasts of a night again, that of one series or of all in a run.

    Nothing is stored. Bars, splits and dividends are those that were known when the forecast was
    issued; the networks are the stored ones; trackers and gates learn anew all they had learned.

    Args:
        job: settings, ledger, plugins.
        forecast_id: of one of the forecasts of a night.
        run_id: of a night, instead.
        from_scratch: train the networks again too, and compare their weights.

    Raises:
        ConfigError: there is no such forecast or run.
        DataError: what it was made of cannot be read any more.
    """
    ids = [forecast_id] if forecast_id is not None else nights_of_run(job.ledger, run_id or 0)
    if not ids:
        raise unknown(f"forecast of run {run_id} to replay")
    found: list[Replayed] = []
    trained: dict[int, Retrained] = {}
    for done, one in enumerate(ids):
        job.progress("replaying", done, len(ids))
        said = said_of(job, one)
        night = compared(said, work_again(job, said))
        found.append(replace(night, retrained=_retrained(job, said, trained))
                     if from_scratch else night)  # fmt: skip
    job.progress("replaying", len(ids), len(ids))
    return found


def compared(said: Said, work: Work) -> Replayed:
    """Return how a night worked again differs from what was stored of it.

    Raises:
        DataError: another number of forecasts comes out.
    """
    require_as_many(work, said)
    exact = _here(said.environment)
    return Replayed(
        series=said.series.name,
        cutoff=said.night.session.isoformat(),
        count=len(said.forecasts),
        exact=exact,
        differences=tuple(
            difference
            for id_, stored, now in zip(said.ids, said.forecasts, work.forecasts, strict=True)
            for difference in _differences(id_, stored, now, exact=exact)
        ),
    )


def _here(then: str) -> bool:
    """Return whether numbers of that environment must come out here to the last bit."""
    return bool(json.loads(then) == json.loads(environment()))


def _differences(id_: int, stored: Forecast, now: Forecast, *, exact: bool) -> list[Difference]:
    names = [one.name for one in fields(Forecast) if one.name not in UNCOMPARED]
    if stored.unit is None:  # of an older program, which had no parts
        names = [name for name in names if name in OLDER]
    pairs = [(name, getattr(stored, name), getattr(now, name)) for name in names]
    return [
        Difference(id_, stored.horizon, name, before, after)
        for name, before, after in pairs
        if not _same(before, after, exact=exact)
    ]


OLDER = {
    "mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale", "quantile80", "quantile95",
    "basis", "carried", "horizon",
}  # fmt: skip
"""What forecasts have always had."""


def _same(stored: Any, replayed: Any, *, exact: bool) -> bool:
    if stored == replayed or exact or not isinstance(stored, float):
        return bool(stored == replayed)
    if replayed is None:
        return False
    return bool(abs(stored - replayed) <= TOLERANCE * max(abs(stored), abs(replayed)))


def _retrained(job: Job, said: Said, known: dict[int, Retrained]) -> tuple[Retrained, ...]:
    """Train the models behind a forecast again, each on the prices that it was trained on.

    Those that are known already, as is the panel of another series, are not trained once more.
    """
    behind = [one for one in (said.fitted, said.panel) if one is not None]
    for one in behind:
        if one.model.id not in known:
            again = _panel_again if one is said.panel else _network_again
            known[one.model.id or 0] = again(job, said, one)
    return tuple(known[one.model.id or 0] for one in behind)


def _panel_again(job: Job, _said: Said, fitted: Fitted) -> Retrained:
    parameters, data = panel_again(job, fitted.model)
    return _retraining(fitted, parameters, data, alike=_trains_alike(fitted, "revision", REVISION))


def _network_again(job: Job, said: Said, fitted: Fitted) -> Retrained:
    model, settings = fitted.model, settings_of(said)
    if model.created_at is None:
        raise ValueError("a stored model has its time")
    quoted = replace(said.series.instrument, calendar=said.night.calendar)
    moment = Moment(fitted.session or model.cutoff, model.created_at, fitted.kind == "backfill")
    past = moment.past(job, quoted, settings)
    activation = job.registry.activation(settings.model.activation)
    task = task_of(settings, past, activation, job.registry.places, until=model.cutoff)
    trained = run_task(task)
    if trained.parameters is None:
        raise trained.error or DataError("the training gave no network", code="replay")
    alike = _trains_alike(fitted, "training_revision", TRAINING_REVISION)
    return _retraining(fitted, trained.parameters, trained.data_sha256, alike=alike)


def _retraining(fitted: Fitted, parameters: bytes, data_sha256: str, *, alike: bool) -> Retrained:
    model = fitted.model
    return Retrained(
        model_id=model.id or 0,
        exact=alike and _here(fitted.environment),
        same_data=data_sha256 == model.data_sha256 if model.data_sha256 else None,
        same_weights=digest(parameters) == model.sha256,
    )


def _trains_alike(fitted: Fitted, name: str, revision: int) -> bool:
    """Return whether this program trains as the one that trained the model."""
    return bool(json.loads(fitted.model.settings).get(name) == revision)
