"""The published files of the current data set: final/, validation/ and the metadata files that the data model names.

Published files may be removed and made again. The immutable version is in version.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from lofi_pipeline.dataset.version import FILE_KINDS
from lofi_pipeline.entities import Dataset, KeptFile, Split, Track, TrackRecord, VersionTrack
from lofi_pipeline.ingest import published_files, sha256_of
from lofi_pipeline.storage import (
    DataRoot,
    kept_file,
    link_or_copy,
    regular_stat,
    sync_folder,
    write_json_atomic,
)


def is_published(root: DataRoot, record: TrackRecord, kept: Mapping[str, KeptFile]) -> bool:
    """Whether the three files of a track lie on either side of the split and look as they did when they were published.

    `kept`: what is remembered of published files that are no links, by path in the data root.
    """
    sources = published_files(record)
    return any(
        all(
            _looks_published(root, f"{folder}/{record.track_id}{kind}", source, kept, record)
            for kind, source in zip(FILE_KINDS, sources, strict=True)
        )
        for folder in (root.final.name, root.validation.name)
    )


def _looks_published(
    root: DataRoot, path: str, source: str, kept: Mapping[str, KeptFile], record: TrackRecord
) -> bool:
    """Whether a published file is the processed one, or looks like the copy that was made of it."""
    there, made_of = (regular_stat(os.path.join(root.path, name)) for name in (path, source))
    if there is None or made_of is None:
        return False
    if os.path.samestat(there, made_of):
        return True
    if (copy := kept.get(path)) is not None:
        return (there.st_size, there.st_mtime_ns) == (copy.size, copy.mtime_ns)
    # A whole data root that was copied has copies in place of links, with the times of what they were copied from
    same_time = there.st_mtime_ns == made_of.st_mtime_ns or not record.kept_files
    return there.st_size == made_of.st_size and same_time


def kept_copies(
    root: DataRoot, records: list[TrackRecord], tracks: list[VersionTrack]
) -> dict[str, KeptFile]:
    """What is to be remembered of published files: of those that are copies, and of the metadata."""
    kept = {
        root.relative(path): kept_file(path)
        for path in (root.style_mapping_json, root.quality_scores_json, root.dataset_manifest_json)
    }
    for record, item in zip(records, tracks, strict=True):
        published = (item.track.audio_path, item.track.prompt_path, item.track.lyrics_path)
        for source, path in zip(published_files(record), published, strict=True):
            if not _is_linked(root, source, path):
                kept[path] = kept_file(root.path / path, sha256_of(record, source))
    return kept


def publish_version(
    root: DataRoot,
    records: list[TrackRecord],
    tracks: list[VersionTrack],
    dataset: Dataset,
    progress: Callable[[str], None] = lambda message: None,
) -> None:
    """Publish a version: the three files of each track (linked, else copied) and the metadata; remove other tracks' files.

    `records` and `tracks` are those of the version, in the same order.
    """
    for folder in (root.final, root.validation):
        root.inside(folder.name)  # refuses one that leads out of the data root
    for number, (record, item) in enumerate(zip(records, tracks, strict=True), start=1):
        _publish_track(root, record, item.track)
        if number % 500 == 0:
            progress(f"published {number} of {len(records)} tracks")
    _unpublish_others(root, {item.track.track_id: item.track.split for item in tracks})
    for folder in (root.final, root.validation):
        sync_folder(folder)
    # The data set itself last: it says that the rest is there.
    write_json_atomic(root.style_mapping_json, {item.track.track_id: item.track.style_ids for item in tracks})
    write_json_atomic(root.quality_scores_json, {record.track_id: _quality(record) for record in records})
    write_json_atomic(root.dataset_manifest_json, dataset)


def _publish_track(root: DataRoot, record: TrackRecord, track: Track) -> None:
    published = (track.audio_path, track.prompt_path, track.lyrics_path)
    for source, path in zip(published_files(record), published, strict=True):
        if not _is_linked(root, source, path):
            link_or_copy(root.inside(source), root.inside(path))


def _is_linked(root: DataRoot, source: str, path: str) -> bool:
    """Whether a file is published already, as one more name of the processed one."""
    try:
        one, other = (os.lstat(os.path.join(root.path, name)) for name in (source, path))
    except OSError:
        return False
    return os.path.samestat(one, other)


def unpublish_all(root: DataRoot) -> None:
    """Remove everything that is published. Versions stay, for the audit, and so does the side of each track."""
    _unpublish_others(root, {})
    for path in (root.dataset_manifest_json, root.style_mapping_json, root.quality_scores_json):
        path.unlink(missing_ok=True)


def _unpublish_others(root: DataRoot, sides: dict[str, Split]) -> None:
    """Remove the files of tracks that are not on these sides. Files that the pipeline did not publish stay."""
    for folder, side in ((root.final, Split.TRAIN), (root.validation, Split.VALIDATION)):
        for path in folder.glob("track_*"):
            track_id = "_".join(path.name.split(".")[0].split("_")[:2])
            ours = path.name in {f"{track_id}{kind}" for kind in FILE_KINDS}
            if ours and sides.get(track_id) is not side:
                path.unlink()


def _quality(record: TrackRecord) -> dict[str, object]:
    assert record.processed is not None
    quality = record.processed.quality
    return {
        "score": quality.score,
        "verified": record.human_verified,
        "date": record.updated.date().isoformat(),
        "parts": quality.parts,
    }
