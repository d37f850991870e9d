"""Cutting a series into windows, measuring what is inside them, and dividing them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.model.scale import Floats

INPUT_LIMIT = 8.0  # in units of scale: beyond it an input says "very large" and no more
TARGET_LIMIT = 6.0


def ahead_of(numbers: Floats, horizon: int) -> Floats:
    """How far each of the next `horizon` numbers lies from each number, (n - H, H)."""
    future = sliding_window_view(numbers, horizon + 1)  # (n - H, H + 1), row j is j .. j + H
    return future[:, 1:] - future[:, :1]


def seen_from(ahead: Floats, lookback: int, every_step: bool) -> Floats:
    """What lies ahead of each step, (m, H), as targets of windows, (m - T + 1, H).

    They are those of a window's last step; or of each of its steps, (m - T + 1, T, H).
    """
    if not every_step:
        return ahead[lookback - 1 :]
    return sliding_window_view(ahead, lookback, axis=0).transpose(0, 2, 1)


def per_window(numbers: Floats, scale: Floats) -> Floats:
    """Divide what belongs to each window, (n, ...), by its scale (n,)."""
    return numbers / np.expand_dims(scale, tuple(range(1, numbers.ndim)))


def clipped(numbers: Floats, limit: float) -> Floats:
    """Numbers beyond +-limit at the limit."""
    return np.clip(numbers, -limit, limit)


def spread_of(seen: Floats) -> Floats:
    """Standard deviation of each window (n, T), never zero, (n,)."""
    smallest = np.maximum(1e-5 * np.abs(seen[:, -1]), 1e-12)
    found: Floats = np.maximum(smallest, np.std(seen, axis=1))
    return found


def relative(seen: Floats, spread: Floats) -> Floats:
    """Each window (n, T) as the distance from its last value in spreads, (n, T, 1)."""
    return clipped(per_window(seen - seen[:, -1:], spread), INPUT_LIMIT)[..., np.newaxis]


def split_windows(count: int, validation: float, gap: int) -> tuple[int, int]:
    """How many of `count` windows train, and how many of the newest are held back.

    Between the two lie `gap` windows that do neither. With a gap of the horizon no training
    target reaches the first session that a held-back window has to foresee.

    Returns:
        (training, validation); (count, 0) where `validation` is 0.
    """
    if validation == 0:
        return count, 0
    held_back = max(1, int(count * validation))
    return count - held_back - gap, held_back


def windows_needed(training: int, validation: float, gap: int) -> int:
    """The smallest count of which `split_windows` leaves at least `training` to train on."""
    count = training
    while split_windows(count, validation, gap)[0] < training:
        count += 1
    return count
