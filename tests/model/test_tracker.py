"""The tracker reaches its coverage, whatever the outcomes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model import next_quantile, start_quantile


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


def _misses(scores, level, eta, start, horizon=1):
    """The share of misses over the scores, each known `horizon` sessions after its interval."""
    q, missed, issued = start, 0, [start] * horizon
    for score in scores:
        inside = score <= issued.pop(0)
        missed += not inside
        q = next_quantile(q, inside, level, eta)
        issued.append(q)
    return missed / len(scores)


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    level=st.sampled_from([0.80, 0.95]),
    eta=st.sampled_from([0.01, 0.02, 0.1, 1.0]),
    n=st.integers(1, 400),
    h=st.sampled_from([1, 2, 5]),
)
def test_the_share_of_misses_is_nominal_within_the_bound_of_the_theory(data, level, eta, n, h):
    """|misses / n - (1 - level)| <= (s + h eta) / (eta n) for any scores up to s, h sessions late.

    The sum of eta (miss - (1 - level)) is how far q has come, and q stays within [0, s + h eta].
    Scores are at least h eta (1 - level), which keeps q from being cut off at 0.
    """
    s = 3.0
    scores = data.draw(st.lists(st.floats(h * eta * (1 - level), s), min_size=n, max_size=n))
    start = start_quantile(level)
    share = _misses(scores, level, eta, start, h)
    assert abs(share - (1 - level)) <= (s + h * eta) / (eta * n) + 1e-9


def test_an_adversary_who_sees_the_interval_cannot_miss_more_often():
    """Outcomes just outside, until they would have to be too far: still the nominal share."""
    level, eta, q, missed, n = 0.80, 0.1, start_quantile(0.80), 0, 5000
    for _ in range(n):
        inside = q >= 3.0  # the adversary can go no further
        missed += not inside
        q = next_quantile(q, inside, level, eta)
    assert abs(missed / n - (1 - level)) <= (3.0 + eta) / (eta * n)


def test_without_the_tracker_the_adversary_wins():
    """The bound above is not trivial: a fixed quantile misses every time."""
    assert _misses([2.9] * 1000, 0.80, 0.0, start_quantile(0.80)) == 1.0
