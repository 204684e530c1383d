"""Acoustic fingerprints: the spectrum over time in semitone bands, fine enough to be compared at another speed or pitch.

The comparison is in match.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import soxr

from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.filters import moving_mean

RATE = 11_025
_SIZE = 4096
_HOP = 1024
FRAMES_PER_SECOND = RATE / _HOP
BANDS = 60
_LOWEST = 98.0
_LOCAL_SECONDS = 4.0
_QUIET = 3.0
"""Magnitude, of a signal at unit RMS, that counts as silence, so that hiss in the gaps does not matter."""
_STEPS = 36.0
"""Steps of the stored byte for each neper above _QUIET: 0.24 dB, up to 61 dB."""


@cache
def _semitones() -> np.ndarray:
    """Triangular filters a semitone apart from G2: float32 [bins, 60], each of sum 1."""
    hertz = frequencies(_SIZE, RATE)
    semitone = 12 * np.log2(np.maximum(hertz, 1) / _LOWEST)
    filters = np.maximum(0, 1 - np.abs(semitone[:, None] - np.arange(BANDS)))
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    filters[np.abs(semitone[:, None] - empty).argmin(axis=0), empty] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32)


def fingerprint(mono: np.ndarray) -> np.ndarray:
    """uint8 [frames, 60], 10.8 frames a second, of float32 [n] at 22.05 kHz: log magnitudes in semitone bands.

    The overall level does not matter. Nothing else is removed here: `notes_of` normalises the bands for a comparison, and that
    must come after one fingerprint was brought to the other's speed and pitch.
    """
    scale = np.sqrt(float(np.mean(np.square(mono)))) or 1.0
    slow = soxr.resample(mono / np.float32(scale), 22_050, RATE, quality="MQ")
    nepers = np.log1p((magnitudes(slow, _SIZE, _HOP) @ _semitones()) / np.float32(_QUIET))
    return np.minimum(np.rint(nepers * _STEPS), 255).astype(np.uint8)


def notes_of(bands: np.ndarray) -> np.ndarray:
    """The notes in log magnitudes [frames, bands]: float32 [frames, bands], each frame of unit length.

    Each frame loses its mean (level), each band its mean over 4 s (timbre, equalising).
    """
    notes = bands.astype(np.float32) / np.float32(_STEPS)
    notes -= notes.mean(axis=1, keepdims=True)
    notes -= moving_mean(notes, round(_LOCAL_SECONDS * FRAMES_PER_SECOND), axis=0, mode="nearest")
    notes /= np.maximum(np.linalg.norm(notes, axis=1, keepdims=True), 1e-3)
    return notes
