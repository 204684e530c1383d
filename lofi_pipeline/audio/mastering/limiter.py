"""Levelling: one linear gain for the loudness, and a look-ahead limiter for the few peaks above the ceiling. No compressor.

Loudness and true peaks are measured in loudness.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.filters import moving_mean, moving_minimum
from lofi_pipeline.audio.mastering.loudness import SILENCE_LUFS, gated_loudness, local_peaks, power_after

_LOOK_AHEAD = 240
"""Samples: 5 ms at 48 kHz, long enough that changes of the gain are not audible as distortion."""
_CLOSE_ENOUGH_LU = 0.05


@dataclass(frozen=True)
class Levelled:
    """Samples at their new level, float32 [2, n], the gain, and how far below the target they are."""

    samples: np.ndarray
    gain_db: float
    loudness_shortfall_db: float


def level(
    samples: np.ndarray,
    *,
    power: np.ndarray,
    peak_dbtp: float,
    target_lufs: float,
    ceiling_dbtp: float,
    max_limiter_db: float,
) -> Levelled:
    """Bring samples of a true peak `peak_dbtp` to the target without exceeding the ceiling.

    `power` is their `k_weighted_power`. Where the target would take more than `max_limiter_db` of limiting, the gain is
    smaller, and the shortfall is recorded: dynamics are worth more than the last decibels.
    """
    wanted = target_lufs - _loudness(power)
    allowed = ceiling_dbtp + max_limiter_db - peak_dbtp
    gain = min(wanted, allowed)
    limited, reached = _amplified(samples, power, gain, ceiling_dbtp)
    if peak_dbtp + gain <= ceiling_dbtp:
        return Levelled(limited, gain, wanted - gain)
    missing = target_lufs - reached
    if (
        wanted < allowed and missing > _CLOSE_ENOUGH_LU
    ):  # limiting itself made it quieter: once more, with that added
        gain = min(gain + missing, allowed)
        del limited  # it is as large as the track
        limited, reached = _amplified(samples, power, gain, ceiling_dbtp)
        missing = target_lufs - reached
    return Levelled(limited, gain, max(0.0, missing) if missing > _CLOSE_ENOUGH_LU else 0.0)


def _loudness(power: np.ndarray) -> float:
    loudness = gated_loudness(power)
    return SILENCE_LUFS if loudness is None else loudness


def _amplified(
    samples: np.ndarray, power: np.ndarray, gain_db: float, ceiling_dbtp: float
) -> tuple[np.ndarray, float]:
    """The samples at another gain, limited, and their loudness."""
    factor = np.float32(10 ** (gain_db / 20))
    louder = samples * factor
    turned_down = limit(louder, 10 ** (ceiling_dbtp / 20))
    return louder, _loudness(power_after(power * float(factor) ** 2, louder, turned_down))


def limit(samples: np.ndarray, ceiling: float) -> list[tuple[int, int]]:
    """Limit the true peak of float32 [c, n] to `ceiling` (linear), in place and with one gain for all channels.

    Returns the stretches (start, end) that were changed.

    The gain that each peak needs is applied 5 ms to both sides and smoothed by two running means that together are no wider
    than that. So the full reduction is reached at the peak, and the ceiling cannot be exceeded.
    """
    count = samples.shape[1]
    found = [local_peaks(channel, 0.7 * ceiling) for channel in samples]
    index = np.concatenate([peaks.index for peaks in found])
    needed = (ceiling / np.concatenate([peaks.level for peaks in found])).astype(np.float32)
    order = np.argsort(index, kind="stable")
    order = order[needed[order] < 1]
    index, needed = index[order], needed[order]
    reach = 2 * _LOOK_AHEAD
    turned_down = []
    for first, last in stretches(index, 2 * reach):
        start, end = max(0, first - reach), min(count, last + reach + 1)
        among = slice(np.searchsorted(index, first), np.searchsorted(index, last, side="right"))
        gain = np.ones(end - start, dtype=np.float32)
        np.minimum.at(gain, index[among] - start, needed[among])
        gain = moving_minimum(gain, 2 * _LOOK_AHEAD + 1, mode="nearest")
        for _ in range(2):
            gain = moving_mean(gain, _LOOK_AHEAD + 1, mode="nearest")
        samples[:, start:end] *= gain
        turned_down.append((start, end))
    return turned_down


def stretches(indices: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(first, last) of each run of sorted indices with no more than `gap` between neighbours."""
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) > gap)
    firsts = indices[np.concatenate(([0], breaks + 1))]
    lasts = indices[np.concatenate((breaks, [len(indices) - 1]))]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
