"""One series' work on one night: what is known when it begins, and what each stage adds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np

from forecaster.errors import DataError, ForecasterError
from forecaster.job.foreign import foreseen
from forecaster.job.past import Floats, Past
from forecaster.job.plan import Turn
from forecaster.ledger import (
    Decision,
    Forecast,
    Knowledge,
    ModelVersion,
    Night,
    Outcome,
    Score,
    SeriesNight,
    Tracker,
)
from forecaster.ledger.knowledge import CARRIED
from forecaster.market import Calendar
from forecaster.model import Activation, Network


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
    decision: Decision | None = None
    model: ModelVersion | None = None
    network: Network | None = None
    means: Floats = field(default_factory=lambda: np.empty(0))  # (H,)
    scales: Floats = field(default_factory=lambda: np.empty(0))  # (H,), if the network says some
    trackers: tuple[Tracker, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    problem: ForecasterError | None = None  # that the series could do without tonight

    @property
    def cutoff(self) -> date:
        """The last session this night may see."""
        return self.night.session

    def result(self) -> SeriesNight:
        """Return what the ledger stores."""
        return SeriesNight(
            series_id=self.turn.series.id,
            outcome=self._outcome(),
            scores=self.scores,
            trackers=self.trackers,
            decision=self.decision,
            model=self.model,
            forecasts=self.forecasts,
            completes_backfill=self.turn.completes_backfill,
        )

    def _outcome(self) -> Outcome:
        if self.problem is None:
            return Outcome("done", "ok", "")
        return Outcome("done", self.problem.code, str(self.problem))


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
    "unsettled", "incomplete", "unknown_closure", "held",
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


def each(stage: Callable[[Work], Work], items: Sequence[Item]) -> list[Item]:
    """Run a stage over many series, each failing alone."""
    return [item if isinstance(item, Failed) else attempt(stage, item) for item in items]


def attempt(stage: Callable[[Work], Work], item: Work) -> Item:
    """Run a stage for one series; whatever it raises becomes the outcome of that series alone."""
    try:
        return stage(item)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign activation may raise anything
        return Failed(item.turn, foreseen(error))
