"""The tracker reaches its coverage, whatever the outcomes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecaster.model import next_quantile, start_quantile
from forecaster.model.tracker import next_coverage

LEVELS = st.sampled_from([0.80, 0.95])
ETAS = st.sampled_from([0.01, 0.02, 0.1, 1.0])
HORIZONS = st.sampled_from([1, 2, 5, 21])
LARGEST = 3.0  # s, of the scores


@pytest.mark.parametrize("level", [0.80, 0.95])
def test_it_starts_at_the_quantile_of_a_scaled_student_t(level):
    """The constants are those that scipy computes."""
    from scipy.stats import t

    assert start_quantile(level) == pytest.approx(t.ppf((1 + level) / 2, 5) * (3 / 5) ** 0.5)


def test_other_levels_are_refused():
    """There are two."""
    with pytest.raises(ValueError, match=r"0.80 or 0.95"):
        start_quantile(0.5)


def test_a_miss_widens_and_a_hit_narrows():
    """By eta times level, and by eta times 1 - level."""
    assert next_quantile(1.0, False, 0.8, 0.1) == pytest.approx(1.08)
    assert next_quantile(1.0, True, 0.8, 0.1) == pytest.approx(0.98)


def test_it_never_goes_below_zero():
    """An interval has no negative width."""
    assert next_quantile(0.01, True, 0.8, 0.1) == 0.0


def _play(choose, n, *, level, eta, horizon, step=next_quantile):
    """Misses (n,) and quantiles (n + 1,) of n outcomes, each known `horizon` sessions late.

    `choose` sees, before each outcome, all quantiles so far and those that the outcome and the
    pending ones after it are held against.
    """
    q = [start_quantile(level)]
    issued = [q[0]] * horizon
    misses = []
    for k in range(n):
        score = choose(k, q, issued)
        misses.append(score > issued.pop(0))
        q.append(step(q[-1], not misses[-1], level, eta))
        issued.append(q[-1])
    return np.array(misses), np.array(q)


def _check_rate(misses, q, *, level, eta, horizon, two_sided):
    """What the tracker's docstring promises, over all stretches of outcomes.

    The misses beyond the nominal number, in any stretch, are what q has moved by over eta, or
    fewer; and q stays within 0 and s + h eta.
    """
    bound = (LARGEST + horizon * eta) / eta + 1e-6
    assert q.min() >= 0.0
    assert q.max() <= LARGEST + horizon * eta + 1e-9
    excess = np.concatenate([[0.0], np.cumsum(misses - (1.0 - level))])
    worst = np.max(excess - np.minimum.accumulate(excess))  # of all stretches
    assert worst <= bound, f"{worst:.1f} misses too many, where the bound is {bound:.1f}"
    if two_sided:
        fewest = np.max(np.maximum.accumulate(excess) - excess)
        assert fewest <= bound, f"{fewest:.1f} misses too few, where the bound is {bound:.1f}"


def _just_outside(k, q, issued):
    """Misses whenever a score may."""
    return min(LARGEST, np.nextafter(issued[0], np.inf))


def _just_inside(k, q, issued):
    """Never misses unless a score is too small for that."""
    return issued[0]


def _lull_then_storm(k, q, issued):
    """Lets the interval shrink to nothing, then strikes at all that is pending."""
    return LARGEST if min(issued) < 0.3 or (k and issued[0] < q[-1] < LARGEST) else 0.0


def _by_the_slope(k, q, issued):
    """Strikes where the interval has just become narrower."""
    return LARGEST if len(q) > 1 and q[-1] < q[-2] else 0.0


def _against_the_rate(k, q, issued):
    """Strikes in long turns: 300 outcomes as far as may be, 300 at the centre."""
    return LARGEST if k // 300 % 2 else 0.0


ADVERSARIES = [_just_outside, _just_inside, _lull_then_storm, _by_the_slope, _against_the_rate]


@pytest.mark.parametrize("adversary", ADVERSARIES)
@settings(max_examples=25, deadline=None)
@given(level=LEVELS, eta=ETAS, horizon=HORIZONS)
def test_no_adversary_who_sees_all_intervals_gets_beyond_the_bound(adversary, level, eta, horizon):
    """Scores from 0 to s, chosen knowing q and what is pending: never more misses than promised."""
    misses, q = _play(adversary, 1500, level=level, eta=eta, horizon=horizon)
    _check_rate(misses, q, level=level, eta=eta, horizon=horizon, two_sided=False)


@pytest.mark.parametrize("adversary", ADVERSARIES)
@settings(max_examples=25, deadline=None)
@given(level=LEVELS, eta=ETAS, horizon=HORIZONS)
def test_scores_that_are_never_tiny_keep_the_rate_from_both_sides(adversary, level, eta, horizon):
    """With scores of at least h eta (1 - level) q is never cut off: not too few misses either."""
    least = horizon * eta * (1.0 - level) + 1e-9
    assume(least <= LARGEST)

    def choose(*seen):
        return max(least, adversary(*seen))

    misses, q = _play(choose, 1500, level=level, eta=eta, horizon=horizon)
    _check_rate(misses, q, level=level, eta=eta, horizon=horizon, two_sided=True)
    drift = eta * np.sum(misses - (1.0 - level))
    assert q[-1] - q[0] == pytest.approx(drift, abs=1e-6)  # nothing was cut off


@settings(max_examples=200, deadline=None)
@given(
    scores=st.lists(st.floats(0.0, LARGEST) | st.sampled_from([0.0, LARGEST]), max_size=400),
    follow=st.lists(st.booleans(), min_size=1, max_size=7),
    level=LEVELS,
    eta=ETAS,
    horizon=HORIZONS,
)
def test_any_sequence_reaches_the_nominal_rate(scores, follow, level, eta, horizon):
    """Sequences that Hypothesis chooses, mixed with a strategy that follows the interval."""

    def choose(k, q, issued):
        return _just_outside(k, q, issued) if follow[k % len(follow)] else scores[k]

    misses, q = _play(choose, len(scores), level=level, eta=eta, horizon=horizon)
    _check_rate(misses, q, level=level, eta=eta, horizon=horizon, two_sided=False)


@pytest.mark.parametrize("level", [0.80, 0.95])
@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_in_the_long_run_coverage_is_the_level(level, horizon):
    """Against the adversary who always strikes: 20,000 outcomes later within half a point."""
    misses, _ = _play(_just_outside, 20_000, level=level, eta=0.1, horizon=horizon)
    assert 1.0 - np.mean(misses) == pytest.approx(level, abs=0.005)


def test_the_bound_is_no_wider_than_it_has_to_be():
    """An adversary takes more than 95 % of it: a tighter one would be wrong."""
    level, eta = 0.80, 0.02
    storm = 200

    def choose(k, q, issued):
        return 0.0 if k < 400 else _just_outside(k, q, issued)

    misses, q = _play(choose, 400 + storm, level=level, eta=eta, horizon=1)
    assert q[400] == 0.0
    excess = np.sum(misses[400:] - (1.0 - level))
    assert 0.95 * (LARGEST + eta) / eta < excess <= (LARGEST + eta) / eta


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda q, inside, level, eta: q, "too many"),
        (lambda q, inside, level, eta: q + eta * level * (not inside), None),
        (lambda q, inside, level, eta: max(0.0, q + eta * (inside - level)), "too many"),
        (lambda q, inside, level, eta: max(0.0, q - eta * (1.0 - level)), "too many"),
    ],
    ids=["that never learns", "that never narrows", "turned round", "that never widens"],
)
def test_the_check_finds_a_tracker_that_is_none(step, told):
    """Whose steps are wrong: some adversary shows it, so that the bound above says something."""
    given_ = {"level": 0.80, "eta": 0.1, "horizon": 2}
    found = []
    for adversary in ADVERSARIES:

        def choose(k, q, issued, adversary=adversary):
            return max(0.1, adversary(k, q, issued))

        misses, q = _play(choose, 1500, step=step, **given_)
        try:
            _check_rate(misses, q, two_sided=True, **given_)
        except AssertionError as error:
            found.append(str(error))
    assert any((told or "too few") in each for each in found)


@settings(max_examples=50)
@given(misses=st.lists(st.booleans(), max_size=300), cut=st.integers(0, 300), level=LEVELS)
def test_a_restart_in_between_changes_nothing(misses, cut, level):
    """The state is one number: fed at once, or stopped and resumed from what was kept."""

    def feed(q, some):
        for miss in some:
            q = next_quantile(q, not miss, level, 0.02)
        return q

    kept = float(repr(feed(start_quantile(level), misses[:cut])))
    assert feed(kept, misses[cut:]) == feed(start_quantile(level), misses)


@settings(max_examples=100)
@given(hits=st.lists(st.booleans(), max_size=200), level=LEVELS)
def test_the_discounted_coverage_is_a_share(hits, level):
    """It stays within 0 and 1, and is the weighted mean of the level and of all outcomes."""
    coverage = level
    for inside in hits:
        coverage = next_coverage(coverage, inside)
        assert 0.0 <= coverage <= 1.0
    keep = (125 / 126) ** np.arange(len(hits) + 1)[::-1]
    expected = keep[0] * level + np.sum(keep[1:] * hits) / 126
    assert coverage == pytest.approx(expected, abs=1e-12)


def test_the_discounted_coverage_forgets_the_level_and_the_past():
    """After some years of nothing but hits it is 1, whatever was before; then it falls."""
    coverage = 0.80
    for _ in range(1500):
        coverage = next_coverage(coverage, inside=True)
    assert coverage == pytest.approx(1.0, abs=1e-5)
    assert next_coverage(coverage, inside=False) == pytest.approx(1.0 - 1 / 126, abs=1e-5)
