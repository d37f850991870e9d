"""What was once said comes out again to the last bit, whatever has been learnt since."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli
from forecaster.errors import DataError
from forecaster.job.backfill import backfill
from forecaster.job.backtest import backtest
from forecaster.job.intake import pull_bars
from forecaster.job.replay import replay

from .project import Project, evening, walk, xnys
from .venue import BRIEF, COMING, DAYS, EVERY, Venue

TODAY = len(DAYS)
TONIGHT = evening(DAYS[-1])
ACTIVATION = """
    from forecaster import hookimpl


    def value(z, out):
        import numpy as np

        np.arcsinh(z, out=out)


    def slope(z, out):
        import numpy as np

        np.hypot(1.0, z, out=out)
        np.divide(1.0, out, out=out)


    @hookimpl
    def forecaster_activations():
        from forecaster.model import Activation

        return [Activation("mine", value, slope, needs_input=True)]
"""


DIVERGING = """
    from forecaster import hookimpl


    def lost(z, out):
        out.fill(float("nan"))


    @hookimpl
    def forecaster_activations():
        from forecaster.model import Activation

        return [Activation("lost", lost, lost)]
"""


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    """Return a project that follows A and has been run up to the last of DAYS."""
    return begun(tmp_path)


def begun(folder: Path, *, more: str = "", settings: str = BRIEF, **columns: Any) -> Venue:
    """Follow A and run up to the last of DAYS."""
    venue = Venue(folder)
    venue.trade("A", TODAY, **columns)
    venue.follow("A", source="venue", more=more, settings=settings)
    assert venue.run(TONIGHT).status in ("done", "degraded")
    return venue


def require_exact(venue: Project, *, but: tuple[date, ...] = (), fallback: bool = False) -> int:
    """Replay every night of every kind, trainings too, and return how many there are."""
    nights = venue.sql("SELECT min(id), cutoff FROM forecast GROUP BY series_id, run_id ORDER BY 1")
    nights = [one for one in nights if date.fromisoformat(one[1]) not in but]
    with venue.job() as job:
        for forecast_id, cutoff in nights:
            [found] = replay(job, forecast_id=forecast_id, from_scratch=True)
            assert found.exact
            assert (cutoff, found.differences) == (cutoff, ())
            assert (cutoff, [one for one in found.retrained if one.differs]) == (cutoff, [])
            assert all(one.exact and one.same_data for one in found.retrained)
            assert found.retrained or fallback
    return len(nights)


def call(venue: Venue, *words: str) -> Result:
    """Call `forecaster replay`."""
    return CliRunner().invoke(
        cli, ["--config", str(venue.folder / "config.toml"), "replay", *words]
    )


def split_after(venue: Venue, session: date, count: int, ratio: float = 4.0) -> dict[str, Any]:
    """Return closes as traded where a split comes with a session."""
    closes = venue.trade("A", count)
    return {
        day: round(close / ratio, 2)
        for day, close in zip(EVERY, closes, strict=False)
        if day >= session
    }


def errors(venue: Venue, cutoff: date) -> list[float]:
    """Return the relative errors of the forecasts of a cutoff that have an outcome."""
    rows = venue.sql(
        "SELECT abs(error) / baseline FROM forecast_history "
        "WHERE cutoff = ? AND actual IS NOT NULL",
        str(cutoff),
    )
    return [row[0] for row in rows]


class TestSplits:
    """A split between a forecast and its outcome, in each way that a source may tell of it."""

    def test_told_in_time(self, venue: Venue) -> None:
        """Both forecasts come out again, and the one before is scored in its own prices."""
        for k in (1, 2, 3, 4):
            fallen = split_after(venue, COMING[1], TODAY + k)
            venue.trade("A", TODAY + k, changed=fallen, split={COMING[1]: 4.0})
            assert venue.run(evening(COMING[k - 1])).status == "done"
        found = errors(venue, DAYS[-1])
        assert len(found) == 3
        assert max(found) < 0.1
        assert require_exact(venue) == 5
        assert call(venue, "1").exit_code == 0

    def test_told_late(self, venue: Venue) -> None:
        """The bars are held until the split is told; then all comes out, late nights too."""
        for k in (1, 2, 3, 4, 5):
            fallen = split_after(venue, COMING[1], TODAY + k)
            told = {COMING[1]: 4.0} if k >= 4 else {}
            venue.trade("A", TODAY + k, changed=fallen, split=told)
            expected = "deferred" if k in (2, 3) else "done"
            assert venue.run(evening(COMING[k - 1])).status == expected
        found = errors(venue, DAYS[-1])
        assert len(found) == 3
        assert max(found) < 0.1
        assert require_exact(venue) == 6

    def test_a_small_one_told_late(self, venue: Venue) -> None:
        """Five for four falls below what is held: nights before it was told saw a fall."""
        for k in range(1, 7):
            fallen = split_after(venue, COMING[1], TODAY + k, 1.25)
            told = {COMING[1]: 1.25} if k >= 4 else {}
            venue.trade("A", TODAY + k, changed=fallen, split=told)
            assert venue.run(evening(COMING[k - 1])).status == "done"
        assert require_exact(venue) == 7
        assert max(errors(venue, COMING[2])) < 0.1

    def test_a_small_one_told_late_and_a_backfill_of_before(self, venue: Venue) -> None:
        """A past night that is worked after it was told comes out as it was worked."""
        for k in range(1, 7):
            fallen = split_after(venue, COMING[1], TODAY + k, 1.25)
            told = {COMING[1]: 1.25} if k >= 4 else {}
            venue.trade("A", TODAY + k, changed=fallen, split=told)
            with venue.job(evening(COMING[k - 1])) as job:
                pull_bars(job)
        with venue.job(evening(COMING[5])) as job:
            backfill(job, first=DAYS[-2], last=COMING[4])
        assert require_exact(venue) == 7
        assert max(errors(venue, DAYS[-2])) < 0.1

    def test_inferred(self, venue: Venue) -> None:
        """A source that divides its past without a word has split its prices."""
        for k in range(1, 6):
            closes = venue.trade("A", TODAY + k)
            divided = {day: round(close / 4, 4) for day, close in
                       zip(EVERY, closes, strict=False)}  # fmt: skip
            venue.trade("A", TODAY + k, changed=divided if k >= 2 else {})
            assert venue.run(evening(COMING[k - 1])).status == "done"
        assert venue.sql("SELECT session, split, origin FROM action_history") == [
            (str(COMING[1]), 4.0, "inferred")
        ]
        found = errors(venue, DAYS[-1])
        assert len(found) == 3
        assert max(found) < 0.1
        assert require_exact(venue) == 6

    def test_of_volumes(self, tmp_path: Path) -> None:
        """Shares are multiplied by a split, in the score as in what the network reads."""
        shares = {day: 1000 + k % 7 for k, day in enumerate(EVERY)}
        venue = begun(tmp_path, more='field = "volume"', volume=shares)
        for k in range(1, 5):
            fallen = split_after(venue, COMING[1], TODAY + k)
            sold = {day: n * (4 if day >= COMING[1] else 1) for day, n in shares.items()}
            venue.trade("A", TODAY + k, changed=fallen, volume=sold, split={COMING[1]: 4.0})
            assert venue.run(evening(COMING[k - 1])).status == "done"
        assert max(errors(venue, DAYS[-1])) < 0.1
        assert require_exact(venue) == 5


class TestLearntSince:
    """What a ledger learns after a forecast changes nothing of it."""

    def test_dividends(self, venue: Venue) -> None:
        """Prices are adjusted for those of before, and not for those that came later."""
        paid = {DAYS[40]: 0.5, DAYS[-2]: 0.7}
        for k in range(1, 4):
            told = {**paid, COMING[1]: 0.9} if k >= 2 else paid
            venue.trade("A", TODAY + k, dividend=told)
            assert venue.run(evening(COMING[k - 1])).status == "done"
        assert require_exact(venue) == 4

    def test_revisions(self, venue: Venue) -> None:
        """A price that was changed after the forecast has its old value in it."""
        closes = venue.trade("A", TODAY + 2)
        venue.trade("A", TODAY + 1)
        venue.run(evening(COMING[0]))
        changed = {day: round(closes[EVERY.index(day)] * 1.03, 2) for day in DAYS[-2:]}
        venue.trade("A", TODAY + 2, changed=changed)
        assert venue.run(evening(COMING[1])).alerts
        assert require_exact(venue) == 3

    def test_revisions_and_backfills(self, venue: Venue) -> None:
        """A past night is worked with what was known then, and comes out so after another one."""
        for k in range(1, 5):
            closes = venue.trade("A", TODAY + k)
            changed = {COMING[1]: round(closes[TODAY + 1] * (1 + k / 100), 2)} if k > 1 else {}
            venue.trade("A", TODAY + k, changed=changed)
            with venue.job(evening(COMING[k - 1])) as job:
                pull_bars(job)
        with venue.job(evening(COMING[3])) as job:
            backfill(job, first=COMING[0], last=COMING[2])
        venue.trade("A", TODAY + 5, changed={COMING[1]: 120.0})
        venue.run(evening(COMING[4]))
        assert require_exact(venue) == 6

    def test_bars_of_before_the_first_one(self, tmp_path: Path) -> None:
        """An older history that is pulled later is not part of what was known."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY, without=DAYS[:40])
        venue.follow("A", source="venue", settings=BRIEF)
        venue.run(TONIGHT)
        venue.trade("A", TODAY)
        with venue.job(TONIGHT + timedelta(hours=1)) as job:
            assert pull_bars(job, everything=True).rows.rows[0][4] == 40
        assert require_exact(venue) == 1

    @pytest.mark.parametrize("policy", ["drop", "carry"])
    def test_gaps_that_were_filled(self, tmp_path: Path, policy: str) -> None:
        """With more bars than `history`, those that came later do not push others out."""
        venue = Venue(tmp_path)
        venue.trade("A", TODAY, without=[DAYS[-20], DAYS[-9]])
        settings = f"{BRIEF}\n"
        venue.follow("A", source="venue", more=f'missing = "{policy}"\nmodel = {{history = 60}}',
                     settings=settings)  # fmt: skip
        venue.run(TONIGHT)
        venue.trade("A", TODAY)
        with venue.job(TONIGHT + timedelta(hours=1)) as job:
            assert pull_bars(job, everything=True).rows.rows[0][4] == 2
        assert require_exact(venue) == 1

    def test_settings_that_changed(self, venue: Venue) -> None:
        """Another network, spread, policy and symbol of the series are those of later nights."""
        venue.trade("A", TODAY + 1)
        venue.trade("B", TODAY + 1, seed=3)
        table = 'name = "A"\nmissing = "carry"\nvalues = "difference"\nretrain = {every = 1}\n'
        other = 'model = {lookback = 5, horizon = 2, inputs = "minmax"}\nintervals = {decay = 0.5}'
        venue.configure(
            f'[[series]]\nsource = "venue"\nsymbol = "B"\n{table}{other}\n'
            f'[plugins]\ndirs = ["plugins"]\n[schedule]\nsettle_delay = 30\ninitial_backfill = 0\n'
            "[model]\nlookback = 3\nhorizon = 3\nhidden_size = 3\nepochs = 2\nvalidation = 0.0\n"
        )
        assert venue.run(evening(COMING[0])).status == "done"
        assert require_exact(venue) == 2
        venue.configure('[plugins]\ndirs = ["plugins"]\n')
        assert require_exact(venue) == 2

    def test_a_model_that_was_refitted(self, venue: Venue) -> None:
        """Each forecast has its own network."""
        for k in (1, 2):
            venue.trade("A", TODAY + k)
            venue.run(evening(COMING[k - 1]), forced="retrain")
        assert venue.sql("SELECT count(*) FROM model_history") == [(3,)]
        assert require_exact(venue) == 3

    def test_another_calendar(self, venue: Venue) -> None:
        """The sessions of a forecast are those of the calendar it was made with."""
        venue.follow("A", source="venue", more='calendar = "XTSE"\nmissing = "drop"',
                     settings=BRIEF)  # fmt: skip
        venue.trade("A", TODAY + 1)
        venue.run(evening(COMING[0]))
        assert require_exact(venue) >= 1

    @pytest.mark.parametrize("word", ["closed", "open 18:00"])
    @pytest.mark.parametrize("policy", ["refuse", "drop"])
    def test_closures_that_were_noted_later(self, venue: Venue, policy: str, word: str) -> None:
        """A session that is none any more, or is one now, changes nothing."""
        venue.follow("A", source="venue", more=f'missing = "{policy}"', settings=BRIEF)
        venue.trade("A", TODAY + 1)
        venue.run(evening(COMING[0]))
        day = COMING[2] if word == "closed" else date(2023, 6, 24)
        (venue.folder / "closures.txt").write_text(f"XNYS {day} {word}\n")
        assert require_exact(venue) == 2


class TestKindsAndNetworks:
    """Whatever a series is made of, and for whatever its forecast was made."""

    def test_backfill_and_backtest(self, tmp_path: Path) -> None:
        """Nights of the initial backfill, of a later one and of a backtest come out again."""
        venue = begun(tmp_path, settings="[schedule]\ninitial_backfill = 4")
        with venue.job(TONIGHT + timedelta(hours=1)) as job:
            backfill(job, first=DAYS[70], last=DAYS[74])
            backtest(job, cutoffs=5)
        with venue.job(TONIGHT + timedelta(hours=2)) as job:
            backtest(job, cutoffs=5, horizon=2)
        venue.trade("A", TODAY + 1, changed={DAYS[-3]: 101.0})
        venue.run(evening(COMING[0]))
        assert require_exact(venue) == 1 + 4 + 5 + 5 + 5 + 1

    @pytest.mark.parametrize(
        "model",
        [
            'inputs = "window"',
            'inputs = "minmax"',
            'loss = "pinball"',
            'multi_step = "recursive"',
            'extra_inputs = ["volume", "range", "weekday"]',
            'dtype = "float64"',
            'activation = "relu"',
            "history = 60",
            "members = 2, validation = 0.3, epochs = 4",
            "gate = false",
            'optimizer = "sgd", momentum = 0.9, loss_on = "all", loss = "huber"',
        ],
    )
    def test_networks(self, tmp_path: Path, model: str) -> None:
        """Inputs, losses and further inputs of each kind, with a split on the way."""
        columns = {
            "volume": {day: 1000 + k % 7 for k, day in enumerate(EVERY)},
            "high": dict.fromkeys(EVERY, 300.0),
            "low": dict.fromkeys(EVERY, 2.0),
        }
        venue = begun(tmp_path, more=f"model = {{{model}}}", **columns)
        for k in (1, 2):
            fallen = split_after(venue, COMING[1], TODAY + k)
            venue.trade("A", TODAY + k, changed=fallen, split={COMING[1]: 4.0}, **columns)
            venue.run(evening(COMING[k - 1]))
        assert require_exact(venue) == 3

    @pytest.mark.parametrize(
        "more", ['values = "difference"', "season = 5", 'season = 7\nvalues = "difference"']
    )
    def test_values_and_seasons(self, tmp_path: Path, more: str) -> None:
        """However the series moves."""
        venue = begun(tmp_path, more=more)
        for k in (1, 2, 3):
            venue.trade("A", TODAY + k)
            assert venue.run(evening(COMING[k - 1])).status == "done"
        assert require_exact(venue) == 4

    def test_a_learnt_spread(self, tmp_path: Path) -> None:
        """That of the linear head, fitted beside the network, and fitted again."""
        project = Project(tmp_path)
        days = xnys("2021-06-01", "2023-06-30")
        project.quote("A", days[-320:], walk(320))
        project.follow("A", settings="[schedule]\ninitial_backfill = 3\n[retrain]\nevery = 2")
        project.run()
        assert ("linear",) in project.sql("SELECT DISTINCT spread FROM forecast")
        assert require_exact(project) == 4

    def test_refits_that_were_rejected(self, tmp_path: Path) -> None:
        """A night on which the incumbent stayed says what the incumbent says."""
        more = "model = {validation = 0.3, epochs = 6}\nretrain = {every = 'always'}"
        venue = begun(tmp_path, more=more, settings="[schedule]\ninitial_backfill = 12")
        rejected = "SELECT count(*) FROM model_history WHERE status = 'rejected'"
        assert 0 < venue.sql(rejected)[0][0] < 13
        assert require_exact(venue) == 13

    def test_fallbacks(self, tmp_path: Path) -> None:
        """Where no network could be trained, the baseline and its intervals come out again."""
        venue = Venue(tmp_path)
        venue.plugin("lost", DIVERGING)
        venue.trade("A", TODAY)
        venue.follow("A", source="venue", more='model = {activation = "lost"}', settings=BRIEF)
        for k in (0, 1, 2):
            venue.trade("A", TODAY + k)
            assert venue.run(evening(EVERY[TODAY + k - 1])).status == "degraded"
        assert venue.sql("SELECT DISTINCT status FROM forecast") == [("fallback",)]
        assert require_exact(venue, fallback=True) == 3

    def test_late_nights(self, tmp_path: Path) -> None:
        """Nights that were worked backwards in time, each with states that were made anew."""
        venue = begun(tmp_path, settings="[schedule]\ninitial_backfill = 3")
        venue.trade("A", TODAY + 1)
        venue.run(evening(COMING[0]))
        for hours, places in enumerate(((-9, -8), (-20, -14), (-12, -11)), 1):
            with venue.job(evening(COMING[0]) + timedelta(hours=hours)) as job:
                backfill(job, first=DAYS[places[0]], last=DAYS[places[1]])
        assert require_exact(venue) == 5 + 2 + 7 + 2

    def test_a_step_that_was_changed(self, tmp_path: Path) -> None:
        """Each outcome taught with the step of its night; a late night takes its own for all."""
        venue = begun(tmp_path, settings="[schedule]\ninitial_backfill = 5")
        venue.trade("A", TODAY + 1)
        venue.follow("A", source="venue", more="intervals = {eta = 0.05, decay = 0.9}")
        venue.run(evening(COMING[0]))
        with venue.job(evening(COMING[0]) + timedelta(hours=1)) as job:
            backfill(job, first=DAYS[-12], last=DAYS[-10])
        assert len(venue.sql("SELECT DISTINCT eta FROM score WHERE eta IS NOT NULL")) == 2
        assert require_exact(venue) == 7 + 3

    def test_a_backtest_that_is_trained_once(self, tmp_path: Path) -> None:
        """On the first part of the sessions, with the cutoffs in the rest."""
        venue = begun(tmp_path)
        with venue.job(TONIGHT + timedelta(hours=1)) as job:
            backtest(job, split=0.8)
        assert require_exact(venue) > 15

    def test_an_activation_of_a_plugin(self, venue: Venue) -> None:
        """It is found by its name; without its plugin, one line says so."""
        venue.plugin("mine", ACTIVATION)
        venue.follow("A", source="venue", more='model = {activation = "mine"}', settings=BRIEF)
        venue.trade("A", TODAY + 1)
        assert venue.run(evening(COMING[0])).status == "done"
        assert require_exact(venue) == 2
        (venue.folder / "plugins" / "mine.py").unlink()
        result = call(venue, "4")
        assert result.exit_code == 1
        assert "mine" in result.stderr
        assert len(result.stderr.splitlines()) == 1

    def test_carried_sessions(self, tmp_path: Path) -> None:
        """A night from a carried value comes out again, also when its bar has come since."""
        venue = begun(tmp_path, more='missing = "carry"')
        venue.run(evening(COMING[0]))
        assert venue.night(COMING[0])[1:] == ("done", "carried")
        for k in (3, 4):
            venue.trade("A", TODAY + k)
            venue.run(evening(COMING[k - 1]))
        assert require_exact(venue) == 4

    def test_a_carried_session_that_was_none(self, tmp_path: Path) -> None:
        """Noted as closed since, it still was the session of the night that carried it."""
        venue = begun(tmp_path, more='missing = "carry"')
        venue.run(evening(COMING[0]))
        (venue.folder / "closures.txt").write_text(f"XNYS {COMING[0]} closed\n")
        venue.trade("A", TODAY + 2, without=[COMING[0]])
        venue.run(evening(COMING[1]))
        assert require_exact(venue) == 3

    def test_nights_that_nothing_can_be_said_of(self, venue: Venue) -> None:
        """A run without forecasts has none to replay."""
        venue.run(evening(COMING[0]))
        result = call(venue, "--run", "2")
        assert result.exit_code == 2
        assert "there is no forecast of run 2 to replay" in result.stderr


class TestWhatIsSaid:
    """Differences, damage, and what there is not."""

    def test_a_bar_that_somebody_altered(self, venue: Venue) -> None:
        """The first number that differs is named, with both values, and the exit code is 1."""
        unlocked(venue, "bar")
        venue.write("UPDATE bar SET close = close + 1 WHERE session = ?", str(DAYS[-1]))
        result = call(venue, "2")
        assert result.exit_code == 1
        stored = venue.sql("SELECT mean FROM forecast WHERE id = 1")[0][0]
        assert "mean of forecast 1" in result.stderr
        assert repr(stored) in result.stderr

    def test_a_forecast_that_somebody_altered(self, venue: Venue) -> None:
        """Each number is looked at: one upper bound alone is found."""
        unlocked(venue, "forecast")
        venue.write("UPDATE forecast SET hi95 = hi95 + 1e-9 WHERE horizon = 3")
        result = call(venue, "1")
        assert result.exit_code == 1
        assert "1 number comes out otherwise, first hi95 of forecast 3" in result.stderr

    def test_a_whole_run(self, tmp_path: Path) -> None:
        """Each series of a run is a row."""
        venue = Venue(tmp_path)
        for seed, symbol in enumerate("AB"):
            venue.trade(symbol, TODAY, seed=seed)
        venue.follow("A", "B", source="venue", settings=BRIEF)
        venue.run(TONIGHT)
        result = call(venue, "--run", "1", "--csv")
        assert result.exit_code == 0
        assert [line.split(",")[0] for line in result.stdout.splitlines()] == ["series", "A", "B"]

    @pytest.mark.parametrize("words", [("999",), ("--run", "999"), (), ("1", "--run", "1")])
    def test_what_there_is_not(self, venue: Venue, words: tuple[str, ...]) -> None:
        """An unknown number, none, or both are a wrong command: exit code 2."""
        result = call(venue, *words)
        assert result.exit_code == 2
        assert result.stdout == ""

    @pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\x00" * 100])
    def test_a_damaged_network(self, venue: Venue, damage: bytes) -> None:
        """It is one line that says what is wrong, and exit code 1."""
        unlocked(venue, "model_version")
        venue.write("UPDATE model_version SET parameters = ?", damage)
        result = call(venue, "1")
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert "network" in result.stderr

    def test_a_lost_bar(self, venue: Venue) -> None:
        """Without the bar of the cutoff it says what is missing."""
        unlocked(venue, "bar")
        venue.write("DELETE FROM bar WHERE session = ?", str(DAYS[-1]))
        with venue.job() as job, pytest.raises(DataError, match=f"{DAYS[-1]}"):
            replay(job, forecast_id=1)

    def test_nothing_is_stored(self, venue: Venue) -> None:
        """A replay changes nothing."""
        before = venue.content()
        require_exact(venue)
        assert venue.content() == before


def unlocked(venue: Venue, table: str) -> None:
    """Take the triggers off a table that is only appended to."""
    rows = venue.sql(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table
    )
    for (name,) in rows:
        venue.write(f"DROP TRIGGER {name}")
