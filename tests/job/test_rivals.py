"""Rivals: what they say, from what, and that nothing later than the cutoff is in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from typing import get_args

import numpy as np
import pytest

from forecaster.cli.backtesting import RIVALS
from forecaster.config import RivalName, SeriesSettings
from forecaster.errors import ConfigError, DataError
from forecaster.job.past import Floats, past_upto
from forecaster.job.rivals import LEVELS, NAMES, Answer, RivalTask, require_rivals, run_rival_task
from forecaster.job.rivals import task as task_module
from forecaster.job.rivals.simple import Simple
from forecaster.job.rivals.task import EVERY, Seen, tell
from forecaster.market import Actions, Bars
from forecaster.model import Motion

from .project import walk, xnys

DAYS = xnys("2021-01-04", "2022-06-30")
SPLIT = 340
H = 3
SIMPLE = ("naive", "seasonal", "drift")
LIBRARY = ("AutoETS", "AutoTheta", "AutoARIMA", "GARCH")
needs_library = pytest.mark.skipif(
    find_spec("statsforecast") is None, reason="statsforecast is not installed (extra bench)"
)


def bars_of(closes: Floats, days: list[date] = DAYS) -> Bars:
    """Return bars with these closes and nothing else."""
    empty = np.full(len(closes), np.nan)
    sessions = np.array(days[: len(closes)], dtype="datetime64[D]")
    return Bars(sessions, empty, empty, empty, closes, empty)


def a_task(*rivals: str, cutoffs: int = 40, season: int | None = None) -> RivalTask:
    """Return the task of a random walk that is split two for one on the way."""
    closes = np.array(walk(len(DAYS)))
    closes[SPLIT:] /= 2.0
    ones, split = np.array([1.0]), np.array([DAYS[SPLIT]], dtype="datetime64[D]")
    settings = SeriesSettings.model_validate(
        {"name": "A", "source": "csv", "symbol": "A", "season": season,
         "model": {"horizon": H, "lookback": 3, "extra_inputs": []}}
    )  # fmt: skip
    return RivalTask(
        settings=settings,
        calendar="XNYS",
        amendments=(),
        bars=bars_of(closes),
        actions=Actions(split, 2.0 * ones, 0.0 * ones),
        cutoffs=tuple(DAYS[-cutoffs - H : -H]),
        train_until=None,
        rivals=rivals,
    )


def quantiles(answer: Answer, rival: str) -> Floats:
    """Return what a rival says."""
    assert answer.problems == {}
    return answer.tellings[rival].quantiles


def sees_later(task: RivalTask) -> list[str]:
    """Return the rivals that say something else where what follows the cutoffs is cut or garbled.

    The cutoffs are cut to the first twenty, so that later ones teach nobody either.
    """
    early = replace(task, cutoffs=task.cutoffs[:20])
    known = int(np.searchsorted(task.bars.sessions, np.datetime64(early.cutoffs[-1]), "right"))
    garbled = task.bars.close.copy()
    garbled[known:] = np.linspace(1.0, 900.0, len(garbled) - known)
    whole = run_rival_task(task)
    found = []
    for bars in (bars_of(task.bars.close[:known]), bars_of(garbled)):
        blind = run_rival_task(replace(early, bars=bars))
        for name in task.rivals:
            same = np.array_equal(quantiles(whole, name)[:20], quantiles(blind, name))
            found += [] if same else [name]
    return found


def test_names_are_the_same_everywhere() -> None:
    """The configuration, the command line and the rivals themselves agree on the names."""
    assert get_args(RivalName) == RIVALS == NAMES
    assert set(SIMPLE + LIBRARY) == set(NAMES)


def test_naive_repeats_the_last_value_amid_its_last_moves() -> None:
    """The bounds are the quantiles of the newest 252 moves over as many sessions."""
    values = np.array(walk(400))
    said = Simple(Motion(), H).say(values)
    for h in (1, 2, 3):
        moves = np.log(values[h:] / values[:-h])[-252:]
        bounds = values[-1] * np.exp(np.quantile(moves, LEVELS))
        bounds[2] = values[-1]
        assert said[h - 1] == pytest.approx(bounds, rel=1e-12)


def test_values_that_may_be_negative_move_by_differences() -> None:
    """With values = "difference" nothing is a logarithm."""
    values = np.array(walk(300)) - 100.0
    moves = values[1:][-252:] - values[:-1][-252:]
    said = Simple(Motion("difference"), 1).say(values)
    assert said[0, 0] == pytest.approx(values[-1] + np.quantile(moves, 0.025))


def test_seasonal_naive_repeats_the_same_phase() -> None:
    """It says the newest value of the phase, amid the moves from there to what happened."""
    values = np.array(walk(300))
    motion = Motion("price", 5)
    said = Simple(motion, 7).say(values)
    assert said[:, 2].tolist() == [*values[-5:].tolist(), values[-5], values[-4]]
    moves = motion.ahead(values, 7)[-252:, -1]
    assert said[6, 4] == pytest.approx(values[-4] * np.exp(np.quantile(moves, 0.975)))


def test_drift_goes_on_as_the_values_did() -> None:
    """A line through the first and the last logarithm, amid the errors that it leaves."""
    values = np.exp(0.01 * np.arange(300.0))
    said = Simple(Motion(), H, drift=True).say(values)
    for h in (1, 2, 3):
        assert said[h - 1] == pytest.approx(values[-1] * np.exp(0.01 * h), rel=1e-9)


def test_too_few_values_are_refused() -> None:
    """A value without a move as far ahead says nothing of how far moves reach."""
    with pytest.raises(DataError, match="no move of 3 sessions"):
        Simple(Motion(), H).say(np.ones(3))


def test_season_of_a_series_without_one_is_a_week() -> None:
    """The seasonal naive rival repeats the week before, or the season that the series has."""
    for season, lag in ((None, 5), (4, 4)):
        task = a_task("seasonal", season=season)
        said = quantiles(run_rival_task(task), "seasonal")
        values = task.bars.close[: -H - 1 + 1]
        assert said[-1, 0, 2] == pytest.approx(values[-lag])


def test_prices_are_those_of_the_cutoff() -> None:
    """Before a split forecasts are told in the old prices, after it in the new ones."""
    task = a_task("naive")
    answer = run_rival_task(task)
    said = quantiles(answer, "naive")[:, 0]
    closes = task.bars.close[-40 - H : -H]
    assert said[:, 2] == pytest.approx(closes)
    assert answer.prices == pytest.approx(closes)
    assert task.cutoffs[0] < DAYS[SPLIT] < task.cutoffs[-1]
    # Undone, the split is no move: the reach stays what it was.
    reach = said[:, 4] / said[:, 0]
    assert reach.max() / reach.min() < 1.1


def test_simple_rivals_see_nothing_later() -> None:
    """Cut or garbled after a cutoff, prices give the same forecasts from it, bit for bit."""
    assert sees_later(a_task(*SIMPLE)) == []


@needs_library
def test_library_rivals_see_nothing_later() -> None:
    """Nor do those of statsforecast, whose fits and moving forward are under our care."""
    assert sees_later(a_task(*LIBRARY)) == []


def test_check_finds_a_rival_that_sees_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the past adjusted by the mean of all prices, the check would name everyone."""

    def leaking(
        cutoff: date, wanted: object, calendar: object, bars: Bars, *rest: object
    ) -> object:
        past = past_upto(cutoff, wanted, calendar, bars, *rest)  # type: ignore[arg-type]
        return replace(past, values=past.values * bars.close.mean())

    monkeypatch.setattr(task_module, "past_upto", leaking)
    assert set(sees_later(a_task("naive", "drift"))) == {"naive", "drift"}


class Counting:
    """A rival that notes what it is fitted on."""

    def __init__(self) -> None:
        self.fitted: list[int] = []

    def fit(self, values: Floats) -> None:
        """Note how many values there are."""
        self.fitted.append(len(values))

    def say(self, values: Floats) -> Floats:
        """Repeat the last value."""
        return np.full((H, len(LEVELS)), values[-1])


def pasts(count: int, lessons: Callable[[int], int] = lambda k: k) -> list[Seen]:
    """Return what is seen from many cutoffs."""
    values = np.arange(1.0, 1000.0)
    return [Seen(DAYS[k], values[: 50 + k], values[: 50 + lessons(k)]) for k in range(count)]


def test_rivals_are_fitted_anew_from_time_to_time() -> None:
    """A fit is made every 21 cutoffs, and only once where the training is split off."""
    method = Counting()
    telling = tell(method, pasts(50), once=False)
    assert method.fitted == [50, 50 + EVERY, 50 + 2 * EVERY]
    assert telling.quantiles.shape == (50, H, 5)
    tell(method, pasts(50, lambda _: -10), once=True)
    assert method.fitted[3:] == [40]


def test_split_off_training_ends_where_it_should() -> None:
    """What may be learnt from ends at the session that the task names."""
    task = replace(a_task("naive"), train_until=DAYS[200])
    calendar = task_module.Calendars().get("XNYS")
    found = task_module._pasts(task, calendar)
    assert {len(one.lessons) for one in found} == {201}
    assert len(found[0].values) == len(DAYS) - 40 - H + 1


def test_what_is_no_number_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rival that fails, or says NaN, is a problem of its own; the others speak."""

    class Broken(Counting):
        def say(self, values: Floats) -> Floats:
            return np.full((H, len(LEVELS)), np.nan)

    real = task_module.rival

    def some(name: str, *rest: object) -> object:
        if name == "AutoETS":
            raise RuntimeError("singular")
        return Broken() if name == "drift" else real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(task_module, "rival", some)
    answer = run_rival_task(a_task("naive", "drift", "AutoETS"))
    assert list(answer.tellings) == ["naive"]
    assert "is no number" in str(answer.problems["drift"])
    assert "RuntimeError: singular" in str(answer.problems["AutoETS"])


def test_series_whose_prices_cannot_be_used_has_no_rivals() -> None:
    """Where a past cannot be made, every rival says why, and nothing is raised."""
    task = a_task("naive", "drift")
    bars = replace(task.bars, close=np.where(np.arange(len(DAYS)) == 50, -1.0, task.bars.close))
    answer = run_rival_task(replace(task, bars=bars))
    assert set(answer.problems) == {"naive", "drift"}
    assert answer.tellings == {}


def test_missing_library_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without statsforecast its models are refused in one line; the simple rivals need nothing."""
    monkeypatch.setitem(__import__("sys").modules, "statsforecast", None)
    with pytest.raises(ConfigError, match=r"GARCH.*pip install 'forecaster\[bench\]'"):
        require_rivals(["drift", "GARCH"])
    assert require_rivals(["drift", "naive", "drift"]) == ("naive", "drift")


@needs_library
@pytest.mark.parametrize("name", LIBRARY)
def test_library_rivals_say_nested_bounds(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Quantiles ascend and widen with the horizon, around what the series is worth; in silence."""
    said = quantiles(run_rival_task(a_task(name)), name)
    assert (np.diff(said, axis=2) > 0.0).all()
    widths = said[:, :, 4] - said[:, :, 0]
    assert (widths[:, 2] > widths[:, 0]).all()
    assert said[:, 0, 2] == pytest.approx(a_task(name).bars.close[-40 - H : -H], rel=0.05)
    assert capfd.readouterr() == ("", "")


@needs_library
def test_garch_moves_the_variance_forward_by_hand() -> None:
    """Between fits the fitted coefficients go on over the newer steps."""
    from forecaster.job.rivals.library import Garch

    values = np.array(walk(600))
    garch = Garch(Motion(), 2)
    garch.fit(values[:-5])
    w, a, b = garch._coefficients
    steps = np.diff(np.log(values))
    variance = np.mean(steps**2) / garch._unit**2
    for step in steps:
        variance = w + a * (step / garch._unit) ** 2 + b * variance
    second = w + (a + b) * variance
    deviations = garch._unit * np.sqrt([variance, variance + second])
    said = garch.say(values)
    assert np.log(said[:, 3] / values[-1]) == pytest.approx(1.2815516 * deviations, rel=1e-6)
    assert said[:, 2] == pytest.approx(values[-1])
    with pytest.raises(DataError, match="do not move"):
        garch.fit(np.full(600, 7.0))
