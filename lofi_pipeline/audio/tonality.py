"""Key and mode from a chromagram, compared with key profiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from lofi_pipeline.audio.spectrum import frequencies, magnitudes

_RATE = 22_050
_SIZE = 8192
_HOP = 4096
_NOTES = (60.0, 2100.0)
_BASS = (55.0, 220.0)
_THIRDS = 36

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# J. Albrecht, D. Shanahan: The Use of Large Corpora to Train a New Type of Key-Finding Algorithm.
# Music Perception 31 (2013) 59-67. Of published profiles these told the keys of 36 rendered lofi loops best
# (36; Krumhansl-Kessler 29, Kostka-Payne 18: those take chords with sevenths for a neighbouring key).
_PROFILES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_BASS_WEIGHT = 0.3
"""What the tonic's share of the bass adds to a key's fit, over the track and again over its opening bars.
Chords hardly tell a minor key from its relative major, but pieces begin at home and the bass comes back."""
_OPENING_SECONDS = 3.0
_CLEAR_MARGIN = 0.15
"""Correlation by which the best key leads the second best where there is no doubt left."""


@dataclass(frozen=True)
class Key:
    """Tonic such as "A" or "C#", mode, and confidence 0..1."""

    tonic: str
    mode: Literal["major", "minor"]
    confidence: float


@cache
def _fold(lowest: float, highest: float) -> np.ndarray:
    """From spectrum bins to thirds of semitones within one octave, C first: float32 [bins, 36]."""
    hertz = frequencies(_SIZE, _RATE)
    heard = (hertz > lowest) & (hertz < highest)
    place = 3 * (60 + 12 * np.log2(np.maximum(hertz, 1) / 261.6256))
    distance = np.abs((place[:, None] - np.arange(_THIRDS) + _THIRDS / 2) % _THIRDS - _THIRDS / 2)
    return np.where(heard[:, None], np.maximum(0, 1 - distance), 0).astype(np.float32)


def _spectral_peaks(mono: np.ndarray) -> np.ndarray:
    """Square root of the magnitude where a bin rises above its neighbours, else 0: float32 [frames, bins]."""
    spectrum = magnitudes(mono, _SIZE, _HOP)
    middle = spectrum[:, 1:-1]
    is_peak = (middle > spectrum[:, :-2]) & (middle > spectrum[:, 2:])
    peaks = np.zeros_like(spectrum)
    peaks[:, 1:-1] = np.sqrt(np.where(is_peak, middle, 0))
    return peaks


def _chroma(peaks: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Share of each pitch class in a band of Hz, C first, whatever the tuning: float64 [12] of sum 1."""
    thirds = peaks @ _fold(*band)
    total = thirds.sum(axis=1, keepdims=True)
    mean = (thirds / np.maximum(total, 1e-9))[total[:, 0] > 1e-6].sum(axis=0, dtype=np.float64)
    tuning = int(np.argmax(mean.reshape(12, 3).sum(axis=0)))
    centred = np.roll(mean, {0: 0, 1: -1, 2: 1}[tuning]).reshape(12, 3)
    classes = centred[:, 0] + 0.5 * (centred[:, 1] + np.roll(centred[:, 2], 1))
    return classes / max(float(classes.sum()), 1e-9)


def key_of(mono: np.ndarray) -> Key:
    """The key of float32 [n] at 22.05 kHz: best fit of notes and profile, helped by the bass."""
    peaks = _spectral_peaks(mono)
    notes = _chroma(peaks, _NOTES)
    if not np.ptp(notes) > 0:
        return Key("C", "major", 0.0)
    opening = peaks[: round(_OPENING_SECONDS * _RATE / _HOP)]
    bass = _BASS_WEIGHT * (_chroma(peaks, _BASS) + _chroma(opening, _BASS))
    fits = np.array(
        [
            [np.corrcoef(notes, np.roll(profile, tonic))[0, 1] + bass[tonic] for tonic in range(12)]
            for profile in _PROFILES.values()
        ]
    )
    mode, tonic = np.unravel_index(int(np.argmax(fits)), fits.shape)
    second, first = np.sort(fits, axis=None)[-2:]
    confidence = float(np.clip((first - second) / _CLEAR_MARGIN, 0, 1) * np.clip(first, 0, 1))
    return Key(TONICS[int(tonic)], "minor" if mode else "major", confidence)
