"""Integrated loudness and true peak after ITU-R BS.1770-4, for 48 kHz stereo."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft

_RATE = 48_000
_STEP = _RATE // 10
_BLOCKS_AT_ONCE = 40
"""Few enough to stay in the processor's cache."""
SILENCE_LUFS = -70.0
"""The absolute gate of BS.1770: quieter blocks do not count."""
_RELATIVE_GATE = -10.0

# ITU-R BS.1770-4, tables 1 and 2 (pre-filter and RLB filter at 48 kHz), as second-order sections.
K_WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)


def decibels(power: np.ndarray) -> np.ndarray:
    """10 log10, with a floor of -200 dB."""
    return 10 * np.log10(np.maximum(power, 1e-20))


def decibel(power: float) -> float:
    """10 log10, with a floor of -200 dB."""
    return 10 * math.log10(max(power, 1e-20))


def loud_level(levels: np.ndarray, *, silent_db: float, span_db: float) -> float:
    """The level of the loud passages, from those of all blocks, in dB: their 95th percentile.

    Where nearly all is silence (below `silent_db`, and more than `span_db` below the loudest), that of the other blocks.
    """
    loud, loudest = float(np.percentile(levels, 95)), float(levels.max())
    if loud < min(silent_db, loudest - span_db):
        loud = float(np.percentile(levels[levels > min(silent_db, loudest - span_db)], 95))
    return loud


def k_weighted_power(samples: np.ndarray) -> np.ndarray:
    """Summed channel power of the K-weighted signal in blocks of 100 ms: float64 [n // 4800].

    Only sums of squares are needed, so the spectrum of each block is weighted and not transformed back. That is a circular
    convolution: the filter's response to the end of a block falls on the block's own beginning b instead of on the next
    block's. This response is a combination of four decays d (`_weights_and_decays`) with coefficients e. Replacing e by the
    coefficients e' of the block before gives |b - e d + e' d|^2 = |b|^2 + (e' - e) (e' + e + 2 m), where m is the projection on
    the decays of the block filtered from silence.
    """
    weights, decays = _weights_and_decays()
    count = samples.shape[1] // _STEP
    power = np.zeros(count)
    for channel in samples[:, : count * _STEP]:
        blocks = channel.reshape(count, _STEP).astype(np.float32, copy=False)
        circular, numbers = np.empty(count), np.empty((count, decays.shape[1]))
        for start in range(0, count, _BLOCKS_AT_ONCE):
            part = slice(start, start + _BLOCKS_AT_ONCE)
            spectrum = np.asarray(scipy.fft.rfft(blocks[part], axis=1)).view(np.float32)
            circular[part] = np.square(spectrum, out=spectrum) @ weights
            numbers[part] = blocks[part] @ decays
        own, within = np.hsplit(numbers, 2)
        before = np.pad(own, ((1, 0), (0, 0)))[:-1]
        power += circular + ((before - own) * (before + own + 2 * within)).sum(axis=1)
    return np.maximum(power, 0.0) / _STEP


@cache
def _weights_and_decays() -> tuple[np.ndarray, np.ndarray]:
    """The weights of the squared real and imaginary parts of a block's spectrum, float32 [4802]; and for each sample of a
    block its share in four decays, in the next block and in its own, float32 [4800, 8].

    The decays are an orthonormal basis of what the filter puts out after its input has ended; its state has four numbers.
    """
    order = 2 * len(K_WEIGHTING)
    states = np.eye(order).reshape(order, -1, 2).swapaxes(0, 1)
    from scipy.signal import (
        sosfilt,
        sosfreqz,
    )  # a second and 50 MB to import: not for whoever only reads records

    ringing, _ = sosfilt(K_WEIGHTING, np.zeros((order, _STEP)), axis=1, zi=states)
    decays = np.linalg.qr(ringing.T)[0]
    reversed_in_time = np.pad(decays[::-1], ((0, _STEP), (0, 0)))
    earlier, own = np.vsplit(sosfilt(K_WEIGHTING, reversed_in_time, axis=0)[::-1], 2)
    gains = np.square(np.abs(sosfreqz(K_WEIGHTING, np.fft.rfftfreq(_STEP), fs=1)[1]))
    gains[1:-1] *= 2  # each stands for a negative frequency as well
    return np.repeat(gains / _STEP, 2).astype(np.float32), np.hstack([earlier, own]).astype(np.float32)


def power_after(power: np.ndarray, samples: np.ndarray, changed: Iterable[tuple[int, int]]) -> np.ndarray:
    """Update `k_weighted_power` for samples that changed only in some stretches (start, end).

    The filter's response decays by 200 dB within a block of 100 ms, so only the blocks of each stretch, the one before and the
    one after are filtered again.
    """
    power, touched = power.copy(), np.zeros(len(power), dtype=bool)
    for start, end in changed:
        touched[start // _STEP : end // _STEP + 2] = True
    edges = np.flatnonzero(np.diff(touched, prepend=False, append=False))
    for first, last in edges.reshape(-1, 2).tolist():
        before = max(0, first - 1)
        anew = k_weighted_power(samples[:, before * _STEP : last * _STEP])
        power[first:last] = anew[first - before :]
    return power


def integrated_loudness(samples: np.ndarray) -> float | None:
    """Gated loudness in LUFS of float [c, n] at 48 kHz; None where no 400 ms are louder than -70 LUFS."""
    return gated_loudness(k_weighted_power(samples))


def gated_loudness(power: np.ndarray) -> float | None:
    """Integrated loudness from `k_weighted_power`: blocks of 400 ms with 75 % overlap, two gates."""
    if len(power) < 4:
        return None
    block = np.convolve(power, np.full(4, 0.25), mode="valid")
    loudness = -0.691 + decibels(block)
    audible = loudness > SILENCE_LUFS
    if not audible.any():
        return None
    gate = -0.691 + decibel(float(block[audible].mean())) + _RELATIVE_GATE
    return -0.691 + decibel(float(block[audible & (loudness > gate)].mean()))


def loudness_range(power: np.ndarray) -> float:
    """Loudness range in LU after EBU Tech 3342, from power in blocks of 100 ms; 0 for less than 6 s.

    Stretches of 3 s, two gates (-70 LUFS, and 20 LU below the mean of the rest), 10th to 95th percentile.
    """
    if len(power) < 60:
        return 0.0
    stretch = np.convolve(power, np.full(30, 1 / 30), mode="valid")
    audible = stretch[-0.691 + decibels(stretch) > SILENCE_LUFS]
    if not len(audible):
        return 0.0
    level = decibels(audible)
    level = level[level > decibel(float(audible.mean())) - 20.0]
    return float(np.percentile(level, 95) - np.percentile(level, 10))


_TAPS = 24


def _interpolators() -> np.ndarray:
    """Windowed-sinc kernels for the points ±1/4, ±1/2 and ±3/4 beside a sample: float32 [24, 6]."""
    shifts = np.array([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75])
    at = np.arange(_TAPS)[:, None] - _TAPS // 2 - shifts[None, :]
    window = np.i0(8 * np.sqrt(np.maximum(0, 1 - (at / (_TAPS / 2 + 1)) ** 2))) / np.i0(8)
    kernels = np.sinc(at) * window
    return (kernels / kernels.sum(axis=0)).astype(np.float32)


_KERNELS = _interpolators()
_HALF = _TAPS // 2
_SEARCHED = 1 << 16
"""Samples that are searched for peaks at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Peaks:
    """Local peaks above a floor: sample index, int64 [k], and level at 4x oversampling, float32 [k]."""

    index: np.ndarray
    level: np.ndarray


def local_peaks(channel: np.ndarray, floor: float, first: int = 0, last: int | None = None) -> Peaks:
    """The local maxima in [first, last) of |channel|, float32 [n], that reach `floor`, each with its true peak.

    Oversampling only there keeps it cheap. A peak between two samples is missed only if both lie below the floor: with a floor
    3 dB below the level of interest, this happens only above 12 kHz.
    """
    found = [Peaks(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))]
    last = len(channel) - 1 if last is None else min(last, len(channel) - 1)
    for start in range(max(1, first), last, _SEARCHED):
        end = min(start + _SEARCHED, last)
        size = np.abs(channel[start - 1 : end + 1])
        loud = np.flatnonzero(size[1:-1] >= floor)
        top = loud[(size[loud + 1] >= size[loud]) & (size[loud + 1] >= size[loud + 2])]
        if len(top):
            around = np.lib.stride_tricks.sliding_window_view(_surrounded(channel, start, end), _TAPS)
            between = np.abs(around[top] @ _KERNELS).max(axis=1)
            found.append(Peaks(start + top, np.maximum(size[top + 1], between)))
    return Peaks(np.concatenate([one.index for one in found]), np.concatenate([one.level for one in found]))


def peaks_after(peaks: Peaks, channel: np.ndarray, floor: float, changed: Iterable[tuple[int, int]]) -> Peaks:
    """Update `local_peaks` for a channel that changed only in some stretches (start, end). The order of the result is arbitrary."""
    index, level = peaks.index, peaks.level
    for start, end in changed:
        first, last = (
            start - _TAPS,
            end + _TAPS,
        )  # as far as a sample has influence on the true peak of others
        anew, kept = local_peaks(channel, floor, first, last), (index < first) | (index >= last)
        index, level = np.append(index[kept], anew.index), np.append(level[kept], anew.level)
    return Peaks(index, level)


def _surrounded(channel: np.ndarray, start: int, end: int) -> np.ndarray:
    """The samples from `start` to `end` with half a kernel on either side, zeros beyond the ends of the channel."""
    missing = max(0, _HALF - start), max(0, end + _HALF - len(channel))
    part = channel[max(0, start - _HALF) : end + _HALF]
    return np.pad(part, missing) if any(missing) else part


def true_peak(samples: np.ndarray) -> float:
    """The highest level between and on the samples, linear, of float32 [c, n]."""
    highest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    for channel in samples:
        peaks = local_peaks(channel, 0.7 * highest)
        highest = max(highest, float(peaks.level.max(initial=0.0)))
    return highest


def true_peak_dbtp(samples: np.ndarray) -> float:
    """True peak in dBTP of float32 [c, n] at 48 kHz."""
    return 2 * decibel(true_peak(samples))
