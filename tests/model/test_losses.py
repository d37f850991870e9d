"""Losses: cost and slope agree with each other and with their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.model import ACTIVATIONS, Huber, Pinball, Squared, init_params, loss_and_gradients
from forecaster.model.losses import StudentT, get_loss
from forecaster.model.unrolled import Unrolled, pack
from forecaster.testing import check_gradients

ERRORS = np.array([[-3.0], [-0.2], [0.5], [2.0]])  # (O, n) = (4, 1)


def _slopes(loss, error=ERRORS, factor=1.0):
    slopes = error.copy()
    loss.slope(slopes, factor)
    return slopes[:, 0]


def test_the_squared_error():
    """9 + 0.04 + 0.25 + 4, and twice the error."""
    assert Squared().total(ERRORS) == pytest.approx(13.29)
    np.testing.assert_allclose(_slopes(Squared(), factor=0.5), ERRORS[:, 0])


def test_huber_is_the_squared_error_up_to_delta_and_a_line_beyond():
    """With delta 1: 2 * 3 - 1, 0.04, 0.25 and 2 * 2 - 1; the slope never exceeds 2 delta."""
    assert Huber(1.0).total(ERRORS) == pytest.approx(5.0 + 0.04 + 0.25 + 3.0)
    np.testing.assert_allclose(_slopes(Huber(1.0)), [-2.0, -0.4, 1.0, 2.0])


def test_pinball_weighs_being_too_high_and_too_low_by_the_level():
    """Levels 0.1 and 0.9 take turns: 0.1 * 3, 0.9 * 0.2, then 0.9 * 0.5, 0.1 * 2."""
    loss = Pinball((0.1, 0.9))
    assert loss.total(ERRORS) == pytest.approx(0.3 + 0.18 + 0.45 + 0.2)
    np.testing.assert_allclose(_slopes(loss), [-0.1, -0.9, 0.9, 0.1])


@pytest.mark.parametrize("level", [0.05, 0.5, 0.8])
def test_pinball_is_least_at_the_quantile(level):
    """Of the constants between two sorted values, the sample's quantile costs least."""
    y = np.random.default_rng(0).standard_normal(999)
    candidates = np.linspace(-2.5, 2.5, 501)
    costs = [Pinball((level,)).total((c - y)[np.newaxis]) for c in candidates]
    assert candidates[np.argmin(costs)] == pytest.approx(np.quantile(y, level), abs=0.02)


@pytest.mark.parametrize("loss", [Squared(), Huber(0.5), Pinball((0.2, 0.8)), StudentT(4.0)])
def test_what_is_not_a_number_stays_so(loss):
    """A training that has gone wrong must be seen to have."""
    error = np.array([[np.nan], [1.0]])
    assert np.isnan(loss.total(error))
    assert np.isnan(_slopes(loss, error)[0])


@pytest.mark.parametrize("loss", [Squared(), Huber(0.5), Pinball((0.2, 0.8)), StudentT(4.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slope_keeps_the_dtype(loss, dtype):
    """It is written in place."""
    error = np.ones((2, 3), dtype)
    loss.slope(error, 0.5)
    assert error.dtype == dtype


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from([Huber(0.3), Huber(5.0), Pinball(), Pinball((0.5,)), StudentT()]),
    loss_on=st.sampled_from(["last", "all"]),
    batch=st.integers(1, 4),
)
def test_gradients_are_those_of_the_loss(seed, loss, loss_on, batch):
    """By central differences, and the fast engine gives the same.

    Targets lie half a unit from the outputs at least, away from pinball's kink.
    """
    rng = np.random.default_rng(seed)
    params = init_params(rng, 2, 4, 3)
    x = rng.standard_normal((batch, 5, 2))
    size = (batch, 3) if loss_on == "last" else (batch, 5, 3)
    y = 20.0 * np.sign(rng.standard_normal(size)) + rng.standard_normal(size)
    check_gradients(params, x, y, "tanh", loss_on, loss=loss)
    cost, grads = loss_and_gradients(params, x, y, "tanh", loss_on, loss=loss)
    unrolled = Unrolled(pack(params), ACTIVATIONS["tanh"], 5, batch, loss_on, loss)
    assert unrolled.loss_and_gradient(x, y) == pytest.approx(cost, rel=1e-12)
    for name, gradient in unrolled.gradient.params.items():
        np.testing.assert_allclose(gradient, grads[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("freedom", [1.0, 5.0, 30.0])
def test_student_t_is_the_likelihood_of_a_log_scale(freedom):
    """Up to what depends on z alone, -log t(z; scale e^u) is the cost of u - log |z|."""
    from scipy.stats import t

    z, u = np.array([-4.0, -0.02, 0.3, 1.0, 5.0]), np.linspace(-2.0, 3.0, 21)[:, np.newaxis]
    cost = StudentT(freedom).costs(u - np.log(np.abs(z)))
    left = -t.logpdf(z, freedom, scale=np.exp(u)) - cost
    np.testing.assert_allclose(left, np.broadcast_to(left[0], left.shape), atol=1e-12)


@settings(max_examples=50)
@given(e=st.floats(-12.0, 12.0), freedom=st.sampled_from([1.0, 5.0, 30.0]))
def test_student_t_has_the_slope_and_curvature_of_its_cost(e, freedom):
    """By central differences; the curvature is never negative, and the least cost is at 0."""
    loss = StudentT(freedom)
    around = np.array([[e - 1e-5, e, e + 1e-5]])
    low, here, high = loss.costs(around)[0]
    slopes = around.copy()
    loss.slope(slopes, 1.0)
    assert slopes[0, 1] == pytest.approx((high - low) / 2e-5, abs=1e-7)
    assert loss.curvatures(around)[0, 1] == pytest.approx(
        (slopes[0, 2] - slopes[0, 0]) / 2e-5, abs=1e-7
    )
    assert loss.curvatures(around)[0, 1] >= 0.0
    assert here >= loss.costs(np.zeros((1, 1)))[0, 0] - 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_student_t_overflows_nowhere(dtype):
    """A scale far too narrow costs its freedom for each unit, one far too wide 1."""
    error = np.array([[-1e4], [1e4]], dtype)
    loss = StudentT(5.0)
    assert loss.costs(error).dtype == dtype
    np.testing.assert_allclose(loss.costs(error)[:, 0], [5e4, 1e4], rtol=1e-3)
    np.testing.assert_allclose(_slopes(loss, error, factor=0.5), [-2.5, 0.5])
    np.testing.assert_array_equal(loss.curvatures(error)[:, 0], [0.0, 0.0])


def test_losses_go_by_name():
    """Huber takes its delta; an unknown name lists those there are."""
    assert get_loss("squared") == Squared()
    assert get_loss("huber", delta=2.0) == Huber(2.0)
    assert get_loss("pinball") == Pinball((0.1, 0.5, 0.9))
    with pytest.raises(ValueError, match="'mse' is unknown: use one of squared, huber, pinball"):
        get_loss("mse")


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_pinball_refuses_outputs_that_are_no_quantiles(outputs):
    """Three levels need three outputs a target; one output is never a loss of nothing."""
    error = np.ones((outputs, 5))
    with pytest.raises(ValueError, match=f"^{outputs} outputs for quantiles 0.1, 0.5, 0.9: "):
        Pinball().total(error)


def test_losses_without_a_minimum_are_refused():
    """Huber's delta and Student's freedom are positive, and a quantile lies between 0 and 1."""
    with pytest.raises(ValueError, match="freedom is 0: it must be above 0"):
        StudentT(0.0)
    with pytest.raises(ValueError, match="delta is 0: it must be above 0"):
        Huber(0)
    with pytest.raises(ValueError, match=r"levels are 0\.5, 1\.5: each must lie between 0 and 1"):
        Pinball((0.5, 1.5))
