"""Small ledgers for the tests: days instead of sessions, prices that anyone can add up."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import select

from forecaster.ledger import (
    Decision,
    Forecast,
    Gate,
    Instrument,
    Knowledge,
    Ledger,
    Lesson,
    ModelVersion,
    Night,
    Outcome,
    Pending,
    Score,
    Series,
    SeriesNight,
    Stamp,
    Tracker,
)
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import register_series
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.nights import commit
from forecaster.ledger.quotes import Answer, Stored, store_quotes
from forecaster.ledger.schema import LEVELS, metadata
from forecaster.market import Actions, Bars

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)
STAMP = Stamp(NOW, "1.2.3", '{"python": "3.11"}')
HORIZONS = 2


def day(number: int) -> date:
    """Return the session of that number."""
    return date(2024, 1, 1) + timedelta(days=number)


def live(number: int) -> Night:
    """Return the live night of a session."""
    return Night("live", "24/7", day(number))


def backfill(number: int) -> Night:
    """Return the backfill night of a session."""
    return Night("backfill", "24/7", day(number))


def backtest(number: int, backtest_id: int) -> Night:
    """Return a backtest's night of a session."""
    return Night("backtest", "24/7", day(number), backtest_id)


def quoted(symbol: str = "AAA", **facts: Any) -> Instrument:
    """Return an instrument as a source quotes it."""
    return replace(Instrument(0, "sample", symbol, "24/7", "USD", True, "made up"), **facts)


def bars(closes: Sequence[float], *, first: int = 0) -> Bars:
    """Return bars of a close-only source, one a day."""
    sessions = np.array([day(first + k) for k in range(len(closes))], dtype="datetime64[D]")
    empty = np.full(len(closes), np.nan)
    return Bars(sessions, empty, empty, empty, np.array(closes, dtype=np.float64), empty)


def no_actions() -> Actions:
    """Return no split and no dividend."""
    none = np.zeros(0)
    return Actions(np.zeros(0, dtype="datetime64[D]"), none, none)


def quote(
    ledger: Ledger,
    instrument: Instrument,
    prices: Bars,
    actions: Actions | None = None,
    *,
    now: datetime = NOW,
) -> Stored:
    """Store what a source answered about one instrument."""
    [stored] = store_quotes(ledger, [Answer(instrument, prices, actions or no_actions())], now=now)
    return stored


def add_series(ledger: Ledger, *names: str, field: str = "close") -> list[Series]:
    """Return new series, each of an instrument with ten bars."""
    wanted = []
    for name in names:
        prices = bars([100.0 + k for k in range(10)])
        stored = quote(ledger, quoted(name.upper()), prices)
        wanted.append((name, stored.instrument.id, field))
    found = register_series(ledger, wanted, now=NOW)
    return [found[name] for name in names]


def said(horizon: int, number: int, mean: float = 100.0, **changes: Any) -> Forecast:
    """Return a forecast from that session with intervals of 1 and 2 to each side."""
    return replace(
        Forecast(
            horizon=horizon, target_session=day(number + horizon), mean=mean, lo80=mean - 1,
            hi80=mean + 1, lo95=mean - 2, hi95=mean + 2, baseline=100.0, scale=0.01,
            quantile80=1.0, quantile95=2.0, basis=1.0, network_move=0.5, unit=2.0,
            gate_weight=0.25, head_scale=0.02, ewma_scale=0.01, spread="linear",
            spread_order="linear > ewma",
        ),
        **changes,
    )  # fmt: skip


def model(number: int, fingerprint: str = "f", parameters: bytes = b"npz") -> ModelVersion:
    """Return a model trained up to a session."""
    return ModelVersion(
        id=None, cutoff=day(number), fingerprint=fingerprint, settings="{}", seed=7, bars=10,
        windows=5, epochs=3, best_epoch=2, train_loss=0.5, validation_loss=None,
        baseline_loss=1.0, seconds=0.25, parameters=parameters,
        sha256=hashlib.sha256(parameters).hexdigest(),
    )  # fmt: skip


def scored(pending: Pending, actual: float) -> Score:
    """Return what happened against what was said."""
    return Score(
        pending=pending,
        actual=actual,
        error=pending.mean - actual,
        baseline_error=pending.baseline - actual,
        inside80=pending.lo80 <= actual <= pending.hi80,
        inside95=pending.lo95 <= actual <= pending.hi95,
        actual_move=None if pending.unit is None else (actual - pending.baseline) / pending.unit,
    )


def moved(quantile: float, *, inside: bool) -> float:
    """Return a tracker's next quantile, by a rule simple enough for the tests."""
    return quantile - 0.125 if inside else quantile + 0.5


STEP = 0.5
"""With which the tests' trackers learn."""

Trackers = dict[tuple[int, float], Tracker]
Gates = dict[int, Gate]


def lesson_of(known: Score) -> Lesson:
    """Return what a score teaches."""
    said = known.pending
    return Lesson(
        said.horizon, said.cutoff, known.inside80, known.inside95, said.network_move,
        known.actual_move, said.unit, said.head_scale, said.ewma_scale,
    )  # fmt: skip


def teach(trackers: Trackers, gates: Gates, lesson: Lesson) -> None:
    """Let the states of a horizon learn from an outcome; a gate only where there was a network."""
    for level, inside in zip(LEVELS, (lesson.inside80, lesson.inside95), strict=True):
        cell = (lesson.horizon, level)
        before = trackers.get(cell) or Tracker(*cell, quantile=1.0, coverage=level)
        trackers[cell] = replace(
            before,
            quantile=moved(before.quantile, inside=inside),
            coverage=(before.coverage + inside) / 2,
            outcomes=before.outcomes + 1,
            last_cutoff=lesson.cutoff,
        )
    if lesson.network_move is None or lesson.actual_move is None:
        return
    old = gates.get(lesson.horizon) or Gate("mean", lesson.horizon)
    gates[lesson.horizon] = replace(
        old,
        gain=old.gain / 2 + lesson.network_move * lesson.actual_move,
        power=old.power / 2 + lesson.network_move**2,
        size=old.size / 2 + lesson.actual_move**2,
        n=old.n / 2 + 1,
        t=float(old.outcomes),
        weight=0.25,
        outcomes=old.outcomes + 1,
        last_cutoff=lesson.cutoff,
    )


def relearn(lessons: Sequence[tuple[Lesson, float]]) -> tuple[list[Tracker], list[Gate]]:
    """Return the states that fresh ones are after these outcomes."""
    trackers: Trackers = {}
    gates: Gates = {}
    for lesson, eta in lessons:
        assert eta == STEP
        teach(trackers, gates, lesson)
    return list(trackers.values()), list(gates.values())


def learned(
    known: Knowledge, scores: Sequence[Score]
) -> tuple[tuple[Score, ...], tuple[Tracker, ...], tuple[Gate, ...]]:
    """Return the scores, each saying whether it was learned from, and the states after them."""
    trackers = {(one.horizon, one.level): one for one in known.trackers}
    gates = {one.horizon: one for one in known.gates}
    told = []
    for one in sorted(scores, key=lambda one: one.pending.cutoff):
        before = trackers.get((one.pending.horizon, LEVELS[0]))
        last = before and before.last_cutoff
        in_order = last is None or one.pending.cutoff > last
        told.append(replace(one, eta=STEP if in_order else None))
        if in_order:
            teach(trackers, gates, lesson_of(one))
    return tuple(told), tuple(trackers.values()), tuple(gates.values())


def worked(
    ledger: Ledger,
    night: Night,
    series: Series,
    *,
    actuals: Mapping[date, float] | None = None,
    means: Sequence[float] = (100.0, 100.0),
) -> SeriesNight:
    """Return a night's work for one series: score what waits, train if new, forecast.

    Args:
        ledger: what is known.
        night: which.
        series: whose.
        actuals: what happened on each session; 100 where not given.
        means: the forecast of each horizon.
    """
    known = read_knowledge(ledger, [series.id], night)[series.id]
    happened = actuals or {}
    scores, trackers, gates = learned(
        known, [scored(one, happened.get(one.target_session, 100.0)) for one in known.pending]
    )
    number = (night.session - day(0)).days
    verdict: Any = "reuse" if known.model else "retrain"
    return SeriesNight(
        series_id=series.id,
        outcome=Outcome("done", "ok", ""),
        scores=scores,
        trackers=trackers,
        gates=gates,
        decision=Decision(verdict, "age", "because", "f"),
        model=known.model or model(number),
        forecasts=tuple(said(h, number, mean) for h, mean in enumerate(means, start=1)),
    )


def failed(series: Series, status: Any = "failed") -> SeriesNight:
    """Return the night of a series that went wrong."""
    return SeriesNight(series.id, Outcome(status, "source", "it did not answer"))


def store(ledger: Ledger, night: Night, *results: SeriesNight, last: bool = True) -> int:
    """Commit a night, and return its run."""
    return commit(ledger, night, results, STAMP, seconds=0.5, last=last)


def walk(ledger: Ledger, nights: Sequence[Night], *series: Series) -> None:
    """Work the nights in order; every outcome is 100."""
    for night in nights:
        store(ledger, night, *(worked(ledger, night, one) for one in series))


def contents(ledger: Ledger, *left_out: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with ledger.reading() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=str)
            for name, table in metadata.tables.items()
            if name not in left_out
        }


def rows(ledger: Ledger, view: str, *order: str, **where: Any) -> list[dict[str, Any]]:
    """Return rows of a view."""
    return read_view(ledger, view, where=where, order=order).as_dicts()
