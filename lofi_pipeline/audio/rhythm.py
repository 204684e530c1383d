"""Tempo and beats from the rhythm of onsets, for music that repeats itself at 55 to 110 beats per minute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import uniform_filter1d

from lofi_pipeline.audio.spectrum import fft_size, frequencies, magnitudes, signal_of, spectrum_of

RATE = 22_050
_SIZE = 1024
_HOP = 256
FRAMES_PER_SECOND = RATE / _HOP

_SLOWEST, _FASTEST = 55.0, 110.0
_USUAL_BPM, _USUAL_OCTAVES = 78.0, 0.5
_BANDS = 40
_COMB = ((0.25, 0.15), (0.5, 0.35), (1, 1.0), (2, 0.7), (4, 0.7), (8, 0.3))
"""(multiple of the beat, weight): how much self-similarity at that distance speaks for the beat."""
_MIN_DISTANCE = 0.06
"""Seconds between two onsets that are told apart."""


@dataclass(frozen=True)
class Tempo:
    """Beats per minute in 55..110, how regular they are, and how well groups of four fit (`four`)."""

    bpm: float
    confidence: float
    four: float


@cache
def _mel_bands() -> np.ndarray:
    """Triangular filters, even on the mel scale from 30 Hz to 10 kHz: float32 [bins, bands]."""

    def mel(hertz: float) -> float:
        return 2595 * np.log10(1 + hertz / 700)

    edges = 700 * (10 ** (np.linspace(mel(30), mel(10_000), _BANDS + 2) / 2595) - 1)
    bins = frequencies(_SIZE, RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges[:-1])
    falling = (edges[2:] - bins) / np.diff(edges[1:])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def onset_strength(mono: np.ndarray) -> np.ndarray:
    """How much starts at each moment: float32 [frames], 86 a second, of float32 [n] at 22.05 kHz.

    Half-wave rectified growth of log mel bands over two frames, less its mean over a second.
    """
    scale = np.sqrt(float(np.mean(np.square(mono)))) or 1.0
    bands = np.log1p(magnitudes(mono / np.float32(scale), _SIZE, _HOP) @ _mel_bands())
    growth = np.zeros(len(bands), dtype=np.float32)
    growth[2:] = np.maximum(0, bands[2:] - bands[:-2]).mean(axis=1)
    return np.maximum(0, growth - uniform_filter1d(growth, round(FRAMES_PER_SECOND)))


def onsets_per_second(strength: np.ndarray) -> float:
    """Density of clear onsets: local maxima that stand out from the track's own level."""
    if len(strength) < 3 or not strength.any():
        return 0.0
    clear = float(strength.mean() + 0.5 * strength.std())
    top = strength[1:-1]
    at = np.flatnonzero((top > clear) & (top >= strength[:-2]) & (top > strength[2:]))
    apart = 1 + int((np.diff(at) > _MIN_DISTANCE * FRAMES_PER_SECOND).sum()) if len(at) else 0
    return apart / (len(strength) / FRAMES_PER_SECOND)


def tempo_of(strength: np.ndarray) -> Tempo:
    """Tempo by a comb over the autocorrelation of the onsets; the octave is the one usual for this music."""
    longest = int(8 * 60 / _SLOWEST * FRAMES_PER_SECOND) + 8
    similarity = _autocorrelation(strength, longest)
    if similarity is None:
        return Tempo(bpm=_USUAL_BPM, confidence=0.0, four=0.0)
    frames = np.arange(len(similarity))

    def at(lags: np.ndarray) -> np.ndarray:
        return np.interp(lags, frames, similarity)

    candidates = np.exp(np.arange(np.log(_SLOWEST), np.log(_FASTEST), 0.002))
    lags = 60 / candidates * FRAMES_PER_SECOND
    fit = np.sum([weight * at(multiple * lags) for multiple, weight in _COMB], axis=0)
    usual = np.exp(-0.5 * (np.log2(candidates / _USUAL_BPM) / _USUAL_OCTAVES) ** 2)
    best = int(np.argmax(fit * usual))
    near = 8 * lags[best] * np.linspace(0.985, 1.015, 241)
    near = near[near < len(similarity) - 1]
    lag = near[int(np.argmax(at(near) + at(near / 2)))] / 8 if len(near) else lags[best]
    confidence = float(np.clip(fit[best] / sum(weight for _, weight in _COMB), 0, 1))
    four, three = at(np.array([4 * lag, 3 * lag]))
    return Tempo(60 * FRAMES_PER_SECOND / lag, confidence, float(np.clip(four - three, 0, 1)))


def _autocorrelation(strength: np.ndarray, lags: int) -> np.ndarray | None:
    """Unbiased, 1 at lag 0: float64 [at most lags]; None for a signal without onsets."""
    centred = strength.astype(np.float64) - strength.mean()
    count = len(centred)
    if count < 4 * FRAMES_PER_SECOND or not centred.any():
        return None
    size = fft_size(2 * count)
    spectrum = spectrum_of(centred, size)
    product = signal_of(spectrum * spectrum.conj(), size)[: min(lags, count // 2)]
    product /= count - np.arange(len(product))
    return product / product[0] if product[0] > 0 else None


def beat_times(strength: np.ndarray, bpm: float) -> np.ndarray:
    """A rigid grid of beats, laid where the onsets are strongest: float64 [k], in seconds."""
    period = 60 / bpm * FRAMES_PER_SECOND
    count = int(len(strength) / period)
    if count < 2:
        return np.zeros(0)
    offsets = np.arange(0, period, 0.5)
    grid = offsets[:, None] + period * np.arange(count)[None, :]
    best = int(np.argmax(strength[np.minimum(np.rint(grid).astype(int), len(strength) - 1)].sum(axis=1)))
    return grid[best] / FRAMES_PER_SECOND
