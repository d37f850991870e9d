"""The panel: one Elman network that has learnt from many series how wide their moves will be.

A series' own past holds few crises, that of many series holds several. Trained on all of them, with
inputs that mean the same for each, the network says the log scale of the moves to come. Outputs and
targets are those of `spread`, and so is the likelihood. Three members, each with weights of its
own, are averaged in log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecaster.errors import DataError
from forecaster.model.activations import TANH, Array
from forecaster.model.artefact import NAMES, read, refused, write
from forecaster.model.cell import Params, check_shapes, forward, init_params
from forecaster.model.fit import (
    Fitted,
    Progress,
    Recipe,
    Samples,
    counted_from,
    fit,
    last_outputs,
)
from forecaster.model.motion import Motion
from forecaster.model.network import TrainingSummary
from forecaster.model.panel_inputs import INPUTS, PanelInputs
from forecaster.model.scale import Floats
from forecaster.model.spread import T5, WARM, deviations, log_sizes

FORMAT = 1
LOOKBACK = 20
FIRST = max(LOOKBACK - 1, WARM)  # step at which the first window of a series ends
HIDDEN = 32
MEMBERS = 3
MOST_WINDOWS = 120_000
RECIPE = Recipe(
    optimizer="adam",
    learning_rate=3e-3,
    batch_size=256,
    epochs=6,
    patience=6,  # there is no validation to be patient with
    schedule="cosine",
    loss=T5,
)


@dataclass(frozen=True, eq=False)
class PanelLesson:
    """What one series has to teach: its history up to the cutoff.

    Attributes:
        values: (n,), oldest first.
        ranges: (n,), log(high / low), or high - low of differences; NaN where unknown; or None.
        motion: how the series moves.
    """

    values: Floats
    ranges: Floats | None
    motion: Motion


@dataclass(frozen=True, eq=False)
class PanelSpread:
    """The trained panel.

    Attributes:
        members: of each W_xh (32, 4), W_hh (32, 32), b_h (32,), W_hy (H, 32), b_y (H,).
        horizon: H.
        summary: how the training went; the loss is that of the averaged outputs.
        lookback: steps that a window reads, T.
    """

    members: tuple[Params, ...]
    horizon: int
    summary: TrainingSummary
    lookback: int = LOOKBACK

    def scales(self, values: Floats, ranges: Floats | None, motion: Motion) -> Floats:
        """Standard deviations of the moves from the last session to each of the H next.

        Args:
            values: (n,), oldest first, of any series: more than the lookback (and a season).
            ranges: (n,), as in `PanelLesson`.
            motion: how the series moves.

        Returns:
            (H,), positive, in the unit of the moves.

        Raises:
            DataError: too few values (code "too_few_bars").
        """
        x, sigma = self._newest(values, ranges, motion)
        return deviations(self._log_scale(x), sigma, motion)

    def contributions(self, values: Floats, ranges: Floats | None, motion: Motion) -> Floats:
        """By how much the log of the scales falls without each feature, (H, 4) as in FEATURES.

        A feature is taken away at all steps: it reads 0, as usual.

        Args:
            values: (n,), as for `scales`.
            ranges: likewise.
            motion: likewise.
        """
        x, _ = self._newest(values, ranges, motion)
        whole, found = self._log_scale(x), []
        for feature in range(INPUTS):
            without = x.copy()
            without[..., feature] = 0.0
            found.append(whole - self._log_scale(without))
        return np.stack(found, axis=1)

    def _newest(self, values: Floats, ranges: Floats | None, motion: Motion) -> tuple[Array, float]:
        """Return the newest window (1, T, 4), and sigma."""
        needed = self.lookback + motion.lag
        if len(values) < needed:
            raise DataError(
                f"{len(values)} values are too few for the panel: it reads {needed}",
                remedy="wait for more sessions, or start earlier",
                code="too_few_bars",
            )
        seen = PanelInputs.of(values, ranges, motion)
        x = seen.windows(np.array([len(seen.steps) - 1]), self.lookback)
        return x, float(seen.sigma[-1])

    def _log_scale(self, x: Array) -> Floats:
        outputs = [forward(each, x, TANH)[0][0, -1] for each in self.members]  # (H,) each
        return np.asarray(np.mean(np.array(outputs, dtype=np.float64), axis=0))


def train_panel(
    lessons: Sequence[PanelLesson],
    *,
    horizon: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> PanelSpread:
    """Train the panel on all series that have windows to give.

    Where they have more than 120,000 together, as many are drawn of each series, or all of those
    that have fewer.

    Args:
        lessons: series, in an order that must be the same for the same result.
        horizon: H.
        rng: draws windows, first weights and the order of training.
        progress: called after each epoch with its number, which goes on from member to member.

    Raises:
        DataError: no lesson is long enough for a single window (code "too_few_bars").
        TrainingError: see `fit`.
    """
    samples = _samples(lessons, horizon, rng)
    fitted = []
    for k, own in enumerate(rng.spawn(MEMBERS)):
        first = init_params(own, INPUTS, HIDDEN, horizon, np.float32, zero_output=True)
        told = progress and counted_from(k * RECIPE.epochs, progress)
        fitted.append(fit(first, samples, None, RECIPE, activation=TANH, rng=own, progress=told))
    members = tuple(each.params for each in fitted)
    return PanelSpread(members, horizon, _summary(samples, fitted))


def panel_windows(lesson: PanelLesson, horizon: int) -> int:
    """How many windows with known outcomes a series has to give."""
    return max(0, len(lesson.values) - lesson.motion.lag - horizon - FIRST)


def panel_to_bytes(panel: PanelSpread) -> bytes:
    """The panel as npz: five arrays with the members along their first axis, and `about`."""
    arrays = {name: np.stack([each[name] for each in panel.members]) for name in NAMES}
    about = {
        "format": FORMAT,
        "horizon": panel.horizon,
        "lookback": panel.lookback,
        "summary": asdict(panel.summary),
    }
    return write({"panel": about}, arrays)


def panel_from_bytes(data: bytes) -> PanelSpread:
    """The panel that `panel_to_bytes` wrote.

    Raises:
        DataError: the bytes are damaged or not of a panel (code "artefact").
    """
    with refused(data, "panel"):
        about, arrays = read(data)
        return _panel(about["panel"], arrays)


def _panel(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> PanelSpread:
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']}, this program reads {FORMAT}")
    horizon, lookback = int(about["horizon"]), int(about["lookback"])
    counts = {len(arrays[name]) for name in NAMES}
    if len(counts) != 1 or counts == {0} or lookback < 1:
        raise ValueError(f"it has {counts} members and a lookback of {lookback}")
    members = tuple({name: arrays[name][k] for name in NAMES} for k in range(counts.pop()))
    for each in members:
        check_shapes(each, np.empty((1, lookback, INPUTS)))
        if len(each["b_y"]) != horizon:
            raise ValueError(f"it has {len(each['b_y'])} outputs for horizon {horizon}")
        if not all(np.isfinite(value).all() for value in each.values()):
            raise ValueError("it holds numbers that are not finite")
    return PanelSpread(members, horizon, TrainingSummary(**about["summary"]), lookback)


def _samples(lessons: Sequence[PanelLesson], horizon: int, rng: np.random.Generator) -> Samples:
    counts = [panel_windows(each, horizon) for each in lessons]
    if not any(counts):
        raise DataError(
            f"none of {len(lessons)} series has a window for the panel to learn from",
            remedy="wait for more sessions, or start earlier",
            code="too_few_bars",
        )
    x, y = [], []
    for lesson, count, drawn in zip(lessons, counts, _shares(counts, MOST_WINDOWS), strict=True):
        if not drawn:
            continue
        ends = FIRST + np.sort(rng.choice(count, drawn, replace=False))
        seen = PanelInputs.of(lesson.values, lesson.ranges, lesson.motion)
        x.append(seen.windows(ends, LOOKBACK))
        y.append(log_sizes(lesson.values, seen.sigma, lesson.motion, horizon)[ends])
    return Samples(np.concatenate(x), np.concatenate(y, dtype=np.float32))


def _summary(samples: Samples, fitted: Sequence[Fitted]) -> TrainingSummary:
    said = [last_outputs(each.params, samples.x, TANH) for each in fitted]
    error = np.mean(said, axis=0, dtype=np.float64) - samples.y
    return TrainingSummary(
        windows=len(samples),
        epochs=RECIPE.epochs,
        best_epoch=RECIPE.epochs,
        train_loss=T5.total(error) / len(samples),
        validation_loss=None,
        baseline_loss=None,
        restarts=sum(each.restarts for each in fitted),
    )


def _shares(counts: Sequence[int], most: int) -> list[int]:
    """How many windows each series gives: as evenly as their counts allow, `most` at most."""
    shares, left = [0] * len(counts), most
    in_order = sorted(range(len(counts)), key=counts.__getitem__)  # the shortest first
    for place, k in enumerate(in_order):
        shares[k] = min(counts[k], left // (len(counts) - place))
        left -= shares[k]
    return shares
