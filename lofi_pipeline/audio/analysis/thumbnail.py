"""The waveform of a track as a small PNG image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lofi_pipeline.audio.analysis.png import indexed_png

WIDTH, HEIGHT = 320, 64
_PALETTE = bytes((0xFA, 0xF7, 0xF2, 0x3B, 0x6E, 0x8F, 0x8F, 0xB4, 0xC9))
"""RGB of the background, of the RMS level, and of the peaks."""


def waveform_png(samples: np.ndarray) -> bytes:
    """A PNG of 320 x 64 pixels of float32 [2, n]: peaks and RMS level over time; the highest peak fills the height."""
    count = samples.shape[1]
    edges = np.linspace(0, count, WIDTH + 1).astype(int)
    peak, body = np.zeros(WIDTH), np.zeros(WIDTH)
    for column, (first, last) in enumerate(pairwise(edges)):
        if first < last:
            size = np.abs(samples[:, first:last]).max(axis=0)
            peak[column], body[column] = size.max(), np.sqrt(np.dot(size, size) / len(size))
    scale = (HEIGHT / 2) / max(float(peak.max()), 1e-9)
    distance = np.abs(np.arange(HEIGHT) - (HEIGHT - 1) / 2)[:, None]
    pixels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    pixels[distance <= peak * scale] = 2
    pixels[distance <= body * scale] = 1
    return indexed_png(pixels, _PALETTE)
