"""A night and whose turn it is; what of it comes first, and what last."""

import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from forecaster.config import SeriesSettings
from forecaster.errors import ForecasterError
from forecaster.job.agenda import Agenda
from forecaster.ledger import Night, Series
from forecaster.model import ACTIVATIONS

NEVER = sys.maxsize
"""More series than there are: not the last one of these ends the night."""


@dataclass(frozen=True)
class Turn:
    """One series' part in one night.

    Attributes:
        settings: of the series.
        series: as the ledger knows it.
        forced: what the user decided instead of the program.
        train_until: the last session a model may be trained on, where that is not the cutoff.
        speaks: whether a forecast is wanted, or only outcomes are scored.
        completes_backfill: whether the initial backfill is complete after this.
        problem: why bars are not there, where some are not.
        last_try: nothing is tried again after this, so that what fails falls back.
        died: how the process of the attempt before this one ended, if that did not end by itself.
    """

    settings: SeriesSettings
    series: Series
    forced: str | None = None
    train_until: date | None = None
    speaks: bool = True
    completes_backfill: bool = False
    problem: ForecasterError | None = None
    last_try: bool = False
    died: str = ""

    @property
    def is_risky(self) -> bool:
        """Whether foreign code is called for it, which may end the process."""
        return self.settings.model.activation not in ACTIVATIONS

    @property
    def resigns(self) -> bool:
        """Whether only what cannot end the process once more is done, so that something is said."""
        return self.last_try and bool(self.died)


@dataclass(frozen=True)
class Due:
    """A night and the series whose turn it is.

    Attributes:
        night: which.
        turns: of its series.
        of: how many series it has, where the rest of them is worked by other processes, or later.
        retry_at: when what has to wait is tried again, if it is.
        scheduled: it is on the schedule, which ends it if no series' night does.
    """

    night: Night
    turns: tuple[Turn, ...]
    of: int | None = None
    retry_at: datetime | None = None
    scheduled: bool = False


@dataclass
class Plan:
    """Nights being collected, some of them from the schedule."""

    agenda: Agenda | None = None
    turns: dict[Night, list[Turn]] = field(default_factory=lambda: defaultdict(list))

    def add(self, night: Night, turn: Turn) -> None:
        """Note a series' turn in a night."""
        if self.agenda and night in self.agenda.runs:
            run = self.agenda.runs[night]
            last_try = night.kind == "live" and self.agenda.again[night] is None
            turn = replace(turn, last_try=last_try, died=run.reason if run.has_died else "")
        self.turns[night].append(turn)

    def in_order(self) -> list[Due]:
        """Return the nights from the oldest to the newest.

        Where an attempt has ended its process, that may have been in a past night of a new series:
        all nights of such come after those of the others, and of those that call foreign code last.
        """
        nights = sorted(self.turns, key=lambda night: (night.session, night.calendar, night.kind))
        resigned = {turn.series.id for each in self.turns.values() for turn in each if turn.resigns}
        kept = {night: self._less_past_of(resigned, night) for night in nights}
        ranks = self._ranks()
        parts = [
            (night, [turn for turn in kept[night] if ranks.get(turn.series.id, 0) == rank])
            for rank in sorted({0, *ranks.values()})
            for night in nights
        ]
        return [self._due(night, turns, len(kept[night])) for night, turns in parts if turns]

    def _ranks(self) -> dict[int, int]:
        """Return after which others the nights of some series have their turn."""
        if self.agenda is None or not any(run.has_died for run in self.agenda.runs.values()):
            return {}
        past = [turns for night, turns in self.turns.items() if night not in self.agenda.runs]
        return {turn.series.id: 1 + turn.is_risky for turns in past for turn in turns}

    def _less_past_of(self, resigned: Collection[int], night: Night) -> list[Turn]:
        """Return a night's turns; series that resign tonight do their past nights another time."""
        turns = self.turns[night]
        if not resigned:
            return turns
        if self.agenda is None or night not in self.agenda.runs:
            return [turn for turn in turns if turn.series.id not in resigned]
        return [
            replace(turn, completes_backfill=False) if turn.series.id in resigned else turn
            for turn in turns
        ]

    def _due(self, night: Night, theirs: Sequence[Turn], count: int) -> Due:
        turns, agenda = tuple(theirs), self.agenda
        if agenda is not None and night in agenda.waiting:  # the others have their turn later
            return Due(night, turns, NEVER, scheduled=True)
        is_part = len(turns) < count
        if agenda is None or night not in agenda.runs:
            return Due(night, turns, count if is_part else None)
        of = NEVER if agenda.only_some or is_part else None
        return Due(night, turns, of, agenda.again[night], scheduled=True)
