"""Sessions that the source lacks are refused, dropped or carried, and never silently."""

from pathlib import Path
from typing import Any

import pytest

from forecaster.job.backfill import backfill

from .project import evening
from .venue import BRIEF, COMING, DAYS, EVERY, Venue

TODAY = len(DAYS)
TONIGHT = evening(DAYS[-1])


def begun(folder: Path, policy: str, more: str = "", **columns: Any) -> Venue:
    """Follow A with a policy and run up to the last of DAYS."""
    venue = Venue(folder)
    venue.trade("A", TODAY, **columns)
    venue.follow("A", source="venue", more=f'missing = "{policy}"\n{more}', settings=BRIEF)
    assert venue.run(TONIGHT).status == "done"
    return venue


def carried(venue: Venue) -> dict[str, int]:
    """Return `carried` of each live cutoff, the same at every horizon."""
    rows = venue.sql("SELECT DISTINCT cutoff, carried FROM forecast_inputs WHERE kind = 'live'")
    assert len(rows) == len({row[0] for row in rows})
    return dict(rows)


class TestRefuse:
    """A hole in the history is a question to the user."""

    def test_a_hole(self, tmp_path: Path) -> None:
        """The night fails with what to look at; filled, it is done."""
        venue = begun(tmp_path, "refuse")
        venue.trade("A", TODAY + 2, without=[COMING[0]])
        summary = venue.run(evening(COMING[1]))
        assert summary.status == "failed"
        assert str(COMING[0]) in summary.problems[0]
        assert "`forecaster bars check`" in summary.problems[0]
        assert venue.night(COMING[1]) == ("failed", "failed", "gaps")
        assert summary.alerts == ()
        venue.trade("A", TODAY + 3)
        assert venue.run(evening(COMING[2])).status == "done"

    def test_a_hole_of_long_ago(self, tmp_path: Path) -> None:
        """What lies before all that the network may see is no hole."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY, without=[DAYS[5]])
        venue.follow("A", source="venue", more="model = {history = 60}", settings=BRIEF)
        assert venue.run(TONIGHT).status == "done"


class TestDrop:
    """The series goes on as if there had been no such session."""

    def test_a_hole_is_told_once(self, tmp_path: Path) -> None:
        """The run that finds it raises an alert, and no later one does."""
        venue = begun(tmp_path, "drop")
        venue.trade("A", TODAY + 2, without=[COMING[0]])
        first = venue.run(evening(COMING[1]))
        assert (first.status, len(first.alerts)) == ("done", 1)
        assert f"there is no bar for {COMING[0]}" in first.alerts[0]
        venue.trade("A", TODAY + 3, without=[COMING[0]])
        assert venue.run(evening(COMING[2])).alerts == ()
        assert venue.sql("SELECT session, code FROM alert_history") == [(str(COMING[0]), "missing")]
        assert set(carried(venue).values()) == {0}

    def test_a_hole_of_the_first_pull(self, tmp_path: Path) -> None:
        """It is told as well, with how many there are."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY, without=[DAYS[10], DAYS[20], DAYS[21]])
        venue.follow("A", source="venue", more='missing = "drop"', settings=BRIEF)
        summary = venue.run(TONIGHT)
        assert summary.status == "done"
        assert f"no bar for {DAYS[10]}, and 2 more sessions up to {DAYS[21]}" in summary.alerts[0]

    def test_the_newest_is_waited_for(self, tmp_path: Path) -> None:
        """Dropping a session does not mean to forecast from the one before it."""
        venue = begun(tmp_path, "drop")
        assert venue.run(evening(COMING[0])).status == "deferred"
        assert venue.night(COMING[0]) == ("deferred", "deferred", "incomplete")

    def test_an_outcome_that_never_comes(self, tmp_path: Path) -> None:
        """A forecast of a dropped session is never scored; the others are."""
        venue = begun(tmp_path, "drop")
        for k in (2, 3, 4):
            venue.trade("A", TODAY + k, without=[COMING[0]])
            venue.run(evening(COMING[k - 1]))
        rows = venue.sql(
            "SELECT target_session, actual IS NULL FROM forecast_history WHERE cutoff = ?",
            str(DAYS[-1]),
        )
        assert rows == [(str(COMING[0]), 1), (str(COMING[1]), 0), (str(COMING[2]), 0)]


class TestCarry:
    """A missing session has the values of the one before it, and the forecast says so."""

    def test_the_cutoff_itself(self, tmp_path: Path) -> None:
        """The night is done and degraded, its forecast is marked, and stands on the old value."""
        venue = begun(tmp_path, "carry")
        summary = venue.run(evening(COMING[0]))
        assert (summary.status, summary.forecasts) == ("degraded", 3)
        assert venue.night(COMING[0]) == ("degraded", "done", "carried")
        assert carried(venue) == {str(DAYS[-1]): 0, str(COMING[0]): 1}
        ((before, now),) = venue.sql(
            "SELECT min(baseline), max(baseline) FROM forecast_history "
            "WHERE cutoff IN (?, ?)", str(DAYS[-1]), str(COMING[0]),
        )  # fmt: skip
        assert before == now

    def test_it_fades_out_of_the_lookback(self, tmp_path: Path) -> None:
        """It is counted as long as the network reads it: lookback moves, one value more."""
        venue = begun(tmp_path, "carry")
        for k in range(2, 7):
            venue.trade("A", TODAY + k, without=[COMING[0]])
            assert venue.run(evening(COMING[k - 1])).status == "done"
        counts = [carried(venue)[str(day)] for day in COMING[1:6]]
        assert counts == [1, 1, 1, 0, 0]

    def test_no_outcome_is_carried(self, tmp_path: Path) -> None:
        """A forecast is held against prices, never against a value that was carried on."""
        venue = begun(tmp_path, "carry")
        assert venue.run(evening(COMING[0])).scored == 0
        for k in (2, 3):
            venue.trade("A", TODAY + k, without=[COMING[0]])
            venue.run(evening(COMING[k - 1]))
        missing = venue.sql(
            "SELECT count(*) FROM forecast_history WHERE target_session = ? AND actual IS NOT NULL",
            str(COMING[0]),
        )
        assert missing == [(0,)]
        venue.trade("A", TODAY + 4)
        venue.run(evening(COMING[3]))
        late = venue.sql(
            "SELECT actual FROM forecast_history WHERE target_session = ?", str(COMING[0])
        )
        closes = venue.trade("A", TODAY + 4)
        assert late == [(closes[TODAY],)]

    @pytest.mark.parametrize("most", [1, 3])
    def test_no_more_than_the_limit(self, tmp_path: Path, most: int) -> None:
        """One session more in a row than is allowed, and the night has none."""
        venue = begun(tmp_path, "carry", f"carry = {most}")
        for k in range(most):
            assert venue.run(evening(COMING[k])).status == "degraded"
            assert carried(venue)[str(COMING[k])] == k + 1
        summary = venue.run(evening(COMING[most]))
        assert summary.forecasts == 0
        assert f"more than {most} sessions" in summary.problems[0]
        assert venue.night(COMING[most])[1:] in (("failed", "gaps"), ("deferred", "incomplete"))

    def test_a_hole_is_told_once(self, tmp_path: Path) -> None:
        """When the next bar shows that a session was left out, an alert says so."""
        venue = begun(tmp_path, "carry")
        venue.run(evening(COMING[0]))
        alerts = []
        for k in (2, 3):
            venue.trade("A", TODAY + k, without=[COMING[0]])
            alerts += venue.run(evening(COMING[k - 1])).alerts
        assert len(alerts) == 1
        assert f"there is no bar for {COMING[0]}" in alerts[0]

    def test_a_source_that_is_down(self, tmp_path: Path) -> None:
        """Without an answer at all the night goes on as well, with the remedy of the outage."""
        venue = begun(tmp_path, "carry")
        with venue.fault("provider_down"):
            summary = venue.run(evening(COMING[0]))
        assert (summary.status, summary.forecasts) == ("degraded", 3)
        assert venue.night(COMING[0]) == ("degraded", "done", "carried")

    @pytest.mark.parametrize("when", ["on it", "after it"])
    def test_a_split_on_a_missing_session(self, tmp_path: Path, when: str) -> None:
        """What is carried over a split is divided by it: neither a cliff nor a great error."""
        venue = begun(tmp_path, "carry")
        split = COMING[1] if when == "on it" else COMING[2]
        for k in range(3, 7):
            closes = venue.trade("A", TODAY + k)
            fallen = {day: round(close / 4, 4) for day, close in zip(EVERY, closes, strict=False)
                      if day >= split}  # fmt: skip
            venue.trade("A", TODAY + k, changed=fallen, without=[COMING[1]], split={split: 4.0})
            if when == "on it":
                quote_action_of(venue, COMING[1], 4.0)
            summary = venue.run(evening(COMING[k - 1]))
            assert (summary.status, summary.problems) == ("done", ())
        rows = venue.sql(
            "SELECT i.scale, abs(f.error) / f.baseline, f.hi95 / f.baseline "
            "FROM forecast_inputs i JOIN forecast f2 ON f2.id = i.forecast_id "
            "JOIN forecast_history f ON f.series = i.series AND f.cutoff = i.cutoff "
            "AND f.horizon = i.horizon AND f.kind = i.kind"
        )
        assert max(scale for scale, _, _ in rows) < 0.06
        assert max(error for _, error, _ in rows if error is not None) < 0.1

    @pytest.mark.parametrize("why", ["down", "held"])
    @pytest.mark.parametrize("ratio", [4.0, 0.1])
    def test_a_split_that_was_told_too_late(self, tmp_path: Path, why: str, ratio: float) -> None:
        """A night that carried on a price over it is scored in the prices of before."""
        venue = begun(tmp_path, "carry")
        for k in range(1, 6):
            closes = venue.trade("A", TODAY + k)
            fallen = {day: round(close / ratio, 4) for day, close in
                      zip(EVERY, closes, strict=False) if day >= COMING[1]}  # fmt: skip
            told = {} if k == 2 else {COMING[1]: ratio}
            venue.trade("A", TODAY + k, changed=fallen, split=told)
            if k == 2 and why == "down":
                with venue.fault("network"):
                    venue.run(evening(COMING[k - 1]))
            else:
                venue.run(evening(COMING[k - 1]))
        assert venue.night(COMING[1]) == ("degraded", "done", "carried")
        rows = venue.sql(
            "SELECT cutoff, abs(error) / baseline FROM forecast_history WHERE actual IS NOT NULL"
        )
        assert len(rows) == 3 + 3 + 3 + 2 + 1
        assert max(error for _, error in rows) < 0.1

    def test_a_session_that_was_none(self, tmp_path: Path) -> None:
        """Noted as closed, it is no longer carried on the nights to come."""
        venue = begun(tmp_path, "carry")
        venue.run(evening(COMING[0]))
        (venue.folder / "closures.txt").write_text(f"XNYS {COMING[0]} closed\n")
        venue.trade("A", TODAY + 2, without=[COMING[0]])
        summary = venue.run(evening(COMING[1]))
        assert (summary.status, summary.alerts) == ("done", ())
        assert carried(venue)[str(COMING[1])] == 0

    def test_a_past_night(self, tmp_path: Path) -> None:
        """A backfilled session without a bar is carried as the live one would have been."""
        venue = begun(tmp_path, "carry")
        venue.trade("A", TODAY + 3, without=[COMING[0]])
        venue.run(evening(COMING[2]))
        with venue.job(evening(COMING[2])) as job:
            summary = backfill(job, first=DAYS[-2], last=COMING[1])
        assert summary.forecasts >= 6
        rows = venue.sql(
            "SELECT DISTINCT cutoff, carried FROM forecast_inputs WHERE kind = 'backfill'"
        )
        assert dict(rows)[str(COMING[1])] == 1


def quote_action_of(venue: Venue, session: object, split: float) -> None:
    """Let the source tell a split of a session of which it has no bar."""
    path = venue.folder / "A.csv"
    lines = path.read_text().splitlines()
    later = next(k for k, line in enumerate(lines) if line[:10] > str(session) and k)
    lines.insert(later, f"{session},,{split}")
    path.write_text("\n".join(lines) + "\n")
