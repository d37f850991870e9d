"""The panel: trained ahead of the nights, on earlier days alone, stored once, and lived without."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from forecaster.errors import TrainingError
from forecaster.job import panel, walk
from forecaster.job.backfill import backfill
from forecaster.job.backtest import backtest
from forecaster.job.intake import pull_bars
from forecaster.job.learn import relearn
from forecaster.job.panel import TrainedPanel
from forecaster.job.replay import replay
from forecaster.job.run import run
from forecaster.ledger.check import check_ledger

from .project import SMALL, Project, evening, xnys
from .project import walk as prices
from .venue import Venue

DAYS = xnys("2021-06-01", "2023-06-30")
LONG = 330  # enough for a linear spread
PANEL = '[intervals]\nscale = "panel"\n'
NO_BACKFILL = "[schedule]\ninitial_backfill = 0\n"


def quote(project: Project, symbol: str, seed: int, count: int = LONG, skip: int = 0) -> None:
    """Quote `count` sessions, less the newest ones that are skipped."""
    closes = prices(count, seed)
    project.quote(symbol, DAYS[-count : len(DAYS) - skip], closes[: count - skip])


def following(project: Project, *symbols: str, settings: str = NO_BACKFILL) -> Project:
    """Follow these symbols with the panel."""
    for seed, symbol in enumerate(symbols):
        quote(project, symbol, seed)
    project.follow(*symbols, settings=PANEL + settings)
    return project


def panels(project: Project) -> list[tuple[Any, ...]]:
    """Return (id, cutoff) of the stored panels."""
    return project.sql(
        "SELECT id, cutoff FROM model_version WHERE series_id IS NULL ORDER BY cutoff, id"
    )


def spreads(project: Project, cutoff: date) -> set[tuple[Any, ...]]:
    """Return how the spreads of a night came about."""
    return set(
        project.sql(
            "SELECT panel_id, spread, spread_order, spread_reason FROM forecast WHERE cutoff = ?",
            str(cutoff),
        )
    )


def test_a_night_uses_a_panel_of_earlier_days(project: Project) -> None:
    """It is of no series and no run, its cutoff is the day before, and forecasts point to it."""
    following(project, "A", "B").run()
    day_before = DAYS[-1] - timedelta(days=1)
    assert panels(project) == [(1, str(day_before))]
    assert spreads(project, DAYS[-1]) == {(1, "panel", "panel > linear > ewma", "")}
    assert project.sql("SELECT series, run_id FROM model_history WHERE model_id = 1") == [
        (None, None)
    ]
    settings, bars, windows = project.sql(
        "SELECT settings, bars, windows FROM model_version WHERE id = 1"
    )[0]
    told = json.loads(settings)
    assert [one["name"] for one in told["series"]] == ["A", "B"]
    assert {one["last"] for one in told["series"]} == {str(DAYS[-2])}
    assert bars == 2 * (LONG - 1)
    assert windows > 500


def test_it_is_half_of_the_spread(project: Project) -> None:
    """The standard deviation lies between that of the panel and the linear head."""
    following(project, "A", "B").run()
    said = project.sql("SELECT head_scale FROM forecast WHERE series_id = 1 ORDER BY horizon")
    other = Project(project.folder)
    (other.folder / "forecaster.db").unlink()
    other.follow("A", "B", settings=NO_BACKFILL)
    other.run()
    linear = other.sql("SELECT head_scale FROM forecast WHERE series_id = 1 ORDER BY horizon")
    assert all(0.3 < a[0] / b[0] < 3.0 and a != b for a, b in zip(said, linear, strict=True))


def test_it_is_refitted_as_often_as_networks_are(project: Project) -> None:
    """After so many sessions; the walk over the nights between has one for each stretch."""
    following(project, "A", settings=f"{NO_BACKFILL}[retrain]\nevery = 5\n")
    with project.job() as job:
        pull_bars(job)
        backfill(job, first=DAYS[-17], last=DAYS[-2])
    project.run()
    cutoffs = [date.fromisoformat(row[1]) for row in panels(project)]
    sessions = [sum(one <= cutoff for one in DAYS) for cutoff in cutoffs]
    assert sessions == [len(DAYS) - 17 + 5 * k for k in range(4)]
    used = project.sql("SELECT DISTINCT cutoff, panel_id FROM forecast ORDER BY cutoff")
    newest = {
        str(day): max(row for row in panels(project) if row[1] < str(day))[0] for day in DAYS[-17:]
    }
    assert dict(used) == newest


@pytest.mark.parametrize(("every", "count"), [('"never"', 1), ('"always"', 6)])
def test_it_is_refitted_never_or_always(project: Project, every: str, count: int) -> None:
    """As the configuration says."""
    following(
        project, "A", settings=f"[schedule]\ninitial_backfill = 5\n[retrain]\nevery = {every}"
    )
    project.run()
    assert len(panels(project)) == count


def test_calendars_side_by_side_share_it(project: Project) -> None:
    """A series that trades on all days, and one that rests: each night has one of earlier days."""
    quote(project, "A", 0)
    days = [DAYS[-1] + timedelta(days=3) - timedelta(days=k) for k in reversed(range(LONG))]
    project.quote("B", days, prices(LONG, 1))
    tables = "".join(
        f'[[series]]\nsource = "csv"\nsymbol = "{symbol}"\ncalendar = "{calendar}"\n'
        for symbol, calendar in (("A", "XNYS"), ("B", "24/7"))
    )
    project.configure(f"{tables}{SMALL}\n{PANEL}[schedule]\ninitial_backfill = 12\n")
    assert project.run().status == "done"
    rows = project.sql(
        "SELECT f.cutoff, m.cutoff, m.settings FROM forecast f JOIN model_version m "
        "ON m.id = f.panel_id"
    )
    assert len(rows) == 2 * 13 * 3
    assert all(panel_cutoff < cutoff for cutoff, panel_cutoff, _ in rows)
    for _, cutoff, settings in rows:
        assert all(one["last"] <= cutoff for one in json.loads(settings)["series"])
    assert len(panels(project)) == 1


def test_it_serves_the_longest_horizon(project: Project) -> None:
    """Whichever series are worked, the panel is the same one; a shorter horizon takes its part."""
    for seed, symbol in enumerate("AB"):
        quote(project, symbol, seed)
    project.follow("A", "B", settings=PANEL + NO_BACKFILL)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace('"B"\n', '"B"\nmodel = {horizon = 7}\n', 1))
    project.run(names=["A"])
    project.run(names=["B"])
    assert len(panels(project)) == 1
    rows = project.sql("SELECT series_id, count(*) FROM forecast WHERE panel_id = 1 GROUP BY 1")
    assert rows == [(1, 3), (2, 7)]


class TestWithoutIt:
    """A panel that is not there is told of, and stops nobody."""

    def test_its_training_failed(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        """The linear head stands in, the forecast says why, and the run that it is degraded."""
        following(project, "A")

        def failing(_task: object) -> TrainedPanel:
            error = TrainingError("the panel diverged", remedy="wait", code="diverged")
            return TrainedPanel(None, 0.0, error)

        with monkeypatch.context() as patched:
            patched.setattr(panel, "run_panel_task", failing)
            summary = project.run()
        assert summary.status == "degraded"
        assert summary.problems == ("panel: the panel diverged; wait",)
        assert spreads(project, DAYS[-1]) == {
            (None, "linear", "panel > linear > ewma", "there is no panel yet")
        }
        assert panels(project) == []

    def test_nobody_has_enough_bars(self, project: Project) -> None:
        """Everything falls back to the volatility alone, with both reasons."""
        quote(project, "A", 0, 60)
        project.follow("A", settings=PANEL + NO_BACKFILL)
        assert project.run().status == "done"
        assert spreads(project, DAYS[-1]) == {
            (None, "ewma", "panel > linear > ewma", "linear needs more bars")
        }

    def test_it_is_damaged(self, project: Project) -> None:
        """The night does without it and says so."""
        following(project, "A", settings="[schedule]\ninitial_backfill = 1\n")
        with project.job() as job:
            pull_bars(job)
            backfill(job, first=DAYS[-2], last=DAYS[-2])
        for (name,) in project.sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'model_version'"
        ):
            project.write(f"DROP TRIGGER {name}")
        project.write("UPDATE model_version SET parameters = x'00' WHERE series_id IS NULL")
        assert project.run().status == "done"
        [(panel_id, spread, _, reason)] = spreads(project, DAYS[-1])
        assert (panel_id, spread) == (None, "linear")
        assert reason.startswith("panel 1 cannot be read: these 1 bytes are not a stored panel")

    def test_nobody_asks_for_it(self, project: Project) -> None:
        """None is trained."""
        quote(project, "A", 0)
        project.follow("A", settings=NO_BACKFILL)
        project.run()
        assert panels(project) == []
        assert project.sql("SELECT DISTINCT spread FROM forecast") == [("linear",)]

    def test_one_series_without_prices_stops_nobody(self, project: Project) -> None:
        """A series with holes teaches nothing; the others do."""
        following(project, "A", "B")
        lines = (project.folder / "B.csv").read_text().splitlines()
        del lines[-20]
        (project.folder / "B.csv").write_text("\n".join(lines) + "\n")
        text = (project.folder / "config.toml").read_text()
        project.configure(text.replace('"B"\n', '"B"\ncalendar = "XNYS"\n', 1))
        assert project.run().status == "degraded"
        told = project.sql("SELECT settings FROM model_version WHERE series_id IS NULL")[0][0]
        assert [one["name"] for one in json.loads(told)["series"]] == ["A"]
        assert spreads(project, DAYS[-1]) == {(1, "panel", "panel > linear > ewma", "")}


class TestOnce:
    """However often the job is begun, a panel is trained once."""

    def test_resumed_runs_do_not_train_again(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Stopped behind the panels, or in the middle of the nights, the next run has them."""
        following(project, "A", settings="[schedule]\ninitial_backfill = 9\n[retrain]\nevery = 4\n")

        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(walk, "_walk_alone", stopped)
            with pytest.raises(KeyboardInterrupt):
                project.run()
        before = panels(project)
        assert len(before) == 3
        monkeypatch.setattr(panel, "run_panel_task", stopped)
        assert project.run().status == "done"
        assert panels(project) == before
        assert project.run().status == "nothing"

    def test_a_backtest_has_its_own(self, project: Project) -> None:
        """Its panels are of its own cutoffs, and the live nights never see them."""
        following(project, "A", settings=f"{NO_BACKFILL}[retrain]\nevery = 10\n").run()
        with project.job() as job:
            found = backtest(job, cutoffs=15)
        rows = project.sql(
            "SELECT backtest_id, count(*) FROM model_version WHERE series_id IS NULL GROUP BY 1"
        )
        assert rows == [(None, 1), (found.backtest_id, 2)]
        used = project.sql(
            "SELECT f.backtest_id, m.backtest_id, count(*) FROM forecast f JOIN model_version m "
            "ON m.id = f.panel_id AND m.cutoff < f.cutoff GROUP BY 1, 2"
        )
        assert used == [(None, None, 3), (found.backtest_id, found.backtest_id, 15 * 3)]

    def test_a_split_backtest_trains_one(self, project: Project) -> None:
        """On the first part alone."""
        following(project, "A")
        with project.job() as job:
            pull_bars(job)
            backtest(job, split=0.9)
        [(_, cutoff)] = panels(project)
        trained = project.sql("SELECT max(cutoff) FROM model_version WHERE series_id = 1")
        assert trained == [(cutoff,)]


class TestAgain:
    """Forecasts of a panel come out again, and so does the panel."""

    def test_replay_from_scratch(self, project: Project) -> None:
        """Every number, every weight; the panel is trained once for all series of the run."""
        following(project, "A", "B", settings="[schedule]\ninitial_backfill = 3\n").run()
        with project.job() as job:
            found = [
                night
                for (run_id,) in project.sql("SELECT id FROM run")
                for night in replay(job, run_id=run_id, from_scratch=True)
            ]
        assert len(found) == 8
        for night in found:
            assert night.differences == ()
            assert [one.same_weights for one in night.retrained] == [True, True]
            assert [one.same_data for one in night.retrained] == [True, True]
            assert all(one.exact for one in night.retrained)

    def test_whatever_was_learnt_since(self, tmp_path: Any) -> None:
        """Late bars, revisions, closures and other settings change nothing of what it learnt."""
        venue = Venue(tmp_path)
        for seed, symbol in enumerate("AB"):
            quote(venue, symbol, seed, skip=1 if symbol == "A" else 3)
        venue.follow("A", "B", source="venue", settings=PANEL + NO_BACKFILL)
        assert venue.run(evening(DAYS[-2])).forecasts == 3  # B is late
        for seed, symbol in enumerate("AB"):
            quote(venue, symbol, seed)
        lines = (venue.folder / "A.csv").read_text().splitlines()
        day, close = lines[-9].split(",")
        lines[-9] = f"{day},{float(close) * 1.02:.2f}"
        (venue.folder / "A.csv").write_text("\n".join(lines) + "\n")
        venue.run(evening(DAYS[-1]))
        (venue.folder / "closures.txt").write_text("XNYS 2023-06-24 open 18:00\n")
        venue.follow("A", "B", source="venue", more='values = "difference"\nmissing = "drop"',
                     settings=NO_BACKFILL)  # fmt: skip
        ids = venue.sql("SELECT min(id) FROM forecast GROUP BY series_id, run_id")
        with venue.job() as job:
            for (one,) in ids:
                [night] = replay(job, forecast_id=one, from_scratch=True)
                assert night.differences == ()
                assert not any(again.differs for again in night.retrained)
                assert len(night.retrained) == 2

    def test_a_program_that_trains_otherwise(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its weights may be others; data that are others never may."""
        following(project, "A").run()
        honest = panel.train_panel
        monkeypatch.setattr("forecaster.job.replay.REVISION", 99)
        monkeypatch.setattr(
            panel, "train_panel",
            lambda *given, **more: replace(honest(*given, **more), lookback=19),
        )  # fmt: skip
        with project.job() as job:
            [night] = replay(job, forecast_id=1, from_scratch=True)
        again = night.retrained[1]
        assert (again.exact, again.same_data, again.same_weights) == (False, True, False)
        assert not again.differs


def test_the_sample_with_a_panel(project: Project) -> None:
    """Series of two calendars, years apart: whole, and the same again."""
    project.configure(
        '[[series]]\nsource = "sample"\nsymbols = ["AAPL", "IBM", "EURUSD", "EURCHF"]\n'
        f"{SMALL}{PANEL}[schedule]\ninitial_backfill = 2\n"
    )
    with project.job() as job:
        assert run(job).status == "done"
        assert [one for one in check_ledger(job.ledger, relearn) if not one.ok] == []
    assert len(panels(project)) == 2
    with project.job() as job:
        for (run_id,) in project.sql("SELECT id FROM run"):
            assert all(not night.differences for night in replay(job, run_id=run_id))
