"""The figures of a backtest agree with known values and with other ways to compute them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model.evaluate import (
    coverage,
    crps_of_quantiles,
    diebold_mariano,
    interval_score,
    long_run_variance,
    mae,
    mase,
    naive_scale,
    newey_west_lags,
    pinball,
    rmse,
    rolling_means,
    worst_rolling,
)

NUMBERS = st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=60)


def test_errors_by_hand():
    """Of 3, -4, 0: the mean of 3, 4, 0, and the root of 25 / 3."""
    assert mae([3, -4, 0]) == pytest.approx(7 / 3)
    assert rmse([3, -4, 0]) == pytest.approx((25 / 3) ** 0.5)


def test_mase_is_relative_to_the_naive_forecast_of_the_past():
    """Steps of 2, 2, 4 one session ahead; of 4 and 6 with a season of two."""
    values = [1.0, 3.0, 5.0, 9.0]
    assert naive_scale(values) == pytest.approx(8 / 3)
    assert naive_scale(values, 2) == pytest.approx(5.0)
    assert mase([4.0, -4.0], naive_scale(values)) == pytest.approx(1.5)


def test_what_never_moved_has_no_mase():
    """Nor has what is too short to tell."""
    assert mase([1.0], naive_scale([5.0, 5.0, 5.0])) is None
    assert mase([1.0], naive_scale([5.0, 6.0], 2)) is None


def test_pinball_by_hand():
    """Level 0.9: what lies 2 above costs 1.8, what lies 2 below 0.2."""
    np.testing.assert_allclose(
        pinball([5.0, 1.0], [[3.0, 5.0], [3.0, 1.0]], [0.9, 0.5]), [[1.8, 0.0], [0.2, 0.0]]
    )


@given(actual=NUMBERS, level=st.floats(0.01, 0.99))
def test_pinball_is_least_at_the_sample_quantile(actual, level):
    """No other number costs less on average."""
    best = np.quantile(actual, level, method="inverted_cdf")
    costs = [pinball(actual, np.full((len(actual), 1), q), [level]).mean() for q in actual]
    assert pinball(actual, np.full((len(actual), 1), best), [level]).mean() <= min(costs) + 1e-9


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    """The closed form for the normal: Gneiting and Raftery (2007), equation 21."""
    from scipy.stats import norm

    levels = np.arange(1, 2000) / 2000
    actual = np.array([-3.0, -0.4, 0.0, 1.1, 2.5])
    quantiles = np.tile(2.0 * norm.ppf(levels), (5, 1))
    z = actual / 2.0
    exact = 2.0 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - np.pi**-0.5)
    np.testing.assert_allclose(crps_of_quantiles(actual, quantiles, levels), exact, rtol=2e-3)


def test_crps_of_one_median_is_half_the_absolute_error():
    """The loss is |y - q| / 2 at 0.5 and falls to 0 at either end: twice a triangle."""
    np.testing.assert_allclose(crps_of_quantiles([3.0, -1.0], [[1.0], [1.0]], [0.5]), [1.0, 1.0])


def test_crps_is_least_for_the_true_distribution():
    """Of five quantiles that are right, shifted, too narrow or too wide."""
    from scipy.stats import norm

    actual = np.random.default_rng(0).standard_normal(20_000)
    levels = np.array([0.025, 0.1, 0.5, 0.9, 0.975])

    def mean(shift, scale):
        quantiles = np.tile(shift + scale * norm.ppf(levels), (len(actual), 1))
        return crps_of_quantiles(actual, quantiles, levels).mean()

    assert mean(0.0, 1.0) < min(mean(0.2, 1.0), mean(-0.2, 1.0), mean(0.0, 0.8), mean(0.0, 1.2))


def test_the_interval_score_by_hand():
    """Width 2; 10 times the distance outside at 80 %, 40 times at 95 %."""
    actual, low, high = [0.0, 1.5, -1.25], [-1.0] * 3, [1.0] * 3
    np.testing.assert_allclose(interval_score(actual, low, high, 0.80), [2.0, 7.0, 4.5])
    np.testing.assert_allclose(interval_score(actual, low, high, 0.95), [2.0, 22.0, 12.0])


@given(
    actual=st.floats(-10, 10),
    bounds=st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    level=st.sampled_from([0.8, 0.95]),
)
def test_the_interval_score_is_that_of_its_two_quantiles(actual, bounds, level):
    """2 / alpha times the sum of their quantile losses."""
    low, high = sorted(bounds)
    tail = (1.0 - level) / 2.0
    losses = pinball([actual], [[low, high]], [tail, 1.0 - tail])
    score = interval_score([actual], [low], [high], level)
    np.testing.assert_allclose(score, losses.sum(axis=1) / tail, rtol=1e-9, atol=1e-9)


def _brute_force(numbers, lags, kernel):
    """Every pair of entries, weighed by how far apart they are."""
    n, total = len(numbers), 0.0
    mean = sum(numbers) / n
    for i in range(n):
        for j in range(n):
            apart = abs(i - j)
            if apart <= lags:
                weight = 1.0 - apart / (lags + 1) if kernel == "bartlett" else 1.0
                total += weight * (numbers[i] - mean) * (numbers[j] - mean)
    return total / n


@settings(max_examples=50, deadline=None)
@given(numbers=NUMBERS, lags=st.integers(0, 12), kernel=st.sampled_from(["bartlett", "flat"]))
def test_the_long_run_variance_is_a_sum_over_pairs(numbers, lags, kernel):
    """Entry by entry; with Bartlett weights it is never negative."""
    found = long_run_variance(numbers, lags, kernel)
    assert found == pytest.approx(_brute_force(numbers, lags, kernel), rel=1e-9, abs=1e-7)
    assert kernel == "flat" or found >= -1e-9


def test_the_long_run_variance_of_a_moving_average():
    """Of sums of five: 25 times that of their parts, where the plain variance is 5 times."""
    sums = np.convolve(np.random.default_rng(0).standard_normal(200_000), np.ones(5), "valid")
    assert long_run_variance(sums, 0) == pytest.approx(5.0, rel=0.03)
    assert long_run_variance(sums, 4, "flat") == pytest.approx(25.0, rel=0.05)
    assert long_run_variance(sums, 200) == pytest.approx(25.0, rel=0.1)


def test_lags_grow_with_the_sample_and_cover_the_overlap():
    """The rule of Newey and West gives 4 for 100 and 5 for 500; twice the overlap is 8 for 5."""
    assert [newey_west_lags(n, 1) for n in (100, 500, 1000)] == [4, 5, 6]
    assert newey_west_lags(500, 5) == 8


def test_the_coverage_of_independent_hits_is_wilsons():
    """Near the interval for the plain binomial variance, as published for 15 of 50."""
    hits = np.random.default_rng(1).permutation(np.arange(5000) < 1500)
    found = coverage(hits, 1)
    assert found.share == 0.3
    assert found.low == pytest.approx(0.2875, abs=0.002)
    assert found.high == pytest.approx(0.3128, abs=0.002)


def test_hits_that_come_in_runs_tell_less():
    """Each repeated ten times: the interval is about three times as wide."""
    rng = np.random.default_rng(0)
    runs = np.repeat(rng.random(100) < 0.8, 10)
    mixed = rng.permutation(runs)
    wide, narrow = (coverage(each, 10) for each in (runs, mixed))
    assert wide.share == narrow.share
    assert 2.2 < (wide.high - wide.low) / (narrow.high - narrow.low) < 4.0


@pytest.mark.parametrize("hit", [False, True])
def test_where_all_are_hits_or_none_the_interval_still_has_a_width(hit):
    """Of 20 outcomes that overlap by 5, as much as 4 hits or misses tell."""
    found = coverage([hit] * 20, 5)
    assert found.share == float(hit)
    other = found.low if hit else found.high
    assert abs(other - found.share) == pytest.approx(1.96**2 / (4 + 1.96**2), abs=1e-3)


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_interval_holds_the_true_coverage_as_often_as_it_says(horizon):
    """300 samples of 400 overlapping outcomes: about 95 of 100 intervals contain 0.8."""
    rng = np.random.default_rng(horizon)
    reach = 1.2815515594457 * horizon**0.5  # of a normal: 80 % lie inside
    held = []
    for _ in range(300):
        moves = np.convolve(rng.standard_normal(400 + horizon - 1), np.ones(horizon), "valid")
        found = coverage(np.abs(moves) <= reach, horizon)
        held.append(found.low <= 0.8 <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)


@settings(max_examples=100)
@given(
    hits=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=80),
    horizon=st.integers(1, 60),
)
def test_a_coverage_lies_within_its_interval_and_that_within_0_and_1(hits, horizon):
    """Hits, or shares of hits of each cutoff, however few."""
    found = coverage(hits, horizon)
    assert 0.0 <= found.low <= found.share + 1e-12
    assert found.share - 1e-12 <= found.high <= 1.0


def test_diebold_mariano_for_one_step_is_a_paired_t_test():
    """With the correction for small samples it is exactly that of SciPy."""
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(0)
    a, b = rng.exponential(1.0, 40), rng.exponential(1.3, 40)
    ours, theirs = diebold_mariano(a, b, 1), ttest_rel(a, b)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)


def test_diebold_mariano_for_many_steps_by_brute_force():
    """The variance over pairs up to four apart, times the correction (n + 1 - 2h + h(h-1)/n)/n."""
    from scipy.stats import t

    rng = np.random.default_rng(2)
    a, b = rng.exponential(1.0, (2, 80))
    d, n, h = a - b, 80, 5
    statistic = d.mean() / np.sqrt(_brute_force(d, h - 1, "flat") / n)
    statistic *= np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    found = diebold_mariano(a, b, h)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.p == pytest.approx(2 * t.sf(abs(statistic), n - 1), rel=1e-9)


def test_diebold_mariano_turns_round_with_its_arguments():
    """Negative where the first is better."""
    rng = np.random.default_rng(0)
    good, bad = rng.exponential(1.0, 200), rng.exponential(3.0, 200)
    forth, back = diebold_mariano(good, bad, 5), diebold_mariano(bad, good, 5)
    assert forth.statistic < -3.0
    assert (back.statistic, back.p) == (-forth.statistic, forth.p)
    assert forth.p < 0.01


def test_equal_forecasts_are_found_different_as_often_as_chance_says():
    """Overlapping losses of five sessions: about one test of twenty, and not half of them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        d = np.convolve(rng.standard_normal(304), np.ones(5), "valid")
        found.append((diebold_mariano(d, np.zeros(300), 5).p, diebold_mariano(d, 0 * d, 1).p))
    right, wrong = (np.array(found) < 0.05).mean(axis=0)
    assert right <= 0.10
    assert wrong > 0.25  # a test that takes them for independent


def test_a_negative_variance_is_replaced():
    """Losses that alternate: the flat kernel fails, Bartlett's does not."""
    d = np.tile([1.0, -1.0], 20) + 0.01
    assert long_run_variance(d, 1, "flat") <= 0.0
    assert diebold_mariano(d, np.zeros(40), 2).statistic > 0.0


@pytest.mark.parametrize(
    ("a", "b", "horizon"),
    [([1.0] * 50, [1.0] * 50, 1), ([1.0, 2.0, 3.0], [0.0, 1.0, 3.0], 2), ([1.0], [2.0], 1)],
)
def test_without_a_difference_or_with_few_outcomes_there_is_no_test(a, b, horizon):
    """A gate that stays shut is the baseline: there is nothing to compare."""
    assert diebold_mariano(a, b, horizon) is None


@given(numbers=NUMBERS, length=st.integers(1, 70))
def test_the_worst_stretch_is_the_worst_of_all(numbers, length):
    """Least of hits, most of losses; None where there are fewer numbers than the stretch."""
    stretches = [np.mean(numbers[k : k + length]) for k in range(max(0, len(numbers) - length + 1))]
    np.testing.assert_allclose(rolling_means(numbers, length), stretches, atol=1e-9)
    least, most = (worst_rolling(numbers, length, worst=which) for which in ("least", "most"))
    if not stretches:
        assert least is most is None
    else:
        assert (least, most) == pytest.approx((min(stretches), max(stretches)), abs=1e-9)


def test_a_stretch_is_a_quarter_unless_it_is_said():
    """63 sessions."""
    hits = np.ones(200)
    hits[50:70] = 0.0
    assert worst_rolling(hits, worst="least") == pytest.approx(43 / 63)
