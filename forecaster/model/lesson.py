"""What a network is taught: windows to train on, and the newest ones held back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from forecaster.errors import DataError
from forecaster.model.extras import Beside, Extras
from forecaster.model.fit import Samples
from forecaster.model.inputs import Encoding, make_encoding
from forecaster.model.losses import QUANTILES
from forecaster.model.motion import Motion
from forecaster.model.network import as_series
from forecaster.model.scale import Floats, constant_values
from forecaster.model.tracker import start_quantile
from forecaster.model.windows import split_windows, windows_needed

if TYPE_CHECKING:
    from forecaster.config import ModelSettings


FEWEST_WINDOWS = 50  # that a network is trained on


def bars_needed(settings: "ModelSettings", season: int | None = None) -> int:
    """The fewest values with which a network can be trained.

    lookback + h + n, where h is the horizon (1 for recursive forecasts) and n is the smallest
    number of windows that leaves 50 to train on: n - max(1, floor(validation n)) - h >= 50, or
    n = 50 without validation. With a season of m it takes m - 1 more.
    """
    windows = windows_needed(FEWEST_WINDOWS, settings.validation, settings.targets)
    return settings.lookback + settings.targets + windows + (season or 1) - 1


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is taught, and how to read it.

    Attributes:
        values: (n,), the newest ones of the history.
        beside: of the same sessions.
        encoding: what windows and outputs mean.
        extras: what is read beside the series.
        quantiles: of each target that the outputs are, () for one output a target.
        training: the windows to learn from.
        held_back: the newest ones, to stop early by, or None.
    """

    values: Floats
    beside: Beside | None
    encoding: Encoding
    extras: Extras
    quantiles: tuple[float, ...]
    training: Samples
    held_back: Samples | None

    def first_outputs(self) -> Floats:
        """What the untouched network says of each target, (O,).

        Zero, the baseline; quantiles lie around it as those of returns do, in units of their scale.
        """
        reach = start_quantile(0.80)
        one = np.array([-reach, 0.0, reach]) if self.quantiles else np.zeros(1)
        return np.tile(one, self.encoding.horizon)


def make_lesson(
    values: ArrayLike, beside: Beside | None, settings: "ModelSettings", motion: Motion
) -> Lesson:
    """Cut the windows of the newest `history` values.

    Raises:
        DataError: "too_few_bars", "constant", "non_positive" or "not_finite".
    """
    given = as_series(values)
    values = given[-settings.history :]
    beside = beside and beside.between(len(given) - len(values), len(given))
    _check_enough(values, settings, motion)
    # Every encoding but "returns", which has to difference, gets one window more.
    count = len(values) - settings.lookback - settings.targets - motion.lag + 1
    count += settings.inputs != "returns"
    training, held_back = split_windows(count, settings.validation, settings.targets)
    encoding = make_encoding(
        settings.inputs,
        values[: len(values) - (count - training)],  # up to the last training target
        lookback=settings.lookback,
        horizon=settings.targets,
        motion=motion,
        decay=settings.decay,
    )
    extras = Extras(settings.extras, motion, settings.decay)
    quantiles = QUANTILES if settings.loss == "pinball" else ()
    every_step = settings.loss_on == "all"
    samples = make_samples(values, beside, encoding, extras, quantiles, every_step=every_step)
    newest = samples.between(count - held_back, count) if held_back else None
    return Lesson(values, beside, encoding, extras, quantiles, samples.between(0, training), newest)


def _check_enough(values: Floats, settings: "ModelSettings", motion: Motion) -> None:
    needed = bars_needed(settings, motion.season)
    if len(values) < needed:
        limited = settings.history < needed
        raise DataError(
            f"{len(values)} bars are too few: training needs {needed} (lookback "
            f"{settings.lookback}, horizon {settings.horizon}, validation {settings.validation:g})",
            remedy=f"set history to {needed} or more"
            if limited
            else "wait for more sessions, start earlier, or lower lookback or horizon",
            code="too_few_bars",
        )
    if values.min() == values.max():
        raise constant_values(values)


def make_samples(
    values: Floats,
    beside: Beside | None,
    encoding: Encoding,
    extras: Extras,
    quantiles: tuple[float, ...],
    *,
    every_step: bool = False,
) -> Samples:
    """All windows, with each target as often as it has outputs."""
    x, y = encoding.windows(values, every_step=every_step)
    last = len(values) - encoding.horizon  # one after the end of the last window
    ends = np.arange(last - len(x), last)
    others = extras.windows(values, beside, ends, encoding.lookback)
    return Samples(
        np.concatenate([x, others], axis=2), np.repeat(y, max(1, len(quantiles)), axis=-1)
    )
