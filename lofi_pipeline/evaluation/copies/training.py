"""The training tracks of a data set version, as they are searched: made once from each track's audio, and kept by its hash."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lofi_pipeline.entities import DatasetVersion, Split, VersionTrack
from lofi_pipeline.evaluation.copies.sound import BANDS, DIMENSIONS, SOUND_VERSION, Sound
from lofi_pipeline.storage import DataRoot, file_sha256, write_bytes_atomic

COPIES_FOLDER = "copies"
"""Under cache/."""
MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class KeptSound:
    """A `Sound` on disk: read when it is asked for, so that thousands of tracks take no memory."""

    path: Path

    @property
    def bands(self) -> np.ndarray:
        """uint8 [frames, 48]"""
        return self._read("bands")

    @property
    def sketches(self) -> np.ndarray:
        """int8 [windows, 64]"""
        return self._read("sketches")

    def _read(self, name: str) -> np.ndarray:
        with np.load(self.path, allow_pickle=False) as kept:
            return kept[name]

    def is_whole(self) -> bool:
        """Whether both can be read and belong together."""
        try:
            bands, sketches = self.bands, self.sketches
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return False
        types = bands.dtype == np.uint8 and sketches.dtype == np.int8
        return types and bands.shape[1:] == (BANDS,) and sketches.shape[1:] == (DIMENSIONS,)

    def write(self, sound: Sound) -> None:
        """Keep a sound, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, bands=sound.bands, sketches=sound.sketches)
        write_bytes_atomic(self.path, buffer.getvalue())


@dataclass(frozen=True)
class KeptTracks:
    """Tracks that can be searched, and those whose audio is gone or is not what the version was built from."""

    sounds: dict[str, KeptSound]
    missing: list[str] = field(default_factory=list)


def kept_tracks(
    root: DataRoot,
    version: DatasetVersion,
    split: Split,
    progress: Callable[[str], None] = lambda message: None,
) -> KeptTracks:
    """The tracks on a side of the split, each listened to once."""
    found = KeptTracks({})
    for track in version.side(split):
        kept = KeptSound(root.cache / COPIES_FOLDER / f"v{SOUND_VERSION}" / f"{track.audio_sha256}.npz")
        if kept.is_whole() or _listened(root, track, kept, progress):
            found.sounds[track.track.track_id] = kept
        else:
            found.missing.append(track.track.track_id)
    return found


def _listened(root: DataRoot, track: VersionTrack, kept: KeptSound, progress: Callable[[str], None]) -> bool:
    """Whether the track's audio is there and was listened to."""
    from lofi_pipeline import audio

    path = root.inside(track.track.audio_path)
    if not path.is_file() or file_sha256(path) != track.audio_sha256:
        return False
    progress(f"listening to {track.track.track_id}, to know its copies")
    try:
        kept.write(Sound.of(audio.read(path, max_seconds=MAX_SECONDS).samples, audio.SAMPLE_RATE))
    except audio.AudioError:
        return False
    return True
