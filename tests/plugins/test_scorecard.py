"""Pooled scores, their verdicts, and numbers as text."""

import math
import random
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from forecaster.plugins import scorecard, wording

values = runpy.run_path(str(Path(__file__).with_name("report_values.py")))
series_report = values["series_report"]


def test_pooling_weighs_horizons_by_their_outcomes() -> None:
    """Pooled errors are those of all cells together, as if computed from the rows."""
    series = series_report(cutoffs={"backfill": 40})
    one = scorecard.score(series, "backfill")
    rows = series.past
    assert one.n == len(rows)
    assert one.mae == pytest.approx(sum(row["abs_error"] for row in rows) / len(rows))
    assert one.rmse == pytest.approx(
        math.sqrt(sum(row["error"] ** 2 for row in rows) / len(rows)), rel=1e-12
    )
    assert one.coverage[0.8] == pytest.approx(sum(row["inside80"] for row in rows) / len(rows))


def test_kinds_stay_apart() -> None:
    """Live, backfill and backtest get a score each, from their own rows."""
    series = series_report(cutoffs={"backfill": 40, "live": 10, "backtest": 80})
    found = scorecard.scores(series)
    assert [one.kind for one in found] == ["live", "backfill", "backtest"]
    assert [one.cutoffs for one in found] == [10, 40, 80]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"cutoffs": {"backfill": 20}, "foresight": 0.5}, scorecard.TOO_FEW),
        ({"noise": 0.0}, scorecard.SAME),
        ({"noise": 0.6}, scorecard.NOT_BETTER),
        ({"noise": 0.1, "foresight": 0.5}, scorecard.BETTER),
        ({"cutoffs": {}}, scorecard.NO_OUTCOME),
    ],
)
def test_verdicts_need_evidence(said: dict, expected: str) -> None:
    """A series is called better only with enough outcomes and a gain beyond chance."""
    one = scorecard.main_score(series_report(**said))
    assert (one.verdict if one else scorecard.NO_OUTCOME) == expected


def test_a_gain_that_chance_gives_is_not_called_better() -> None:
    """With no skill built in, about one series in twenty passes, and a gain alone does not."""
    found = [scorecard.main_score(series_report(seed=seed, noise=0.1)) for seed in range(60)]
    verdicts = [one.verdict for one in found]
    assert verdicts.count(scorecard.WITHIN_CHANCE) > 0
    assert verdicts.count(scorecard.BETTER) <= 6


def test_the_sentence_says_the_direction() -> None:
    """The words say above or below, and what that amounts to."""
    worse = scorecard.sentence(scorecard.main_score(series_report(noise=0.6)))
    better = scorecard.sentence(scorecard.main_score(series_report(noise=0.1, foresight=0.5)))
    assert worse.startswith("Over 290 outcomes (backfill) the mean absolute error was ")
    assert worse.endswith("% above the last price's: not better than doing nothing.")
    assert better.endswith("% below the last price's, more than chance readily gives.")


def test_a_baseline_without_error_has_no_skill() -> None:
    """Where the ledger says NULL for skill, reports say so and do not divide by zero."""
    series = series_report()
    flat = tuple(row | {"baseline_mae": 0.0, "baseline_rmse": 0.0} for row in series.accuracy)
    one = scorecard.main_score(replace(series, accuracy=flat))
    assert one.skill is None
    assert one.rmse_ratio is None
    assert "no error at all" in scorecard.sentence(one)


def test_standard_error_counts_overlap() -> None:
    """Terms that overlap carry less evidence: the error of their mean is larger."""
    rng = random.Random(3)
    blocks = [step for step in (rng.gauss(0, 1) for _ in range(60)) for _ in range(3)]
    assert scorecard.standard_error(blocks, lag=2) > 1.3 * scorecard.standard_error(blocks, lag=0)
    assert scorecard.t_value([0.5, 0.5, 0.5], lag=0) is None


def test_sampling_range_is_the_binomial_one() -> None:
    """For 100 outcomes at 80 %, a table gives 72 to 88; certainty needs no room above 1."""
    assert scorecard.sampling_range(100, 0.8) == (0.72, 0.88)
    low, high = scorecard.sampling_range(20, 0.95)
    assert low == pytest.approx(0.85)
    assert high == 1.0


def test_chance_note_counts_what_luck_would_give() -> None:
    """The number of better series stands next to the number that chance alone would make."""
    found = [scorecard.main_score(series_report(noise=0.1, foresight=0.5))] * 10
    assert scorecard.chance_note(found).startswith("10 of 10 series are better")
    assert scorecard.chance_note(found).endswith("about 0.5.")
    assert "No series has enough outcomes" in scorecard.chance_note([])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.1172, "1.1172"), (430.47, "430.47"), (175.68, "175.68"), (65123.4, "65123"),
     (0.83380, "0.83380"), (-36.98, "-36.980"), (0.0, "0.00")],
)  # fmt: skip
def test_prices_have_five_significant_digits(value: float, expected: str) -> None:
    """A euro rate and a share both read as they are quoted."""
    assert f"{value:.{wording.places([value])}f}" == expected


def test_numbers_that_are_not_there() -> None:
    """None and NaN are a dash, zero is zero, and no zero carries a sign."""
    assert wording.significant(None) == wording.significant(math.nan) == wording.NONE
    assert wording.significant(0.0) == "0"
    assert wording.significant(0.0026413) == "0.002641"
    assert wording.percent(None) == wording.NONE
    assert wording.percent(-0.0001, sign=True) == "0.0"
    assert wording.percent(0.123, sign=True) == "+12.3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\x1b[31mb", "a [31mb"), ("a\r\nb\tc", "a b c"), ("\u202eabc", "abc"), ("Käse", "Käse"),
     ("nul\x00", "nul"), ("lone \ud800", "lone")],
)  # fmt: skip
def test_text_from_outside_loses_control_characters(text: str, expected: str) -> None:
    """Escapes, line breaks, direction overrides and lone surrogates do not reach a report."""
    assert wording.plain(text) == expected
