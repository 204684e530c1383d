"""A data set version: made once from the tracks that are ready, hashed, and never changed; and read again.

The files under final/ and validation/ are in publish.py, what is left out in exclusions.py.
"""

from __future__ import annotations

from collections import Counter

from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.errors import NoTracks
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    RecordError,
    SourceRecord,
    Split,
    StyleCategory,
    Track,
    TrackRecord,
    VersionTrack,
    category_of_style,
    now,
)
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    file_sha256,
    read_json,
    read_ledger,
    version_hash,
    write_json_atomic,
)

FILE_KINDS = (".mp3", "_prompt.txt", "_lyrics.txt")


def load_version(root: DataRoot, dataset_hash: str | None = None) -> DatasetVersion:
    """The version with that hash, or the current one.

    Raises:
        RecordError: there is none yet, or the file was damaged.
    """
    if dataset_hash is None:
        manifest = root.dataset_manifest_json
        if not manifest.is_file():
            raise NoTracks(
                f"{manifest}: no data set yet; materialize dataset_manifest (lofi run --to dataset_manifest)"
            )
        dataset_hash = Dataset.parse(read_json(manifest), where=str(manifest)).hash
    path = root.dataset_version(dataset_hash)
    if not path.is_file():
        raise RecordError(
            f"{path}: no such data set version; copy it from where it was built, or build one (lofi run --to dataset_manifest)"
        )
    return DatasetVersion.parse(read_json(path), where=str(path))


def category_of(record: TrackRecord) -> StyleCategory:
    assert record.tagged is not None
    return category_of_style(record.tagged.style_ids[0])


def version_track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> VersionTrack:
    assert record.processed is not None and record.tagged is not None
    folder = root.final if split is Split.TRAIN else root.validation
    audio_path, prompt_path, lyrics_path = (
        root.relative(folder / f"{record.track_id}{kind}") for kind in FILE_KINDS
    )
    measured = record.processed.measurements
    track = Track.checked(
        {
            "track_id": record.track_id,
            "filename": record.filename,
            "audio_path": audio_path,
            "prompt_path": prompt_path,
            "lyrics_path": lyrics_path,
            "duration": record.processed.duration,
            "sample_rate": record.processed.sample_rate,
            "quality_score": record.processed.quality.score,
            "style_ids": record.tagged.style_ids,
            "source_id": record.source_id,
            "human_verified": record.human_verified,
            "split": split,
        },
        style_ids=style_ids,
    )
    return VersionTrack(
        track=track,
        sha256=record.sha256,
        audio_sha256=record.processed.audio_sha256,
        processing=record.inputs["processed"],
        prompt=record.tagged.prompt,
        lyrics=record.tagged.lyrics,
        language=record.tagged.language,
        bpm=record.tagged.bpm,
        keyscale=f"{measured.key} {measured.mode}",
        time_signature=measured.time_signature.split("/")[0],
        licence=record.origins[0].licence,
        source_ids=list(dict.fromkeys(origin.source_id for origin in record.origins)),
        title=record.origins[0].title,
        artist=record.origins[0].artist,
        url=record.origins[0].url,
    )


def make_version(
    root: DataRoot, tracks: list[VersionTrack], sources: dict[str, SourceRecord], eligibility: Eligibility
) -> tuple[DatasetVersion, bool]:
    used = {source_id for track in tracks for source_id in track.source_ids}
    # track_ids of a source may name tracks that are not in this version: the version keeps its own.
    records = [
        sources[source_id].model_copy(
            update={"track_ids": [track.track.track_id for track in tracks if source_id in track.source_ids]}
        )
        for source_id in sorted(used)
    ]
    provenance = [eligibility.provenance[record.source_id] for record in records]
    digest = version_hash(
        {
            "tracks": [track.model_dump(mode="json") for track in tracks],
            "sources": [record.model_dump(mode="json") for record in records],
            "provenance": [item.model_dump(mode="json") for item in provenance],
        }
    )
    path = root.dataset_version(digest)
    if path.is_file():
        return load_version(root, digest), False
    dataset = Dataset(
        dataset_id=f"dataset-{digest[:12]}",
        created=now(),
        track_count=len(tracks),
        train_count=sum(track.track.split is Split.TRAIN for track in tracks),
        validation_count=sum(track.track.split is Split.VALIDATION for track in tracks),
        total_duration=sum(track.track.duration for track in tracks) / 3600,
        style_distribution=_distribution(tracks),
        hash=digest,
    )
    version = DatasetVersion(
        dataset=dataset,
        tracks=tracks,
        sources=records,
        provenance=provenance,
        ledger=read_ledger(root).mark(),
    )
    write_json_atomic(path, version)
    append_to_ledger(root, {root.relative(path): file_sha256(path)})
    return version, True


def _distribution(tracks: list[VersionTrack]) -> dict[StyleCategory, int]:
    counts = Counter(category_of_style(track.track.style_ids[0]) for track in tracks)
    return {category: counts[category] for category in StyleCategory}
