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


def rows(*verdicts: str) -> list[dict]:
    """Rows of `skill`, one a horizon."""
    return [
        {"horizon": horizon, "verdict": f"{word} than the last price"}
        for horizon, word in enumerate(verdicts, 1)
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), "not better than the last price"),
        (("not better",) * 3, "not better than the last price"),
        (("better",) * 3, "better than the last price"),
        (("worse",) * 2, "worse than the last price"),
        (("better", "not better", "better"), "better than the last price at horizons 1, 3"),
        (("not better", "worse"), "worse than the last price at horizon 2"),
        (("better", "worse", "not better"),
         "better than the last price at horizon 1 and worse than the last price at horizon 2"),
    ],
)  # fmt: skip
def test_the_verdict_is_that_of_the_view(said: tuple[str, ...], expected: str) -> None:
    """Not better, unless the view says otherwise of some horizon: then it is named."""
    assert scorecard.verdict(rows(*said)) == expected


def test_verdicts_of_other_kinds_do_not_count() -> None:
    """A series that is better in its backfill is not called better live."""
    series = series_report(cutoffs={"backfill": 60, "live": 50})
    better = tuple(
        row | {"verdict": f"{'better' if row['kind'] == 'backfill' else 'not better'} than the "
               "last price"}
        for row in series.skill
    )  # fmt: skip
    live, backfill = scorecard.scores(replace(series, skill=better))
    assert (live.kind, live.verdict, live.better) == ("live", scorecard.NOT_BETTER, 0)
    assert (backfill.kind, backfill.verdict, backfill.better) == ("backfill", scorecard.BETTER, 5)


def test_the_sentence_says_the_verdict_and_the_direction() -> None:
    """The words say above or below, what that amounts to, and when it is too little to tell."""
    worse = scorecard.sentence(scorecard.main_score(series_report(noise=0.6)))
    assert worse.startswith("Worse than the last price")
    assert ", over 290 outcomes (backfill): the mean absolute error was " in worse
    assert worse.endswith(" % above the last price's.")
    better = scorecard.sentence(scorecard.main_score(series_report(noise=0.1, foresight=0.5)))
    assert better.startswith("Better than the last price, over 290 outcomes (backfill): ")
    assert better.endswith(" % below the last price's.")
    few = scorecard.sentence(scorecard.main_score(series_report(cutoffs={"live": 9})))
    assert few.startswith("Not better than the last price, over 35 outcomes (live), which are too")
    same = scorecard.sentence(scorecard.main_score(series_report(noise=0.0)))
    assert same == (
        "Not better than the last price, over 290 outcomes (backfill): the forecasts were the "
        "last price itself, with an interval around it."
    )


@pytest.mark.parametrize(
    ("share", "off"), [(0.80, None), (0.73, None), (0.70, -0.10), (0.90, 0.10)]
)
def test_coverage_is_off_target_only_beyond_noise(share: float, off: float | None) -> None:
    """For 100 cutoffs 72 to 88 of 100 may be inside by chance; beyond that it is off by so much."""
    one = scorecard.main_score(series_report(cutoffs={"live": 100}, horizon=1))
    one = replace(one, cutoffs=100, coverage={0.80: share, 0.95: 0.95})
    assert one.off_target(0.80) == (None if off is None else pytest.approx(off))
    words = scorecard.coverage_words(one)
    assert "95 % intervals on target (95.0 %)" in words
    if off is not None:
        side = "narrow" if off < 0 else "wide"
        assert f"80 % intervals 10.0 points too {side} ({share * 100:.1f} %)" in words


def test_a_baseline_without_error_has_no_skill() -> None:
    """Where the ledger says NULL for skill, reports say so and do not divide by zero."""
    series = series_report()
    flat = tuple(row | {"baseline_mae": 0.0, "baseline_rmse": 0.0} for row in series.accuracy)
    one = scorecard.main_score(replace(series, accuracy=flat))
    assert one.skill is None
    assert one.rmse_ratio is None
    assert scorecard.sentence(one).endswith("the last price's 0.")


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
    """The number of better cells stands next to the number that chance alone would make."""
    found = [scorecard.main_score(series_report(noise=0.1, foresight=0.5))] * 10
    note = scorecard.chance_note(found)
    assert note.startswith("Forecasts have left the last price at 50 horizons of all series; 50 of")
    assert note.endswith("make it about 2.5.")
    still = [scorecard.main_score(series_report(noise=0.0))]
    assert "all of them are the last price itself" in scorecard.chance_note(still)
    assert "No series has enough outcomes" in scorecard.chance_note([])
    few = [scorecard.main_score(series_report(cutoffs={"live": 9}))]
    assert "No series has enough outcomes" in scorecard.chance_note(few)


def test_chance_alone_makes_few_cells_better() -> None:
    """With no skill built in, about one cell in twenty is called better, and no more."""
    found = [scorecard.main_score(series_report(seed=seed, noise=0.1)) for seed in range(60)]
    judged, better = sum(one.judged for one in found), sum(one.better for one in found)
    assert judged == 300
    assert better <= 0.08 * judged


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
