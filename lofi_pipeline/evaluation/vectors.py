"""Embeddings kept as .npy files, such as those of the reference. A damaged file counts as absent, and is made again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from lofi_pipeline.storage import write_bytes_atomic


def read_vectors(path: Path, dimension: int) -> np.ndarray | None:
    """The kept embeddings [n, dimension]; None when there are none, or they cannot be read (they are then made again)."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    good = found.ndim == 2 and found.shape[1] == dimension and bool(np.isfinite(found).all())
    return found if good else None


def write_vectors(path: Path, vectors: np.ndarray) -> None:
    """Keep embeddings [n, dimension], whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    write_bytes_atomic(path, buffer.getvalue())
