"""The waveform of a track as a small PNG image."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import numpy as np

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
    return _png(pixels)


def smaller_png(png: bytes, most: int) -> bytes:
    """A picture that `waveform_png` drew, with as few columns and rows left out as make it `most` bytes at most.

    Peaks stay: of what becomes one pixel the highest is kept.

    Raises:
        ValueError: it is not such a picture.
    """
    pixels = _pixels(png)
    for across, down in ((1, 1), (2, 1), (2, 2), (4, 2), (8, 4)):
        height, width = pixels.shape[0] // down, pixels.shape[1] // across
        smaller = _png(_most_inked(pixels.reshape(height, down, width, across)), depth=2)
        if len(smaller) <= most:
            break
    return smaller


def _most_inked(pixels: np.ndarray) -> np.ndarray:
    """Of [height, down, width, across] indices the body where one pixel shows it, else the peak, else the background."""
    body, peak = (pixels == 1).any(axis=(1, 3)), (pixels == 2).any(axis=(1, 3))
    return np.where(body, 1, np.where(peak, 2, 0)).astype(np.uint8)


def _pixels(png: bytes) -> np.ndarray:
    """The indices of a picture of ours, which has one block of data and no filters."""
    start = png.index(b"IDAT")
    try:
        (length,) = struct.unpack(">I", png[start - 4 : start])
        data = zlib.decompress(png[start + 4 : start + 4 + length])
    except (struct.error, zlib.error) as error:
        raise ValueError("not a picture of a waveform") from error
    rows = np.frombuffer(data, dtype=np.uint8)
    return rows.reshape(HEIGHT, WIDTH + 1)[:, 1:]


def _png(indices: np.ndarray, *, depth: int = 8) -> bytes:
    """An indexed-colour PNG of uint8 [height, width] (W3C PNG specification, colour type 3); `depth`: bits a pixel, 2 or 8."""
    height, width = indices.shape
    packed = indices if depth == 8 else _packed(indices)
    rows = np.pad(packed, ((0, 0), (1, 0)))  # each row begins with its filter type, 0: none
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, 0)),
        (b"PLTE", _PALETTE),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _packed(indices: np.ndarray) -> np.ndarray:
    """Four pixels in a byte, the first in the highest bits."""
    four = indices.reshape(indices.shape[0], -1, 4)
    return (four[..., 0] << 6 | four[..., 1] << 4 | four[..., 2] << 2 | four[..., 3]).astype(np.uint8)
