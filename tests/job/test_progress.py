"""What is told while series are trained."""

from dataclasses import replace

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.job import task as module
from forecaster.job.run import run
from forecaster.job.task import Task, run_task, watching
from forecaster.model import ACTIVATIONS, Motion

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
Told = list[tuple[str, int, int]]


@pytest.mark.parametrize("chosen", ["serial", "local"])
def test_each_trained_series_is_told_as_it_comes(project: Project, chosen: str) -> None:
    """Whoever trains, progress begins at none of them and goes up one by one."""
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    options = "[plugins.local]\nworkers = 1\n" if chosen == "local" else ""
    settings = f'[schedule]\ninitial_backfill = 1\n[executor]\nname = "{chosen}"\n{options}'
    project.follow(*"ABC", settings=settings)
    told: Told = []
    with project.job() as job:
        run(replace(job, progress=lambda *words: told.append(words)))
    trained = [words for words in told if words[0].startswith("training")]
    assert trained == [("training", done, 3) for done in range(4)]
    assert watching.get() is None


def told_of_training(often: float, monkeypatch: pytest.MonkeyPatch, epochs: int = 3) -> Told:
    """Train once; return what was told of it."""
    monkeypatch.setattr(module, "OFTEN", often)
    settings = ModelSettings(members=1, epochs=epochs, validation=0.0)
    values = np.array(walk(200))
    told: Told = []
    token = watching.set(lambda *words: told.append(words))
    try:
        run_task(Task("A", values, Motion(), None, None, settings, ACTIVATIONS["tanh"], seed=1))
    finally:
        watching.reset(token)
    return told


def test_epochs_of_a_long_training_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoch by epoch, and in the end that it is done, so that a bar can go."""
    told = told_of_training(0.0, monkeypatch)
    assert told == [("training A", epoch, 3) for epoch in (1, 2, 3, 3)]


def test_nothing_is_told_of_a_short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that is over at once is not worth a bar."""
    assert told_of_training(60.0, monkeypatch) == []


def test_a_training_that_fails_is_told_to_be_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a training after it has told of itself also ends its bar."""

    def train_network(*_: object, progress: object, **__: object) -> None:
        assert callable(progress)
        progress(1, None)
        raise ValueError("lost")

    monkeypatch.setattr(module, "train_network", train_network)
    told = told_of_training(0.0, monkeypatch, epochs=9)
    assert told == [("training A", 1, 9), ("training A", 9, 9)]
