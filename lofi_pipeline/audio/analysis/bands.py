"""Log mel bands over time, from which onsets, beats and timbre are computed."""

from __future__ import annotations

from functools import cache

import numpy as np

from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.filters import moving_mean

RATE = 22_050
SIZE = 1024
HOP = 256
FRAMES_PER_SECOND = RATE / HOP
CENTRE_SECONDS = SIZE / 2 / RATE
"""The middle of frame k is at k / FRAMES_PER_SECOND plus this."""
BANDS = 40
_LOWEST, _HIGHEST = 30.0, 10_000.0


@cache
def _filters() -> np.ndarray:
    """Triangular filters, evenly spaced on the mel scale from 30 Hz to 10 kHz: float32 [bins, bands]."""

    def mel(hertz: float) -> float:
        return 2595 * np.log10(1 + hertz / 700)

    edges = 700 * (10 ** (np.linspace(mel(_LOWEST), mel(_HIGHEST), BANDS + 2) / 2595) - 1)
    bins = frequencies(SIZE, RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges[:-1])
    falling = (edges[2:] - bins) / np.diff(edges[1:])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_bands(mono: np.ndarray) -> np.ndarray:
    """Log mel bands of float32 [n] at 22.05 kHz, scaled to unit RMS: float32 [frames, 40], 86 frames a second."""
    scale = np.sqrt(float(np.mean(np.square(mono)))) or 1.0
    return np.log1p(magnitudes(mono / np.float32(scale), SIZE, HOP) @ _filters())


def growth(bands: np.ndarray) -> np.ndarray:
    """The increase of each band over two frames, 0 where it decreases: float32 [frames, bands]."""
    grown = np.zeros_like(bands)
    grown[2:] = np.maximum(0, bands[2:] - bands[:-2])
    return grown


def standing_out(strength: np.ndarray) -> np.ndarray:
    """The excess over the mean of one second, along the first axis: the same shape."""
    return np.maximum(0, strength - moving_mean(strength, round(FRAMES_PER_SECOND), axis=0))
