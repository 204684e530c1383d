"""Pictures of sound as PNG files of a few colours: small, and made without a library."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def indexed_png(indices: np.ndarray, palette: bytes) -> bytes:
    """An indexed-colour PNG of uint8 [height, width] (W3C PNG specification, colour type 3). `palette`: RGB of each index."""
    height, width = indices.shape
    rows = np.pad(indices, ((0, 0), (1, 0)))  # each row begins with its filter type, 0: none
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
