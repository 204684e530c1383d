"""Loudness by one linear gain, and a look-ahead limiter for the few peaks that stand out. No compressor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from lofi_pipeline.audio.loudness import integrated_loudness, local_peaks

_LOOK_AHEAD = 240
"""Samples: 5 ms at 48 kHz, long enough that the gain's own movement is not heard as distortion."""
_CLOSE_ENOUGH_LU = 0.05


@dataclass(frozen=True)
class Levelled:
    """Samples at their new level, float32 [2, n], the gain, and how far below the target they stay."""

    samples: np.ndarray
    gain_db: float
    loudness_shortfall_db: float


def level(
    samples: np.ndarray,
    *,
    lufs: float,
    peak_dbtp: float,
    target_lufs: float,
    ceiling_dbtp: float,
    max_limiter_db: float,
) -> Levelled:
    """Bring samples of loudness `lufs` and true peak `peak_dbtp` to the target without exceeding the ceiling.

    Where that would take more than `max_limiter_db` of limiting, the gain stops short of the target instead,
    and the shortfall is recorded: dynamics are worth more than the last decibels.
    """
    wanted = target_lufs - lufs
    allowed = ceiling_dbtp + max_limiter_db - peak_dbtp
    gain = min(wanted, allowed)
    limited = _amplified(samples, gain, ceiling_dbtp)
    if peak_dbtp + gain <= ceiling_dbtp:
        return Levelled(limited, gain, 0.0)
    reached = integrated_loudness(limited)
    missing = target_lufs - reached if reached is not None else 0.0
    if (
        wanted < allowed and missing > _CLOSE_ENOUGH_LU
    ):  # limiting itself made it quieter: once more, with that added
        gain = min(gain + missing, allowed)
        limited = _amplified(samples, gain, ceiling_dbtp)
        reached = integrated_loudness(limited)
        missing = target_lufs - reached if reached is not None else 0.0
    return Levelled(limited, gain, max(0.0, missing) if missing > _CLOSE_ENOUGH_LU else 0.0)


def _amplified(samples: np.ndarray, gain_db: float, ceiling_dbtp: float) -> np.ndarray:
    louder = samples * np.float32(10 ** (gain_db / 20))
    return limit(louder, 10 ** (ceiling_dbtp / 20))


def limit(samples: np.ndarray, ceiling: float) -> np.ndarray:
    """Hold the true peak of float32 [c, n] at `ceiling` (linear), both channels alike; may work in place.

    The gain that each peak needs is spread 5 ms to both sides and smoothed by two running means that together
    are no wider than that, so it is fully down when the peak arrives (and the ceiling holds by construction).
    """
    count = samples.shape[1]
    needed = np.ones(count, dtype=np.float32)
    for channel in samples:
        peaks = local_peaks(channel, 0.7 * ceiling)
        over = peaks.level > ceiling
        np.minimum.at(needed, peaks.index[over], (ceiling / peaks.level[over]).astype(np.float32))
    hot = np.flatnonzero(needed < 1)
    reach = 2 * _LOOK_AHEAD
    for first, last in _stretches(hot, 2 * reach):
        part = slice(max(0, first - reach), min(count, last + reach + 1))
        gain = minimum_filter1d(needed[part], 2 * _LOOK_AHEAD + 1, mode="nearest")
        for _ in range(2):
            gain = uniform_filter1d(gain, _LOOK_AHEAD + 1, mode="nearest")
        samples[:, part] *= gain
    return samples


def _stretches(indices: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(first, last) of each run of sorted indices with no more than `gap` between neighbours."""
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) > gap)
    firsts = indices[np.concatenate(([0], breaks + 1))]
    lasts = indices[np.concatenate((breaks, [len(indices) - 1]))]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
