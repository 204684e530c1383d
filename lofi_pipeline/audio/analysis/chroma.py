"""Pitch classes over time, from spectral peaks whose frequency is interpolated between bins.

Key and mode are derived from them in tonality.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.spectrum import magnitudes
from lofi_pipeline.audio.filters import moving_mean

_RATE = 22_050
_SIZE = 8192
_HOP = 2048
_NOTES = (120.0, 2000.0)
_BASS = (36.0, 140.0)
_FAINTEST = 1e-4
"""Share of the track's highest peak below which a peak is noise."""


@dataclass(frozen=True)
class Chroma:
    """Strength of each pitch class, C first: `notes` and `bass` float64 [frames, 12], at `seconds` float64 [frames]."""

    notes: np.ndarray
    bass: np.ndarray
    seconds: np.ndarray


def chroma_of(mono: np.ndarray) -> Chroma:
    """The chroma of float32 [n] at 22.05 kHz, 10.8 frames a second; the tuning is estimated and removed.

    Peaks are interpolated by a parabola through the log magnitudes (J. O. Smith: Spectral Audio Signal Processing, "Quadratic
    Interpolation of Spectral Peaks"). Their weight is the square root of their magnitude, less the farther from a semitone.
    """
    spectrum = magnitudes(mono, _SIZE, _HOP, bins=int(_NOTES[1] * _SIZE / _RATE) + 3)
    seconds = (np.arange(len(spectrum)) * _HOP + _SIZE / 2) / _RATE
    middle = spectrum[:, 1:-1]
    is_peak = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:])
    frame, at = np.nonzero(is_peak & (middle > _FAINTEST * max(float(spectrum.max(initial=0.0)), 1e-9)))
    if not len(frame):
        nothing = np.zeros((len(spectrum), 12))
        return Chroma(nothing, nothing, seconds)
    left, top, right = (np.log(spectrum[frame, at + step] + 1e-12) for step in (0, 1, 2))
    offset = np.clip(0.5 * (left - right) / (left - 2 * top + right - 1e-12), -0.5, 0.5)
    hertz = (at + 1 + offset) * _RATE / _SIZE
    semitones = 12 * np.log2(hertz / 261.6256)
    height = spectrum[frame, at + 1].astype(np.float64)
    tuned = hertz > 100
    tuning = np.angle(np.sum(height[tuned] * np.exp(2j * np.pi * semitones[tuned]))) / (2 * np.pi)
    semitones -= tuning
    nearest = np.rint(semitones)
    weight = np.sqrt(height) * np.maximum(0, 1 - 2 * np.abs(semitones - nearest))
    cell = frame * 12 + nearest.astype(int) % 12

    def within(band: tuple[float, float]) -> np.ndarray:
        audible = (hertz > band[0]) & (hertz < band[1])
        sums = np.bincount(cell[audible], weights=weight[audible], minlength=12 * len(spectrum))
        return sums.reshape(-1, 12)

    return Chroma(within(_NOTES), within(_BASS), seconds)


def share_of_each(chroma: np.ndarray) -> np.ndarray:
    """Mean share of each pitch class over the frames that are not silent: float64 [12] of sum 1, or 0 for silence."""
    total = chroma.sum(axis=1, keepdims=True)
    audible = total[:, 0] > 1e-3 * total.max(initial=0.0)
    if not audible.any():
        return np.zeros(12)
    return (chroma[audible] / total[audible]).mean(axis=0)


def harmony_changes(chroma: Chroma) -> np.ndarray:
    """Time in s, and the cosine distance between the notes of the second after it and before it: float64 [2, frames]."""
    if len(chroma.seconds) < 32:
        return np.zeros((2, 0))
    width, gap = 10, 2
    mean = moving_mean(chroma.notes, width, axis=0, mode="nearest")
    before, after = mean[: -width - gap], mean[width + gap :]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    away = 1 - (before * after).sum(axis=1) / np.maximum(norms, 1e-9)
    frame = chroma.seconds[1] - chroma.seconds[0]
    return np.stack([chroma.seconds[: len(away)] + (width + gap - 1) / 2 * frame, away])
