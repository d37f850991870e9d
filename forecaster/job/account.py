"""What an execution has done so far, and what it tells of that at its end."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from forecaster.hooks import RunSummary
from forecaster.job.settle import Standing
from forecaster.job.work import Failed, Item, waits
from forecaster.ledger import Night
from forecaster.logs import LOG


@dataclass
class Account:
    """What an execution has done so far."""

    started: float = field(default_factory=time.perf_counter)
    series: int = 0
    sessions: set[tuple[str, date]] = field(default_factory=set)
    bars_pulled: int = 0
    trained: int = 0
    reused: int = 0
    forecasts: int = 0
    scored: int = 0
    requests: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    spoken: Counter[str] = field(default_factory=Counter)  # nights with forecasts, of each series
    microseconds: Counter[str] = field(default_factory=Counter)  # that saying these took

    def pulled(self, one: Standing) -> None:
        """Count what became of the pull of one series."""
        pull = one.taken.pull
        if pull is not None:
            self.bars_pulled += pull.new_bars + pull.revised_bars
            self.requests += pull.requests
        self.alerts += one.taken.alerts
        if one.problem:
            self.problems[one.settings.name] = str(one.problem)
            said = {"series": one.settings.name, "stage": "pull", "code": one.problem.code}
            LOG.warning("%s", one.problem, extra=said)
            if waits(one.problem):
                self.waiting.add(one.settings.name)

    def worked(self, night: Night, items: Sequence[Item]) -> None:
        """Count what a night added for some series."""
        self.sessions.add((night.calendar, night.session))
        for item in items:
            if isinstance(item, Failed):
                name = item.turn.settings.name
                self.problems[name] = f"{night.session}: {item.error}"
                (self.waiting.add if item.status == "deferred" else self.waiting.discard)(name)
                continue
            if item.problem and item.problem is not item.turn.problem:  # the pull's is told already
                self.problems[item.turn.settings.name] = f"{night.session}: {item.problem}"
            self.scored += len(item.scores)
            self.forecasts += len(item.forecasts)
            if item.forecasts:
                self.spoken[item.turn.settings.name] += 1
                self.microseconds[item.turn.settings.name] += round(1e6 * item.seconds)
            verdict = item.decision.verdict if item.decision else ""
            self.trained += verdict == "retrain"
            self.reused += verdict == "reuse"

    def add(self, other: "Account") -> None:
        """Count what was done in another process, which began with this account's problems."""
        self.sessions |= other.sessions
        for name in ("trained", "reused", "forecasts", "scored"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.spoken += other.spoken
        self.microseconds += other.microseconds
        self.problems |= {name: what for name, what in other.problems.items() if what}
        self.waiting |= other.waiting

    def summary(self, kind: str, standings: Sequence[Standing]) -> RunSummary:
        """Return what an execution did, for people."""
        problems = tuple(f"{name}: {what}" for name, what in self.problems.items())
        if problems:
            partly = self.forecasts or len(problems) < self.series
            wholly = "deferred" if self.waiting >= self.problems.keys() else "failed"
            status = "degraded" if partly else wholly
        else:
            status = "done" if self.sessions else "nothing"
        return RunSummary(
            kind=kind,
            status=status,
            sessions=len(self.sessions),
            bars_pulled=self.bars_pulled,
            trained=self.trained,
            reused=self.reused,
            forecasts=self.forecasts,
            scored=self.scored,
            seconds=time.perf_counter() - self.started,
            historical=any(one.series and one.series.instrument.historical for one in standings),
            problems=problems,
            requests=self.requests,
            alerts=tuple(self.alerts),
        )
