"""What outcomes teach: each once and in order, whenever and however they come."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from itertools import count, groupby
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from forecaster.job import run
from forecaster.job.backfill import backfill
from forecaster.job.learn import States, in_order, learn, relearn
from forecaster.ledger import Lesson
from forecaster.ledger.check import check_ledger

from .project import FEED, Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
CLOSES = walk(len(DAYS))
ETA = 0.02
FIRST, LAST = 80, 92
SCORES = (
    "SELECT f.cutoff, f.horizon, o.actual, o.inside80, o.inside95, o.eta, o.actual_move "
    "FROM score o JOIN forecast f ON f.id = o.forecast_id ORDER BY 1, 2"
)
TRACKERS = "SELECT horizon, level, quantile, coverage, outcomes, last_cutoff FROM tracker"
GATES = (
    "SELECT horizon, head, gain, power, noise, size, n, t, weight, outcomes, last_cutoff FROM gate"
)
# To make an example smaller would take minutes: each is a dozen nights.
few = settings(
    max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


def lessons_of(draw: st.DrawFn) -> list[tuple[Lesson, float]]:
    """Draw outcomes of three horizons in the order in which they become known."""
    moves = st.floats(-6.0, 6.0)
    scales = st.floats(0.001, 0.1)
    found = []
    for k in range(draw(st.integers(1, 25))):
        for horizon in range(1, 4):
            older = draw(st.booleans())  # a program that had no gates yet
            taught = Lesson(horizon, date(2023, 1, 1) + timedelta(k),
                            draw(st.booleans()), draw(st.booleans()))  # fmt: skip
            if not older:
                taught = replace(
                    taught, network_move=draw(moves), actual_move=draw(moves), unit=draw(scales),
                    head_scale=draw(st.none() | scales), ewma_scale=draw(scales),
                )  # fmt: skip
            found.append((taught, draw(st.sampled_from([ETA, 0.05]))))
    return sorted(found, key=lambda one: one[0].cutoff + timedelta(one[0].horizon))


@given(data=st.data())
@settings(deadline=None)
def test_states_do_not_depend_on_the_batches(data: st.DataObject) -> None:
    """One by one, in any batches, or all at once in any order: the same, to the last bit."""
    lessons = data.draw(st.composite(lessons_of)())
    whole = relearn(lessons)
    assert relearn(data.draw(st.permutations(lessons))) == whole
    states, rest = States(), lessons
    while rest:
        some = data.draw(st.integers(1, len(rest)))
        states, rest = learn(states, rest[:some]), rest[some:]
    assert (list(states.all_trackers()), list(states.all_gates())) == whole


@given(data=st.data())
@settings(deadline=None)
def test_every_outcome_counts_once(data: st.DataObject) -> None:
    """Trackers count all outcomes, gates those with all that they need; both know the last one."""
    lessons = data.draw(st.composite(lessons_of)())
    trackers, gates = relearn(lessons)
    for one in trackers:
        mine = [lesson for lesson, _ in lessons if lesson.horizon == one.horizon]
        assert (one.outcomes, one.last_cutoff) == (len(mine), mine[-1].cutoff)
    for gate in gates:
        mine = [lesson for lesson, _ in lessons if lesson.horizon == gate.horizon]
        whole = [one for one in mine if one.unit is not None]
        if gate.head == "spread":
            whole = [one for one in whole if one.head_scale is not None]
        assert (gate.outcomes, gate.last_cutoff) == (len(whole), whole[-1].cutoff)


def test_an_outcome_that_was_overtaken_is_not_in_order() -> None:
    """A horizon has learned up to a cutoff: neither that one nor an older one teaches again."""
    states = learn(States(), [(Lesson(2, date(2023, 1, 5), True, True), ETA)])
    assert in_order(states, 2, date(2023, 1, 6))
    assert not in_order(states, 2, date(2023, 1, 5))
    assert not in_order(states, 2, date(2023, 1, 4))
    assert in_order(states, 1, date(2023, 1, 4))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield new folders."""
    return (tmp_path_factory.mktemp(f"learn{number}") for number in count())


def following(folder: Path, more: str = "") -> Project:
    """Follow one series of the feed, without an initial backfill."""
    project = Project(folder)
    project.plugin("feed", FEED)
    project.quote("A", DAYS, CLOSES)
    project.follow("A", source="feed", more=dedent(more),
                   settings="[schedule]\ninitial_backfill = 0\n[retrain]\nevery = 5")  # fmt: skip
    return project


def kept(project: Project) -> list[list[tuple[Any, ...]]]:
    """Return scores, trackers and gates, and demand a whole ledger."""
    with project.job() as job:
        assert [one for one in check_ledger(job.ledger, relearn) if not one.ok] == []
    return [sorted(project.sql(query)) for query in (SCORES, TRACKERS, GATES)]


@pytest.fixture(scope="module")
def nightly(folders: Iterator[Path]) -> list[list[tuple[Any, ...]]]:
    """Return what is kept where each night was worked on its evening."""
    project = following(next(folders))
    for session in DAYS[FIRST : LAST + 1]:
        assert project.run(evening(session)).status == "done"
    found = kept(project)
    assert len(found[0]) == 12 + 11 + 10
    assert {row[5] for row in found[0]} == {ETA}
    return found


def crashing(project: Project, at: int, *, after: bool, now: Any, first: date, last: date) -> None:
    """Backfill, and be stopped before or after the commit of the night of that number."""
    honest, numbers = run.commit, count()

    def stopped(*given_: Any, **more: Any) -> int:
        number = next(numbers)
        if number == at and not after:
            raise KeyboardInterrupt
        stored = honest(*given_, **more)
        if number == at:
            raise KeyboardInterrupt
        return stored

    with patch.object(run, "commit", stopped), project.job(now) as job, suppress(KeyboardInterrupt):
        backfill(job, first=first, last=last)


@given(data=st.data())
@few
def test_states_are_the_same_after_any_interruption(
    folders: Iterator[Path], nightly: list[list[tuple[Any, ...]]], data: st.DataObject
) -> None:
    """Some nights on their evenings, others made up for later, in one go or stopped in between."""
    project = following(next(folders))
    place = FIRST
    while place <= LAST:
        missed = data.draw(st.integers(0, LAST - place))
        now = evening(DAYS[place + missed])
        if missed:
            first, last = DAYS[place], DAYS[place + missed - 1]
            at, after = data.draw(st.integers(0, missed)), data.draw(st.booleans())
            crashing(project, at, after=after, now=now, first=first, last=last)
            with project.job(now) as job:
                backfill(job, first=first, last=last)
        project.run(now)
        place += missed + 1
    assert kept(project) == nightly


def test_a_downtime_and_one_batch(
    folders: Iterator[Path], nightly: list[list[tuple[Any, ...]]]
) -> None:
    """All nights at once, in one walk."""
    project = following(next(folders))
    with project.job(evening(DAYS[LAST])) as job:
        assert backfill(job, first=DAYS[FIRST], last=DAYS[LAST]).status == "done"
    assert kept(project) == nightly


@given(data=st.data())
@few
@pytest.mark.parametrize("policy", ["refuse", "drop", "carry"])
def test_late_bars_teach_in_order_or_not_at_all(
    folders: Iterator[Path], policy: str, data: st.DataObject
) -> None:
    """What teaches comes in the order of its cutoffs; what a later one has overtaken says so."""
    project = following(next(folders), f'missing = "{policy}"')
    places = data.draw(st.sets(st.integers(FIRST - 2, LAST - 1), max_size=5), "late bars")
    late = {k: data.draw(st.integers(1, min(5, LAST - k)), "sessions late") for k in places}
    for place in range(FIRST, LAST + 1):
        there = [k for k in range(place + 1) if k + late.get(k, 0) <= place]
        project.quote("A", [DAYS[k] for k in there], [CLOSES[k] for k in there])
        project.run(evening(DAYS[place]))
    scores, trackers, gates = kept(project)
    assert project.sql(
        "SELECT count(*) FROM forecast WHERE target_session <= ?", str(DAYS[LAST])
    ) == [(len(scores),)]
    rows = project.sql(
        "SELECT f.horizon, o.scored_at, f.cutoff, o.eta FROM score o "
        "JOIN forecast f ON f.id = o.forecast_id ORDER BY 1, 2, 3"
    )
    for horizon, came in groupby(rows, lambda row: row[0]):
        taught: list[str] = []
        for _, _, cutoff, eta in came:
            overtaken = bool(taught) and cutoff < taught[-1]
            assert (eta is None) == overtaken
            if not overtaken:
                taught.append(cutoff)
        counts = {row[4] for row in trackers if row[0] == horizon}
        counts |= {row[9] for row in gates if row[0] == horizon}
        assert counts == {len(taught)}
    if policy == "refuse":  # the series waits for its bars, and nothing can be overtaken
        assert {row[5] for row in scores} <= {ETA}


@pytest.mark.parametrize("table", ["tracker", "gate", "score"])
def test_whatever_is_altered_is_found(folders: Iterator[Path], table: str) -> None:
    """Each number of each state and score, by a little: `db check` does not pass."""
    project = following(next(folders))
    for session in DAYS[FIRST : FIRST + 6]:
        project.run(evening(session))
    kept(project)
    names = [row[1] for row in project.sql(f"PRAGMA table_info({table})") if row[2] == "REAL"]
    assert len(names) > 1
    for name in names:
        project.write(f"UPDATE {table} SET {name} = {name} * 1.0001 + 0.0001 WHERE rowid = 1")
        with project.job() as job:
            assert not all(one.ok for one in check_ledger(job.ledger, relearn)), name
        project.write(f"UPDATE {table} SET {name} = ({name} - 0.0001) / 1.0001 WHERE rowid = 1")
