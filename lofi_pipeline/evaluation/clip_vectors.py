"""Embeddings of generated clips: one clip at a time, and those that are kept from an earlier evaluation not again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import TooFewWindows
from lofi_pipeline.evaluation.vectors import embed_windows, read_vectors, vectors_path, write_vectors
from lofi_pipeline.evaluation.windows import cut_windows
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

_FOLDER = "clips"


def embed_clips(
    clips: Sequence[Clip], embedder: Embedder, seconds: float, root: DataRoot | None = None
) -> list[np.ndarray]:
    """float32 [windows of `seconds`, D] for each clip. With a data root, what was embedded before is taken from its cache.

    Raises:
        TooFewWindows: a clip is shorter than a window.
        NotFinite: the embedder gives NaN or infinity.
    """
    found: list[np.ndarray] = []
    short: list[str] = []
    for clip in clips:
        kept_at = _kept_at(root, clip, embedder, seconds)
        vectors = read_vectors(kept_at, embedder.dimension) if kept_at else None
        if vectors is None:
            windows = cut_windows(clip.samples, clip.sample_rate, embedder, seconds)
            if not len(windows):
                short.append(clip.spec.name)
                continue
            # Each clip alone: in a batch with others the last digits depend on these, and a killed evaluation ends otherwise
            vectors = embed_windows(windows, embedder)
            if kept_at:
                write_vectors(kept_at, vectors)
        found.append(vectors)
    if short:
        raise TooFewWindows(
            f"clips shorter than a window of {seconds} s: {', '.join(short[:5])}; raise evaluation.clip_seconds"
        )
    return found


def _kept_at(root: DataRoot | None, clip: Clip, embedder: Embedder, seconds: float) -> Path | None:
    if root is None:
        return None
    return vectors_path(root.cache / _FOLDER, embedder, seconds, clip.sha256)
