"""Once more: a stored night of one series, worked from what was known when it was."""

import json
from dataclasses import replace
from typing import Any

from forecaster.config import IntervalSettings, ModelSettings, SeriesSettings
from forecaster.errors import ConfigError, DataError
from forecaster.job.calibrate import calibrate
from forecaster.job.context import Job
from forecaster.job.due import Turn
from forecaster.job.forecast import forecast
from forecaster.job.learn import States, learn
from forecaster.job.past import Past
from forecaster.job.prices import Moment
from forecaster.job.work import Work
from forecaster.ledger import Knowledge
from forecaster.ledger.lessons import taught
from forecaster.ledger.said import Said, read_said
from forecaster.model import network_from_bytes


def said_of(job: Job, forecast_id: int) -> Said:
    """Return what was said together with a forecast.

    Raises:
        ConfigError: there is no such forecast.
    """
    said = read_said(job.ledger, forecast_id)
    if said is None:
        raise unknown(f"forecast {forecast_id}")
    return said


def unknown(what: str) -> ConfigError:
    """Return the error for a forecast or run that is not there."""
    return ConfigError(
        f"there is no {what}",
        remedy="`forecaster forecasts --json` shows forecast_id and run_id",
        code="unknown_forecast",
    )


def work_again(job: Job, said: Said) -> Work:
    """Take what was known through the stages that made the forecasts.

    Bars, splits and dividends are those that were known when the forecasts were issued; networks
    are the stored ones; trackers and gates are taught anew all that they had learned by then.

    Raises:
        DataError: what it was made of cannot be read any more, or something else comes out.
    """
    settings = settings_of(said)
    network = None
    if said.fitted is not None:
        network = network_from_bytes(said.fitted.model.parameters, job.registry.activation)
        activation = network.activation
    else:
        activation = job.registry.activation(settings.model.activation)
    work = Work(
        turn=Turn(settings, said.series),
        night=said.night,
        calendar=job.calendars.get(said.night.calendar),
        past=past_of(job, said, settings),
        activation=activation,
        knowledge=Knowledge(panel=None if said.panel is None else said.panel.model),
        states=states_of_night(job, said, settings),
        network=network,
    )
    return calibrate(forecast(work))


def settings_of(said: Said) -> SeriesSettings:
    """Return the series' settings as they were: those that shaped the model and the spread."""
    rest = json.loads(said.decision.intervals)
    shaping: dict[str, Any] = rest.pop("shaping", None) or json.loads(
        said.fitted.model.settings if said.fitted else "{}"
    )
    gate = rest.pop("gate", False)  # before there were gates
    if "scale" not in rest:  # and before there was a choice
        rest["scale"] = "ewma"
    model = {name: shaping[name] for name in ModelSettings.model_fields if name in shaping}
    names = ("values", "season", "missing", "carry")
    given = {name: shaping[name] for name in names if name in shaping}
    if given.get("missing") == "refuse":  # it spoke: by the calendar as it was, none was missing
        given["missing"] = "drop"
    return SeriesSettings.model_validate({
        "name": said.series.name,
        "source": said.series.instrument.source,
        "symbol": said.series.instrument.symbol,
        "field": said.series.field,
        "model": {"members": 1, **model, "gate": gate},
        "intervals": IntervalSettings.model_validate(rest),
        **given,
    })  # fmt: skip


def past_of(job: Job, said: Said, settings: SeriesSettings) -> Past:
    """Return the past as the night had it: read in the same way, and nothing that came later."""
    quoted = replace(said.series.instrument, calendar=said.night.calendar)
    return moment_of(said).past(job, quoted, settings)


def moment_of(said: Said) -> Moment:
    """Return the night's cutoff, and what was known of it."""
    return Moment(said.night.session, said.issued_at, said.night.kind == "backfill")


def states_of_night(job: Job, said: Said, settings: SeriesSettings) -> States:
    """Return trackers and gates as they were when the forecasts were made."""
    lessons = taught(job.ledger, said.series.id, said.night, known_by=said.issued_at)
    step = settings.intervals.eta
    return learn(States(), [(lesson, step if eta is None else eta) for lesson, eta in lessons])


def require_as_many(work: Work, said: Said) -> None:
    """Refuse a night that comes out with another number of forecasts."""
    if len(work.forecasts) != len(said.forecasts):
        raise DataError(
            f"{len(said.forecasts)} forecasts of {said.series.name} from {said.night.session} are "
            f"stored, and {len(work.forecasts)} come out",
            remedy="check the ledger: forecaster db check",
            code="replay",
        )
