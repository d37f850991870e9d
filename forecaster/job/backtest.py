"""Rolling-origin evaluation through the very stages of the daily job."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from forecaster import __version__
from forecaster.config import RetrainSettings
from forecaster.errors import DataError
from forecaster.hooks import RunSummary
from forecaster.job.account import Account
from forecaster.job.changes import Changes, Every, Extent, refuse_contradictions
from forecaster.job.context import Job
from forecaster.job.decide import shaping_settings
from forecaster.job.due import Due, Plan, Turn
from forecaster.job.evaluation import OURS, Subject, evaluate
from forecaster.job.plan import without_finished
from forecaster.job.rivals import require_rivals
from forecaster.job.run import chosen, prepare, work_night
from forecaster.job.settle import Standing
from forecaster.job.walk import walk
from forecaster.ledger import Night, Rows
from forecaster.ledger.backtests import (
    finish_backtest,
    start_backtest,
    store_results,
    unfinished_backtest,
)
from forecaster.ledger.history import read_view
from forecaster.ledger.prices import read_sessions
from forecaster.model import bars_needed


@dataclass(frozen=True)
class Evaluation:
    """A finished backtest.

    Attributes:
        backtest_id: higher is newer.
        summary: what was done.
        rows: of `backtest_accuracy`.
        results: of `backtest_result_history`: each series, then "all"; the program, then its
            rivals; each horizon, then all of them together (None).
    """

    backtest_id: int
    summary: RunSummary
    rows: Rows
    results: Rows


def backtest(
    job: Job,
    *,
    names: Sequence[str] = (),
    cutoffs: int | None = None,
    horizon: int | None = None,
    split: float | None = None,
    every: Every | None = None,
    history: int | None = None,
    against: Sequence[str] = (),
) -> Evaluation:
    """Forecast from each of the newest cutoffs whose outcomes are all known, score and evaluate.

    An interrupted backtest of the same settings is resumed. What is None is as configured.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series.
        cutoffs: how many.
        horizon: sessions ahead.
        split: train once on this share of each series' sessions, and forecast from the cutoffs
            whose lookback lies in the rest.
        every: sessions until a network is refitted, "always" or "never".
        history: bars that each cutoff may use.
        against: rivals that are evaluated beside the naive forecast; the configured ones if none.

    Raises:
        ConfigError: options exclude each other or do not go with a series, or a rival's library is
            not installed.
        DataError: no series has enough bars.
    """
    configured = job.settings.backtest
    extent = Extent(
        configured.cutoffs if cutoffs is None else cutoffs,
        # A number of cutoffs that was asked for is not overruled by a configured split.
        configured.split if split is None and cutoffs is None else split,
    )
    refuse_contradictions(extent, cutoffs, split, every)
    rivals = require_rivals(against or configured.against)
    changes = Changes(horizon, history, every)
    wanted = [changes.applied(one) for one in chosen(job, names)]
    if every is not None:
        retrain = RetrainSettings(every=every)
        job = replace(job, settings=job.settings.model_copy(update={"retrain": retrain}))
    account = Account()
    standings = prepare(job, wanted, account)
    scopes = _scopes(job, standings, extent, account)
    backtest_id = _open(job, standings, extent)
    nights = _nights(standings, scopes, backtest_id)
    walk(job, without_finished(job.ledger, nights), account, work_night)
    subjects = _subjects(standings, scopes)
    store_results(job.ledger, backtest_id, evaluate(job, backtest_id, subjects, rivals, account))
    finish_backtest(job.ledger, backtest_id, now=job.clock())
    return _finished(job, backtest_id, account.summary("backtest", standings), subjects, rivals)


def _scopes(
    job: Job, standings: Sequence[Standing], extent: Extent, account: Account
) -> list["Scope | None"]:
    scopes = [_scope(job, one, extent, account) for one in standings]
    if not any(scopes):
        raise DataError(
            "no series has enough bars for a backtest: "
            + "; ".join(f"{name}: {what}" for name, what in account.problems.items()),
            remedy="pull more bars, or choose another split, lookback or horizon",
            code="too_few_bars",
        )
    return scopes


def _subjects(standings: Sequence[Standing], scopes: Sequence["Scope | None"]) -> list[Subject]:
    return [
        Subject(one.settings, one.series, scope.train_until)
        for one, scope in zip(standings, scopes, strict=True)
        if one.series is not None and scope is not None
    ]


def _finished(
    job: Job,
    backtest_id: int,
    summary: RunSummary,
    subjects: Sequence[Subject],
    rivals: Sequence[str],
) -> Evaluation:
    """Return what is stored of a backtest, in the order in which people read it."""
    mine = {"backtest_id": backtest_id}
    rows = read_view(job.ledger, "backtest_accuracy", where=mine, order=("series", "horizon"))
    found = read_view(job.ledger, "backtest_result_history", where=mine)
    names = {name: k for k, name in enumerate(sorted(one.series.name for one in subjects))}
    methods = (OURS, *rivals)

    def place(row: Sequence[Any]) -> tuple[float, ...]:
        told = dict(zip(found.columns, row, strict=True))
        return (
            names.get(told["series"], math.inf),
            methods.index(told["method"]),
            told["horizon"] or math.inf,
        )

    results = replace(found, rows=tuple(sorted(found.rows, key=place)))
    return Evaluation(backtest_id, summary, rows, results)


@dataclass(frozen=True)
class Scope:
    """The part of a series that a backtest covers."""

    cutoffs: tuple[date, ...]
    last: date
    train_until: date | None


def _scope(job: Job, one: Standing, extent: Extent, account: Account) -> Scope | None:
    """Return which cutoffs are evaluated, or note why there is none."""
    sessions = read_sessions(job.ledger, one.series.instrument.id) if one.series else []
    needed, horizon = (
        bars_needed(one.settings.model, one.settings.season),
        one.settings.model.horizon,
    )
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
