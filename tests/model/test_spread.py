"""The linear spread head: its features, its fit, what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.model import ewma_scale, floored_scale
from forecaster.model.motion import Motion
from forecaster.model.spread import (
    DEVIATION,
    FEATURES,
    LEAST_TARGET,
    LinearSpread,
    ewma_scales,
    fit_linear,
    log_ratios,
    log_sizes,
    volatilities,
)

PRICE, DIFFERENCE = Motion(), Motion("difference")


def _restless(n=1500, seed=0, nu=5.0):
    """Prices whose volatility comes and goes: log volatility is a slow autoregression."""
    rng = np.random.default_rng(seed)
    log_scale = np.zeros(n)
    for t in range(1, n):
        log_scale[t] = 0.98 * log_scale[t - 1] + 0.12 * rng.standard_normal()
    moves = 0.01 * np.exp(log_scale) * rng.standard_t(nu, n) / DEVIATION
    ranges = 0.01 * np.exp(log_scale) * 1.67 * np.exp(0.2 * rng.standard_normal(n))
    return 100.0 * np.exp(np.cumsum(moves)), ranges, log_scale


def test_the_features_are_ratios_of_volatilities_to_that_of_decay_094():
    """EWMAs of moves with four memories, of ranges / 1.67 and of falls; +-2 at most in the log."""
    values, ranges, _ = _restless(400)
    moves = np.diff(np.log(values))
    seen = volatilities(moves, ranges, PRICE)
    sigma = ewma_scale(moves, 0.94)
    expected = [ewma_scale(moves, decay) for decay in (0.70, 0.85, 0.97)]
    old = [0.998 ** np.arange(t, -1, -1.0) for t in range(len(moves))]
    expected += [np.sqrt([np.average(moves[: len(w)] ** 2, weights=w) for w in old])]
    expected += [ewma_scale(ranges[1:] / 1.67, 0.70)]
    expected += [np.sqrt(2) * ewma_scale(np.minimum(moves, 0.0), 0.85)]
    np.testing.assert_array_equal(seen[0], sigma)
    np.testing.assert_allclose(
        log_ratios(seen), np.clip(np.log(np.array(expected) / sigma), -2, 2).T, rtol=0, atol=1e-12
    )


def test_without_ranges_the_first_feature_is_repeated():
    """What no range says, the move says."""
    moves = np.diff(np.log(_restless(400)[0]))
    x = log_ratios(volatilities(moves, None, PRICE))
    np.testing.assert_array_equal(x[:, 4], x[:, 0])
    unknown = np.full(400, np.nan)
    np.testing.assert_array_equal(log_ratios(volatilities(moves, unknown, PRICE)), x)


def test_a_range_that_is_unknown_counts_as_its_move():
    """One gap does not darken the rest; what can be no range is unknown."""
    values, ranges, _ = _restless(400)
    moves = np.diff(np.log(values))
    filled, gaps = ranges.copy(), ranges.copy()
    for k, bad in ((100, np.nan), (200, -1.0), (300, np.inf)):
        gaps[k], filled[k] = bad, 1.67 * abs(moves[k - 1])
    np.testing.assert_allclose(
        volatilities(moves, gaps, PRICE), volatilities(moves, filled, PRICE), rtol=1e-12
    )


@pytest.mark.parametrize("motion", [PRICE, DIFFERENCE, Motion("price", 5), Motion("difference", 7)])
def test_features_and_targets_know_nothing_later_than_they_may(motion):
    """Cut after a session, or garbled from there: its features are the same bits, targets too."""
    values, ranges, _ = _restless(700)
    whole = volatilities(motion.steps(values), ranges, motion)
    targets = log_sizes(values, whole[0], motion, 5)
    for end in (300, 301, 555):
        garbled, wild = values.copy(), ranges.copy()
        garbled[end:] *= np.random.default_rng(end).uniform(0.1, 9.0, 700 - end)
        wild[end:] = 3.0
        known = end - motion.lag
        for v, r in ((values[:end], ranges[:end]), (garbled, wild)):
            seen = volatilities(motion.steps(v), r, motion)
            assert np.array_equal(seen[:, :known], whole[:, :known])
            kept = log_sizes(v, seen[0], motion, 5)[: known - 5]
            assert np.array_equal(kept, targets[: known - 5])


@pytest.mark.parametrize("motion", [PRICE, Motion("price", 5)])
def test_a_target_is_the_log_of_the_move_in_units_of_the_scale(motion):
    """Log |move from the baseline / (sigma_t roots_h)|, row by row."""
    values, _, _ = _restless(300)
    steps = motion.steps(values)
    sigma = floored_scale(steps, 0.94, "price")
    y = log_sizes(values, sigma, motion, 7)
    for k in (0, 50, len(steps) - 8):
        end = k + motion.lag
        happened = motion.between(motion.baselines(values[: end + 1], 7), values[end + 1 : end + 8])
        z = np.clip(np.abs(happened / (sigma[k] * motion.roots(7))), LEAST_TARGET, 6.0)
        np.testing.assert_allclose(y[k], np.log(z), atol=1e-9)


@pytest.mark.parametrize("ranged", [True, False])
def test_the_fit_is_the_least_of_the_penalised_likelihood(ranged):
    """SciPy, from elsewhere and with the density itself, finds nothing lower and the same place."""
    from scipy.optimize import minimize
    from scipy.stats import t as student

    values, ranges, _ = _restless()
    given = ranges if ranged else None
    head = fit_linear(values, given, motion=PRICE, horizon=3)
    assert head.ranged is ranged
    seen = volatilities(np.diff(np.log(values)), given, PRICE)
    x = log_ratios(seen)[20:-3]
    ahead = PRICE.ahead(values, 3)[20:] / (seen[0, 20:-3, np.newaxis] * PRICE.roots(3))
    z = np.clip(np.abs(ahead), 0.01, 6.0)

    def cost(at, h):
        scale = np.exp(at[0] + x @ at[1:])
        return -student.logpdf(z[:, h], 5, scale=scale).mean() + 3e-3 * at[1:] @ at[1:]

    for h in range(3):
        found = np.concatenate([[head.bias[h]], head.weights[h]])
        rival = minimize(cost, np.full(7, 0.3), args=(h,), method="BFGS", options={"gtol": 1e-7})
        assert cost(found, h) <= rival.fun + 1e-13
        np.testing.assert_allclose(found, rival.x, atol=2e-5)


def test_what_it_says_is_the_formula():
    """sqrt(5/3) exp(b + w . x) sigma_t sqrt(h)."""
    values, ranges, _ = _restless(500)
    rng = np.random.default_rng(0)
    head = LinearSpread(rng.normal(0, 0.1, 5), rng.normal(0, 0.3, (5, 6)), ranged=True)
    seen = volatilities(np.diff(np.log(values)), ranges, PRICE)
    log_scale = head.bias + head.weights @ log_ratios(seen)[-1]
    expected = np.sqrt(5 / 3) * np.exp(log_scale) * seen[0, -1] * np.sqrt(np.arange(1, 6))
    np.testing.assert_allclose(head.scales(values, ranges, PRICE), expected, rtol=1e-12)


def test_it_is_a_standard_deviation():
    """Of independent moves of Student's t(5), it finds the standard deviation that they have."""
    values = np.cumsum(np.random.default_rng(1).standard_t(5, 20_000))
    head = fit_linear(values, None, motion=DIFFERENCE, horizon=1)
    said = [head.scales(values[: end - 2000], None, DIFFERENCE)[0] for end in range(0, 2000, 100)]
    assert np.mean(said) == pytest.approx(DEVIATION, rel=0.04)


def test_it_foresees_the_spread_better_than_the_ewma():
    """Out of sample, where the volatility is known: nearer to it in the log."""
    values, ranges, log_scale = _restless(2600)
    head = fit_linear(values[:2000], ranges[:2000], motion=PRICE, horizon=1)
    errors = []
    for end in range(2000, 2599, 7):
        truth = np.log(0.01) + log_scale[end]
        cut = values[end - 1999 : end + 1]
        said = head.scales(cut, ranges[end - 1999 : end + 1], PRICE)[0]
        ewma = ewma_scales(cut, 0.97, motion=PRICE, horizon=1)[0]
        errors.append(np.abs(np.log([said, ewma]) - truth))
    ours, theirs = np.mean(errors, axis=0)
    assert ours < 0.8 * theirs


def test_ranges_are_left_unread_by_a_head_fitted_without_them():
    """What it never saw in training cannot move it."""
    values, ranges, _ = _restless(600)
    head = fit_linear(values, None, motion=PRICE, horizon=2)
    assert np.array_equal(head.scales(values, ranges, PRICE), head.scales(values, None, PRICE))
    assert not fit_linear(values, np.full(600, np.nan), motion=PRICE, horizon=2).ranged


def test_under_250_known_outcomes_there_is_no_head():
    """After 20 sessions to warm up: one session too few, and just enough."""
    values, ranges, _ = _restless(300)
    needed = 1 + 20 + 250 + 5
    assert fit_linear(values[: needed - 1], ranges[: needed - 1], motion=PRICE, horizon=5) is None
    assert fit_linear(values[:needed], ranges[:needed], motion=PRICE, horizon=5) is not None


def test_the_same_values_give_the_same_bits():
    """There is no seed."""
    values, ranges, _ = _restless(600)
    first, second = (fit_linear(values, ranges, motion=PRICE, horizon=5) for _ in range(2))
    assert first.bias.tobytes() == second.bias.tobytes()
    assert first.weights.tobytes() == second.weights.tobytes()


def test_the_ewma_is_the_fallback():
    """Its scale times sqrt(h), or with a season the root of the seasons."""
    values = _restless(300)[0]
    sigma = ewma_scale(np.diff(np.log(values)), 0.97)[-1]
    np.testing.assert_allclose(
        ewma_scales(values, 0.97, motion=PRICE, horizon=4), sigma * np.sqrt([1, 2, 3, 4])
    )
    seasonal = ewma_scales(values, 0.97, motion=Motion("price", 2), horizon=4)
    np.testing.assert_allclose(seasonal / seasonal[0], np.sqrt([1, 1, 2, 2]))


@pytest.mark.parametrize(("motion", "count"), [(PRICE, 1), (Motion("price", 7), 7)])
def test_too_few_values_are_refused(motion, count):
    """One value has no move, and a season needs one more than it is long."""
    head = LinearSpread(np.zeros(2), np.zeros((2, 6)), ranged=False)
    values = np.linspace(1.0, 2.0, count + 1)
    assert head.scales(values, None, motion).shape == (2,)
    for work in (
        lambda: head.scales(values[:-1], None, motion),
        lambda: ewma_scales(values[:-1], 0.97, motion=motion, horizon=2),
    ):
        with pytest.raises(DataError, match=f"^{count} values are too few.* it takes {count + 1};"):
            work()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    still=st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]),
    size=st.sampled_from([1e-9, 1e-4, 0.01, 1.0]),
    motion=st.sampled_from([PRICE, DIFFERENCE, Motion("price", 5), Motion("difference", 3)]),
    ranged=st.sampled_from(["none", "zero", "some", "unknown"]),
)
def test_whatever_the_values_do_there_is_a_spread(seed, still, size, motion, ranged):
    """Flat, pegged with jumps, tiny, wild: finite and positive, with no warning."""
    rng = np.random.default_rng(seed)
    moves = np.where(rng.random(330) < still, 0.0, size * rng.standard_t(3, 330))
    values = np.cumsum(moves)
    if motion.kind == "price":
        values = np.exp(np.clip(values, -600, 600))
    ranges = {
        "none": None,
        "zero": np.zeros(330),
        "some": np.where(rng.random(330) < 0.5, np.nan, size * rng.random(330)),
        "unknown": np.full(330, np.nan),
    }[ranged]
    head = fit_linear(values, ranges, motion=motion, horizon=5)
    said = head.scales(values, ranges, motion)
    for scales in (said, ewma_scales(values, 0.97, motion=motion, horizon=5)):
        assert np.isfinite(scales).all()
        assert (scales > 0.0).all()
    fewer = head.scales(values[: motion.lag + 1], None, motion)
    assert (fewer > 0.0).all()


def test_what_the_features_add_makes_the_scale():
    """Always, and by feature: their sum is the log of the scale in units of sigma roots_h."""
    values, ranges, _ = _restless(600)
    head = fit_linear(values, ranges, motion=PRICE, horizon=4)
    added = head.contributions(values, ranges, PRICE)
    assert added.shape == (4, len(FEATURES))
    sigma = ewma_scale(np.diff(np.log(values)), 0.94)[-1]
    said = DEVIATION * np.exp(head.bias + added.sum(axis=1)) * sigma * PRICE.roots(4)
    np.testing.assert_allclose(said, head.scales(values, ranges, PRICE))
    assert (added != 0.0).all()
