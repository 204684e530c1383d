"""Reduction of peaks that encoding raised above the ceiling: they are lowered in the MP3 itself, and measured again.

The limiter keeps peaks lower by what encoding usually adds to them. Where it adds more (with vocal chops, for example), a few
hundredths of a second are made quieter. Limiting the whole track further would cost loudness and a second encoding.
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

_MOST_ROUNDS = 5
_TOLERATED_DB = 0.005


@dataclass(frozen=True)
class ReducedOvershoot:
    """An MP3 below the ceiling, and the `k_weighted_power` and true peak of its decoded samples."""

    mp3: bytes
    power: np.ndarray
    peak_dbtp: float


def reduce_overshoot(mp3: bytes, measured: np.ndarray, ceiling_dbtp: float) -> ReducedOvershoot:
    """Lower an MP3 where it exceeds the ceiling.

    Args:
        mp3: what `encode_mp3` made.
        measured: its decoded samples, float32 [2, n]; they are updated in place.

    Raises:
        EncodingFailed: its peaks do not come down.
    """
    power, reached = k_weighted_power(measured), true_peak_dbtp(measured)
    if reached <= ceiling_dbtp + _TOLERATED_DB:
        return ReducedOvershoot(mp3, power, reached)
    ceiling = 10 ** (ceiling_dbtp / 20)
    floor = 0.7 * ceiling
    peaks = [local_peaks(channel, floor) for channel in measured]
    for _ in range(_MOST_ROUNDS):
        quieter = turned_down(
            mp3, [overshoot for found in peaks for overshoot in _overshoots(found, ceiling)]
        )
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
    """Each local peak above the ceiling: its sample, and the excess in dB."""
    return [
        (int(at), 2 * decibel(float(height) / ceiling))
        for at, height in zip(peaks.index, peaks.level, strict=True)
        if height > ceiling
    ]
