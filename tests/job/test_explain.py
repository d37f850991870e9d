"""Every stored number can be accounted for: its inputs, its parts, its evidence."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.errors import ConfigError, DataError
from forecaster.job.backfill import backfill
from forecaster.job.context import environment
from forecaster.job.explain import explain
from forecaster.job.explained import Explanation
from forecaster.model import Motion, start_quantile

from .project import evening, walk
from .test_decide_train import DIVERGED, fail_to_refit
from .venue import COMING, DAYS, EVERY, Venue, nights

TODAY = len(DAYS)
TONIGHT = evening(DAYS[-1])
BACKFILL = "[schedule]\ninitial_backfill = 8"


def begun(folder: Path, more: str = "", settings: str = BACKFILL, **columns: Any) -> Venue:
    """Follow A and run up to the last of DAYS."""
    venue = Venue(folder)
    venue.trade("A", TODAY, **columns)
    venue.follow("A", source="venue", more=more, settings=settings)
    assert venue.run(TONIGHT).status in ("done", "degraded")
    return venue


def explained(venue: Venue, where: str = "1 = 1") -> list[Explanation]:
    """Explain the forecasts that a condition on forecast_history chooses."""
    ids = venue.sql(f"SELECT forecast_id FROM forecast_history WHERE {where} ORDER BY 1")
    with venue.job() as job:
        return [explain(job, one) for (one,) in ids]


@pytest.mark.parametrize("gate", ["true", "false"])
def test_the_parts_make_the_forecast(tmp_path: Path, gate: str) -> None:
    """From baseline, move, weight, spread and trackers follow forecast and bounds, to 12 digits."""
    venue = begun(tmp_path, f"model = {{gate = {gate}}}")
    found = explained(venue)
    assert len(found) == 9 * 3
    motion = Motion()
    for one in found:
        row, mean, spread = one.forecast, one.mean, one.spread
        assert mean.gated == (gate == "true")
        assert mean.weight == (0.0 if mean.gated else 1.0)
        assert mean.move is not None
        assert mean.lead == pytest.approx(mean.weight * mean.move)
        lead = mean.lead * mean.unit
        assert row["forecast"] == pytest.approx(float(motion.apply(mean.baseline, lead)), rel=1e-12)
        for tracker, level in zip(one.trackers, ("80", "95"), strict=True):
            reach = tracker.quantile * spread.scale
            for sign, side in ((-1, "lo"), (1, "hi")):
                bound = float(motion.apply(mean.baseline, lead + sign * reach))
                assert row[f"{side}{level}"] == pytest.approx(bound, rel=1e-12)
        assert spread.scale == spread.says[spread.used]
        assert (one.replayed.exact, one.replayed.differences) == (True, ())


def test_outcome_and_evidence_are_those_of_its_night(tmp_path: Path) -> None:
    """Trackers and gate are told as they were: the first night knows nothing, later ones more."""
    found = explained(begun(tmp_path), "horizon = 1")
    assert [one.trackers[0].outcomes for one in found] == list(range(9))
    assert found[0].mean.evidence.gate is None
    assert found[0].trackers[0].quantile == start_quantile(0.80)
    last = found[-1]
    assert last.forecast["actual"] is None
    assert last.outcome_move is None
    gate = last.mean.evidence.gate
    assert gate
    assert gate.outcomes == 8
    moves = [(one.mean.move, one.outcome_move) for one in found[:-1]]
    gain = sum(0.998 ** (7 - k) * said * min(max(x, -4), 4) for k, (said, x) in enumerate(moves))  # type: ignore[operator]
    assert gate.gain == pytest.approx(gain)
    assert last.mean.evidence.skill == pytest.approx((2 * gate.gain - gate.power) / gate.size)


def test_inputs_stand_with_their_sessions_and_revisions(tmp_path: Path) -> None:
    """What the network read: quoted, adjusted, which revision, known since when, and actions."""
    split, paid = DAYS[-2], DAYS[-3]
    closes = walk(len(EVERY))[:TODAY]
    fallen = {
        day: round(close / 4.0, 2) for day, close in zip(DAYS, closes, strict=True) if day >= split
    }
    venue = begun(tmp_path, changed=fallen, split={split: 4.0}, dividend={paid: 0.5})
    wrong = {**fallen, DAYS[-1]: round(fallen[DAYS[-1]] * 1.01, 2)}
    k, session, tonight = next(nights(1))
    venue.trade(
        "A", k, changed={**wrong, session: round(walk(len(EVERY))[k - 1] / 4.0, 2)},
        split={split: 4.0}, dividend={paid: 0.5},
    )  # fmt: skip
    venue.run(tonight)
    [before] = explained(venue, f"cutoff = '{DAYS[-1]}' AND horizon = 2")
    [after] = explained(venue, f"cutoff = '{session}' AND horizon = 2")
    assert [step.session for step in before.steps] == DAYS[-4:]  # 3 moves lie between 4 sessions
    assert [step.split for step in before.steps] == [1.0, 1.0, 4.0, 1.0]
    assert [step.dividend for step in before.steps] == [0.0, 0.5, 0.0, 0.0]
    assert before.steps[-1].quoted == before.steps[-1].adjusted == fallen[DAYS[-1]]
    first = before.steps[0]
    assert first.quoted == closes[-4]
    assert first.adjusted == pytest.approx(
        (closes[-4] - 0.5 * closes[-4] / closes[-4]) / 4, rel=0.01
    )
    assert {step.revision for step in before.steps} == {1}
    revised = {step.session: step for step in after.steps}[DAYS[-1]]
    assert (revised.revision, revised.quoted) == (2, wrong[DAYS[-1]])
    assert revised.known_since is not None
    assert revised.known_since > before.steps[-1].known_since  # type: ignore[operator]
    assert before.replayed.differences == after.replayed.differences == ()


def test_revisions_are_those_of_the_ledger(tmp_path: Path) -> None:
    """Each value told is that of the revision told; a night of the past has what was known then."""
    venue = begun(tmp_path, settings="[schedule]\ninitial_backfill = 0")
    right = dict(zip(EVERY, walk(len(EVERY)), strict=True))
    wrong = {COMING[0]: round(right[COMING[0]] * 1.01, 2)}
    for k, _session, tonight in nights(4):
        venue.trade("A", k, changed=wrong if k == TODAY + 3 else {})
        assert venue.run(tonight).status == "done"
    with venue.job(evening(COMING[4])) as job:
        backfill(job, first=DAYS[-2], last=DAYS[-2])
    bars = {
        (session, revision): (close, datetime.fromisoformat(seen))
        for session, revision, close, seen in venue.sql(
            "SELECT session, revision, close, first_seen_at FROM bar_history"
        )
    }
    assert {revision for _, revision in bars} == {1, 2, 3}
    told = set()
    for one in explained(venue, "horizon = 1"):
        for step in one.steps:
            assert step.revision is not None
            stored = bars[str(step.session), step.revision]
            assert (step.quoted, step.known_since) == stored
            told.add(step.revision)
        assert one.replayed.differences == ()
    assert told == {1, 2, 3}


def test_a_carried_session_is_marked(tmp_path: Path) -> None:
    """It has no revision, because no bar was there, and the value of the session before."""
    venue = begun(tmp_path, 'missing = "carry"')
    for k, _session, tonight in nights(2):
        venue.trade("A", k, without=[COMING[0]])
        venue.run(tonight)
    [found] = explained(venue, f"cutoff = '{COMING[1]}' AND horizon = 1")
    steps = {step.session: step for step in found.steps}
    gone = steps[COMING[0]]
    assert (gone.carried, gone.revision, gone.known_since) == (True, None, None)
    assert gone.quoted == steps[DAYS[-1]].quoted
    assert not steps[COMING[1]].carried


def test_effects_are_told_in_units_and_in_value(tmp_path: Path) -> None:
    """Both say the same: from the value without a step to the network's, counted in units."""
    for one in explained(begun(tmp_path), "horizon = 3"):
        assert [step.effect is None for step in one.steps] == [True, False, False, False]
        for step in one.steps[1:]:
            assert one.mean.network is not None
            assert step.effect is not None
            assert step.effect_on_value is not None
            without = one.mean.network - step.effect_on_value
            units = np.log(one.mean.network / without) / one.mean.unit
            assert step.effect == pytest.approx(units, abs=1e-9)
    assert any(step.effect for step in one.steps)


def test_a_fallback_without_a_network_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest values, the baseline and the spread are told; nothing of a network is."""
    with monkeypatch.context() as patched:
        fail_to_refit(patched, DIVERGED)
        venue = begun(tmp_path, settings="[schedule]\ninitial_backfill = 0")
    [found] = explained(venue, "horizon = 1")
    assert (found.forecast["status"], found.model) == ("fallback", None)
    assert (found.mean.network, found.mean.move, found.mean.lead) == (None, None, 0.0)
    assert found.forecast["forecast"] == found.mean.baseline
    assert (found.spread.used, found.spread.order) == ("ewma", "linear > ewma")
    assert found.spread.silent == {"linear": "linear needs more bars"}
    assert [step.session for step in found.steps] == DAYS[-4:]
    assert {step.effect for step in found.steps} == {None}
    assert found.decision.reason_code == "diverged"
    assert found.replayed.differences == ()


def test_a_forecast_that_does_not_come_out_again_is_told_as_such(tmp_path: Path) -> None:
    """A price that was changed behind the program's back shows in the comparison."""
    venue = begun(tmp_path)
    venue.write("UPDATE bar SET close = close * 1.02 WHERE session = ?", str(DAYS[-1]))
    [found] = explained(venue, "kind = 'live' AND horizon = 1")
    assert "baseline" in {one.name for one in found.replayed.differences}


def test_a_forecast_of_another_kind_of_machine_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another BLAS kernel is another kind of machine: six digits, and not every bit."""
    venue = begun(tmp_path)
    assert '"kernel": "' in environment()
    monkeypatch.setattr("forecaster.job.context._kernel", lambda: "Pentium")
    [found] = explained(venue, "kind = 'live' AND horizon = 1")
    assert (found.replayed.exact, found.replayed.differences) == (False, ())


def test_what_is_not_there_or_damaged_is_refused(tmp_path: Path) -> None:
    """An unknown id is the caller's mistake; damaged parameters are an error of the data."""
    venue = begun(tmp_path)
    with venue.job() as job:
        with pytest.raises(ConfigError, match="there is no forecast 999"):
            explain(job, 999)
        venue.write("UPDATE model_version SET parameters = x'00'")
        with pytest.raises(DataError):
            explain(job, 1)


def test_model_decision_and_program_are_told(tmp_path: Path) -> None:
    """Which model said it, from which bars, why it was used, and what computed it."""
    [found] = explained(begun(tmp_path), "kind = 'live' AND horizon = 1")
    assert found.model is not None
    assert found.model["model_id"] == found.forecast["model_id"]
    assert date.fromisoformat(found.model["cutoff"]) == DAYS[-9]
    assert found.decision.reason_code == "fresh"
    assert found.decision.new_bars == found.decision.age_sessions == 8
    assert found.program["environment"] == found.model["environment"] == environment()
    assert found.panel is None
    assert replace(found) == found  # plain values
