"""What Prometheus reads."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from forecaster.daemon.metrics import Figures, StageSeconds, exposition
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.pulls import Pull, record_pulls
from forecaster.ledger.schema import forecast, tally
from forecaster.logs import LOG, relay, stage

from .standing import DUE, FRIDAY, SATURDAY, fill, say, settings_of, work

Values = dict[tuple[str, ...], float]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which Friday was worked."""
    with open_ledger(settings_of(tmp_path).database_url(), create=True) as opened:
        fill(opened)
        work(opened, FRIDAY)
        yield opened


@pytest.fixture
def stages() -> Iterator[StageSeconds]:
    """The seconds of stages that are logged."""
    sums = StageSeconds()
    LOG.addHandler(sums)
    LOG.setLevel(logging.INFO)
    yield sums
    LOG.removeHandler(sums)
    LOG.setLevel(logging.NOTSET)


def scraped(figures: Figures) -> Values:
    """Return what Prometheus gets: each value by the name and the labels' values."""
    text = exposition(figures)
    assert text is not None
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text()[0].decode())
        for sample in family.samples
    }


def figures(ledger: Ledger, stages: StageSeconds) -> Figures:
    """Return the collector, a day after Friday was worked."""
    return Figures(ledger, stages, lambda: 3, lambda: DUE + timedelta(days=1))


def add_outcomes(ledger: Ledger, count: int) -> None:
    """Add tallies of live forecasts at two horizons."""
    sums = {
        "n": 10, "sum_error": 0.0, "sum_abs_error": 8.0, "sum_squared_error": 8.0,
        "sum_baseline_abs_error": 10.0, "sum_baseline_squared_error": 10.0, "covered80": 7,
        "covered95": 9, "sum_width80": 1.0, "sum_width95": 1.0, "rmse": 1.0, "baseline_rmse": 1.0,
    }  # fmt: skip
    with ledger.writing() as connection:
        rows = [
            {"series_id": one, "kind": "live", "backtest_id": None, "horizon": h, **sums}
            for one in range(1, count + 1)
            for h in (1, 2)
        ]
        connection.execute(insert(tally), rows)


def test_every_figure_is_told(ledger: Ledger, stages: StageSeconds) -> None:
    """Runs, bars, accuracy, requests, ticks, overdue sessions and ages."""
    add_outcomes(ledger, 2)
    say(ledger, SATURDAY)
    record_pulls(ledger, [
        Pull("feed", "AAA", DUE, "ok", "ok", requests=2),
        Pull("feed", "BBB", DUE, "rate_limited", "rate_limited", requests=1),
    ])  # fmt: skip
    found = scraped(figures(ledger, stages))
    assert found["forecaster_runs", "done"] == 1
    assert found["forecaster_runs", "failed"] == 0
    assert found["forecaster_bars",] == 4
    assert found["forecaster_skill", "1"] == pytest.approx(0.2)
    assert found["forecaster_coverage", "2", "0.80"] == 0.7
    assert found["forecaster_coverage", "2", "0.95"] == 0.9
    assert found["forecaster_outcomes", "1"] == 20
    assert found["forecaster_requests_total", "feed"] == 3
    assert found["forecaster_requests_refused_total", "feed"] == 1
    assert found["forecaster_last_tick_timestamp_seconds",] == SATURDAY.timestamp()
    assert found["forecaster_overdue_sessions",] == 3
    assert found["forecaster_last_success_age_seconds", "XNYS"] == 86_400


def test_counts_go_on_from_scrape_to_scrape(ledger: Ledger, stages: StageSeconds) -> None:
    """What came since is added to what was counted."""
    collector = figures(ledger, stages)
    record_pulls(ledger, [Pull("feed", "AAA", DUE, "ok", "ok", requests=2)])
    assert scraped(collector)["forecaster_requests_total", "feed"] == 2
    record_pulls(ledger, [Pull("feed", "AAA", DUE, "ok", "ok", requests=5)])
    add_forecasts(ledger, 10)
    found = scraped(collector)
    assert found["forecaster_requests_total", "feed"] == 7
    assert found["forecaster_forecasts", "live"] == 10
    assert scraped(collector) == found


def test_the_seconds_of_stages_are_summed(ledger: Ledger, stages: StageSeconds) -> None:
    """Those of this process and those that its child told of."""
    with stage("score"):
        pass
    for seconds in (1.5, 2.0):
        relay({"message": "train done", "stage": "train", "seconds": seconds})
    relay({"message": "x", "stage": "train"})
    relay({"message": "x", "stage": "train", "seconds": "many"})
    found = scraped(figures(ledger, stages))
    assert found["forecaster_stage_seconds_total", "train"] == 3.5
    assert found["forecaster_stage_seconds_total", "score"] >= 0


def test_an_empty_ledger_has_figures(tmp_path: Path, stages: StageSeconds) -> None:
    """Before the first night everything is zero or not there."""
    with open_ledger(settings_of(tmp_path).database_url(), create=True) as opened:
        found = scraped(figures(opened, stages))
    assert found["forecaster_bars",] == 0
    assert "forecaster_skill" not in {name for name, *_ in found}


def test_without_the_library_there_is_nothing(
    ledger: Ledger, stages: StageSeconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    assert exposition(figures(ledger, stages)) is None


def add_forecasts(ledger: Ledger, count: int) -> None:
    """Add forecasts, as many as asked for."""
    rows = [
        {
            "run_id": 1, "series_id": 1, "kind": "live", "cutoff": FRIDAY, "horizon": h,
            "target_session": FRIDAY + timedelta(days=1 + h % 50), "issued_at": DUE,
            "status": "ok", "mean": 1.0, "lo80": 1.0, "hi80": 1.0, "lo95": 1.0, "hi95": 1.0,
            "baseline": 1.0, "scale": 1.0, "quantile80": 1.0, "quantile95": 1.0, "basis": 1.0,
        }
        for h in range(1, count + 1)
    ]  # fmt: skip
    with ledger.writing() as connection:
        connection.execute(insert(forecast), rows)


def test_a_scrape_is_cheap(ledger: Ledger, stages: StageSeconds) -> None:
    """A hundred thousand forecasts of two hundred series cost less than 50 ms, and few lines."""
    add_forecasts(ledger, 100_000)
    fill(ledger, [f"S{k}" for k in range(200)])
    add_outcomes(ledger, 200)
    collector = figures(ledger, stages)
    lines = len(scraped(collector))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert len(scraped(collector)) == lines
        times.append(time.perf_counter() - start)
    assert lines < 40
    assert min(times) < 0.05
