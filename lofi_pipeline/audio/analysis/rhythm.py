"""Onsets, and the tempos that they suggest, from 55 to 110 beats per minute.

The choice among these tempos, by harmony and repetition, is made in tempo.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from lofi_pipeline.audio.analysis.bands import FRAMES_PER_SECOND, growth, log_bands, standing_out
from lofi_pipeline.audio.analysis.spectrum import fft_size, signal_of, spectrum_of

SLOWEST, _FASTEST = 55.0, 110.0
USUAL_BPM, _USUAL_OCTAVES = 78.0, 0.5
COMB = ((0.25, 0.15), (0.5, 0.35), (1, 1.0), (2, 0.7), (4, 0.7), (8, 0.3))
"""(multiple of the beat, weight of the autocorrelation at that lag)."""
_HARMONICS = (0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
"""Multiples of the beat's frequency at which onsets that repeat every bar have energy."""
_NEAR = 0.015
_ALTERNATIVES = 7
LEFT_OVER = 3
"""Alternatives of a tempo that has been chosen."""
_APART = 0.04
"""Relative difference from which two tempos count as different."""
_MIN_DISTANCE = 0.06
"""Least seconds between two onsets."""


@dataclass(frozen=True)
class Tempo:
    """A tempo of 55 to 110 bpm (exact to 0.01 on steady music), its regularity from 0 to 1, and other candidates, best first."""

    bpm: float
    confidence: float
    alternatives: tuple[float, ...] = ()


def onset_strength(mono: np.ndarray) -> np.ndarray:
    """Onset strength of float32 [n] at 22.05 kHz: float32 [frames], 86 a second.

    Half-wave rectified increase of log mel bands over two frames, less its mean over a second.
    """
    return strength_of(growth(log_bands(mono)))


def strength_of(grown: np.ndarray) -> np.ndarray:
    """Onset strength float32 [frames] of the growth of bands, float32 [frames, bands]."""
    return standing_out(grown.mean(axis=1))


def onsets_per_second(strength: np.ndarray) -> float:
    """Clear onsets a second: local maxima above the mean by half a standard deviation."""
    if len(strength) < 3 or not strength.any():
        return 0.0
    clear = float(strength.mean() + 0.5 * strength.std())
    top = strength[1:-1]
    at = np.flatnonzero((top > clear) & (top >= strength[:-2]) & (top > strength[2:]))
    apart = 1 + int((np.diff(at) > _MIN_DISTANCE * FRAMES_PER_SECOND).sum()) if len(at) else 0
    return apart / (len(strength) / FRAMES_PER_SECOND)


def tempo_of(strength: np.ndarray) -> Tempo:
    """The tempo by a comb filter over the autocorrelation of the onsets, in the octave that is usual for this music.

    It is then refined by the spectrum of the onsets: the frequency whose multiples have most energy.
    """
    longest = int(8 * 60 / SLOWEST * FRAMES_PER_SECOND) + 8
    similarity = autocorrelation(strength, longest)
    if similarity is None:
        return Tempo(bpm=USUAL_BPM, confidence=0.0)
    frames = np.arange(len(similarity))
    candidates = np.exp(np.arange(np.log(SLOWEST), np.log(_FASTEST), 0.002))
    lags = 60 / candidates * FRAMES_PER_SECOND
    fit = np.sum(
        [weight * np.interp(multiple * lags, frames, similarity) for multiple, weight in COMB], axis=0
    )
    usual = np.exp(-0.5 * (np.log2(candidates / USUAL_BPM) / _USUAL_OCTAVES) ** 2)
    ranked = _peaks(candidates, fit * usual)
    best = int(np.argmax(fit * usual))
    confidence = float(np.clip(fit[best] / sum(weight for _, weight in COMB), 0, 1))
    bpm = _exact(strength, float(candidates[best]))
    others = [round(_exact(strength, other), 2) for other in ranked if abs(other / bpm - 1) > _APART]
    return Tempo(bpm, confidence, tuple(others[:_ALTERNATIVES]))


def retimed(tempo: Tempo, bpm: float, strength: np.ndarray) -> Tempo:
    """Another tempo, made exact; the one that it replaces is the first alternative."""
    exact = _exact(strength, bpm)
    others = [other for other in (tempo.bpm, *tempo.alternatives) if abs(other / exact - 1) > _APART]
    return Tempo(exact, tempo.confidence, tuple(others[:LEFT_OVER]))


def _peaks(candidates: np.ndarray, fit: np.ndarray) -> list[float]:
    """The candidates where the fit has a maximum, best first."""
    padded = np.concatenate(([-np.inf], fit, [-np.inf]))
    at = np.flatnonzero((fit > padded[:-2]) & (fit >= padded[2:]) & (fit > 0))
    return [float(candidates[index]) for index in at[np.argsort(-fit[at], kind="stable")]]


def _exact(strength: np.ndarray, bpm: float) -> float:
    """The tempo within 1.5 % of `bpm` whose multiples have most energy in the spectrum of the onsets."""
    size = fft_size(8 * len(strength))
    power = np.square(np.abs(np.asarray(scipy.fft.rfft(strength - strength.mean(), size))))
    near = bpm / 60 * np.linspace(1 - _NEAR, 1 + _NEAR, 1201)
    bins = near * size / FRAMES_PER_SECOND
    axis = np.arange(len(power))
    fit = np.sum([np.interp(bins * multiple, axis, power) for multiple in _HARMONICS], axis=0)
    return 60 * float(near[int(np.argmax(fit))])


def autocorrelation(strength: np.ndarray, lags: int) -> np.ndarray | None:
    """The unbiased autocorrelation, 1 at lag 0: float64 [at most lags]; None for a signal without onsets."""
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
    """A grid of beats of constant tempo, at the offset where the onsets are strongest: float64 [k], in seconds."""
    period = 60 / bpm * FRAMES_PER_SECOND
    count = int(len(strength) / period)
    if count < 2:
        return np.zeros(0)
    offsets = np.arange(0, period, 0.5)
    grid = offsets[:, None] + period * np.arange(count)[None, :]
    best = int(np.argmax(strength[np.minimum(np.rint(grid).astype(int), len(strength) - 1)].sum(axis=1)))
    return grid[best] / FRAMES_PER_SECOND
