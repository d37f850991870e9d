"""Replay: compute a stored forecast again, from what was known when it was made."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from forecaster.config import IntervalSettings, ModelSettings, SeriesSettings
from forecaster.errors import ConfigError, DataError
from forecaster.job.calibrate import calibrate
from forecaster.job.context import Job, environment
from forecaster.job.forecast import forecast
from forecaster.job.past import Past
from forecaster.job.plan import Turn
from forecaster.job.prices import Prices
from forecaster.job.work import Work
from forecaster.ledger import Forecast, Knowledge, Tracker
from forecaster.ledger.said import Said, nights_of_run, read_said
from forecaster.ledger.schema import LEVELS
from forecaster.model import network_from_bytes

TOLERANCE = 1e-6
"""Relative; within it numbers of another processor, BLAS or NumPy are the same."""

NUMBERS = (
    "mean", "lo80", "hi80", "lo95", "hi95", "baseline", "scale", "quantile80", "quantile95",
    "basis", "carried",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """A number of a forecast as it was stored, and as it comes out now."""

    forecast_id: int
    horizon: int
    name: str
    stored: float
    replayed: float


@dataclass(frozen=True)
class Replayed:
    """What a replay found.

    Attributes:
        series: whose forecasts these are.
        cutoff: their session, as ISO text.
        count: how many there are.
        exact: they were made on this kind of machine, so that every bit must be the same.
        differences: numbers that are not.
    """

    series: str
    cutoff: str
    count: int
    exact: bool
    differences: tuple[Difference, ...]


def replay(
    job: Job, *, forecast_id: int | None = None, run_id: int | None = None
) -> list[Replayed]:
    """Compute the forecasts of a night again, that of one series or of all in a run.

    Nothing is stored. Bars, splits and dividends are those that were known when the forecast was
    issued; the network, and what the trackers had learnt, are the stored ones.

    Raises:
        ConfigError: there is no such forecast or run.
        DataError: what it was made of cannot be read any more.
    """
    ids = [forecast_id] if forecast_id is not None else nights_of_run(job.ledger, run_id or 0)
    found = [read_said(job.ledger, one) for one in ids if one is not None]
    said = [one for one in found if one is not None]
    if not said:
        what = f"forecast {forecast_id}" if forecast_id is not None else f"forecast of run {run_id}"
        raise ConfigError(
            f"there is no {what} to replay",
            remedy="`forecaster forecasts --json` shows forecast_id and run_id",
            code="unknown_forecast",
        )
    return [_replay(job, one) for one in said]


def _replay(job: Job, said: Said) -> Replayed:
    again = _again(job, said)
    exact = json.loads(said.environment) == json.loads(environment())
    return Replayed(
        series=said.series.name,
        cutoff=said.night.session.isoformat(),
        count=len(said.forecasts),
        exact=exact,
        differences=tuple(
            Difference(id_, stored.horizon, name, before, after)
            for id_, stored, now in zip(said.ids, said.forecasts, again, strict=True)
            for name in NUMBERS
            if not _same(before := getattr(stored, name), after := getattr(now, name), exact=exact)
        ),
    )


def _same(stored: float, replayed: float, *, exact: bool) -> bool:
    return stored == replayed or (
        not exact and abs(stored - replayed) <= TOLERANCE * max(abs(stored), abs(replayed))
    )


def _again(job: Job, said: Said) -> tuple[Forecast, ...]:
    """Take what was known through the stages that made the forecasts."""
    settings = _settings(said)
    network = network_from_bytes(said.parameters, job.registry.activation)
    work = Work(
        turn=Turn(settings, said.series),
        night=said.night,
        calendar=job.calendars.get(said.night.calendar),
        past=_past(job, said, settings),
        activation=network.activation,
        knowledge=Knowledge(trackers=_trackers(said)),
        network=network,
    )
    again = calibrate(forecast(work)).forecasts
    if len(again) != len(said.forecasts):
        raise DataError(
            f"{len(said.forecasts)} forecasts of {said.series.name} from {said.night.session} are "
            f"stored, and {len(again)} come out",
            remedy="check the ledger: forecaster db check",
            code="replay",
        )
    return again


def _settings(said: Said) -> SeriesSettings:
    """Return the series' settings as they were: those that shaped the model and the spread."""
    shaping = json.loads(said.settings)
    model = {name: shaping[name] for name in ModelSettings.model_fields if name in shaping}
    given = {name: shaping[name] for name in ("values", "missing", "carry") if name in shaping}
    if given.get("missing") == "refuse":  # it spoke: by the calendar as it was, none was missing
        given["missing"] = "drop"
    return SeriesSettings.model_validate({
        "name": said.series.name,
        "source": said.series.instrument.source,
        "symbol": said.series.instrument.symbol,
        "field": said.series.field,
        "model": model,
        "intervals": IntervalSettings.model_validate(json.loads(said.intervals)),
        **given,
    })  # fmt: skip


def _past(job: Job, said: Said, settings: SeriesSettings) -> Past:
    """Return the past as the night had it: read in the same way, and nothing that came later."""
    cutoff = said.night.session
    delay = timedelta(minutes=job.settings.schedule.settle_delay)
    prices = Prices(
        job.ledger, job.calendars, first=cutoff, last=cutoff, delay=delay, known_by=said.issued_at
    )
    quoted = replace(said.series.instrument, calendar=said.night.calendar)
    return prices.past(settings, quoted, cutoff, then=said.night.kind == "backfill")


def _trackers(said: Said) -> tuple[Tracker, ...]:
    """Return trackers in the state that gave the stored quantiles."""
    return tuple(
        Tracker(one.horizon, level, quantile)
        for one in said.forecasts
        for level, quantile in zip(LEVELS, (one.quantile80, one.quantile95), strict=True)
    )
