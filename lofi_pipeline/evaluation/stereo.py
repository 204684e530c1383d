"""Faults of a clip's two channels, which embedders do not hear: they listen to the mean of both."""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.mastering.loudness import decibel
from lofi_pipeline.entities import StereoFault

DEAD_DB = 40.0
"""A channel so far below the other plays no part."""
INVERTED_CORRELATION = -0.9
MONO_SIDE_DB = -60.0
"""The difference of both channels, against their sum, at which they are one."""
_SILENT = 1e-5


def stereo_fault(samples: np.ndarray, *, expect_stereo: bool) -> StereoFault | None:
    """What is wrong with float [2, n] (or one channel); one channel counts as twice the same.

    Args:
        expect_stereo: whether what the clips are compared with is stereo, so that mono is a fault.
    """
    left, right = (np.asarray(samples[at], dtype=np.float64) for at in (0, -1))
    left_power, right_power = float(np.mean(left**2)), float(np.mean(right**2))
    if max(left_power, right_power) < _SILENT**2:
        return None
    if abs(decibel(left_power) - decibel(right_power)) > DEAD_DB:
        return StereoFault.DEAD_CHANNEL
    correlation = float(np.mean(left * right)) / np.sqrt(left_power * right_power)
    if correlation < INVERTED_CORRELATION:
        return StereoFault.INVERTED
    return StereoFault.MONO if expect_stereo and is_mono(left, right) else None


def is_mono(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether both channels are one."""
    side, middle = float(np.mean((left - right) ** 2)), float(np.mean((left + right) ** 2))
    return decibel(side) - decibel(middle) < MONO_SIDE_DB
