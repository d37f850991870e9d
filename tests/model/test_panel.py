"""The panel: what it reads, what it learns, and that it survives being stored."""

import io
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.model import forward
from forecaster.model import panel as panel_module
from forecaster.model.losses import StudentT
from forecaster.model.motion import Motion
from forecaster.model.panel import (
    LOOKBACK,
    PanelLesson,
    PanelSpread,
    panel_from_bytes,
    panel_to_bytes,
    panel_windows,
    train_panel,
)
from forecaster.model.panel_inputs import FEATURES, PanelInputs
from forecaster.model.spread import ewma_scales

PRICE = Motion()


def _restless(n=400, seed=0):
    """Prices whose volatility comes and goes, with the ranges of their sessions and its log."""
    rng = np.random.default_rng(seed)
    log_scale = np.zeros(n)
    for t in range(1, n):
        log_scale[t] = 0.95 * log_scale[t - 1] + 0.2 * rng.standard_normal()
    moves = 0.01 * np.exp(log_scale) * rng.standard_t(5, n) * 0.6**0.5
    ranges = 0.01 * np.exp(log_scale) * 1.67 * np.exp(0.2 * rng.standard_normal(n))
    return 100.0 * np.exp(np.cumsum(moves)), ranges, log_scale


def _lessons(count=3, n=400):
    series = (_restless(n, seed) for seed in range(count))
    return [PanelLesson(values, ranges, PRICE) for values, ranges, _ in series]


def _train(lessons, seed=0, horizon=2, **more):
    return train_panel(lessons, horizon=horizon, rng=np.random.default_rng(seed), **more)


@pytest.fixture(scope="module")
def trained():
    """A panel of three short series."""
    return _train(_lessons())


def _windows(lesson, ends):
    return PanelInputs.of(lesson.values, lesson.ranges, lesson.motion).windows(
        np.array(ends), LOOKBACK
    )


def test_the_inputs_of_a_step_by_hand():
    """Move, its size, volatility against that of the year, range: in units of sigma_t."""
    lesson = _lessons(1)[0]
    moves = np.diff(np.log(lesson.values))
    seen = PanelInputs.of(lesson.values, lesson.ranges, PRICE)
    for end in (25, 200, 398):
        x = _windows(lesson, [end])[0]
        assert x.shape == (20, 4)
        year = np.sqrt(np.mean(moves[max(0, end - 251) : end + 1] ** 2))
        for i in (0, 7, 19):
            step = end - 19 + i
            sigma_t = seen.sigma[end]
            expected = [
                moves[step] / sigma_t,
                abs(moves[step]) / sigma_t - 0.8,
                np.log(seen.sigma[step] / year),
                lesson.ranges[step + 1] / sigma_t / 1.2 - 1.0,
            ]
            np.testing.assert_allclose(x[i], np.clip(expected, -8, 8), rtol=1e-5, atol=1e-6)


def test_a_range_that_is_unknown_is_as_wide_as_usual():
    """0 in its channel: for the session that lacks it, or for a series that has none."""
    lesson = _lessons(1)[0]
    gaps = lesson.ranges.copy()
    gaps[[390, 391]] = np.nan, -1.0
    whole, some = (_windows(replace(lesson, ranges=r), [398])[0] for r in (lesson.ranges, gaps))
    unknown = np.array([390, 391]) - 1 - (398 - 19)
    assert (some[unknown, 3] == 0.0).all()
    some[unknown, 3] = whole[unknown, 3]
    np.testing.assert_array_equal(some, whole)
    assert (_windows(replace(lesson, ranges=None), [398])[..., 3] == 0.0).all()


@pytest.mark.parametrize("motion", [PRICE, Motion("price", 5), Motion("difference", 3)])
def test_samples_know_nothing_later_than_they_may(motion):
    """Cut after a session, the windows with known outcomes are the same bits, targets too."""
    values, ranges, _ = _restless(300)

    def samples(end):
        lesson = PanelLesson(values[:end], ranges[:end], motion)
        return panel_module._samples([lesson], 2, np.random.default_rng(0))

    whole = samples(300)
    for end in (200, 201):
        cut = samples(end)
        assert len(cut) == panel_windows(PanelLesson(values[:end], None, motion), 2)
        assert np.array_equal(cut.x, whole.x[: len(cut)])
        assert np.array_equal(cut.y, whole.y[: len(cut)])


def test_it_foresees_the_spread_of_a_series_it_has_never_met():
    """Trained on others, it is nearer to the true volatility than the EWMA."""
    lessons = _lessons(8, 1200)
    panel = _train(lessons, horizon=1)
    values, ranges, log_scale = _restless(1000, seed=99)
    errors = []
    for end in range(400, 999, 9):
        cut = slice(end - 300, end + 1)
        ours = panel.scales(values[cut], ranges[cut], PRICE)[0]
        theirs = ewma_scales(values[cut], 0.97, motion=PRICE, horizon=1)[0]
        errors.append(np.abs(np.log([ours, theirs]) - np.log(0.01) - log_scale[end]))
    ours, theirs = np.mean(errors, axis=0)
    assert ours < 0.8 * theirs


def test_the_untouched_panel_is_student_t_at_the_scale_of_its_moves(trained):
    """Outputs of zero are sqrt(5/3) sigma_t sqrt(h); three members are averaged in log."""
    values, ranges, _ = _restless(300, seed=7)
    zero = {name: np.zeros_like(each) for name, each in trained.members[0].items()}
    up = {**zero, "b_y": np.float32([0.3, 0.6])}
    sigma = PRICE.scale(PRICE.steps(values), 0.94)[-1] * np.sqrt([1, 2])
    for members, log_scale in (((zero,), 0.0), ((zero, up, zero), np.array([0.1, 0.2]))):
        said = PanelSpread(members, 2, trained.summary).scales(values, ranges, PRICE)
        np.testing.assert_allclose(said, np.sqrt(5 / 3) * np.exp(log_scale) * sigma, rtol=1e-6)


def test_members_differ_and_training_repeats_to_the_bit(trained):
    """Same series and seed, same bytes; another seed, another panel."""
    assert len(trained.members) == 3
    first, second, _ = trained.members
    assert not np.array_equal(first["W_hh"], second["W_hh"])
    assert first["W_hh"].dtype == np.float32
    again = panel_to_bytes(_train(_lessons()))
    assert again == panel_to_bytes(trained)
    assert again != panel_to_bytes(_train(_lessons(), seed=1))


def test_the_summary_is_that_of_all_members_together(trained):
    """Windows, epochs, and the loss of their mean, as the readable network computes it."""
    samples = panel_module._samples(_lessons(), 2, np.random.default_rng(0))
    outputs = [forward(each, samples.x)[0][:, -1] for each in trained.members]
    loss = StudentT(5.0).costs(np.mean(outputs, axis=0) - samples.y).sum(axis=1).mean()
    summary = trained.summary
    assert summary.windows == len(samples) == 3 * (400 - 1 - 2 - 20)
    assert (summary.epochs, summary.best_epoch, summary.restarts) == (6, 6, 0)
    assert summary.train_loss == pytest.approx(loss, rel=1e-5)
    assert summary.validation_loss is summary.baseline_loss is None


def test_progress_counts_on_from_member_to_member():
    """Three times six epochs; there is no validation loss."""
    told = []
    _train(_lessons(1, 60), progress=lambda epoch, loss: told.append((epoch, loss)))
    assert told == [(epoch, None) for epoch in range(1, 19)]


def test_windows_are_drawn_evenly_over_the_series(monkeypatch):
    """As many of each as may be, or all of a short one; and never the same one twice."""
    monkeypatch.setattr(panel_module, "MOST_WINDOWS", 300)
    lessons = [*_lessons(2), PanelLesson(_restless(80)[0], None, PRICE)]
    short = panel_windows(lessons[2], 2)
    assert short == 80 - 1 - 2 - 20
    samples = panel_module._samples(lessons, 2, np.random.default_rng(0))
    assert len(samples) == 300
    assert int(np.sum((samples.x[..., 3] == 0.0).all(axis=1))) == short
    assert len(np.unique(samples.x.reshape(300, -1), axis=0)) == 300
    other = panel_module._samples(lessons, 2, np.random.default_rng(1))
    assert not np.array_equal(other.x, samples.x)


@given(counts=st.lists(st.integers(0, 500), max_size=12), most=st.integers(0, 2000))
def test_shares_are_even(counts, most):
    """None gives more than it has, together they give all they may, none is spared for another."""
    shares = panel_module._shares(counts, most)
    assert all(0 <= share <= count for share, count in zip(shares, counts, strict=True))
    assert sum(shares) == min(most, sum(counts))
    limited = [share for share, count in zip(shares, counts, strict=True) if share < count]
    if limited:
        assert max(shares) - min(limited) <= 1


def test_a_series_too_short_for_a_window_teaches_nothing():
    """The others do; if none has one, that is said."""
    short = PanelLesson(np.linspace(1.0, 2.0, 23), None, PRICE)
    assert panel_windows(short, 2) == 0
    assert panel_windows(PanelLesson(np.linspace(1.0, 2.0, 24), None, PRICE), 2) == 1
    lessons = _lessons(1, 60)
    alone, beside = (
        panel_module._samples(some, 2, np.random.default_rng(0))
        for some in (lessons, [*lessons, short])
    )
    assert np.array_equal(alone.x, beside.x)
    with pytest.raises(DataError, match="none of 1 series has a window"):
        _train([short])


@pytest.mark.parametrize("motion", [PRICE, Motion("difference"), Motion("price", 4)])
@pytest.mark.parametrize("kind", ["flat", "stopped", "tiny", "wild"])
def test_whatever_the_values_do_there_is_a_spread(trained, motion, kind):
    """Finite and positive, with no warning; also learnt from."""
    rng = np.random.default_rng(0)
    moves = (
        rng.standard_normal(400) * {"flat": 0.0, "stopped": 0.01, "tiny": 1e-9, "wild": 1.0}[kind]
    )
    if kind == "stopped":
        moves[100:] = 0.0
    values = 10.0 * np.exp(np.cumsum(moves))
    for ranges in (None, np.abs(moves), np.full(400, np.nan)):
        said = trained.scales(values, ranges, motion)
        assert np.isfinite(said).all()
        assert (said > 0.0).all()
    least = LOOKBACK + motion.lag
    assert (trained.scales(values[:least], None, motion) > 0.0).all()
    with pytest.raises(DataError, match=f"^{least - 1} values are too few for the panel"):
        trained.scales(values[: least - 1], None, motion)
    learnt = _train([PanelLesson(values, np.abs(moves), motion)])
    assert np.isfinite(learnt.scales(values, None, motion)).all()


def test_what_comes_back_says_the_same_bits(trained):
    """The same panel always as the same bytes, and nothing in them is pickled."""
    data = panel_to_bytes(trained)
    back = panel_from_bytes(data)
    values, ranges, _ = _restless(300, seed=7)
    said, before = (each.scales(values, ranges, PRICE) for each in (back, trained))
    assert said.tobytes() == before.tobytes()
    assert (back.horizon, back.lookback, back.summary) == (2, 20, trained.summary)
    assert panel_to_bytes(back) == data
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fu" for name in file)


@pytest.mark.parametrize(
    "change",
    [
        {"horizon": 3},
        {"lookback": 0},
        {"members": ()},
        {"b_y": [np.nan, 0.0]},
        {"W_xh": np.zeros((32, 3))},
    ],
)
def test_a_panel_that_is_none_is_refused(trained, change):
    """Sizes that do not fit, numbers that are none."""
    if isinstance(next(iter(change.values())), int | tuple):
        bad = replace(trained, **change)
    else:
        arrays = {name: np.float32(each) for name, each in change.items()}
        bad = replace(trained, members=tuple({**each, **arrays} for each in trained.members))
    with pytest.raises((DataError, ValueError)) as caught:
        panel_from_bytes(panel_to_bytes(bad))
    if bad.members:
        assert caught.value.code == "artefact"


def test_damaged_bytes_are_refused(trained):
    """Cut, garbled anywhere, or something else: always one error that says so."""
    data = panel_to_bytes(trained)
    rng = np.random.default_rng(0)
    noise = [bytes(rng.integers(0, 256, 500, dtype=np.uint8)) for _ in range(5)]
    other = io.BytesIO()
    np.savez(other, W_hh=np.zeros((3, 2)))
    for bad in (b"", data[:-100], data[: len(data) // 2], data[50:], *noise, other.getvalue()):
        with pytest.raises(DataError, match="are not a stored panel") as caught:
            panel_from_bytes(bad)
        assert caught.value.code == "artefact"


@pytest.mark.parametrize("mask", [0xFF, 0x01, 0x20])
def test_a_flipped_byte_is_noticed_or_harmless(trained, mask):
    """Wherever it lies: the bytes are refused, or every number is as it was."""
    data = panel_to_bytes(trained)
    for place in (
        *range(300),
        *range(300, len(data) - 600, 301),
        *range(len(data) - 600, len(data)),
    ):
        damaged = bytearray(data)
        damaged[place] ^= mask
        back = trained
        with suppress(DataError):
            back = panel_from_bytes(bytes(damaged))
        assert panel_to_bytes(back) == data


def test_a_feature_that_is_taken_away_reads_as_usual(trained):
    """What it adds is the log scale with it, less that with zeros in its place."""
    values, ranges, _ = _restless(seed=9)
    found = trained.contributions(values, ranges, PRICE)
    assert found.shape == (2, len(FEATURES))
    unranged = trained.scales(values, None, PRICE)
    np.testing.assert_allclose(
        found[:, FEATURES.index("range")],
        np.log(trained.scales(values, ranges, PRICE) / unranged),
        atol=1e-6,
    )
    without = trained.contributions(values, None, PRICE)
    assert (without[:, FEATURES.index("range")] == 0.0).all()
    assert (found != 0.0).all()
