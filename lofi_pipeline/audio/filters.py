"""Filters that slide over an array, from scipy.ndimage: that is loaded when the first is used, for most commands use none."""

from __future__ import annotations

import numpy as np


def moving_mean(values: np.ndarray, size: int, *, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """The mean of the `size` values around each, along one axis; `mode` says what lies beyond the ends."""
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(values, size, axis=axis, mode=mode)


def moving_minimum(values: np.ndarray, size: int, *, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """The least of the `size` values around each, along one axis."""
    from scipy.ndimage import minimum_filter1d

    return minimum_filter1d(values, size, axis=axis, mode=mode)


def moving_median(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The median of the values in a window of this size around each."""
    from scipy.ndimage import median_filter

    return median_filter(values, size=size)
