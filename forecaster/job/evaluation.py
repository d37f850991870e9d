"""evaluate: what the forecasts of a backtest were worth, beside those of its rivals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from forecaster.config import SeriesSettings
from forecaster.errors import PluginError
from forecaster.hooks import Executor
from forecaster.job.account import Account
from forecaster.job.context import Job
from forecaster.job.figures import Entries, Figures, pooled_figures, series_figures
from forecaster.job.foreign import closed, foreign
from forecaster.job.marks import Outcomes, mark
from forecaster.job.past import Floats, carry
from forecaster.job.prices import Prices
from forecaster.job.rivals import LEVELS, NAIVE, Answer, RivalTask, Telling, run_rival_task
from forecaster.ledger import Series
from forecaster.ledger.backtests import BacktestResult, Scored, read_scored, training_seconds

OURS = "forecaster"
"""The method that is the program's own."""


@dataclass(frozen=True)
class Subject:
    """A series that a backtest covers.

    Attributes:
        settings: of the series, and `series` as the ledger knows it.
        train_until: the last session to learn from, where that is not the cutoff.
    """

    settings: SeriesSettings
    series: Series
    train_until: date | None


@dataclass
class Found:
    """What is found of one method at one horizon, or over all, by series."""

    figures: list[Figures] = field(default_factory=list)
    counted: list[Entries] = field(default_factory=list)


Cell = tuple[str, int | None]
"""(method, horizon), None over all."""


def evaluate(
    job: Job,
    backtest_id: int,
    subjects: Sequence[Subject],
    rivals: tuple[str, ...],
    account: Account,
) -> list[BacktestResult]:
    """Return what the forecasts of a backtest and of its rivals are worth.

    A rival that fails for a series is noted and left out there.

    Args:
        job: settings, ledger, plugins, clock.
        backtest_id: whose nights are all worked.
        subjects: the series that it covers.
        rivals: names of other methods, the naive one among them.
        account: gets the notes, and knows what inference took.

    Returns:
        Rows of each series, then of all together; of each method; at each horizon, then over all.

    Raises:
        PluginError: the executor failed.
    """
    scored = [read_scored(job.ledger, backtest_id, one.series.id) for one in subjects]
    spoken = [(one, said) for one, said in zip(subjects, scored, strict=True) if said]
    tasks = [_task(job, one, said, rivals) for one, said in spoken]
    training = training_seconds(job.ledger, backtest_id)
    rows: list[BacktestResult] = []
    together: dict[Cell, Found] = {}
    for (one, said), answer in zip(spoken, _answers(job, tasks), strict=True):
        name = one.settings.name
        for rival, problem in answer.problems.items():
            account.alerts.append(f"{name}: {rival} is left out of the evaluation: {problem}")
        nights = len({row.cutoff for row in said})
        seconds = (training.get(one.series.id, 0.0), _inference(account, name, nights))
        found = _of_series(one, said, answer, seconds)
        for (method, horizon), (figures, counted) in found.items():
            rows.append(_row(one.series.id, method, horizon, figures))
            cell = together.setdefault((method, horizon), Found())
            cell.figures.append(figures)
            cell.counted.append(counted)
    return rows + _pooled(together, training.get(None, 0.0))


def _inference(account: Account, name: str, nights: int) -> float | None:
    """Return what the forecasts took, as far as those of this execution tell: some may be older."""
    timed = account.spoken[name]
    return 1e-6 * account.microseconds[name] / timed * nights if timed else None


def _task(job: Job, one: Subject, said: Sequence[Scored], rivals: tuple[str, ...]) -> RivalTask:
    cutoffs = tuple(sorted({row.cutoff for row in said}))
    instrument = one.series.instrument
    prices = Prices(job.ledger, job.calendars, first=cutoffs[0], last=cutoffs[-1])
    read = prices.read(one.settings, instrument)
    return RivalTask(
        settings=one.settings,
        calendar=instrument.calendar,
        amendments=job.amended,
        bars=read.bars,
        actions=read.actions,
        cutoffs=cutoffs,
        train_until=one.train_until,
        rivals=rivals,
    )


def _answers(job: Job, tasks: Sequence[RivalTask]) -> Iterator[Answer]:
    """Yield what the rivals say of each series, in the order of the tasks."""
    executor = job.executor()
    try:
        for k, answer in enumerate(executor.map(run_rival_task, tasks)):
            _refuse_misplaced(answer, tasks, k, executor)
            job.progress("evaluating series", k + 1, len(tasks))
            yield answer
    except (Exception, SystemExit) as error:
        raise foreign(f"executor {executor.name}", error) from error
    finally:
        closed(executor)


def _refuse_misplaced(
    answer: Answer, tasks: Sequence[RivalTask], k: int, executor: Executor
) -> None:
    """Refuse a result that is not of its task: no series may get the figures of another."""
    if k >= len(tasks) or answer.series != tasks[k].settings.name:
        raise PluginError(
            f"result {k + 1} of executor {executor.name} is not that of its task",
            remedy="choose another executor",
            code="plugin_raised",
        )


def _of_series(
    one: Subject, said: Sequence[Scored], answer: Answer, seconds: tuple[float, float | None]
) -> dict[Cell, tuple[Figures, Entries]]:
    """Return the figures of each method for a series, and what counts of each cutoff."""
    outcomes, quantiles = _held(one.settings, said, answer)
    tellings = {OURS: Telling(quantiles, *seconds), **answer.tellings}
    marks = {name: mark(outcomes, telling.quantiles) for name, telling in tellings.items()}
    naive = marks.get(NAIVE)
    found: dict[Cell, tuple[Figures, Entries]] = {}
    for method, marked in marks.items():
        for horizon in (*range(1, outcomes.actual.shape[1] + 1), None):
            cell = series_figures(marked, naive, horizon)
            if cell is None:
                continue
            if horizon is None:
                cell[0]["training_seconds"] = tellings[method].training_seconds
                cell[0]["inference_seconds"] = tellings[method].inference_seconds
            found[method, horizon] = cell
    return found


def _held(
    settings: SeriesSettings, said: Sequence[Scored], answer: Answer
) -> tuple[Outcomes, Floats]:
    """Return what happened after each cutoff, and what the program had said, (n, H, 5)."""
    cutoffs = sorted({row.cutoff for row in said})
    place = {cutoff: k for k, cutoff in enumerate(cutoffs)}
    shape = (len(cutoffs), settings.model.horizon)
    actual, bases = np.full(shape, np.nan), np.ones(len(cutoffs))
    quantiles = np.full((*shape, len(LEVELS)), np.nan)
    for row in said:
        k, h = place[row.cutoff], row.horizon - 1
        actual[k, h], bases[k] = row.actual, row.basis
        quantiles[k, h] = (row.lo95, row.lo80, row.mean, row.hi80, row.hi95)
    rescale = np.array(
        [carry(settings.field, origin=basis, wanted=float(bases[0])) for basis in bases.tolist()]
    )
    # Without an answer there is nothing to compare with, and any unit does.
    told = settings.values == "price" and len(answer.prices) == len(cutoffs)
    prices = answer.prices if told else 1.0 / rescale
    units = prices if (bases != bases[0]).any() else np.ones(len(cutoffs))
    days = np.array(cutoffs, dtype="datetime64[D]")
    return Outcomes(days, actual, units, prices, answer.scale, rescale), quantiles


def _pooled(together: dict[Cell, Found], panel_seconds: float) -> list[BacktestResult]:
    """Return the rows of all series together."""
    methods = list(dict.fromkeys(method for method, _ in together))
    far = max((horizon for _, horizon in together if horizon), default=1)
    rows = []
    for method in methods:
        for horizon in (*range(1, far + 1), None):
            found = together.get((method, horizon))
            if found is None:
                continue
            figures = pooled_figures(found.figures, found.counted, horizon or far)
            if (method, horizon) == (OURS, None):
                figures["training_seconds"] = (figures["training_seconds"] or 0.0) + panel_seconds
            rows.append(_row(None, method, horizon, figures))
    return rows


def _row(
    series_id: int | None, method: str, horizon: int | None, figures: Figures
) -> BacktestResult:
    rest = {name: value for name, value in figures.items() if name != "n"}
    return BacktestResult(series_id, method, horizon, int(figures["n"] or 0), **rest)
