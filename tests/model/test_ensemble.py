"""Members of a network: trained apart, averaged, and with a spread beside them."""

from dataclasses import replace

import numpy as np

from forecaster.model import Motion, validation_loss
from forecaster.model.losses import QUANTILES
from forecaster.model.spread import fit_linear

from .trained import ONE_MEMBER, SETTINGS, prices, train


def test_members_are_averaged_before_they_are_decoded():
    """As the test above, with a second member that says 0.5 and 0 whatever it reads.

    The mean of (1.46, 0.98) and (0.5, 0) is (0.98, 0.49), which is 9.8 and 4.9.
    """
    still = {
        "W_xh": np.array([[0.0]]), "W_hh": np.array([[0.0]]), "b_h": np.array([0.0]),
        "W_hy": np.array([[0.0], [0.0]]), "b_y": np.array([0.5, 0.0]),
    }  # fmt: skip
    both = replace(ONE_MEMBER, members=(*ONE_MEMBER.members, still))
    np.testing.assert_allclose(both.predict([7.0, 5.0, 10.0]), [9.8, 4.9], rtol=1e-14)


def test_quantiles_of_members_are_averaged_and_then_put_in_order():
    """One says 1, 2 and 6 of each target, the other 5, 1 and 3: 3, 1.5 and 4.5 in the mean."""

    def saying(*quantiles):
        b_y = np.array(quantiles * 2) / 10.0
        return {**ONE_MEMBER.members[0], "W_hy": np.zeros((6, 1)), "b_y": b_y}

    network = replace(
        ONE_MEMBER, members=(saying(1.0, 2.0, 6.0), saying(5.0, 1.0, 3.0)), quantiles=QUANTILES
    )
    found = network.predict_quantiles([7.0, 5.0, 10.0])
    np.testing.assert_allclose(found, [[1.5, 3.0, 4.5]] * 2, rtol=1e-14)
    np.testing.assert_allclose(network.predict([7.0, 5.0, 10.0]), [3.0, 3.0], rtol=1e-14)


def test_members_are_trained_apart():
    """From other weights each, the same ones however many there are."""
    values = prices()
    three, two = (train(values, members=count).members for count in (3, 2))
    assert [len({params[name].tobytes() for params in three}) for name in ("W_hh", "W_xh")] == [
        3, 3,
    ]  # fmt: skip
    for one, other in zip(three, two, strict=False):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_averaging_does_no_harm():
    """With a squared loss the mean of members loses no more than they do in the mean (Jensen)."""
    values = prices(600, phi=-0.5)
    network = train(values, members=4, learning_rate=0.01)
    alone = [
        validation_loss(replace(network, members=(params,)), values, SETTINGS)
        for params in network.members
    ]
    assert len(set(alone)) == 4
    assert network.summary.validation_loss < np.mean(alone)
    assert network.summary.validation_loss < network.summary.baseline_loss


def test_the_spread_is_fitted_beside_the_network():
    """On the values and ranges of the history, where there are enough; it is that of `spread`."""
    values = prices(700)
    ranges = np.abs(np.random.default_rng(1).normal(0.0, 0.01, 700))
    settings = SETTINGS.model_copy(update={"history": 600})
    found = train(values, settings, ranges=ranges).spread
    expected = fit_linear(values[100:], ranges[100:], motion=Motion(), horizon=3)
    assert (found.ranged, found.bias.shape, found.weights.shape) == (True, (3,), (3, 6))
    assert np.array_equal(found.weights, expected.weights)
    assert not train(values).spread.ranged
    assert train(prices(200)).spread is None
