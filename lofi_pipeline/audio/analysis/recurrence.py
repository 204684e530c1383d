"""How alike a track is to itself some time later, by its onsets, its sound, its notes and where its harmony changes.

Music returns after whole bars: tempo.py chooses among tempos by this, metre.py among metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.bands import FRAMES_PER_SECOND
from lofi_pipeline.audio.analysis.chroma import Chroma, harmony_changes
from lofi_pipeline.audio.analysis.spectrum import fft_size, signal_of, spectrum_of
from lofi_pipeline.audio.filters import moving_mean

_THINNED = 4
"""Every fourth frame of the bands, 21 a second, is enough to compare bars."""


@dataclass(frozen=True)
class Curve:
    """A likeness, 1 at 0 s, by the time between: float64 [lags], so many a second."""

    values: np.ndarray
    per_second: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """The likeness after these times, between lags as well; 0 beyond the last one."""
        return np.interp(seconds * self.per_second, np.arange(len(self.values)), self.values, right=0.0)


@dataclass(frozen=True)
class Recurrence:
    """The likeness of a track to itself, by what is compared."""

    onsets: Curve
    sound: Curve
    notes: Curve
    changes: Curve


def recurrence_of(onsets: np.ndarray, bands: np.ndarray, chroma: Chroma) -> Recurrence | None:
    """Of onset strengths [frames, ranges] and log bands [frames, 40], 86 frames a second; None for less than 2 frames of chroma."""
    if len(chroma.seconds) < 2:
        return None
    chords_per_second = 1 / (chroma.seconds[1] - chroma.seconds[0])
    notes = chroma.notes / np.maximum(chroma.notes.sum(axis=1, keepdims=True), 1e-9)
    thinned = moving_mean(bands, _THINNED, axis=0)[::_THINNED]
    return Recurrence(
        onsets=Curve(_alike(onsets), FRAMES_PER_SECOND),
        sound=Curve(_alike(thinned), FRAMES_PER_SECOND / _THINNED),
        notes=Curve(_alike(np.sqrt(notes)), chords_per_second),
        changes=Curve(_alike(harmony_changes(chroma)[1][:, None]), chords_per_second),
    )


def _alike(rows: np.ndarray) -> np.ndarray:
    """The unbiased autocorrelation of rows, 1 at lag 0: float64 [lags]."""
    count = len(rows)
    if count < 16:
        return np.zeros(1)
    centred = rows - rows.mean(axis=0)
    size = fft_size(2 * count)
    spectrum = spectrum_of(centred, size)
    product = signal_of((spectrum * spectrum.conj()).sum(axis=1), size)[: count - 8]
    product /= count - np.arange(len(product))
    return product / max(float(product[0]), 1e-9)
