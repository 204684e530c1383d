"""What generated clips are compared with: every window of the validation split, embedded once and kept.

How audio is cut into windows is in windows.py, what an embedder is in embedders/protocol.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from lofi_pipeline.entities import DatasetVersion, VersionTrack
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import ReferenceMissing
from lofi_pipeline.evaluation.frechet import Gaussian, frechet_distance
from lofi_pipeline.evaluation.prompts import validation_tracks
from lofi_pipeline.evaluation.vectors import embed_windows, read_vectors, vectors_path, write_vectors
from lofi_pipeline.evaluation.windows import PREPARATION, cut_windows
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256

_FOLDER = "reference"
_MAX_SECONDS = 600.0


@dataclass(frozen=True)
class Reference:
    """The validation split in an embedder's space."""

    tracks: list[np.ndarray] = field(repr=False)
    """float32 [windows, D] for each track, in the order of track ids."""
    sha256: str
    track_ids: tuple[str, ...]
    styles: frozenset[str] = frozenset()
    """Of all its tracks."""

    @cached_property
    def embeddings(self) -> np.ndarray:
        """float32 [windows, D], of all tracks."""
        return np.concatenate(self.tracks)

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the embeddings, which every checkpoint is compared with."""
        return Gaussian.of(self.embeddings)


def load_reference(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    seconds: float,
    progress: Callable[[str], None] = lambda message: None,
) -> Reference:
    """Embed every validation track in windows of `seconds`, or take what was embedded before.

    Raises:
        ReferenceMissing: no validation track, or a file is gone.
        NotFinite: the embedder gives NaN or infinity.
    """
    found = []
    for track, path in _files(root, version):
        digest = file_sha256(path)
        cached = vectors_path(root.cache / _FOLDER, embedder, seconds, digest)
        embeddings = read_vectors(cached, embedder.dimension)
        if embeddings is None:
            progress(f"embedding {track.track.track_id}")
            embeddings = _embed_file(path, embedder, seconds)
            write_vectors(cached, embeddings)
        found.append(embeddings)
    tracks = [track.track for track in validation_tracks(version)]
    return Reference(
        found,
        reference_sha256(root, version, embedder, seconds),
        tuple(track.track_id for track in tracks),
        frozenset(style for track in tracks for style in track.style_ids),
    )


def track_vectors(
    root: DataRoot,
    track: VersionTrack,
    embedder: Embedder,
    seconds: float,
    progress: Callable[[str], None] = lambda message: None,
) -> np.ndarray | None:
    """float32 [windows of `seconds`, D] of any track; None where its audio is gone, was changed, or cannot be read.

    Raises:
        NotFinite: the embedder gives NaN or infinity.
    """
    from lofi_pipeline import audio

    kept_at = vectors_path(root.cache / _FOLDER, embedder, seconds, track.audio_sha256)
    if (vectors := read_vectors(kept_at, embedder.dimension)) is not None:
        return vectors
    path = root.inside(track.track.audio_path)
    if not path.is_file() or file_sha256(path) != track.audio_sha256:
        return None
    progress(f"embedding {track.track.track_id}")
    try:
        vectors = _embed_file(path, embedder, seconds)
    except audio.AudioError:
        return None
    write_vectors(kept_at, vectors)
    return vectors


def reference_sha256(root: DataRoot, version: DatasetVersion, embedder: Embedder, seconds: float) -> str:
    """Of what is embedded, without embedding it: the audio files' contents and how they are cut.

    Raises:
        ReferenceMissing: no validation track, or a file is gone.
    """
    contents = [file_sha256(path) for _, path in _files(root, version)]
    return content_sha256([contents, embedder.sample_rate, seconds, PREPARATION])


def floor_fad(reference: Reference) -> float | None:
    """FAD between two halves of the validation split, the even and the odd windows of every track.

    Both halves hold every track, so this is the lowest a score can be expected to go. None with fewer than 4 windows.
    """
    halves = [np.concatenate([track[start::2] for track in reference.tracks]) for start in (0, 1)]
    if min(len(half) for half in halves) < 2:
        return None
    return frechet_distance(*halves)


def _files(root: DataRoot, version: DatasetVersion) -> list[tuple[VersionTrack, Path]]:
    files = [(track, root.inside(track.track.audio_path)) for track in validation_tracks(version)]
    if gone := [track.track.audio_path for track, path in files if not path.is_file()]:
        raise ReferenceMissing(
            f"validation audio is gone: {', '.join(gone)}; materialize dataset_manifest again"
        )
    return files


def _embed_file(path: Path, embedder: Embedder, seconds: float) -> np.ndarray:
    from lofi_pipeline import audio

    decoded = audio.read(path, max_seconds=_MAX_SECONDS)
    windows = cut_windows(decoded.samples, audio.SAMPLE_RATE, embedder, seconds)
    return embed_windows(windows, embedder)
