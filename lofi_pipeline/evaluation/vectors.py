"""Embeddings kept as .npy files, those of the reference and of clips. A damaged file counts as absent, and is made again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from lofi_pipeline.evaluation.embedders.plugins import embedder_facts
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import NotFinite
from lofi_pipeline.evaluation.windows import PREPARATION
from lofi_pipeline.storage import content_sha256, write_bytes_atomic


def vectors_path(folder: Path, embedder: Embedder, seconds: float, digest: str) -> Path:
    """Where the embeddings of audio with this hash are kept, in windows of `seconds`: one file an embedder and content."""
    facts = [embedder.name, embedder.weights_sha256, embedder.sample_rate, seconds, PREPARATION]
    prepared = content_sha256([*facts, *embedder_facts(embedder).values()])
    return folder / f"{embedder.name}-{prepared[:16]}" / f"{digest}.npy"


def embed_windows(windows: np.ndarray, embedder: Embedder) -> np.ndarray:
    """float32 [n, D] of float32 [n, frames].

    Raises:
        NotFinite: the embedder gives NaN or infinity.
    """
    vectors = np.asarray(embedder.embed_audio(windows), dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise NotFinite(
            f"the embedder {embedder.name} gives embeddings that are not finite; its weights are broken: get them again"
        )
    return vectors


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
