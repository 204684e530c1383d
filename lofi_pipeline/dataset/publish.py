"""The published files of the current data set: final/, validation/ and the metadata files that the data model names.

Published files may be removed and made again. The immutable version is in version.py.
"""

from __future__ import annotations

from collections.abc import Callable

from lofi_pipeline.dataset.version import FILE_KINDS
from lofi_pipeline.entities import Dataset, Split, Track, TrackRecord, VersionTrack
from lofi_pipeline.storage import DataRoot, link_or_copy, sync_folder, write_json_atomic


def is_published(root: DataRoot, track_id: str) -> bool:
    """Whether the three files of a track are there, on either side of the split."""
    return any(
        all((folder / f"{track_id}{kind}").is_file() for kind in FILE_KINDS)
        for folder in (root.final, root.validation)
    )


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
    assert record.processed is not None and record.tagged is not None
    for source, published in (
        (record.processed.audio_path, track.audio_path),
        (record.tagged.prompt_path, track.prompt_path),
        (record.tagged.lyrics_path, track.lyrics_path),
    ):
        link_or_copy(root.inside(source), root.inside(published))


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
