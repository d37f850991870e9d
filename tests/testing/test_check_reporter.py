"""The check of reporters is itself checked: each broken promise is refused by its name."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecaster.hooks import Report, build_registry
from forecaster.ledger import open_ledger
from forecaster.ledger.query import read_only_query
from forecaster.testing import check_reporter


class Plain:
    """A reporter that keeps its promises; the faulty ones below break one each."""

    name: Any = "plain"

    def __init__(self, report: Callable[[Report], Any] = lambda report: None) -> None:
        self.reports: list[Report] = []
        self._report = report

    def report(self, report: Report) -> Any:
        self.reports.append(report)
        return self._report(report)


@pytest.mark.parametrize("name", ["console", "html"])
def test_the_program_s_reporters_pass(name: str, tmp_path: Path) -> None:
    """They tell hostile names, empty reports and failed runs."""
    check_reporter(build_registry(only=["forecaster"]).reporter(name)({}, tmp_path))
    assert (name == "html") == any(tmp_path.iterdir())


def test_rows_have_the_columns_of_the_views(tmp_path: Path) -> None:
    """What a reporter is tried out with has exactly the keys that it will get."""
    reporter = Plain()
    check_reporter(reporter)
    (series,) = reporter.reports[0].series
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", create=True) as ledger:
        for rows, view in (
            (series.past, "forecast_history"), (series.coming, "latest_forecast"),
            (series.accuracy, "accuracy"), (series.calibration, "calibration"),
            (series.decisions, "decision_history"), (series.held, "quarantine_history"),
            (series.alerts, "alert_history"), (series.skill, "skill"),
            (series.parts, "forecast_parts"), (series.gates, "gate_state"),
        ):  # fmt: skip
            found = read_only_query(ledger, f"SELECT * FROM {view}", limit=1).columns
            assert set(rows[0]) <= set(found), view
            assert set(found) - set(rows[0]) <= {"model_id"}, view


def spoil(report: Report) -> None:
    """Write into what it is given."""
    for series in report.series:
        for row in series.coming:
            row["forecast"] = 0.0


def needs_series(report: Report) -> None:
    """Stumble over a report without series."""
    assert report.series[0].name


def needs_forecasts(report: Report) -> None:
    """Stumble over a series without forecasts."""
    assert all(series.coming[0] for series in report.series)


def needs_summary(report: Report) -> None:
    """Stumble over a report without a run."""
    assert report.summary is not None
    assert report.summary.status


def needs_ascii(report: Report) -> None:
    """Stumble over what somebody calls a series."""
    for series in report.series:
        series.name.encode("ascii")


def make_once(report: Report) -> None:
    """Stumble over what it wrote the first time."""
    if report in SEEN:
        raise FileExistsError("there already")
    SEEN.append(report)


SEEN: list[Report] = []


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (needs_series, "a report without series: report raises IndexError"),
        (needs_forecasts, "a report of series without forecasts: report raises IndexError"),
        (needs_summary, "a report without a run: report raises AssertionError"),
        (needs_ascii, "hostile names: report raises UnicodeEncodeError"),
        (make_once, "the same report again: report raises FileExistsError: there already"),
        (spoil, "a report: the report was changed"),
        (lambda report: "x.html", "a report: report returns 'x.html' and no Path"),
        (lambda report: Path("/nowhere/x"), "report returns /nowhere/x, which is not there"),
        (lambda report: sys.exit(3), "a report: report raises SystemExit"),
    ],
)
def test_a_broken_promise_is_refused_in_one_sentence(
    report: Callable[[Report], Any], message: str
) -> None:
    """The message names the reporter and says what it did with which report."""
    with pytest.raises(AssertionError, match=re.escape(message)) as caught:
        check_reporter(Plain(report))
    assert str(caught.value).startswith("reporter 'plain', ")
    assert "\n" not in str(caught.value)


def test_a_reporter_without_a_name() -> None:
    """It could not be named in a configuration."""
    reporter = Plain()
    reporter.name = ""
    with pytest.raises(AssertionError, match="the reporter's name is ''"):
        check_reporter(reporter)
