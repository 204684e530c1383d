"""Sparse files whose bytes were never written: a copy that stopped half-way, a download that only reserved its space."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FEW_BYTES = 32 << 20
"""Files up to this size are not looked at: they are read at once, and the silence of a whole song may be stored as holes."""


def sparse_reason(path: Path) -> str | None:
    """A sentence on a large file of which more than half are holes; None for any other, and where the system knows no holes.

    Holes read as zeros and cost what bytes cost: ten gigabytes of nothing take twenty seconds to hash.
    """
    size = path.stat().st_size
    if size <= _FEW_BYTES:
        return None
    written, at = 0, 0
    with path.open("rb", buffering=0) as file:
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
                at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:  # holes up to the end
                    break
                return None
            written += at - begin
    if size - written <= max(size // 2, _FEW_BYTES):
        return None
    return f"{size - written} of {size} bytes were never written: the copy is not complete; copy it again"
