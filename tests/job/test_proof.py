"""What comes after a cutoff touches nothing; wherever it does, the proof says so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli
from forecaster.errors import ConfigError, DataError
from forecaster.job import panel, past, prices, proof, run, score, task
from forecaster.job.intake import pull_bars
from forecaster.job.proof import Proof, prove_no_leak
from forecaster.ledger import Night, knowledge
from forecaster.ledger.lessons import lessons_by_then
from forecaster.market import Bars
from forecaster.model import lesson, training

from .project import SMALL, Project, evening, walk, xnys

DAYS = xnys("2021-06-01", "2023-06-30")
SHORT = 150
LONG = 320  # enough for a linear spread
PANEL = '[intervals]\nscale = "panel"'
HELD_BACK = "model = {validation = 0.2}"

HERE = '[executor]\nname = "serial"'  # where a leak is planted

Leaks = list[str]


def quoted(project: Project, symbol: str, count: int = SHORT, seed: int = 0) -> None:
    """Quote the newest `count` of DAYS with highs, lows and volumes."""
    closes = np.array(walk(count, seed))
    rng = np.random.default_rng(seed)
    columns = {
        "open": closes,
        "high": np.round(closes * np.exp(rng.uniform(0.001, 0.02, count)), 2),
        "low": np.round(closes / np.exp(rng.uniform(0.001, 0.02, count)), 2),
        "volume": rng.integers(1000, 2000, count),
    }
    project.quote(symbol, DAYS[-count:], closes.tolist(), **columns)


def pulled(project: Project, *symbols: str, more: str = "", settings: str = "") -> Project:
    """Store the prices of these symbols."""
    project.follow(*symbols, more=more, settings=settings)
    with project.job() as job:
        assert pull_bars(job).problems == ()
    return project


def proven(project: Project, *names: str) -> list[Proof]:
    """Prove it."""
    with project.job() as job:
        return prove_no_leak(job, names=names)


def leaks(project: Project, *names: str) -> Leaks:
    """Return what the proof finds, after the series has been looked at in all ways."""
    found = proven(project, *names)
    assert [one.unproven for one in found if one.unproven] == []
    assert all(one.numbers > 1000 for one in found if not one.differences)
    return [what for one in found for what in one.differences]


@pytest.fixture
def plain(project: Project) -> Project:
    """Return a project with the prices of one series, and small networks."""
    quoted(project, "A")
    return pulled(project, "A", more=HELD_BACK, settings=HERE)


KINDS = [
    "",
    HELD_BACK,
    'values = "difference"',
    "season = 5",
    'field = "volume"',
    'field = "open"\nmissing = "drop"',
    'model = {loss = "pinball"}',
    'model = {inputs = "minmax", validation = 0.2}',
    'model = {inputs = "window", multi_step = "recursive"}',
    'model = {extra_inputs = ["volume", "range", "averages", "weekday"]}',
    "model = {gate = false}\nretrain = {every = 3}",
    "intervals = {scale = 'ewma'}\nretrain = {every = 'always'}",
]


def mixed(project: Project, kinds: list[str]) -> None:
    """Follow S0, S1, ... with these further lines each, and store their prices."""
    tables = "".join(
        f'[[series]]\nsource = "csv"\nsymbol = "S{k}"\n{more}\n' for k, more in enumerate(kinds)
    )
    project.configure(f"{tables}{SMALL}\n[schedule]\ninitial_backfill = 0")
    with project.job() as job:
        assert pull_bars(job).problems == ()


class TestNoLeak:
    """The program as it is."""

    def test_of_every_kind_of_series(self, project: Project) -> None:
        """Nothing changes, whatever is forecast, from whatever, in whatever way."""
        for seed in range(len(KINDS)):
            quoted(project, f"S{seed}", seed=seed)
        mixed(project, KINDS)
        assert leaks(project) == []

    def test_of_a_learnt_spread(self, project: Project) -> None:
        """Also where there are bars enough to learn how wide the moves will be."""
        kinds = ["", 'values = "difference"', "season = 5"]
        for seed in range(len(kinds)):
            quoted(project, f"S{seed}", LONG, seed)
        mixed(project, kinds)
        assert leaks(project) == []
        with project.job() as job:
            assert run.run(job).status == "done"
        assert project.sql("SELECT DISTINCT spread FROM forecast") == [("linear",)]

    def test_of_the_panel(self, project: Project) -> None:
        """One spread learnt from several series, of which one moves by differences."""
        for seed, symbol in enumerate("ABC"):
            quoted(project, symbol, LONG - 10 * seed, seed)
        pulled(project, "A", "B", "C", settings=PANEL)
        assert leaks(project, "A") == []

    @pytest.mark.parametrize("missing", ["drop", "carry"])
    def test_of_series_with_gaps(self, project: Project, missing: str) -> None:
        """A session without a bar shortly before the cutoff, and one after it."""
        quoted(project, "A")
        lines = (project.folder / "A.csv").read_text().splitlines()
        for place in (-4, -12, -16):
            del lines[place]
        (project.folder / "A.csv").write_text("\n".join(lines) + "\n")
        more = f'calendar = "XNYS"\nmissing = "{missing}"'
        assert leaks(pulled(project, "A", more=more)) == []

    def test_of_calendars_side_by_side(self, project: Project) -> None:
        """One that trades on every day, one that rests: each has a cutoff of its own."""
        quoted(project, "A")
        days = [DAYS[-1] - timedelta(days=k) for k in reversed(range(SHORT))]
        project.quote("B", days, walk(SHORT, 1))
        project.configure(f"{_series('A', 'XNYS')}{_series('B', '24/7')}{SMALL}\n{PANEL}")
        with project.job() as job:
            assert pull_bars(job).problems == ()
        found = proven(project)
        assert {(one.series, one.cutoff) for one in found} == {
            ("A", str(DAYS[-7])),
            ("B", str(DAYS[-1] - timedelta(days=6))),
        }
        assert [one.differences for one in found] == [()] * 4

    def test_after_runs_of_the_job(self, plain: Project) -> None:
        """What the ledger has learnt meanwhile is neither looked at nor touched."""
        with plain.job() as job:
            assert run.run(job).status == "done"
        before = plain.content()
        assert leaks(plain) == []
        assert plain.content() == before

    def test_with_splits_and_dividends(self, feed: Project) -> None:
        """They divide what came before them, and nothing that was forecast before."""
        closes = walk(SHORT)
        fallen = [close / (2.0 if k >= SHORT - 12 else 1.0) for k, close in enumerate(closes)]
        split: list[float | str] = [""] * SHORT
        split[SHORT - 12], split[SHORT - 3] = 2.0, 3.0
        fallen[-3:] = [close / 3.0 for close in fallen[-3:]]
        feed.quote("A", DAYS[-SHORT:], fallen, split=split)
        feed.follow("A", source="feed")
        with feed.job(evening(DAYS[-1])) as job:
            assert pull_bars(job).problems == ()
        assert leaks(feed) == []


def _series(symbol: str, calendar: str) -> str:
    return f'[[series]]\nsource = "csv"\nsymbol = "{symbol}"\ncalendar = "{calendar}"\n'


Plant = Callable[[pytest.MonkeyPatch], None]


class Ahead:
    """Remembers for the prices of a past what comes after them, and hands it to what asks."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.known: list[tuple[Any, np.ndarray]] = []
        honest = past.past_upto

        def noting(cutoff: date, wanted: Any, calendar: Any, bars: Bars, *more: Any) -> past.Past:
            found = honest(cutoff, wanted, calendar, bars, *more)
            later = bars.field(wanted.field)[bars.sessions > np.datetime64(cutoff)]
            self.known.append((found.values, later))
            return found

        patch.setattr(prices, "past_upto", noting)

    def of(self, values: Any) -> np.ndarray:
        """Return the later prices of an array that was given, or of a part of it."""
        for given, later in self.known:
            if np.shares_memory(given, values):
                return later
        return np.empty(0)


def one_session_ahead(patch: pytest.MonkeyPatch) -> None:
    """The network reads the session after the cutoff, too."""
    honest = past.past_upto

    def leaky(cutoff: date, wanted: Any, calendar: Any, bars: Bars, *more: Any) -> past.Past:
        found = honest(cutoff, wanted, calendar, bars, *more)
        later = bars.close[bars.sessions > np.datetime64(cutoff)][:1]
        return replace(found, values=np.append(found.values[len(later) :], later))

    patch.setattr(prices, "past_upto", leaky)


def a_hint_of_the_next_price(patch: pytest.MonkeyPatch) -> None:
    """A billionth of the next price is added to the newest value."""
    ahead = Ahead(patch)
    noting = prices.past_upto

    def leaky(*given: Any) -> past.Past:
        found = noting(*given)
        later = ahead.of(found.values)
        if len(later):
            found.values[-1] *= 1.0 + 1e-9 * later[0]
        return found

    patch.setattr(prices, "past_upto", leaky)


def a_scale_of_all_rows(patch: pytest.MonkeyPatch) -> None:
    """The scale from 0 to 1 is fitted on the rows after the cutoff, too."""
    ahead = Ahead(patch)
    honest = lesson.make_encoding

    def leaky(name: Any, values: np.ndarray, **more: Any) -> Any:
        return honest(name, np.concatenate([values, ahead.of(values)]), **more)

    patch.setattr(lesson, "make_encoding", leaky)


def stopping_by_later_windows(patch: pytest.MonkeyPatch) -> None:
    """Training stops by how it does on windows that lie after the cutoff."""
    ahead = Ahead(patch)
    honest = training.make_lesson

    def leaky(values: np.ndarray, *more: Any) -> Any:
        mine, later = honest(values, *more), ahead.of(values)
        if not len(later):
            return mine
        return replace(mine, held_back=honest(np.append(values, later), *more).held_back)

    patch.setattr(training, "make_lesson", leaky)


def a_refit_judged_later(patch: pytest.MonkeyPatch) -> None:
    """Whether a refit is used is decided by how the incumbent does after the cutoff."""
    ahead = Ahead(patch)
    honest = task.validation_loss

    def leaky(network: Any, values: np.ndarray, *given: Any, **more: Any) -> Any:
        return honest(network, np.append(values, ahead.of(values)), *given, **more)

    patch.setattr(task, "validation_loss", leaky)


def states_of_today(patch: pytest.MonkeyPatch) -> None:
    """A past night takes trackers and gates as they are now."""
    patch.setattr(knowledge, "lessons_by_then", lambda *_: {})


def trackers_of_today(patch: pytest.MonkeyPatch) -> None:
    """A past night takes the trackers alone as they are now."""
    honest = score.score

    def leaky(work: Any) -> Any:
        done = honest(work)
        return replace(done, states=replace(done.states, trackers=done.learnt.trackers))

    patch.setattr(run, "score", leaky)


def gates_of_today(patch: pytest.MonkeyPatch) -> None:
    """A past night takes the gates alone as they are now."""
    honest = score.score

    def leaky(work: Any) -> Any:
        done = honest(work)
        return replace(done, states=replace(done.states, gates=done.learnt.gates))

    patch.setattr(run, "score", leaky)


def lessons_of_later(patch: pytest.MonkeyPatch) -> None:
    """A past night's states are taught the outcomes of the next two days, too."""

    def leaky(connection: Any, ids: Any, night: Night) -> Any:
        later = replace(night, session=night.session + timedelta(days=2))
        taught = lessons_by_then(connection, ids, later)
        return {one: taught.get(one, ()) for one in lessons_by_then(connection, ids, night)}

    patch.setattr(knowledge, "lessons_by_then", leaky)


def a_later_model(patch: pytest.MonkeyPatch) -> None:
    """A past night uses the newest model there is."""
    honest = knowledge.read_usable

    def leaky(connection: Any, ids: Any, night: Night) -> Any:
        return honest(connection, ids, replace(night, session=date(2100, 1, 1)))

    patch.setattr(knowledge, "read_usable", leaky)


def later_splits(patch: pytest.MonkeyPatch) -> None:
    """Prices are adjusted for splits and dividends that come after the cutoff."""
    honest = past.adjust

    def leaky(*given: Any, cutoff: date) -> Any:
        return honest(*given, cutoff=cutoff + timedelta(days=7))

    patch.setattr(past, "_upto", lambda actions, _cutoff: actions)
    patch.setattr(past, "adjust", leaky)


def a_later_basis(patch: pytest.MonkeyPatch) -> None:
    """The splits that a forecast stands on are all there are."""
    patch.setattr(past.Past, "basis", lambda self, _: float(np.prod(self.actions.splits)))
    patch.setattr(past, "_upto", lambda actions, _cutoff: actions)


# What is planted in, of the kinds above.
PLANTS: list[tuple[str, Plant]] = [
    ("", one_session_ahead),
    ("", a_hint_of_the_next_price),
    ('model = {inputs = "minmax", validation = 0.2}', a_scale_of_all_rows),
    (HELD_BACK, stopping_by_later_windows),
    (HELD_BACK, a_refit_judged_later),
    ("", states_of_today),
    ("", trackers_of_today),
    ("", gates_of_today),
    ("", lessons_of_later),
    ("", a_later_model),
    ("", later_splits),
    ("", a_later_basis),
]


class TestPlantedLeaks:
    """Each leak is planted in the very stages of the job, and caught."""

    @pytest.mark.parametrize(("more", "plant"), PLANTS, ids=[one[1].__name__ for one in PLANTS])
    def test_caught(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, more: str, plant: Plant
    ) -> None:
        """What holds without the leak does not hold with it."""
        quoted(project, "A")
        pulled(project, "A", more=more, settings=HERE)
        plant(monkeypatch)
        found = [what for one in proven(project) for what in one.differences]
        assert found != []

    def test_a_panel_that_knows_later_bars_of_others(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The panel learns of the other series' next days."""
        for seed, symbol in enumerate("AB"):
            quoted(project, symbol, LONG, seed)
        pulled(project, "A", "B", settings=f"{PANEL}\n{HERE}")
        honest = panel.lesson

        def leaky(job: Any, pupil: Any, moment: Any) -> Any:
            later = [day for day in DAYS if pupil.last < day][:3]
            tried = [*reversed(later), pupil.last] if pupil.settings.name != "A" else [pupil.last]
            taught = (honest(job, replace(pupil, last=last), moment) for last in tried)
            return next(filter(None, taught), None)

        monkeypatch.setattr(panel, "lesson", leaky)
        assert leaks(project, "A") != []

    def test_a_panel_of_a_later_day(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A night uses the newest panel that there is, in whatever past it lies."""
        quoted(project, "A", LONG)
        pulled(project, "A", settings=f"{PANEL}\n{HERE}")
        honest = knowledge.newest_panel

        def leaky(connection: Any, night: Night) -> Any:
            return honest(connection, replace(night, session=date(2100, 1, 1)))

        monkeypatch.setattr(knowledge, "newest_panel", leaky)
        assert leaks(project) != []

    def test_what_was_found_is_told(self, plain: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        """The command names the first difference, and its exit code is 1."""
        assert called(plain).exit_code == 0
        a_hint_of_the_next_price(monkeypatch)
        result = called(plain)
        assert result.exit_code == 1
        assert "the future leaks into 1 series, first A up to 2023-06-22: " in result.stderr
        assert len(result.stderr.splitlines()) == 1


def called(project: Project, *words: str) -> Result:
    """Call `forecaster prove-no-leak`."""
    config = str(project.folder / "config.toml")
    return CliRunner().invoke(cli, ["--config", config, "prove-no-leak", *words])


class TestWhatCannotBeProven:
    """Nothing is claimed of a series of which nothing was compared."""

    def test_too_few_bars(self, project: Project) -> None:
        """One series is told of, the other one is proven."""
        quoted(project, "A")
        quoted(project, "B", 60, 1)
        pulled(project, "A", "B")
        result = called(project)
        assert result.exit_code == 0
        assert result.stderr == "forecaster: nothing is proven of B: it has too few bars\n"
        assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["A", "A"]
        with pytest.raises(DataError, match="nothing can be proven of B: it has too few bars"):
            proven(project, "B")

    def test_the_fewest_bars(self, project: Project) -> None:
        """Six later sessions and one cutoff are enough."""
        quoted(project, "A", 62)
        assert [one.unproven for one in proven(pulled(project, "A"))] == ["", ""]
        assert all(one.differences == () for one in proven(project))

    def test_a_series_that_cannot_be_forecast(self, project: Project) -> None:
        """It says why, and that is no leak."""
        quoted(project, "A")
        project.quote("B", DAYS[-SHORT:], [5.0] * SHORT)
        pulled(project, "A", "B")
        found = {one.series: one for one in proven(project)}
        assert found["A"].differences == ()
        assert "a constant cannot be learnt from" in found["B"].unproven
        assert found["B"].differences == ()

    def test_unknown_names_and_no_bars(self, plain: Project) -> None:
        """They are refused."""
        with pytest.raises(ConfigError, match="there is no series 'Z'"):
            proven(plain, "Z")
        plain.follow("A", "Z")
        with pytest.raises(DataError, match="nothing can be proven of Z"):
            proven(plain, "Z")


def test_proofs_are_of_every_night_up_to_the_cutoff(plain: Project) -> None:
    """Twelve nights are compared, with all horizons of each, and their decisions and models."""
    with plain.job() as job:
        [settings] = job.settings.each_series()
        told = proof._told(job, DAYS[-7], [settings], "garbled")
    rows = told.rows["A"]
    assert len(rows["forecast_parts"]) == len(rows["forecast_history"]) == 12 * 3
    assert len(rows["decision_history"]) == 12
    assert [row["cutoff"] for row in rows["model_history"]] == [str(DAYS[-18]), str(DAYS[-7])]
