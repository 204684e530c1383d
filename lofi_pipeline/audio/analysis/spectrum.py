"""Short-time spectra and Fourier transforms, shared by measurements, quality and fingerprints."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.fft
import soxr

_PIECE = 1 << 18
"""Samples that are transformed at a time, overlapping ones counted repeatedly: few enough to stay in the cache."""


@cache
def _window(size: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def magnitudes(mono: np.ndarray, size: int, hop: int, bins: int | None = None) -> np.ndarray:
    """|STFT| of float32 [n] with a Hann window: float32 [frames, size // 2 + 1]; a short signal is padded.

    `bins`: only the first so many of them are kept.
    """
    if len(mono) < size:
        mono = np.pad(mono, (0, size - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[::hop]
    window = _window(size)
    kept = size // 2 + 1 if bins is None else bins
    result = np.empty((len(frames), kept), dtype=np.float32)
    for start in range(0, len(frames), _PIECE // size):
        part = slice(start, start + _PIECE // size)
        np.abs(np.asarray(scipy.fft.rfft(frames[part] * window, axis=1))[:, :kept], out=result[part])
    return result


def frequencies(size: int, rate: float) -> np.ndarray:
    """The frequency of each bin in Hz: float64 [size // 2 + 1]."""
    return np.fft.rfftfreq(size, 1 / rate)


def mono_at(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mono of float32 [2, n] at 48 kHz: float32 [m] at `rate` Hz. The mean of both sides, or the left one if they cancel out."""
    left, right = samples
    cancels = float(np.dot(left, right)) < -0.5 * float(np.sqrt(np.dot(left, left) * np.dot(right, right)))
    middle = left if cancels else (left + right) * np.float32(0.5)
    return soxr.resample(np.ascontiguousarray(middle), 48_000, rate, quality="MQ")


def fft_size(count: int) -> int:
    """The smallest length from `count` on whose transform is fast."""
    return int(scipy.fft.next_fast_len(count, True) or count)


def spectrum_of(values: np.ndarray, size: int) -> np.ndarray:
    """The Fourier transform of real values along the first axis, zero-padded to `size`."""
    return np.asarray(scipy.fft.rfft(values, size, axis=0))


def signal_of(spectrum: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `spectrum_of`."""
    return np.asarray(scipy.fft.irfft(spectrum, size, axis=0))
