"""The data set: its split, its files under final/ and validation/, its metadata, and its immutable hashed version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.duplicates import (
    COMPARISON_VERSION,
    Comparisons,
    Copy,
    KnownGroups,
    compare_tracks,
    copies_among,
    copies_of,
    group_related,
    load_comparisons,
)
from lofi_pipeline.dataset.holding import withdrawn_reason
from lofi_pipeline.dataset.registry import load_registry, load_scan, remember_day
from lofi_pipeline.dataset.split import Candidate, assign_splits
from lofi_pipeline.dataset.standing import Standing, standing_of
from lofi_pipeline.dataset.track_work import Workshop, load_record
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    Entity,
    LedgerMark,
    RecordError,
    SourceRecord,
    Split,
    StyleCategory,
    Track,
    TrackRecord,
    TrackStatus,
    VersionTrack,
    category_of_style,
    now,
    track_number,
)
from lofi_pipeline.entities.base import Sha256, TrackId
from lofi_pipeline.storage import (
    DataRoot,
    UnreadableRecord,
    content_sha256,
    file_sha256,
    link_or_copy,
    locked,
    read_json,
    read_seals,
    seal,
    version_hash,
    write_json_atomic,
)

Kept = TypeVar("Kept", bound=Entity)
FILE_KINDS = (".mp3", "_prompt.txt", "_lyrics.txt")


class NoTracks(RecordError):
    """There is nothing to make a data set of."""


class SplitDecisions(Entity):
    """metadata/splits.json: the side each track was given, for life."""

    sides: dict[TrackId, Split] = {}


class BuiltFrom(Entity):
    """metadata/built_from.json: the hash of what the current data set was made of."""

    inputs: Sha256
    ledger: LedgerMark | None = Field(default=None, description="Of the seals when it was built")


@dataclass(frozen=True)
class LeftOut:
    """A file or track that is not in the data set, and why. The path is relative to data/raw."""

    file: str
    reason: str
    track_id: str | None = None


@dataclass(frozen=True)
class BuiltDataset:
    """A data set version, and what is not in it."""

    version: DatasetVersion
    is_new: bool
    left_out: list[LeftOut]


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
        raise RecordError(f"{path}: no such data set version")
    return DatasetVersion.parse(read_json(path), where=str(path))


def left_out(root: DataRoot, standing: Standing | None = None) -> list[LeftOut]:
    """Everything under data/raw that is not in a data set built now: refused drops, refused or failed tracks, copies.

    With `standing`, also what its sources do not permit on that day although the last scan took it.
    """
    raw = f"{root.relative(root.raw)}/"
    scan = load_scan(root)
    found = [LeftOut(path.removeprefix(raw), reason) for path, reason in (scan.refusals() if scan else [])]
    ready: dict[str, str] = {}
    compared = load_comparisons(root)
    barred = _copies_of_withdrawn(root, standing, compared) if standing else {}
    for track in load_registry(root).tracks:
        if not track.origins:
            continue
        first, *copies = [origin.path.removeprefix(raw) for origin in track.origins]
        found += [
            LeftOut(path, f"the same bytes as {first} ({track.track_id})", track.track_id) for path in copies
        ]
        against = standing.against(track) if standing else None
        record = load_record(root, track.track_id)
        reason = (
            against
            or _not_ready(record)
            or _not_comparable(root, track.track_id)
            or barred.get(track.track_id)
        )
        if reason:
            found.append(LeftOut(first, reason, track.track_id))
        elif record and record.origins == track.origins:
            ready[track.track_id] = first
    for copy in copies_among(list(ready), compared).values():
        reason = f"the same recording as {ready[copy.original]} ({copy.original}){copy.pair.in_words()}"
        found.append(LeftOut(ready[copy.track_id], reason, copy.track_id))
    return found


def _not_ready(record: TrackRecord | None) -> str | None:
    if record is None or record.status is TrackStatus.PENDING:
        return "not worked on yet"
    if record.status is TrackStatus.OK:
        return None
    return record.reason if record.status is TrackStatus.REJECTED else f"failed: {record.reason}"


def _not_comparable(root: DataRoot, track_id: str) -> str | None:
    if root.fingerprint(track_id).is_file():
        return None
    return "its fingerprint is missing or was damaged; the next run makes it again"


def build_dataset(
    root: DataRoot,
    config: PipelineConfig,
    *,
    day: date | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> BuiltDataset:
    """Make final/, validation/, the metadata files and the version of all tracks that are ready now.

    The same inputs give the same hash on any machine; an unchanged data set writes nothing. Every source is judged once
    more for `day` (default: today; never before a day that was judged for already): tracks whose licence is not in force
    then, or which were withdrawn, stay out. Versions that exist are never changed.

    Raises:
        NoTracks: no track is ready.
    """
    with locked(root.dataset_manifest_json):
        standing = standing_of(root, config, day=day)
        remember_day(root, standing.day)
        ready = _ready_records(root, standing)
        processing = {record.track_id: record.inputs["processed"] for record in ready}
        known = {**_withdrawn_processing(root, standing), **processing}
        compared = compare_tracks(root, known, progress, workers=config.ingest.workers)
        ready = [record for record in ready if record.track_id in compared.compared]
        barred = _copies_of_withdrawn(root, standing, compared)
        copies = copies_among([it.track_id for it in ready if it.track_id not in barred], compared)
        records = [record for record in ready if record.track_id not in {*copies, *barred}]
        if not records:
            _withdraw(root)
            raise NoTracks(
                "no track is ready for training; see what was refused, and drop music into data/raw"
            )
        progress(f"{len(records)} tracks are ready, {len(copies)} more are copies of them")
        sides = _split(root, config, records, compared, copies)
        sources = _sources(root)
        tracks = [
            _version_track(root, record, sides[record.track_id], set(Workshop.open(config).presets))
            for record in records
        ]
        version, is_new = _version(root, tracks, sources, standing)
        for number, (record, track) in enumerate(zip(records, tracks, strict=True), start=1):
            _publish(root, record, track.track)
            if number % 500 == 0:
                progress(f"published {number} of {len(records)} tracks")
        _unpublish_others(root, {track.track.track_id: track.track.split for track in tracks})
        _write_metadata(root, records, version)
        inputs = _inputs(root, config, ready, standing, barred)
        mark = read_seals(root).mark(_earlier_mark(root))
        write_json_atomic(root.built_from_json, BuiltFrom(inputs=inputs, ledger=mark))
    return BuiltDataset(version, is_new, left_out(root, standing))


def dataset_is_current(root: DataRoot, config: PipelineConfig, *, day: date | None = None) -> bool:
    """Whether building the data set now (on `day`) would give the one that is there."""
    path = root.built_from_json
    if not path.is_file() or not root.dataset_manifest_json.is_file():
        return False
    standing = standing_of(root, config, day=day)
    records = _ready_records(root, standing)
    found = load_comparisons(root)
    barred = _copies_of_withdrawn(root, standing, found)
    same = BuiltFrom.parse(read_json(path), where=str(path)).inputs == _inputs(
        root, config, records, standing, barred
    )
    ids = [record.track_id for record in records if record.track_id not in barred]
    copies = copies_among(ids, found)
    return same and all(_is_published(root, track_id) for track_id in ids if track_id not in copies)


def _is_published(root: DataRoot, track_id: str) -> bool:
    return any(
        all((folder / f"{track_id}{kind}").is_file() for kind in FILE_KINDS)
        for folder in (root.final, root.validation)
    )


def _earlier_mark(root: DataRoot) -> LedgerMark | None:
    path = root.built_from_json
    with suppress(OSError, UnreadableRecord, RecordError):
        return BuiltFrom.parse(read_json(path), where=str(path)).ledger
    return None


def _withdrawn_processing(root: DataRoot, standing: Standing) -> dict[str, str]:
    """By withdrawn track whose fingerprint is kept, what made it: new tracks are compared with these too."""
    found = {}
    if not standing.withdrawn_contents:
        return found
    for track_id in standing.withdrawn_tracks(load_registry(root)):
        if root.fingerprint(track_id).is_file():
            record = load_record(root, track_id)
            made_by = record.inputs.get("processed") if record else None
            found[track_id] = made_by or file_sha256(root.fingerprint(track_id))
    return found


def _copies_of_withdrawn(root: DataRoot, standing: Standing, found: Comparisons) -> dict[str, str]:
    """By track that is the same recording as a withdrawn one, the reason that keeps it out."""
    reasons = {}
    if not standing.withdrawn_contents:
        return reasons
    registry = load_registry(root)
    withdrawn, known = standing.withdrawn_tracks(registry), registry.by_id()
    for track_id, copy in copies_of(withdrawn, found).items():
        record = load_record(root, copy.original)
        title = f" ({record.origins[0].title or record.filename})" if record and record.origins else ""
        how = copy.pair.in_words() if copy.pair.track_id == track_id else ""
        if track_id in known:
            reasons[track_id] = (
                f"the same recording as the withdrawn {copy.original}{title}{how}. "
                f"{withdrawn_reason(withdrawn[copy.original])}"
            )
    return reasons


def _inputs(
    root: DataRoot,
    config: PipelineConfig,
    records: list[TrackRecord],
    standing: Standing,
    barred: Mapping[str, str],
) -> str:
    used = {origin.source_id for record in records for origin in record.origins}
    behind = [
        standing.provenance[source_id].model_dump(mode="json", exclude={"verdict"})
        for source_id in sorted(used)
    ]
    content = [records, config.dataset, file_sha256(root.sources_json), behind, COMPARISON_VERSION]
    return content_sha256([*content, *([sorted(barred)] if barred else [])])


def _ready_records(root: DataRoot, standing: Standing) -> list[TrackRecord]:
    present = [
        track for track in load_registry(root).tracks if track.origins and standing.against(track) is None
    ]
    records = [load_record(root, track.track_id) for track in present]
    origins = {track.track_id: track.origins for track in present}
    return sorted(
        (
            record
            for record in records
            # A record older than its drop's latest facts waits until the track was worked on again.
            if record
            and record.status is TrackStatus.OK
            and record.origins == origins[record.track_id]
            # Without a fingerprint nobody knows whether it is a copy: the next work on it makes one.
            and root.fingerprint(record.track_id).is_file()
        ),
        key=lambda record: track_number(record.track_id),
    )


def _sources(root: DataRoot) -> dict[str, SourceRecord]:
    data = read_json(root.sources_json)
    records = [SourceRecord.parse(item, where=str(root.sources_json)) for item in data]
    return {record.source_id: record for record in records}


def _split(
    root: DataRoot,
    config: PipelineConfig,
    records: list[TrackRecord],
    compared: Comparisons,
    copies: dict[str, Copy],
) -> dict[str, Split]:
    groups_path = root.metadata / "groups.json"
    ids = [record.track_id for record in records]
    known = _load(KnownGroups, groups_path).groups
    groups = group_related([*ids, *copies], compared, known)
    decided = _load(SplitDecisions, root.splits_json).sides
    candidates = [
        Candidate(record.track_id, record.sha256, _category(record), groups[record.track_id])
        for record in records
    ]
    sides = assign_splits(
        candidates, decided, ratio=config.dataset.validation_ratio, seed=config.dataset.seed
    )
    # Should the original ever go, its copy takes its place: on the same side.
    sides |= {copy.track_id: sides[copy.original] for copy in copies.values() if copy.track_id not in decided}
    write_json_atomic(groups_path, KnownGroups(groups={**known, **groups}))
    write_json_atomic(root.splits_json, SplitDecisions(sides={**decided, **sides}))
    return sides


def _load(kind: type[Kept], path: Path) -> Kept:
    return kind.parse(read_json(path), where=str(path)) if path.is_file() else kind()


def _category(record: TrackRecord) -> StyleCategory:
    assert record.tagged is not None
    return category_of_style(record.tagged.style_ids[0])


def _version_track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> VersionTrack:
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


def _version(
    root: DataRoot, tracks: list[VersionTrack], sources: dict[str, SourceRecord], standing: Standing
) -> tuple[DatasetVersion, bool]:
    used = {source_id for track in tracks for source_id in track.source_ids}
    # track_ids of a source may name tracks that are not in this version: the version keeps its own.
    records = [
        sources[source_id].model_copy(
            update={"track_ids": [track.track.track_id for track in tracks if source_id in track.source_ids]}
        )
        for source_id in sorted(used)
    ]
    provenance = [standing.provenance[record.source_id] for record in records]
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
        ledger=read_seals(root).mark(),
    )
    write_json_atomic(path, version)
    seal(root, {root.relative(path): file_sha256(path)})
    return version, True


def _distribution(tracks: list[VersionTrack]) -> dict[StyleCategory, int]:
    counts = Counter(category_of_style(track.track.style_ids[0]) for track in tracks)
    return {category: counts[category] for category in StyleCategory}


def _publish(root: DataRoot, record: TrackRecord, track: Track) -> None:
    assert record.processed is not None and record.tagged is not None
    for source, published in (
        (record.processed.audio_path, track.audio_path),
        (record.tagged.prompt_path, track.prompt_path),
        (record.tagged.lyrics_path, track.lyrics_path),
    ):
        link_or_copy(root.inside(source), root.inside(published))


def _withdraw(root: DataRoot) -> None:
    """No track may be used any more: nothing stays published. Versions stay, for the audit; so does each track's side."""
    _unpublish_others(root, {})
    for path in (root.dataset_manifest_json, root.style_mapping_json, root.quality_scores_json):
        path.unlink(missing_ok=True)


def _unpublish_others(root: DataRoot, sides: dict[str, Split]) -> None:
    """Remove what former versions published and this one does not; foreign files stay."""
    for folder, side in ((root.final, Split.TRAIN), (root.validation, Split.VALIDATION)):
        for path in folder.glob("track_*"):
            track_id = "_".join(path.name.split(".")[0].split("_")[:2])
            ours = path.name in {f"{track_id}{kind}" for kind in FILE_KINDS}
            if ours and sides.get(track_id) is not side:
                path.unlink()


def _write_metadata(root: DataRoot, records: list[TrackRecord], version: DatasetVersion) -> None:
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
