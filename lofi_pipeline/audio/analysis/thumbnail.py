"""The waveform of a track as a small PNG image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lofi_pipeline.audio.analysis.png import indexed_png, indices_of

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


def smaller_png(png: bytes, most: int) -> bytes:
    """A picture that `waveform_png` drew, with as few columns and rows left out as make it `most` bytes at most.

    Peaks stay: of what becomes one pixel the highest is kept.

    Raises:
        ValueError: it is not such a picture.
    """
    pixels = indices_of(png, HEIGHT, WIDTH)
    for across, down in ((1, 1), (2, 1), (2, 2), (4, 2), (8, 4)):
        height, width = pixels.shape[0] // down, pixels.shape[1] // across
        smaller = indexed_png(_most_inked(pixels.reshape(height, down, width, across)), _PALETTE, depth=2)
        if len(smaller) <= most:
            break
    return smaller


def _most_inked(pixels: np.ndarray) -> np.ndarray:
    """Of [height, down, width, across] indices the body where one pixel shows it, else the peak, else the background."""
    body, peak = (pixels == 1).any(axis=(1, 3)), (pixels == 2).any(axis=(1, 3))
    return np.where(body, 1, np.where(peak, 2, 0)).astype(np.uint8)
