"""Retrain or reuse: with which reason, and that a training depends on its series alone."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.errors import DataError, TrainingError
from forecaster.job.backfill import backfill
from forecaster.job.task import Task, run_task
from forecaster.model import ACTIVATIONS, Motion

from .project import NEEDED, Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
NO_BACKFILL = "[schedule]\ninitial_backfill = 0\n"

DECISIONS = (
    "SELECT d.verdict, d.reason_code, d.reason, d.age_sessions, d.allowed_age FROM decision d "
    "JOIN run r ON r.id = d.run_id ORDER BY r.session, d.id"
)


def follow(feed: Project, every: str = "63", more: str = "", **options: str) -> None:
    """Let the project follow A of the feed."""
    feed.quote("A", DAYS, walk(len(DAYS)))
    settings = f"{NO_BACKFILL}[retrain]\nevery = {every}\n"
    feed.follow("A", source="feed", more=more, settings=settings, **options)


def nights(feed: Project, *at: int, **options: object) -> list[tuple[object, ...]]:
    """Run on these days and return the decisions."""
    for k in at:
        feed.run(evening(DAYS[k]), **options)
    return feed.sql(DECISIONS)


def test_age_is_counted_in_sessions(feed: Project) -> None:
    """A model is reused while it is younger than N sessions, and refitted at N."""
    follow(feed, every="3")
    found = nights(feed, 80, 81, 82, 83, 84)
    assert [row[:2] for row in found] == [
        ("retrain", "no_model"), ("reuse", "fresh"), ("reuse", "fresh"),
        ("retrain", "age"), ("reuse", "fresh"),
    ]  # fmt: skip
    assert [row[3:] for row in found] == [(None, None), (1, 3), (2, 3), (3, 3), (1, 3)]
    assert found[3][2] == "the model is 3 sessions old, 3 are allowed"


def test_age_counts_nights_that_were_missed(feed: Project) -> None:
    """Sessions without a run count, and so do those before all that training may see."""
    follow(feed, every="65")
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("[model]", f"[model]\nhistory = {NEEDED}"))
    reused, retrained = nights(feed, NEEDED, NEEDED + 64, NEEDED + 65)[1:]
    assert reused[1:3] == ("fresh", "the model is 64 sessions old, 65 are allowed")
    assert retrained[1:3] == ("age", "the model is 65 sessions old, 65 are allowed")


def test_always_and_never(feed: Project) -> None:
    """With "always" every night trains; with "never" the first model is kept for ever."""
    follow(feed, every='"always"')
    assert [row[:2] for row in nights(feed, 80, 81)][1] == ("retrain", "age")
    follow(feed, every='"never"')
    verdict, code, reason, age, allowed = nights(feed, 123)[-1]
    assert (verdict, code, age, allowed) == ("reuse", "fresh", 42, None)
    assert reason == "the model is 42 sessions old, it is kept for ever"


def test_changed_settings_say_what_changed(feed: Project) -> None:
    """A setting that shapes the model leads to a new one, and the reason names it."""
    follow(feed)
    nights(feed, 80)
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("hidden_size = 3", "hidden_size = 4"))
    verdict, code, reason, *_ = nights(feed, 81)[-1]
    assert (verdict, code) == ("retrain", "settings")
    assert reason == "settings that shape the model have changed: hidden_size 3 to 4"


def test_settings_that_shape_no_model_leave_it(feed: Project) -> None:
    """Another age limit or interval is no reason to train."""
    follow(feed)
    nights(feed, 80)
    text = (feed.folder / "config.toml").read_text().replace("every = 63", "every = 50")
    feed.configure(text + "[intervals]\neta = 0.05\n")
    assert nights(feed, 81)[-1][:2] == ("reuse", "fresh")


def test_forced_decisions(feed: Project) -> None:
    """--retrain trains a fresh model anew, --reuse keeps one that is too old."""
    follow(feed, every="1")
    assert nights(feed, 80, forced="reuse")[-1][:2] == ("retrain", "no_model")
    assert nights(feed, 81, forced="reuse")[-1][:2] == ("reuse", "forced")
    assert nights(feed, 82, forced="retrain")[-1][:2] == ("retrain", "forced")


def test_reuse_cannot_keep_a_model_of_other_settings(feed: Project) -> None:
    """--reuse trains where the stored model does not fit the settings any more."""
    follow(feed)
    nights(feed, 80)
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("lookback = 3", "lookback = 4"))
    assert nights(feed, 81, forced="reuse")[-1][:2] == ("retrain", "settings")


def test_later_model_is_not_used_for_an_earlier_night(feed: Project) -> None:
    """A past night takes the newest model up to its cutoff, or trains its own."""
    follow(feed)
    nights(feed, 70, 90)
    with feed.job(evening(DAYS[90])) as job:
        backfill(job, first=DAYS[65], last=DAYS[80])
    rows = feed.sql(
        "SELECT f.cutoff, m.cutoff FROM forecast f JOIN model_version m ON m.id = f.model_id"
    )
    assert all(model <= cutoff for cutoff, model in rows)
    used = dict(rows)
    assert used[str(DAYS[69])] == str(DAYS[65])
    assert used[str(DAYS[80])] == str(DAYS[70])


def test_training_depends_on_its_series_alone(project: Project) -> None:
    """The same model comes out whichever others are trained beside it, in whichever order."""
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    digests = {}
    for symbols in ("A", "ABC", "CBA"):
        (project.folder / "forecaster.db").unlink(missing_ok=True)
        project.follow(*symbols, settings=NO_BACKFILL)
        project.run()
        rows = project.sql(
            "SELECT s.name, m.sha256 FROM model_version m JOIN series s ON s.id = m.series_id"
        )
        digests[symbols] = dict(rows)
    assert digests["A"]["A"] == digests["ABC"]["A"]
    assert digests["ABC"] == digests["CBA"]
    assert len(set(digests["ABC"].values())) == 3


@pytest.mark.parametrize("damage", ["zeroblob(10)", "substr(parameters, 1, 900)"])
def test_damaged_parameters_are_refused(feed: Project, damage: str) -> None:
    """A model whose bytes do not have their digest is not used; --retrain replaces it."""
    follow(feed)
    nights(feed, 80)
    feed.write(f"UPDATE model_version SET parameters = {damage}")
    summary = feed.run(evening(DAYS[81]))
    assert summary.status == "failed"
    assert "parameters of model 1 are damaged" in summary.problems[0]
    assert "--retrain" in summary.problems[0]
    assert feed.sql("SELECT count(*) FROM forecast") == [(3,)]
    assert feed.run(evening(DAYS[81]), forced="retrain").status == "done"


def test_diverging_training_leaves_the_others_alone(project: Project) -> None:
    """A series whose network cannot be fitted says the baseline; the others are forecast."""
    project.plugin(
        "wild",
        """
        from forecaster import hookimpl
        from forecaster.model import Activation

        def lost(_, out):
            out.fill(float("nan"))

        @hookimpl
        def forecaster_activations():
            return [Activation("wild", lost, lost)]
        """,
    )
    for seed, symbol in enumerate("AB"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    project.follow("A", "B", settings=NO_BACKFILL)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace('"B"\n', '"B"\nmodel = {activation = "wild"}\n', 1))
    summary = project.run()
    assert summary.status == "degraded"
    (problem,) = summary.problems
    assert problem.startswith("B: ")
    assert "training diverged in epoch" in problem
    assert "lower learning_rate" in problem
    assert project.sql("SELECT status, reason_code FROM run_series ORDER BY 1") == [
        ("done", "ok"), ("fallback", "diverged"),
    ]  # fmt: skip
    assert project.sql("SELECT state FROM run") == [("degraded",)]
    assert project.sql(
        "SELECT series, status, model_id IS NULL, sum(forecast = baseline), min(lo95 < baseline)"
        " FROM latest_forecast GROUP BY 1, 2, 3"
    ) == [("A", "ok", 0, 3, 1), ("B", "fallback", 1, 3, 1)]
    assert project.sql("SELECT verdict FROM decision ORDER BY 1") == [("fallback",), ("retrain",)]


DIVERGED = TrainingError("training diverged in epoch 2", remedy="lower it", code="diverged")


def fail_to_refit(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let every training from now on end with this error."""

    def train_network(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("forecaster.job.task.train_network", train_network)


def test_a_refit_that_diverges_leaves_the_model_in_office(
    feed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model that was too old speaks once more, the run says so; the next night tries again."""
    follow(feed, every="1")
    nights(feed, 80)
    with monkeypatch.context() as patched:
        fail_to_refit(patched, DIVERGED)
        row = nights(feed, 81)[-1]
    assert row[:2] == ("reuse", "refit_failed")
    assert row[2].endswith(f"the model of {DAYS[80]} is kept: training diverged in epoch 2")
    assert row[3:] == (1, 1)
    summary = feed.summaries[-1]
    assert (summary.status, summary.trained, summary.reused) == ("degraded", 0, 1)
    (problem,) = summary.problems
    assert problem.startswith(f"A: {DAYS[81]}: the refit failed")
    assert problem.endswith("lower it")
    models = feed.sql("SELECT cutoff, model_id FROM forecast ORDER BY id")
    assert models == [(str(DAYS[80]), 1)] * 3 + [(str(DAYS[81]), 1)] * 3
    assert feed.sql("SELECT state FROM run ORDER BY id") == [("done",), ("degraded",)]
    last = "SELECT status, reason_code FROM run_series ORDER BY run_id DESC LIMIT 1"
    assert feed.sql(last) == [("done", "refit_failed")]
    assert nights(feed, 82)[-1][:2] == ("retrain", "age")
    assert feed.summaries[-1].status == "done"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("hidden_size = 3", DataError("these are no prices", code="too_few_bars")),
        ("hidden_size = 3", ValueError("a bug")),
    ],
)
def test_only_a_diverged_refit_is_forgiven(
    feed: Project, monkeypatch: pytest.MonkeyPatch, change: str, error: Exception
) -> None:
    """With another failure the series' night fails."""
    follow(feed, every="1")
    nights(feed, 80)
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("hidden_size = 3", change))
    fail_to_refit(monkeypatch, error)
    assert feed.run(evening(DAYS[81])).status == "failed"
    assert feed.sql("SELECT count(*) FROM forecast") == [(3,)]


def test_a_diverged_refit_of_other_settings_leaves_the_baseline(
    feed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of other settings is not used on: the night says the baseline, and tries again."""
    follow(feed, every="1")
    nights(feed, 80)
    text = (feed.folder / "config.toml").read_text()
    feed.configure(text.replace("hidden_size = 3", "hidden_size = 4"))
    with monkeypatch.context() as patched:
        fail_to_refit(patched, DIVERGED)
        assert feed.run(evening(DAYS[81])).status == "degraded"
    assert feed.sql("SELECT DISTINCT status, forecast = baseline FROM latest_forecast") == [
        ("fallback", 1)
    ]
    assert feed.run(evening(DAYS[82])).status == "done"
    assert nights(feed, 83)[-1][0] == "retrain"


def journey(value: Any) -> Any:
    """Return what another process would get."""
    return pickle.loads(pickle.dumps(value))


def test_tasks_and_what_comes_of_them_travel_between_processes() -> None:
    """A training, its network and its failure are the same after a journey to another process."""
    values = np.array(walk(200))
    settings, tanh = ModelSettings(epochs=1), ACTIVATIONS["tanh"]
    task = Task("A", values, Motion(), None, None, settings, tanh, seed=1)
    here, there = run_task(task), journey(run_task(journey(task)))
    assert here.parameters
    assert here.parameters == there.parameters
    failed = run_task(replace(task, values=values[:9])).error
    assert type(journey(failed)) is DataError
    assert (str(journey(failed)), journey(failed).code) == (str(failed), "too_few_bars")


def test_foreign_activation_that_raises_fails_its_series_alone(project: Project) -> None:
    """An activation plugin that raises in training is a failure of the series that names it."""
    project.plugin(
        "bad",
        """
        from forecaster import hookimpl
        from forecaster.model import Activation

        def burst(*_):
            raise RuntimeError("burst")

        @hookimpl
        def forecaster_activations():
            return [Activation("burst", burst, burst)]
        """,
    )
    for seed, symbol in enumerate("AB"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    project.follow("A", "B", settings=NO_BACKFILL)
    text = (project.folder / "config.toml").read_text()
    project.configure(text.replace('"B"\n', '"B"\nmodel = {activation = "burst"}\n', 1))
    summary = project.run()
    assert summary.status == "degraded"
    assert "B: " in summary.problems[0]
    assert "burst" in summary.problems[0]
    assert project.sql("SELECT DISTINCT series FROM latest_forecast") == [("A",)]
