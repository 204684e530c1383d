"""What tracks left behind whose originals are gone: processed music and encodings, which are copies of it.

Track ids, records and fingerprints stay for life: audits ask them, and the next copy of the same music is compared with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from lofi_pipeline.dataset.errors import NoTracks
from lofi_pipeline.dataset.version import load_version
from lofi_pipeline.entities import Entity
from lofi_pipeline.evaluation.copies.training import COPIES_FOLDER
from lofi_pipeline.ingest import load_record, load_registry, output_files
from lofi_pipeline.storage import DataRoot, sync_folder

ENCODINGS = ("latents", "reference", COPIES_FOLDER)
"""Folders under cache/."""


class GoneFile(Entity):
    """A file that was made of a track whose original is gone. The path is relative to the data root."""

    track_id: str
    path: str
    size: int


def gone_files(root: DataRoot) -> list[GoneFile]:
    """What can be removed: of no track that has a file in data/raw, or is in the current data set version."""
    kept = _in_the_data_set(root)
    found: list[GoneFile] = []
    for track in load_registry(root).tracks:
        if track.origins or track.track_id in kept:
            continue
        record = load_record(root, track.track_id)
        if record is None:
            continue
        fingerprint = root.relative(root.fingerprint(track.track_id))
        paths = [path for path in output_files(record) if path != fingerprint]
        audio = {record.processed.audio_sha256} if record.processed else set()
        for path in [*paths, *cached_encodings(root, audio)]:
            with suppress(OSError):  # removed before, or never made
                size = root.inside(path).lstat().st_size
                found.append(GoneFile(track_id=track.track_id, path=path, size=size))
    return found


def _in_the_data_set(root: DataRoot) -> set[str]:
    with suppress(NoTracks):
        return {item.track.track_id for item in load_version(root).tracks}
    return set()


def cached_encodings(root: DataRoot, audio: Collection[str]) -> list[str]:
    """What is kept of processed audio under its hash: latents, embeddings, levels; paths relative to the data root."""
    kept = [path for kind in ENCODINGS for path in (root.cache / kind).glob("*/*") if path.stem in audio]
    return sorted(root.relative(path) for path in kept)


def remove_gone(root: DataRoot, files: Iterable[GoneFile]) -> None:
    """Remove them; should an original come back, the next run makes them again."""
    folders = set()
    for file in files:
        path = root.inside(file.path)
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)
