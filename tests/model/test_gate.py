"""The gates: shut until outcomes speak for a head, open for one that is of use."""

from dataclasses import astuple, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model.gate import (
    Evidence,
    learn_mean,
    learn_spread,
    mean_weight,
    skill,
    spread_holds,
    t_value,
)

MOVES = st.floats(-50.0, 50.0)
DEVIATIONS = st.floats(1e-6, 1e3)


def _after(pairs, horizon=1):
    evidence = Evidence()
    for said, happened in pairs:
        evidence = learn_mean(evidence, said, happened, horizon)
    return evidence


def test_two_outcomes_by_hand():
    """Said 0.5 then -0.2, and what came was 2 then 7, of which 4 count; over 5 sessions."""
    evidence = _after([(0.5, 2.0), (-0.2, 7.0)], horizon=5)
    assert evidence.gain == pytest.approx(0.998 * 1.0 - 0.8)
    assert evidence.power == pytest.approx(0.998 * 0.25 + 0.04)
    assert evidence.noise == pytest.approx(0.998**2 * 5 * 1.0 + 5 * 0.64)
    assert evidence.size == pytest.approx(0.998 * 4.0 + 16.0)
    assert evidence.n == pytest.approx(1.998)
    assert t_value(evidence) == pytest.approx(evidence.gain / evidence.noise**0.5)
    assert skill(evidence) == pytest.approx((2 * evidence.gain - evidence.power) / evidence.size)


def test_the_weight_is_the_regression_pulled_towards_nothing():
    """That is gain / (power + 200 power / n), as an explicit sum over discounted outcomes."""
    rng = np.random.default_rng(0)
    p = rng.normal(0.0, 0.5, 300)
    x = 0.6 * p + rng.uniform(-2.0, 2.0, 300)
    discount = 0.998 ** np.arange(299, -1, -1)
    gain, power, n = (np.sum(discount * each) for each in (p * x, p * p, 1.0))
    evidence = _after(zip(p, x, strict=True))
    t = gain / np.sqrt(np.sum((discount * p * x) ** 2))
    assert t_value(evidence) == pytest.approx(t, rel=1e-9)
    assert t > 2.0
    assert mean_weight(evidence) == pytest.approx(gain / (power * (1 + 200 / n)), rel=1e-9)


def test_skill_is_the_share_of_squared_error_taken_off():
    """Without discount to speak of: 1 - sum (x - p)^2 / sum x^2."""
    pairs = [(0.5, 1.0), (-0.3, 0.2), (0.1, -0.4)]
    p, x = np.array(pairs).T
    assert skill(_after(pairs)) == pytest.approx(1 - np.sum((x - p) ** 2) / np.sum(x**2), abs=2e-3)
    assert skill(Evidence()) is None
    assert skill(_after([(0.3, 0.0)])) is None  # the baseline was right: nothing to take off


@settings(max_examples=200)
@given(
    pairs=st.lists(st.tuples(MOVES, MOVES), max_size=120),
    copies=st.integers(1, 5),
    horizon=st.integers(1, 60),
)
def test_the_gate_is_shut_without_significance_and_never_more_than_open(pairs, copies, horizon):
    """At every moment: 0 while t <= 2 or n <= 40, and within 0 and 1 otherwise."""
    evidence = Evidence()
    assert mean_weight(evidence) == 0.0
    for said, happened in pairs * copies:
        evidence = learn_mean(evidence, said, happened, horizon)
        assert all(np.isfinite(astuple(evidence)))
        weight = mean_weight(evidence)
        assert 0.0 <= weight <= 1.0
        if t_value(evidence) <= 2.0 or evidence.n <= 40.0:
            assert weight == 0.0


@given(pairs=st.lists(st.tuples(MOVES, MOVES), min_size=1, max_size=60))
def test_a_mirrored_world_has_the_same_evidence(pairs):
    """Up and down are alike."""
    assert _after(pairs) == _after([(-p, -x) for p, x in pairs])


def test_a_network_that_says_nothing_leaves_the_gate_shut():
    """No claim is no evidence, however long."""
    evidence = _after([(0.0, 1.0)] * 200)
    assert (t_value(evidence), mean_weight(evidence), skill(evidence)) == (0.0, 0.0, 0.0)


def test_one_wild_outcome_opens_no_gate():
    """A crash foreseen after 200 sessions of nothing: t is 1, whatever its size."""
    rng = np.random.default_rng(0)
    calm = [(p, 0.0) for p in rng.normal(0, 0.01, 200)]
    evidence = _after([*calm, (5.0, 1e9)])
    assert t_value(evidence) == pytest.approx(1.0)
    assert mean_weight(evidence) == 0.0


def _overlapping(rng, n, horizon):
    """Moves over `horizon` sessions in units of their deviation, one for each session."""
    moves = rng.standard_t(5, n + horizon - 1) * 0.6**0.5
    return np.convolve(moves, np.ones(horizon), "valid") / horizon**0.5


def _nights(said, happened, horizon):
    """The weight each night; outcomes come `horizon` nights late."""
    evidence, weights = Evidence(), []
    for night in range(len(said)):
        if night >= horizon:
            k = night - horizon
            evidence = learn_mean(evidence, said[k], happened[k], horizon)
        weights.append(mean_weight(evidence))
    return np.array(weights)


def _slow_noise(rng, n):
    """What an unlucky network says: smooth, of a size that would matter, and of no use."""
    return np.convolve(rng.standard_normal(n + 9), np.full(10, 0.1), "valid")


@pytest.mark.parametrize("horizon", [1, 5])
def test_for_noise_the_gate_is_rarely_open_and_costs_next_to_nothing(horizon):
    """80 series of 600 nights: open at most 6 % of the time, at most 0.2 % of squared error."""
    rng = np.random.default_rng(horizon)
    shares, costs = [], []
    for _ in range(80):
        x, p = _overlapping(rng, 600, horizon), _slow_noise(rng, 600)
        weights = _nights(p, x, horizon)
        shares.append(np.mean(weights > 0.0))
        costs.append(np.sum((x - weights * p) ** 2) / np.sum(x * x))
    assert np.mean(shares) <= 0.06
    assert np.mean(costs) <= 1.002


@pytest.mark.parametrize("horizon", [1, 5])
def test_for_a_network_of_use_it_opens_and_beats_the_baseline(horizon):
    """A tenth of the variance foreseen: open on most nights of the third year, and worth it."""
    rng = np.random.default_rng(10 + horizon)
    for _ in range(5):
        p = _slow_noise(rng, 900)
        x = _overlapping(rng, 900, horizon) + p
        weights = _nights(p, x, horizon)
        late = slice(500, None)
        assert np.mean(weights[late] > 0.0) > 0.8
        gated, baseline = np.sum((x - weights * p)[late] ** 2), np.sum(x[late] ** 2)
        assert gated < 0.995 * baseline


def test_without_the_overlap_factor_noise_would_get_through():
    """The test above can fail: taking five-session moves for independent opens the gate often."""
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(40):
        x, p = _overlapping(rng, 600, 5), _slow_noise(rng, 600)
        evidence, opened = Evidence(), 0
        for said, happened in zip(p, x, strict=True):
            evidence = learn_mean(evidence, said, happened, 1)  # should be 5
            opened += mean_weight(evidence) > 0.0
        shares.append(opened / 600)
    assert np.mean(shares) > 0.12


def test_the_state_is_five_numbers_however_many_outcomes():
    """O(1): what the ledger keeps does not grow, and n stays below 1 / (1 - 0.998)."""
    evidence = _after([(0.1, 0.2)] * 5000)
    assert [field.name for field in fields(evidence)] == ["gain", "power", "noise", "size", "n"]
    assert all(type(number) is float for number in astuple(evidence))
    assert 499.0 < evidence.n <= 500.0


def _spread_after(outcomes, head, ewma, horizon=1):
    evidence = Evidence()
    for happened in outcomes:
        evidence = learn_spread(evidence, happened, head, ewma, horizon)
    return evidence


def test_the_gain_of_a_spread_is_that_of_its_likelihood():
    """Student's t(5) with that standard deviation, by SciPy; discounted over 126 outcomes."""
    from scipy.stats import t

    def density(move, deviation):
        return t.logpdf(move, 5, scale=deviation * 0.6**0.5)

    first, second = (density(m, 0.02) - density(m, 0.01) for m in (0.03, -0.004))
    evidence = _spread_after([0.03, -0.004], 0.02, 0.01, horizon=5)
    keep = 125 / 126
    assert evidence.gain == pytest.approx(keep * first + second)
    assert evidence.noise == pytest.approx(5 * (keep**2 * first**2 + second**2))
    assert evidence.n == pytest.approx(keep + 1)
    assert (evidence.power, evidence.size, skill(evidence)) == (0.0, 0.0, None)


def test_a_head_that_is_worse_beyond_chance_is_put_aside_and_may_come_back():
    """Three times too wide for a year; then as good as the EWMA is not: it is trusted again."""
    rng = np.random.default_rng(0)
    moves = rng.standard_t(5, 400) * 0.6**0.5
    evidence, held = Evidence(), []
    for night, move in enumerate(moves):
        head, ewma = (3.0, 1.0) if night < 200 else (1.0, 3.0)
        evidence = learn_spread(evidence, move, head, ewma, 1)
        held.append(spread_holds(evidence))
    assert all(held[:40])  # too little is known
    assert not any(held[50:200])
    assert held[-1]


def test_a_head_as_good_as_the_ewma_is_seldom_put_aside():
    """Either is the better one by turns: aside at most 4 % of the time."""
    rng = np.random.default_rng(3)
    aside = []
    for _ in range(60):
        evidence = Evidence()
        for move in rng.standard_t(5, 400) * 0.6**0.5:
            head = np.exp(0.2 * rng.choice([-1.0, 1.0]))
            ewma = np.exp(0.2 * rng.choice([-1.0, 1.0]))
            evidence = learn_spread(evidence, move, head, ewma, 1)
            aside.append(not spread_holds(evidence))
    assert np.mean(aside) <= 0.04


@settings(max_examples=100)
@given(
    outcomes=st.lists(st.tuples(st.floats(-1e6, 1e6), DEVIATIONS, DEVIATIONS), max_size=100),
    horizon=st.integers(1, 60),
)
def test_a_spread_head_is_trusted_until_the_contrary_is_shown(outcomes, horizon):
    """Put aside only where t < -2.33 and n > 40, whatever the outcomes."""
    evidence = Evidence()
    for happened, head, ewma in outcomes:
        evidence = learn_spread(evidence, happened, head, ewma, horizon)
        assert all(np.isfinite(astuple(evidence)))
        assert spread_holds(evidence) == (t_value(evidence) >= -2.33 or evidence.n <= 40.0)
