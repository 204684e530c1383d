"""Pictures of sound as PNG files of a few colours: small, and made without a library."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def indexed_png(indices: np.ndarray, palette: bytes, *, depth: int = 8) -> bytes:
    """An indexed-colour PNG of uint8 [height, width] (W3C PNG specification, colour type 3).

    Args:
        palette: RGB of each index.
        depth: bits a pixel, 2 or 8.
    """
    height, width = indices.shape
    packed = indices if depth == 8 else _packed(indices)
    rows = np.pad(packed, ((0, 0), (1, 0)))  # each row begins with its filter type, 0: none
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def indices_of(png: bytes, height: int, width: int) -> np.ndarray:
    """The uint8 [height, width] indices of a picture that `indexed_png` made of 8 bits a pixel.

    Raises:
        ValueError: it is not such a picture.
    """
    start = png.index(b"IDAT")  # one block of data, and no filters
    try:
        (length,) = struct.unpack(">I", png[start - 4 : start])
        data = zlib.decompress(png[start + 4 : start + 4 + length])
    except (struct.error, zlib.error) as error:
        raise ValueError("not a picture of ours") from error
    return np.frombuffer(data, dtype=np.uint8).reshape(height, width + 1)[:, 1:]


def _packed(indices: np.ndarray) -> np.ndarray:
    """Four pixels in a byte, the first in the highest bits."""
    four = indices.reshape(indices.shape[0], -1, 4)
    return (four[..., 0] << 6 | four[..., 1] << 4 | four[..., 2] << 2 | four[..., 3]).astype(np.uint8)
