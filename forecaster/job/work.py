"""One series' work on one night: what is known when it begins, and what each stage adds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, wraps
from typing import Literal

from forecaster.errors import DataError, ForecasterError
from forecaster.job.due import Turn
from forecaster.job.foreign import foreseen
from forecaster.job.learn import NOTHING, States
from forecaster.job.past import Floats, Past
from forecaster.ledger import (
    Decision,
    Forecast,
    Knowledge,
    ModelVersion,
    Night,
    Outcome,
    Score,
    SeriesNight,
)
from forecaster.ledger.knowledge import CARRIED
from forecaster.logs import LOG, stage
from forecaster.market import Calendar
from forecaster.model import Activation, Motion, Network


@dataclass(frozen=True, eq=False)
class Mean:
    """Where the series will be at each horizon, before it is said how surely.

    Attributes:
        baselines: (H,) what doing nothing says.
        unit: (H,) the present volatility over each horizon, in which moves are told.
        moves: (H,) from the baselines to what the network says, in units; None without a network.
        weights: (H,) how much of that move is made.
        lead: (H,) the move that is made.
        means: (H,) where that leads: the forecast.
        deviations: (H,) standard deviations of the move, if the network says some.
    """

    baselines: Floats
    unit: Floats
    moves: Floats | None
    weights: Floats
    lead: Floats
    means: Floats
    deviations: Floats | None


@dataclass(frozen=True, eq=False)
class Work:
    """A series that is doing well: what it knows, and the stages' additions in their order."""

    turn: Turn
    night: Night
    calendar: Calendar
    past: Past
    activation: Activation
    knowledge: Knowledge

    scores: tuple[Score, ...] = ()
    learnt: States = NOTHING  # what trackers and gates are after tonight
    states: States = NOTHING  # what they are as of tonight's session: another thing in the past
    decision: Decision | None = None
    model: ModelVersion | None = None
    rejected: ModelVersion | None = None  # a refit that was no better
    network: Network | None = None
    mean: Mean | None = None
    forecasts: tuple[Forecast, ...] = ()
    problem: ForecasterError | None = None  # that the series could do without tonight
    seconds: float = 0.0  # spent from the trained network to the intervals

    @property
    def cutoff(self) -> date:
        """The last session this night may see."""
        return self.night.session

    @cached_property
    def motion(self) -> Motion:
        """How the series moves."""
        return Motion(self.turn.settings.values, self.turn.settings.season)

    def result(self) -> SeriesNight:
        """Return what the ledger stores."""
        return SeriesNight(
            series_id=self.turn.series.id,
            outcome=self._outcome(),
            scores=self.scores,
            trackers=self.learnt.all_trackers(),
            gates=self.learnt.all_gates(),
            decision=self.decision,
            model=self.model,
            rejected=self.rejected,
            forecasts=self.forecasts,
            completes_backfill=self.turn.completes_backfill,
        )

    def _outcome(self) -> Outcome:
        if self.problem is None:
            return Outcome("done", "ok", "")
        fallback = self.decision is not None and self.decision.verdict == "fallback"
        status: Literal["done", "fallback"] = "fallback" if fallback else "done"
        return Outcome(status, self.problem.code, str(self.problem))


def carried_problem(past: Past, turn: Turn) -> ForecasterError | None:
    """Return the problem of a night whose own session has no bar but a value carried to it."""
    if not past.carried[-1]:
        return None
    last = past.sessions[~past.carried][-1]
    return DataError(
        f"there is no bar for session {past.sessions[-1]}: the values of {last} were carried on",
        remedy=str(turn.problem.remedy) if turn.problem else "see `forecaster bars check`",
        code=CARRIED,
    )


WAITING = frozenset({
    "no_bar", "network", "provider_down", "rate_limited", "no_session", "bad_response",
    "unsettled", "incomplete", "unknown_closure", "held", "worker_lost",
})  # fmt: skip
"""Reasons that may be gone on the next attempt, without anybody's doing."""


def waits(error: ForecasterError) -> bool:
    """Return whether waiting may help."""
    return error.code in WAITING


@dataclass(frozen=True, eq=False)
class Failed:
    """A series whose night went wrong: it says why, and adds nothing else."""

    turn: Turn
    error: ForecasterError

    @property
    def status(self) -> Literal["deferred", "failed"]:
        """Deferred where waiting may help, failed where somebody must act."""
        return "deferred" if waits(self.error) else "failed"

    def result(self) -> SeriesNight:
        """Return what the ledger stores."""
        outcome = Outcome(self.status, self.error.code, str(self.error))
        return SeriesNight(self.turn.series.id, outcome)


Item = Work | Failed


Step = Callable[[Work], Work]


def each(step: Step, items: Sequence[Item]) -> list[Item]:
    """Run a stage over many series, each failing alone."""
    with stage(step.__name__):
        return apart(step, items)


def apart(step: Step, items: Sequence[Item]) -> list[Item]:
    """Take a step for many series, each failing alone."""
    return [item if isinstance(item, Failed) else attempt(step, item) for item in items]


def timed(step: Step) -> Step:
    """Return the stage with the seconds that it takes added to its work."""

    @wraps(step)
    def done(work: Work) -> Work:
        start = time.perf_counter()
        after = step(work)
        return replace(after, seconds=after.seconds + time.perf_counter() - start)

    return done


def attempt(step: Step, item: Work) -> Item:
    """Take a step for one series; whatever it raises becomes the outcome of that series alone."""
    try:
        return step(item)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign activation may raise anything
        return failed(item.turn, foreseen(error))


def failed(turn: Turn, why: ForecasterError) -> Failed:
    """Return a series that goes no further tonight, and say so."""
    LOG.warning("%s", why, extra={"series": turn.settings.name, "code": why.code})
    return Failed(turn, why)
