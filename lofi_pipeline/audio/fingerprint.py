"""Acoustic fingerprints that survive re-encoding, equalising and excerpts, and how alike two of them are."""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr
from scipy.ndimage import uniform_filter1d

from lofi_pipeline.audio.spectrum import fft_size, frequencies, magnitudes, signal_of, spectrum_of

RATE = 11_025
_SIZE = 4096
_HOP = 1024
FRAMES_PER_SECOND = RATE / _HOP
BANDS = 60
_LOWEST = 98.0
_LOCAL_SECONDS = 4.0
_LEAST_OVERLAP_SECONDS = 20.0
_QUIET = 3.0
"""Magnitude, of a signal at unit RMS, that counts as nothing: what hisses in the gaps does not matter."""

SAME_RECORDING = 0.95
"""From here on two files are one recording. Copies that were re-encoded (from 70 kbit/s on), equalised,
clipped, noised or cut out score 0.965 and more, other pieces over the same loop and drums 0.925 at most."""
RELATED = 0.6
"""From here on two tracks share so much (a loop, a theme) that they belong on one side of the split.
Pieces over one chord loop score 0.67 and more, others 0.25 at most."""


@cache
def _semitones() -> np.ndarray:
    """Triangular filters a semitone apart from G2: float32 [bins, 60], each of sum 1."""
    hertz = frequencies(_SIZE, RATE)
    place = 12 * np.log2(np.maximum(hertz, 1) / _LOWEST)
    filters = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(BANDS)))
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    filters[np.abs(place[:, None] - empty).argmin(axis=0), empty] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32)


def fingerprint(mono: np.ndarray) -> np.ndarray:
    """int8 [frames, 60], 10.8 frames a second, of float32 [n] at 22.05 kHz.

    Log magnitudes in semitone bands; each frame loses its mean (level), each band its mean over 4 s (timbre,
    equalising); what is left is what the notes do, as a vector of length 127.
    """
    scale = np.sqrt(float(np.mean(np.square(mono)))) or 1.0
    slow = soxr.resample(mono / np.float32(scale), 22_050, RATE, quality="MQ")
    bands = np.log(_QUIET + magnitudes(slow, _SIZE, _HOP) @ _semitones())
    bands -= bands.mean(axis=1, keepdims=True)
    bands -= uniform_filter1d(bands, round(_LOCAL_SECONDS * FRAMES_PER_SECOND), axis=0, mode="nearest")
    bands /= np.maximum(np.linalg.norm(bands, axis=1, keepdims=True), 1e-3)
    return np.rint(bands * 127).astype(np.int8)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """How alike two fingerprints are where they align best, 0..1: the mean cosine of the overlapping frames.

    They must overlap by half of the shorter one, and by 20 s where it is that long.
    Compare with SAME_RECORDING and RELATED.
    """
    if not len(first) or not len(second):
        return 0.0
    a, b = _unit(first), _unit(second)
    size = fft_size(len(a) + len(b))
    spectra = spectrum_of(a, size) * spectrum_of(b, size).conj()
    product = signal_of(spectra.sum(axis=1), size)
    lag = np.arange(size)
    lag = np.where(lag >= len(a), lag - size, lag)
    overlap = np.minimum(len(a), lag + len(b)) - np.maximum(0, lag)
    shorter = min(len(a), len(b))
    least = max(shorter / 2, min(shorter, _LEAST_OVERLAP_SECONDS * FRAMES_PER_SECOND))
    allowed = overlap >= least
    return float(np.clip((product[allowed] / overlap[allowed]).max(initial=0.0), 0, 1))


def _unit(values: np.ndarray) -> np.ndarray:
    floats = values.astype(np.float32)
    return floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1)
