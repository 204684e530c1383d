"""What of a data set version lies in final/, validation/ and the metadata files that the data model names.

The version itself is in version.py.
"""

from __future__ import annotations

from lofi_pipeline.dataset.version import FILE_KINDS
from lofi_pipeline.entities import (
    DatasetVersion,
    Split,
    Track,
    TrackRecord,
)
from lofi_pipeline.storage import (
    DataRoot,
    link_or_copy,
    write_json_atomic,
)


def is_published(root: DataRoot, track_id: str) -> bool:
    return any(
        all((folder / f"{track_id}{kind}").is_file() for kind in FILE_KINDS)
        for folder in (root.final, root.validation)
    )


def publish(root: DataRoot, record: TrackRecord, track: Track) -> None:
    assert record.processed is not None and record.tagged is not None
    for source, published in (
        (record.processed.audio_path, track.audio_path),
        (record.tagged.prompt_path, track.prompt_path),
        (record.tagged.lyrics_path, track.lyrics_path),
    ):
        link_or_copy(root.inside(source), root.inside(published))


def unpublish_all(root: DataRoot) -> None:
    """No track may be used any more: nothing stays published. Versions stay, for the audit; so does each track's side."""
    unpublish_others(root, {})
    for path in (root.dataset_manifest_json, root.style_mapping_json, root.quality_scores_json):
        path.unlink(missing_ok=True)


def unpublish_others(root: DataRoot, sides: dict[str, Split]) -> None:
    """Remove what former versions published and this one does not; foreign files stay."""
    for folder, side in ((root.final, Split.TRAIN), (root.validation, Split.VALIDATION)):
        for path in folder.glob("track_*"):
            track_id = "_".join(path.name.split(".")[0].split("_")[:2])
            ours = path.name in {f"{track_id}{kind}" for kind in FILE_KINDS}
            if ours and sides.get(track_id) is not side:
                path.unlink()


def write_metadata(root: DataRoot, records: list[TrackRecord], version: DatasetVersion) -> None:
    write_json_atomic(
        root.style_mapping_json, {track.track.track_id: track.track.style_ids for track in version.tracks}
    )
    write_json_atomic(root.quality_scores_json, {record.track_id: _quality(record) for record in records})
    write_json_atomic(root.dataset_manifest_json, version.dataset)


def _quality(record: TrackRecord) -> dict[str, object]:
    assert record.processed is not None
    quality = record.processed.quality
    return {
        "score": quality.score,
        "verified": record.human_verified,
        "date": record.updated.date().isoformat(),
        "parts": quality.parts,
    }
