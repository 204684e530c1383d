"""Peaks that encoding lifted above the ceiling are turned down in the MP3 itself; what that changes is measured again.

The limiter leaves room for what encoding usually adds to a peak. Where the encoder's own ringing adds more (vocal chops do),
a few hundredths of a second get quieter: limiting the whole lower would cost loudness and a second encoding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.errors import EncodingFailed
from lofi_pipeline.audio.io.decode_again import decode_again
from lofi_pipeline.audio.io.frame_gain import turned_down
from lofi_pipeline.audio.mastering.loudness import (
    Peaks,
    decibel,
    k_weighted_power,
    local_peaks,
    peaks_after,
    power_after,
    true_peak_dbtp,
)

_TURNINGS_DOWN = 5
_TOLERATED_DB = 0.005


@dataclass(frozen=True)
class ReducedOvershoot:
    """An MP3 below the ceiling, the `k_weighted_power` of what it sounds like, and its true peak."""

    mp3: bytes
    power: np.ndarray
    peak_dbtp: float


def reduce_overshoot(mp3: bytes, measured: np.ndarray, ceiling_dbtp: float) -> ReducedOvershoot:
    """Turn an MP3 down where it exceeds the ceiling. `heard`: float32 [2, n] that it sounds like, kept up to date.

    Raises:
        EncodingFailed: its peaks do not come down.
    """
    power, reached = k_weighted_power(measured), true_peak_dbtp(measured)
    if reached <= ceiling_dbtp + _TOLERATED_DB:
        return ReducedOvershoot(mp3, power, reached)
    ceiling = 10 ** (ceiling_dbtp / 20)
    floor = 0.7 * ceiling
    peaks = [local_peaks(channel, floor) for channel in measured]
    for _ in range(_TURNINGS_DOWN):
        quieter = turned_down(mp3, [place for found in peaks for place in _overshoots(found, ceiling)])
        changed = decode_again(measured, mp3, quieter)
        mp3, power = quieter, power_after(power, measured, changed)
        peaks = [
            peaks_after(found, channel, floor, changed)
            for found, channel in zip(peaks, measured, strict=True)
        ]
        reached = 2 * decibel(max(float(found.level.max(initial=0.0)) for found in peaks))
        if reached <= ceiling_dbtp + _TOLERATED_DB:
            return ReducedOvershoot(mp3, power, reached)
    raise EncodingFailed(
        f"the MP3's peaks stay {reached - ceiling_dbtp:.2f} dB above the ceiling; report this with the track"
    )


def _overshoots(peaks: Peaks, ceiling: float) -> list[tuple[int, float]]:
    """Each local peak above the ceiling: its sample, and the dB that are too much."""
    return [
        (int(at), 2 * decibel(float(height) / ceiling))
        for at, height in zip(peaks.index, peaks.level, strict=True)
        if height > ceiling
    ]
