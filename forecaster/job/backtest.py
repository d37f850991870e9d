"""Rolling-origin evaluation through the very stages of the daily job."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from forecaster import __version__
from forecaster.config import ModelSettings, SeriesSettings
from forecaster.errors import ConfigError, DataError
from forecaster.hooks import RunSummary
from forecaster.job.account import Account
from forecaster.job.context import Job
from forecaster.job.decide import shaping_settings
from forecaster.job.plan import Due, Plan, Turn, without_finished
from forecaster.job.run import chosen, prepare, work_night
from forecaster.job.settle import Standing
from forecaster.job.walk import walk
from forecaster.ledger import Night, Rows
from forecaster.ledger.backtests import finish_backtest, start_backtest, unfinished_backtest
from forecaster.ledger.history import read_view
from forecaster.ledger.prices import read_sessions
from forecaster.model import bars_needed


@dataclass(frozen=True)
class Evaluation:
    """A finished backtest: its id, what was done, and its rows of `backtest_accuracy`."""

    backtest_id: int
    summary: RunSummary
    rows: Rows


def backtest(
    job: Job,
    *,
    names: Sequence[str] = (),
    cutoffs: int | None = None,
    horizon: int | None = None,
    split: float | None = None,
) -> Evaluation:
    """Forecast from each of the newest cutoffs whose outcomes are all known, and score.

    An interrupted backtest of the same settings is resumed.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series.
        cutoffs: how many; the configuration's otherwise.
        horizon: instead of the configured one.
        split: train once on this share of each series' sessions, and forecast from the cutoffs
            whose lookback lies in the rest; the configuration's otherwise.

    Raises:
        ConfigError: both cutoffs and split are given, or the horizon does not go with a series.
        DataError: no series has enough bars.
    """
    if cutoffs is not None and split is not None:
        raise ConfigError(
            "cutoffs and split exclude each other", remedy="give --cutoffs or --split, not both"
        )
    wanted = [_with_horizon(one, horizon) for one in chosen(job, names)]
    configured = job.settings.backtest
    extent = Extent(
        configured.cutoffs if cutoffs is None else cutoffs,
        # A number of cutoffs that was asked for is not overruled by a configured split.
        configured.split if split is None and cutoffs is None else split,
    )
    account = Account()
    standings = prepare(job, wanted, account)
    scopes = [_scope(job, one, extent, account) for one in standings]
    if not any(scopes):
        raise DataError(
            "no series has enough bars for a backtest: "
            + "; ".join(f"{name}: {what}" for name, what in account.problems.items()),
            remedy="pull more bars, or choose another split, lookback or horizon",
            code="too_few_bars",
        )
    backtest_id = _open(job, standings, extent)
    nights = _nights(standings, scopes, backtest_id)
    walk(job, without_finished(job.ledger, nights), account, work_night)
    finish_backtest(job.ledger, backtest_id, now=job.clock())
    rows = read_view(
        job.ledger,
        "backtest_accuracy",
        where={"backtest_id": backtest_id},
        order=("series", "horizon"),
    )
    return Evaluation(backtest_id, account.summary("backtest", standings), rows)


def _with_horizon(one: SeriesSettings, horizon: int | None) -> SeriesSettings:
    if horizon is None:
        return one
    try:
        model = ModelSettings.model_validate({**one.model.model_dump(), "horizon": horizon})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"horizon {horizon} does not go with series {one.name}: {reason}",
            remedy="choose a shorter one, or set more history",
        ) from error
    return one.model_copy(update={"model": model})


@dataclass(frozen=True)
class Extent:
    """How much of each series a backtest covers."""

    cutoffs: int
    split: float | None


@dataclass(frozen=True)
class Scope:
    """The part of a series that a backtest covers."""

    cutoffs: tuple[date, ...]
    last: date
    train_until: date | None


def _scope(job: Job, one: Standing, extent: Extent, account: Account) -> Scope | None:
    """Return which cutoffs are evaluated, or note why there is none."""
    sessions = read_sessions(job.ledger, one.series.instrument.id) if one.series else []
    needed, horizon = bars_needed(one.settings.model, one.settings.season), one.settings.model.horizon
    known = max(0, len(sessions) - horizon)  # from these on, some outcome is not known yet
    if extent.split is None:
        kept, train_until = sessions[needed - 1 : known][-extent.cutoffs :], None
        lacking = (
            f"{len(sessions)} bars are too few to backtest: at least {needed + horizon} are needed"
        )
    else:
        trained = math.ceil(len(sessions) * extent.split)
        # The longest lookback of all, so that every series is held against the same outcomes.
        lookback = max(other.model.lookback for other in job.settings.each_series())
        kept = sessions[trained + lookback - 1 : known] if trained >= needed else []
        train_until = sessions[trained - 1] if kept else None
        lacking = (
            f"split {extent.split:g} leaves {trained} bars to train on and "
            f"{len(sessions) - trained} to evaluate: at least {needed} and {lookback + horizon} "
            "are needed"
        )
    if not kept:
        account.problems[one.settings.name] = lacking
        return None
    return Scope(tuple(kept), sessions[-1], train_until)


def _open(job: Job, standings: Sequence[Standing], extent: Extent) -> int:
    """Return the unfinished backtest of the same settings and bars, or a new one."""
    wanted = [one.settings for one in standings]
    described: dict[str, Any] = {
        **asdict(extent),
        "series": {
            one.settings.name: {
                **shaping_settings(one.settings),
                "retrain": one.settings.retrain.model_dump(),
                "intervals": one.settings.intervals.model_dump(),
                "last": str(one.last),
            }
            for one in standings
        },
    }
    text = json.dumps(described, sort_keys=True)
    found = unfinished_backtest(job.ledger, settings=text, version=__version__)
    if found is not None:
        return found
    horizon = max(one.model.horizon for one in wanted)
    return start_backtest(
        job.ledger, horizon=horizon, settings=text, version=__version__, now=job.clock()
    )


def _nights(
    standings: Sequence[Standing], scopes: Sequence[Scope | None], backtest_id: int
) -> list[Due]:
    plan = Plan()
    for one, scope in zip(standings, scopes, strict=True):
        if scope is None or one.series is None:
            continue
        # Trained once where the sessions are split; otherwise refitted as the job would.
        forced = "reuse" if scope.train_until else None
        turn = Turn(one.settings, one.series, forced=forced, train_until=scope.train_until)
        for session in scope.cutoffs:
            plan.add(Night("backtest", one.calendar.name, session, backtest_id), turn)
        # One more night, on which the last outcomes are scored and nothing is said.
        last = Night("backtest", one.calendar.name, scope.last, backtest_id)
        plan.add(last, Turn(one.settings, one.series, speaks=False))
    return plan.in_order()
