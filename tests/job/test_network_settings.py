"""What a series sets about its network reaches the job: inputs, steps, losses."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster.job.backfill import backfill
from forecaster.job.learn import relearn
from forecaster.ledger.check import check_ledger
from forecaster.model import network_from_bytes

from .project import FEED, NEEDED, Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-12-29")
CLOSES = walk(len(DAYS))
BACKFILL = "[schedule]\ninitial_backfill = 4\n"


def bars(count: int, seed: int = 1) -> dict[str, list[float]]:
    """Return the columns that a close has beside it."""
    rng = np.random.default_rng(seed)
    close, n = np.array(CLOSES), len(CLOSES)
    high = close * np.exp(np.abs(rng.normal(0.0, 0.01, n)))
    low = close * np.exp(-np.abs(rng.normal(0.0, 0.01, n)))
    columns = {"open": close, "high": high, "low": low, "volume": rng.integers(1e5, 1e6, n)}
    return {name: column[:count].round(2).tolist() for name, column in columns.items()}


def network_of(project: Project) -> Any:
    """Return the newest stored network."""
    [(parameters,)] = project.sql("SELECT parameters FROM model_version ORDER BY id DESC LIMIT 1")
    return network_from_bytes(parameters)


def model(*lines: str) -> str:
    """Return further lines of [series.model], with which the network itself is heard."""
    return "\n".join(["[series.model]", "gate = false", *lines])


def test_extra_inputs_are_read_from_the_bars(tmp_path: Path) -> None:
    """Volume, range and weekday are four inputs beside the close."""
    project = Project(tmp_path)
    project.quote("A", DAYS[:90], CLOSES[:90], **bars(90))
    more = model('extra_inputs = ["volume", "range", "weekday"]', "learning_rate = 0.05")
    project.follow("A", more=more, settings=BACKFILL)
    assert project.run().problems == ()
    network = network_of(project)
    assert network.members[0]["W_xh"].shape == (3, 5)
    with_extras = project.said()
    other = tmp_path / "other"
    other.mkdir()
    plain = Project(other)
    plain.quote("A", DAYS[:90], CLOSES[:90], **bars(90))
    plain.follow("A", more=model("learning_rate = 0.05"), settings=BACKFILL)
    plain.run()
    assert plain.said().keys() == with_extras.keys()
    assert plain.said() != with_extras


def test_a_source_without_the_field_fails_that_series_alone(tmp_path: Path) -> None:
    """The reason names the field and what to do; the other series go on."""
    project = Project(tmp_path)
    project.quote("A", DAYS[:70], CLOSES[:70])
    project.quote("B", DAYS[:70], CLOSES[:70], **bars(70))
    project.follow("A", "B", more=model('extra_inputs = ["range"]'), settings=BACKFILL)
    summary = project.run()
    assert summary.status == "degraded"
    [problem] = summary.problems
    assert problem.startswith("A: ")
    assert "bars have no high" in problem
    assert "take it out of extra_inputs" in problem
    assert {series for series, _, _ in project.said()} == {"B"}


def test_a_split_is_no_event_for_extra_inputs(tmp_path: Path) -> None:
    """Prices and volumes beside the close are adjusted with it: all is said as without the split.

    Two for one on the 80th session, quoted as traded: half the prices, twice the shares.
    """
    said = []
    for name, ratio in (("plain", 1.0), ("split", 2.0)):
        folder = tmp_path / name
        folder.mkdir()
        project = Project(folder)
        project.plugin("feed", FEED)
        after = np.arange(90) >= 80
        factor = np.where(after, ratio, 1.0)
        closes = np.array(CLOSES[:90]) / factor
        columns: dict[str, Any] = {
            "open": (np.array(CLOSES[:90]) * 1.001 / factor).tolist(),
            "volume": (np.array(bars(90)["volume"]) * factor).tolist(),
        }
        if ratio > 1:
            columns["split"] = ["" if day != 80 else 2.0 for day in range(90)]
        project.quote("A", DAYS[:90], closes.tolist(), **columns)
        more = model('extra_inputs = ["volume", "open", "abs_return"]')
        project.follow("A", source="feed", more=more, settings=BACKFILL)
        project.run(evening(DAYS[89]))
        said.append({key[1:]: row[1] for key, row in project.said().items()})
    assert len(said[0]) == 5 * 3
    for cell, plain in said[0].items():
        assert said[1][cell] == pytest.approx(plain / 2.0, rel=1e-5)


def walked(folder: Path, count: int, seed: int) -> dict[Any, Any]:
    """Return what is said up to session 69 by a program with these columns."""
    folder.mkdir()
    project = Project(folder)
    columns = bars(count)
    for name, values in bars(count, seed=seed).items():
        columns[name][70:] = values[70:]
    project.quote("A", DAYS[:count], CLOSES[:count], **columns)
    project.follow("A", more=model('extra_inputs = ["volume", "high", "range"]'))
    with project.job() as job:
        backfill(job, first=DAYS[NEEDED + 5], last=DAYS[69])
    return project.said()


def test_extra_inputs_after_the_cutoff_change_nothing(tmp_path: Path) -> None:
    """Cut away or garbled, what was said before stays, to the last bit."""
    said = [
        walked(tmp_path / "whole", 90, 1),
        walked(tmp_path / "cut", 70, 1),
        walked(tmp_path / "garbled", 90, 2),
    ]
    assert said[0] == said[1] == said[2]
    assert len(said[0]) > 10


def test_a_recursive_network_says_every_horizon(tmp_path: Path) -> None:
    """It has one output, is stored so, and reused the next night."""
    project = Project(tmp_path)
    project.quote("A", DAYS[:80], CLOSES[:80])
    project.follow("A", more=model('multi_step = "recursive"'), settings=BACKFILL)
    summary = project.run()
    assert (summary.status, summary.trained, summary.reused) == ("done", 1, 4)
    network = network_of(project)
    assert len(network.members[0]["b_y"]) == 1
    assert network.horizon == 3
    assert sorted({horizon for _, _, horizon in project.said()}) == [1, 2, 3]


def test_quantiles_of_the_network_are_the_spread(tmp_path: Path) -> None:
    """What pinball learnt is stored as the scale, the tracker's quantiles make intervals of it."""
    project = Project(tmp_path)
    project.quote("A", DAYS[:120], CLOSES[:120])
    more = model('loss = "pinball"', "epochs = 40", "learning_rate = 0.02")
    project.follow("A", more=more, settings=BACKFILL)
    assert project.run().problems == ()
    network = network_of(project)
    assert network.quantiles == (0.1, 0.5, 0.9)
    last = project.sql(
        "SELECT f.mean, f.scale, f.quantile80, f.lo80, f.hi80, f.lo95, f.hi95 FROM forecast f "
        "WHERE f.cutoff = ? ORDER BY f.horizon", str(DAYS[119]),
    )  # fmt: skip
    expected = network.predict_quantiles(np.array(CLOSES[:120]))
    for row, (low, middle, high) in zip(last, expected, strict=True):
        mean, scale, quantile, lo80, hi80, lo95, hi95 = row
        assert mean == pytest.approx(middle)
        assert scale == pytest.approx(np.log(high / low) / (2 * 1.1432148684060783))
        assert np.log(hi80 / mean) == pytest.approx(quantile * scale)
        assert all(a < b for a, b in pairwise([lo95, lo80, mean, hi80, hi95]))
    with project.job() as job:
        assert all(one.ok for one in check_ledger(job.ledger, relearn))


def test_a_changed_setting_of_the_network_is_a_reason_to_retrain(tmp_path: Path) -> None:
    """Which one, and from what to what."""
    project = Project(tmp_path)
    project.quote("A", DAYS[:80], CLOSES[:80])
    project.follow("A", settings=BACKFILL)
    project.run()
    project.quote("A", DAYS[:81], CLOSES[:81])
    project.follow("A", more=model('loss = "huber"', 'schedule = "constant"'), settings=BACKFILL)
    project.run()
    [(reason,)] = project.sql(
        "SELECT reason FROM decision_history WHERE session = ?", str(DAYS[80])
    )
    assert "loss squared to huber" in reason
    assert "schedule cosine to constant" in reason
