"""The data set: its split, its files under final/ and validation/, its metadata, and its immutable hashed version."""

from __future__ import annotations

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
    group_related,
    load_comparisons,
)
from lofi_pipeline.dataset.eligibility import Eligibility, eligibility_of
from lofi_pipeline.dataset.errors import NoTracks
from lofi_pipeline.dataset.exclusions import LeftOut, copies_of_withdrawn, left_out, withdrawn_processing
from lofi_pipeline.dataset.publish import (
    is_published,
    publish,
    unpublish_all,
    unpublish_others,
    write_metadata,
)
from lofi_pipeline.dataset.split import Candidate, assign_splits
from lofi_pipeline.dataset.version import category_of, make_version, version_track
from lofi_pipeline.entities import (
    DatasetVersion,
    Entity,
    LedgerHead,
    RecordError,
    SourceRecord,
    Split,
    TrackRecord,
    TrackStatus,
    track_number,
)
from lofi_pipeline.entities.base import Sha256, TrackId
from lofi_pipeline.ingest.process_track import ProcessingContext, load_record
from lofi_pipeline.ingest.registry import load_registry, remember_day
from lofi_pipeline.storage import (
    DataRoot,
    UnreadableRecord,
    content_sha256,
    file_sha256,
    locked,
    read_json,
    read_ledger,
    write_json_atomic,
)

Kept = TypeVar("Kept", bound=Entity)


class SplitDecisions(Entity):
    """metadata/splits.json: the side each track was given, for life."""

    sides: dict[TrackId, Split] = {}


class BuiltFrom(Entity):
    """metadata/built_from.json: the hash of what the current data set was made of."""

    inputs: Sha256
    ledger: LedgerHead | None = Field(default=None, description="Of the seals when it was built")


@dataclass(frozen=True)
class BuiltDataset:
    """A data set version, and what is not in it."""

    version: DatasetVersion
    is_new: bool
    left_out: list[LeftOut]


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
        eligibility = eligibility_of(root, config, day=day)
        remember_day(root, eligibility.day)
        ready = _ready_records(root, eligibility)
        processing = {record.track_id: record.inputs["processed"] for record in ready}
        known = {**withdrawn_processing(root, eligibility), **processing}
        compared = compare_tracks(root, known, progress, workers=config.ingest.workers)
        ready = [record for record in ready if record.track_id in compared.compared]
        barred = copies_of_withdrawn(root, eligibility, compared)
        copies = copies_among([it.track_id for it in ready if it.track_id not in barred], compared)
        records = [record for record in ready if record.track_id not in {*copies, *barred}]
        if not records:
            unpublish_all(root)
            raise NoTracks(
                "no track is ready for training; see what was refused, and drop music into data/raw"
            )
        progress(f"{len(records)} tracks are ready, {len(copies)} more are copies of them")
        sides = _split(root, config, records, compared, copies)
        sources = _sources(root)
        tracks = [
            version_track(root, record, sides[record.track_id], set(ProcessingContext.open(config).presets))
            for record in records
        ]
        version, is_new = make_version(root, tracks, sources, eligibility)
        for number, (record, track) in enumerate(zip(records, tracks, strict=True), start=1):
            publish(root, record, track.track)
            if number % 500 == 0:
                progress(f"published {number} of {len(records)} tracks")
        unpublish_others(root, {track.track.track_id: track.track.split for track in tracks})
        write_metadata(root, records, version)
        inputs = _inputs(root, config, ready, eligibility, barred)
        mark = read_ledger(root).mark(_earlier_mark(root))
        write_json_atomic(root.built_from_json, BuiltFrom(inputs=inputs, ledger=mark))
    return BuiltDataset(version, is_new, left_out(root, eligibility))


def dataset_is_current(root: DataRoot, config: PipelineConfig, *, day: date | None = None) -> bool:
    """Whether building the data set now (on `day`) would give the one that is there."""
    path = root.built_from_json
    if not path.is_file() or not root.dataset_manifest_json.is_file():
        return False
    eligibility = eligibility_of(root, config, day=day)
    records = _ready_records(root, eligibility)
    found = load_comparisons(root)
    barred = copies_of_withdrawn(root, eligibility, found)
    same = BuiltFrom.parse(read_json(path), where=str(path)).inputs == _inputs(
        root, config, records, eligibility, barred
    )
    ids = [record.track_id for record in records if record.track_id not in barred]
    copies = copies_among(ids, found)
    return same and all(is_published(root, track_id) for track_id in ids if track_id not in copies)


def _earlier_mark(root: DataRoot) -> LedgerHead | None:
    path = root.built_from_json
    with suppress(OSError, UnreadableRecord, RecordError):
        return BuiltFrom.parse(read_json(path), where=str(path)).ledger
    return None


def _inputs(
    root: DataRoot,
    config: PipelineConfig,
    records: list[TrackRecord],
    eligibility: Eligibility,
    barred: Mapping[str, str],
) -> str:
    used = {origin.source_id for record in records for origin in record.origins}
    behind = [
        eligibility.provenance[source_id].model_dump(mode="json", exclude={"verdict"})
        for source_id in sorted(used)
    ]
    content = [records, config.dataset, file_sha256(root.sources_json), behind, COMPARISON_VERSION]
    return content_sha256([*content, *([sorted(barred)] if barred else [])])


def _ready_records(root: DataRoot, eligibility: Eligibility) -> list[TrackRecord]:
    present = [
        track
        for track in load_registry(root).tracks
        if track.origins and eligibility.refusal_reason(track) is None
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
        Candidate(record.track_id, record.sha256, category_of(record), groups[record.track_id])
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
