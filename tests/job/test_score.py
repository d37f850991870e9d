"""Scores: computed by hand, in the forecast's own prices, once."""

from datetime import date
from pathlib import Path

import pytest

from forecaster.job.backfill import backfill

from .project import SMALL, Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
NO_BACKFILL = "[schedule]\ninitial_backfill = 0"

HISTORY = (
    "SELECT cutoff, horizon, forecast, baseline, lo80, hi80, lo95, hi95, actual, error, abs_error, "
    "baseline_abs_error, inside80, inside95 FROM forecast_history WHERE actual IS NOT NULL"
)


def sample_walk(folder: Path, symbol: str, first: str, last: str, field: str = "close") -> Project:
    """Return a project in which the sample's symbol was backfilled."""
    project = Project(folder)
    project.configure(
        f'[[series]]\nsource = "sample"\nsymbol = "{symbol}"\nfield = "{field}"\n{SMALL}'
    )
    with project.job() as job:
        backfill(job, first=date.fromisoformat(first), last=date.fromisoformat(last))
    return project


def test_scores_are_what_one_computes_by_hand(feed: Project) -> None:
    """Error, baseline error and hits follow from the forecast and the price that came."""
    closes = walk(len(DAYS))
    feed.quote("A", DAYS, closes)
    feed.follow("A", source="feed", settings=NO_BACKFILL)
    for session in DAYS[80:86]:
        feed.run(evening(session))
    price = dict(zip(map(str, DAYS), closes, strict=True))
    position = {str(day): k for k, day in enumerate(DAYS)}
    rows = feed.sql(HISTORY)
    assert len(rows) == 5 + 4 + 3
    for (cutoff, horizon, said, baseline, lo80, hi80, lo95, hi95,
         actual, error, abs_error, baseline_error, inside80, inside95) in rows:  # fmt: skip
        assert actual == price[str(DAYS[position[cutoff] + horizon])]
        assert baseline == price[cutoff]
        assert error == said - actual
        assert abs_error == abs(said - actual)
        assert baseline_error == abs(baseline - actual)
        assert inside80 == int(lo80 <= actual <= hi80)
        assert inside95 == int(lo95 <= actual <= hi95)


@pytest.mark.parametrize(
    ("symbol", "session", "before"),
    [
        ("AAPL", date(2005, 2, 28), date(2005, 2, 25)),
        ("MSFT", date(2003, 2, 18), date(2003, 2, 14)),
    ],
)
def test_split_after_the_cutoff_is_undone(
    tmp_path: Path, symbol: str, session: date, before: date
) -> None:
    """A forecast made before a 2:1 split is scored in its own prices, twice those quoted."""
    project = sample_walk(tmp_path, symbol, str(before), str(session))
    quoted = dict(project.sql("SELECT session, close FROM bar"))
    ((actual, baseline, error, said),) = project.sql(
        "SELECT actual, baseline, error, forecast FROM forecast_history "
        "WHERE cutoff = ? AND horizon = 1", str(before),
    )  # fmt: skip
    assert actual == 2 * quoted[str(session)]
    assert baseline == quoted[str(before)]
    assert error == said - actual
    assert abs(error) < 0.1 * baseline
    ((after,),) = project.sql(
        "SELECT baseline FROM forecast_history WHERE cutoff = ? AND horizon = 1", str(session)
    )
    assert after == quoted[str(session)]


def test_split_works_on_volumes_the_other_way_round(tmp_path: Path) -> None:
    """A volume forecast before a 2:1 split is scored against half the shares that were traded."""
    project = sample_walk(tmp_path, "AAPL", "2005-02-25", "2005-02-28", field="volume")
    quoted = dict(project.sql("SELECT session, volume FROM bar"))
    actual = project.sql(
        "SELECT actual, baseline FROM forecast_history WHERE cutoff = '2005-02-25' AND horizon = 1"
    )
    assert actual == [(quoted["2005-02-28"] / 2, quoted["2005-02-25"])]


def test_split_that_is_told_late_leaves_outcomes_alone(feed: Project) -> None:
    """The price of the cutoff was divided already: a split told a night later divides nothing."""
    closes = walk(len(DAYS))
    split = 80
    traded = [close if k < split else close / 1.25 for k, close in enumerate(closes)]
    feed.follow("A", source="feed", settings=NO_BACKFILL)
    feed.quote("A", DAYS, traded)
    feed.run(evening(DAYS[split]))
    feed.quote("A", DAYS, traded, split=[1.25 if k == split else "" for k in range(len(DAYS))])
    feed.run(evening(DAYS[split + 1]))
    ((actual,),) = feed.sql(
        "SELECT actual FROM forecast_history WHERE cutoff = ? AND horizon = 1", str(DAYS[split])
    )
    assert actual == traded[split + 1]


def test_missing_bar_keeps_its_forecasts_waiting(feed: Project) -> None:
    """A target session without a bar is scored when the bar arrives, and by nothing else."""
    closes = walk(len(DAYS))
    hole = 82
    feed.follow("A", source="feed", more='missing = "drop"', settings=NO_BACKFILL)
    gappy = [k for k in range(len(DAYS)) if k != hole]
    feed.quote("A", [DAYS[k] for k in gappy], [closes[k] for k in gappy])
    for session in (DAYS[80], DAYS[81], DAYS[83], DAYS[84]):
        feed.run(evening(session))
    waits = feed.sql(
        "SELECT cutoff, horizon FROM forecast_history WHERE target_session = ? "
        "AND actual IS NULL ORDER BY 1", str(DAYS[hole]),
    )  # fmt: skip
    assert waits == [(str(DAYS[80]), 2), (str(DAYS[81]), 1)]
    feed.quote("A", DAYS, closes)
    feed.run(evening(DAYS[85]))
    actual = feed.sql(
        "SELECT actual FROM forecast_history WHERE target_session = ?", str(DAYS[hole])
    )
    assert actual == [(closes[hole],)] * 2


def test_scores_are_summed_up_as_they_are_written(feed: Project) -> None:
    """The views' accuracy and coverage equal a computation over all scored forecasts."""
    feed.quote("A", DAYS, walk(len(DAYS)))
    feed.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 20")
    feed.run(evening(DAYS[100]))
    for kind, horizon, n, mae, baseline_mae, skill in feed.sql(
        "SELECT kind, horizon, n, mae, baseline_mae, skill_mae FROM accuracy"
    ):
        rows = feed.sql(
            "SELECT abs_error, baseline_abs_error FROM forecast_history WHERE kind = ? "
            "AND horizon = ? AND actual IS NOT NULL", kind, horizon,
        )  # fmt: skip
        assert n == len(rows)
        assert mae == pytest.approx(sum(row[0] for row in rows) / n)
        assert baseline_mae == pytest.approx(sum(row[1] for row in rows) / n)
        assert skill == pytest.approx(1 - mae / baseline_mae)
