"""Embeddings of generated clips: a few clips at a time, and those that are kept from an earlier evaluation not again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
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
_TOGETHER = 64
"""Windows that are in memory at once, at least those of one clip: a multiple of what embedders take."""


@dataclass(frozen=True)
class _Cut:
    """A clip's windows that are to be embedded, and where its vectors will be kept."""

    number: int
    windows: np.ndarray
    kept_at: Path | None


def embed_clips(
    clips: Sequence[Clip], embedder: Embedder, seconds: float, root: DataRoot | None = None
) -> list[np.ndarray]:
    """float32 [windows of `seconds`, D] for each clip. With a data root, what was embedded before is taken from its cache.

    Raises:
        TooFewWindows: a clip is shorter than a window.
        NotFinite: the embedder gives NaN or infinity.
    """
    found: dict[int, np.ndarray] = {}
    short: list[str] = []
    waiting: list[_Cut] = []
    for number, clip in enumerate(clips):
        kept_at = _kept_at(root, clip, embedder, seconds)
        vectors = read_vectors(kept_at, embedder.dimension) if kept_at else None
        if vectors is not None:
            found[number] = vectors
            continue
        windows = cut_windows(clip.samples, clip.sample_rate, embedder, seconds)
        if not len(windows):
            short.append(clip.spec.name)
            continue
        waiting.append(_Cut(number, windows, kept_at))
        if sum(len(cut.windows) for cut in waiting) >= _TOGETHER:
            found |= _embedded(waiting, embedder)
            waiting.clear()
    if short:
        raise TooFewWindows(
            f"clips shorter than a window of {seconds} s: {', '.join(short[:5])}; raise evaluation.clip_seconds"
        )
    found |= _embedded(waiting, embedder)
    return [found[number] for number in range(len(clips))]


def _kept_at(root: DataRoot | None, clip: Clip, embedder: Embedder, seconds: float) -> Path | None:
    if root is None:
        return None
    samples = np.ascontiguousarray(clip.samples, dtype=np.float32)
    digest = sha256(f"{clip.sample_rate} {samples.shape}".encode() + samples.tobytes()).hexdigest()
    return vectors_path(root.cache / _FOLDER, embedder, seconds, digest)


def _embedded(cuts: Sequence[_Cut], embedder: Embedder) -> Iterator[tuple[int, np.ndarray]]:
    if not cuts:
        return
    windows = np.concatenate([cut.windows for cut in cuts])
    ends = np.cumsum([len(cut.windows) for cut in cuts])[:-1]
    for cut, rows in zip(cuts, np.split(embed_windows(windows, embedder), ends), strict=True):
        if cut.kept_at:
            write_vectors(cut.kept_at, rows)
        yield cut.number, rows
