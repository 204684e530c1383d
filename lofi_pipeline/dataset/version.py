"""Data set versions: metadata/datasets/<hash>.json, written once and never changed.

The files under final/ and validation/ are in publish.py. Which tracks go into a version is decided in build.py.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

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
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, Metre
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    file_sha256,
    file_stamp,
    read_json,
    read_ledger,
    version_hash,
    write_json_atomic,
)

FILE_KINDS = (".mp3", "_prompt.txt", "_lyrics.txt")
_IN_QUARTERS: dict[Metre, str] = {"3/4": "3", "4/4": "4"}
_ACE_STEP_METRES = _IN_QUARTERS | {"6/8": "6"}
UNKNOWN_METRE = "N/A"
"""What ACE-Step's prompts say where nothing is known."""


def current_hash(root: DataRoot) -> str | None:
    """The hash of the version that is published, or None before there is one.

    Raises:
        RecordError: dataset_manifest.json was damaged.
    """
    path = root.dataset_manifest_json
    return _hash_in(path, file_stamp(path)) if path.is_file() else None


@lru_cache(maxsize=8)
def _hash_in(path: Path, _stamp: str) -> str:
    """Sensors and pages ask for it again and again: the file is read when it is another."""
    return Dataset.parse(read_json(path), where=str(path)).hash


def load_version(root: DataRoot, dataset_hash: str | None = None) -> DatasetVersion:
    """The version with that hash, or the current one.

    Raises:
        RecordError: there is none yet, or the file was damaged.
    """
    dataset_hash = dataset_hash or current_hash(root)
    if dataset_hash is None:
        raise NoTracks(
            f"{root.dataset_manifest_json}: no data set yet; materialize dataset_manifest (lofi run --to dataset_manifest)"
        )
    path = root.dataset_version(dataset_hash)
    if not path.is_file():
        raise RecordError(
            f"{path}: no such data set version; copy it from where it was built, or build one (lofi run --to dataset_manifest)"
        )
    return DatasetVersion.parse(read_json(path), where=str(path))


def category_of(record: TrackRecord) -> StyleCategory:
    """The category of a tagged track: that of its first style."""
    assert record.tagged is not None
    return category_of_style(record.tagged.style_ids[0])


def version_track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> VersionTrack:
    """The entry of a track in a data set version.

    Args:
        style_ids: the ids of all presets; the track may name no others.

    Raises:
        RecordError: the track breaks a rule of the data model.
    """
    assert record.processed is not None and record.tagged is not None
    measured, first = record.processed.measurements, record.origins[0]
    tagged, bpm = record.tagged, record.tagged.bpm
    metre = tagged.time_signature or measured.time_signature
    # Whoever says a metre counts the beats of the tempo that is said; a measured one counts those that were measured
    beats = BEATS_IN_A_BAR[metre] * (1.0 if tagged.time_signature else bpm / measured.tempo_bpm)
    return VersionTrack(
        track=_track(root, record, split, style_ids),
        sha256=record.sha256,
        audio_sha256=record.processed.audio_sha256,
        processing=record.inputs["processed"],
        prompt=tagged.prompt,
        caption=tagged.caption,
        lyrics=tagged.lyrics,
        language=tagged.language,
        bpm=bpm if tagged.says_tempo else None,
        keyscale=tagged.keyscale or f"{measured.key} {measured.mode}",
        time_signature=_ACE_STEP_METRES.get(metre, UNKNOWN_METRE),
        bar_beats=None if metre in _IN_QUARTERS else beats,
        licence=first.licence,
        source_ids=list(dict.fromkeys(origin.source_id for origin in record.origins)),
        title=first.title,
        artist=first.artist,
        url=first.url,
        credits=record.credits,
    )


def on_side(root: DataRoot, entry: VersionTrack, split: Split) -> VersionTrack:
    """The entry of a track as it is on a side of the split."""
    track = entry.track
    if track.split is split:
        return entry
    placed = {**_published_paths(root, track.track_id, split), "split": split}
    return entry.model_copy(update={"track": track.model_copy(update=placed)})


def _published_paths(root: DataRoot, track_id: str, split: Split) -> dict[str, str]:
    folder = root.final if split is Split.TRAIN else root.validation
    names = ("audio_path", "prompt_path", "lyrics_path")
    return {name: f"{folder.name}/{track_id}{kind}" for name, kind in zip(names, FILE_KINDS, strict=True)}


def _track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> Track:
    assert record.processed is not None and record.tagged is not None
    fields = {
        "track_id": record.track_id,
        "filename": record.filename,
        **_published_paths(root, record.track_id, split),
        "duration": record.processed.duration,
        "sample_rate": record.processed.sample_rate,
        "quality_score": record.processed.quality.score,
        "style_ids": record.tagged.style_ids,
        "source_id": record.source_id,
        "human_verified": record.human_verified,
        "split": split,
    }
    return Track.checked(fields, style_ids=style_ids)


def make_version(
    root: DataRoot, tracks: list[VersionTrack], sources: dict[str, SourceRecord], eligibility: Eligibility
) -> tuple[DatasetVersion, bool]:
    """The version of these tracks, and whether it is new; a new one is written and appended to the ledger.

    Its hash covers the tracks, their sources and what proves the licences, so the same inputs give the same version.

    Raises:
        RecordError: the version that is there was damaged.
    """
    records = _sources_of(tracks, sources)
    provenance = [eligibility.provenance[record.source_id] for record in records]
    digest = version_hash(
        {
            "tracks": (track.model_dump(mode="json") for track in tracks),
            "sources": [record.model_dump(mode="json") for record in records],
            "provenance": [item.model_dump(mode="json") for item in provenance],
        }
    )
    path, ledger = root.dataset_version(digest), read_ledger(root)
    if path.is_file():
        known = load_version(root, digest)
        # Whoever wrote it may have been killed before it was entered
        if root.relative(path) not in ledger.hashes and version_hash(read_json(path)) == digest:
            append_to_ledger(root, {root.relative(path): file_sha256(path)})
        return known, False
    version = DatasetVersion(
        dataset=_dataset(tracks, digest),
        tracks=tracks,
        sources=records,
        provenance=provenance,
        ledger=ledger.mark(),
    )
    write_json_atomic(path, version)
    append_to_ledger(root, {root.relative(path): file_sha256(path)})
    return version, True


def _sources_of(tracks: list[VersionTrack], sources: dict[str, SourceRecord]) -> list[SourceRecord]:
    """The records of the sources of these tracks, by id, each with the ids of only those tracks."""
    used: dict[str, list[str]] = {}
    for track in tracks:
        for source_id in dict.fromkeys(track.source_ids):
            used.setdefault(source_id, []).append(track.track.track_id)
    return [sources[it].model_copy(update={"track_ids": used[it]}) for it in sorted(used)]


def _dataset(tracks: list[VersionTrack], digest: str) -> Dataset:
    counts = Counter(category_of_style(track.track.style_ids[0]) for track in tracks)
    return Dataset(
        dataset_id=f"dataset-{digest[:12]}",
        created=now(),
        track_count=len(tracks),
        train_count=sum(track.track.split is Split.TRAIN for track in tracks),
        validation_count=sum(track.track.split is Split.VALIDATION for track in tracks),
        total_duration=sum(track.track.duration for track in tracks) / 3600,
        style_distribution={category: counts[category] for category in StyleCategory},
        hash=digest,
    )
