"""What generated clips are compared with: every window of the validation split, embedded once and kept.

How audio is cut into windows is in windows.py, what an embedder is in embedders/protocol.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from lofi_pipeline.entities import DatasetVersion, HeldOutEnds, Split, VersionTrack, few
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
    """The validation split in an embedder's space, and after it the held-out ends of training tracks where they count too."""

    tracks: list[np.ndarray] = field(repr=False)
    """float32 [windows, D] for each track, in the order of track ids, validation tracks first."""
    sha256: str
    track_ids: tuple[str, ...]
    styles: frozenset[str] = frozenset()
    """Of all its tracks."""
    ends: int = 0
    """How many of the tracks are held-out ends of training tracks."""

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
    *,
    ends: HeldOutEnds | None = None,
) -> Reference:
    """Embed every validation track in windows of `seconds`, and with `ends` those of training tracks, or take what was embedded.

    Raises:
        ReferenceMissing: no validation track, or a file is gone.
        NotFinite: the embedder gives NaN or infinity.
    """
    excerpts = _excerpts(root, version, ends)
    found = []
    for excerpt in excerpts:
        cached = vectors_path(root.cache / _FOLDER, embedder, seconds, excerpt.sha256)
        embeddings = read_vectors(cached, embedder.dimension)
        if embeddings is None:
            progress(f"embedding {excerpt.track.track.track_id}")
            embeddings = _embed_file(excerpt.path, embedder, seconds, excerpt.start)
            write_vectors(cached, embeddings)
        found.append(embeddings)
    tracks = [excerpt.track.track for excerpt in excerpts]
    return Reference(
        found,
        _sha256_of(excerpts, embedder, seconds),
        tuple(track.track_id for track in tracks),
        frozenset(style for track in tracks for style in track.style_ids),
        sum(excerpt.start > 0 for excerpt in excerpts),
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


def reference_sha256(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    seconds: float,
    *,
    ends: HeldOutEnds | None = None,
) -> str:
    """Of what is embedded, without embedding it: the audio files' contents and how they are cut.

    Raises:
        ReferenceMissing: no validation track, or a file is gone.
    """
    return _sha256_of(_excerpts(root, version, ends), embedder, seconds)


def _sha256_of(excerpts: Sequence[_Excerpt], embedder: Embedder, seconds: float) -> str:
    contents = [excerpt.sha256 for excerpt in excerpts]
    return content_sha256([contents, embedder.sample_rate, seconds, PREPARATION])


def floor_fad(reference: Reference) -> float | None:
    """FAD between two halves of the reference, the even and the odd windows of every track.

    Both halves hold every track, so this is the lowest a score can be expected to go. None with fewer than 4 windows.
    """
    halves = [np.concatenate([track[start::2] for track in reference.tracks]) for start in (0, 1)]
    if min(len(half) for half in halves) < 2:
        return None
    return frechet_distance(*halves)


@dataclass(frozen=True)
class _Excerpt:
    """A track, or what follows `start` seconds in it."""

    track: VersionTrack
    path: Path
    start: float = 0.0

    @cached_property
    def sha256(self) -> str:
        """Of what is embedded."""
        digest = file_sha256(self.path)
        return content_sha256([digest, self.start]) if self.start else digest


def _excerpts(root: DataRoot, version: DatasetVersion, ends: HeldOutEnds | None) -> list[_Excerpt]:
    found = [_Excerpt(track, root.inside(track.track.audio_path)) for track in validation_tracks(version)]
    for track in version.side(Split.TRAIN) if ends else []:
        if start := ends and ends.start(track.track.duration):
            found.append(_Excerpt(track, root.inside(track.track.audio_path), start))
    if gone := [excerpt.track.track.audio_path for excerpt in found if not excerpt.path.is_file()]:
        raise ReferenceMissing(f"reference audio is gone: {few(gone)}; materialize dataset_manifest again")
    return found


def _embed_file(path: Path, embedder: Embedder, seconds: float, start: float = 0.0) -> np.ndarray:
    from lofi_pipeline import audio

    decoded = audio.read(path, max_seconds=_MAX_SECONDS)
    heard = decoded.samples[:, math.ceil(start * audio.SAMPLE_RATE) :]
    return embed_windows(cut_windows(heard, audio.SAMPLE_RATE, embedder, seconds), embedder)
