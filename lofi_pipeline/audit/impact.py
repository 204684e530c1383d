"""What a source has fed: its tracks, the data set versions that hold them, the checkpoints that were trained on those.

Withdrawing it is in licensing/withdrawals.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import Field

from lofi_pipeline.audit.copies import recordings_of
from lofi_pipeline.audit.errors import UnknownSubject
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.verdicts import SourceJudge
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.dataset.gone import cached_encodings
from lofi_pipeline.dataset.recordings import Link
from lofi_pipeline.entities import (
    CheckpointRecord,
    DatasetVersion,
    Entity,
    SourceRecord,
    Verdict,
    VersionTrack,
)
from lofi_pipeline.entities.base import Identifier, Sha256, Timestamp, TrackId
from lofi_pipeline.licensing.withdrawals import Withdrawal, withdrawn_sources


class AffectedTrack(Entity):
    """A track that came from the source, or holds the same bytes under another source's name."""

    track_id: TrackId
    sha256: Sha256
    title: str | None = None
    named_by: list[Identifier] = Field(description="The sources that its records name")
    relation: str | None = Field(
        default=None,
        description="How it hangs together with a recording of the source, and how sure that is; None: it holds the same bytes",
    )


class AffectedVersion(Entity):
    """A data set version with tracks of the source."""

    dataset_id: str
    hash: Sha256
    created: Timestamp
    tracks: list[TrackId]
    seconds: float
    current: bool = Field(description="Whether it is the data set as it is now")


class AffectedCheckpoint(Entity):
    """A checkpoint that was trained on an affected version."""

    partition_key: str
    checkpoint_id: str
    path: str
    dataset_hash: Sha256
    preset: str
    lineage: Sha256
    pruned: bool


class Retraining(Entity):
    """A lineage that is to be trained anew on a version without the source."""

    lineage: Sha256
    preset: str
    base: str
    dataset_hash: Sha256
    checkpoints: list[str] = Field(description="Partition keys")


class Impact(Entity):
    """All that one source has fed."""

    source_id: Identifier
    provider: str
    license_type: str
    day: date
    verdict: Verdict = Field(description="As of today, withdrawals and validity counted in")
    withdrawn: date | None = None
    withdrawn_reason: str | None = None
    tracks: list[AffectedTrack]
    versions: list[AffectedVersion]
    checkpoints: list[AffectedCheckpoint]
    retrain: list[Retraining]
    caches: list[str] = Field(
        default_factory=list,
        description="Encodings of its tracks that lie in the cache, relative to the data root",
    )
    contents: list[Sha256] = Field(
        default_factory=list, description="Of every original that it ever brought, sorted"
    )
    unreadable: list[str] = Field(
        default_factory=list, description="Records that could not be read: what they hold is not known"
    )

    @property
    def in_force(self) -> bool:
        """Whether the source may be trained on today."""
        return self.verdict.permitted


def trace(inputs: AuditInputs, source_id: str, settings: LicensingSettings, today: date) -> Impact:
    """Follow a source downstream: by its id, the content of its tracks, and every recording that is the same as one of these.

    Raises:
        UnknownSubject: no source of that id was ever here.
    """
    versions = sorted((version for _, version in inputs.versions.found), key=lambda it: it.dataset.created)
    record = _record(inputs, source_id, versions)
    withdrawal = withdrawn_sources(inputs.withdrawals, today).get(source_id)
    contents = _contents(inputs, source_id, versions, withdrawal)
    copies = recordings_of(inputs, contents, versions)
    affected = [
        (version, held) for version in versions if (held := _held(version, source_id, contents, copies))
    ]
    checkpoints = _checkpoints(inputs, {version.dataset.hash for version, _ in affected})
    judge = SourceJudge.of(inputs, settings, trained=today, today=today)
    kept = [item for version in versions for item in version.provenance if item.source_id == source_id]
    return Impact(
        source_id=source_id,
        provider=record.provider,
        license_type=record.license_type,
        day=today,
        verdict=judge.now(record, kept[-1] if kept else None),
        withdrawn=withdrawal.day if withdrawal else None,
        withdrawn_reason=withdrawal.reason if withdrawal else None,
        tracks=_tracks((item for _, items in affected for item in items), contents, copies),
        versions=_versions(inputs, affected),
        checkpoints=[_checkpoint(inputs, folder, record) for folder, record in checkpoints],
        retrain=_retraining([record for _, record in checkpoints]),
        contents=sorted(contents),
        caches=cached_encodings(inputs.root, {item.audio_sha256 for _, items in affected for item in items}),
        unreadable=[
            *inputs.versions.unreadable,
            *(str(item.error) for item in inputs.checkpoints if item.record is None),
        ],
    )


def _record(inputs: AuditInputs, source_id: str, versions: list[DatasetVersion]) -> SourceRecord:
    """The source as the newest version keeps it, else as its drop says."""
    for version in reversed(versions):
        for record in version.sources:
            if record.source_id == source_id:
                return record
    if source_id in inputs.manifests:
        return inputs.manifests[source_id].record([])
    # It was removed, and is in no version
    remembered = [entry.claims for entry in inputs.memory.record.entries]
    declared = [inputs.declared.on_record(source_id), *reversed(remembered)]
    for terms in declared:
        if terms is not None and terms.source.source_id == source_id:
            return terms.source
    known = {record.source_id for version in versions for record in version.sources} | set(inputs.manifests)
    there_are = ", ".join(sorted(known)[:20])
    raise UnknownSubject(
        f"no source {source_id!r:.80} in any data set version or drop; there are: {there_are}"
    )


def _contents(
    inputs: AuditInputs, source_id: str, versions: list[DatasetVersion], withdrawal: Withdrawal | None
) -> set[str]:
    """SHA-256 of every original that this source ever brought."""
    found = set(withdrawal.sha256s) if withdrawal else set()
    for version in versions:
        found |= {item.sha256 for item in version.tracks if source_id in item.source_ids}
    for entry in inputs.memory.record.entries:
        if entry.claims.source.source_id == source_id:
            found |= set(entry.contents)
    # Without registry and scan, what the versions say is enough to trace by
    for track in inputs.registry.value.tracks if inputs.registry.value else []:
        if any(origin.source_id == source_id for origin in track.origins):
            found.add(track.sha256)
    for drop in inputs.scan.value.drops if inputs.scan.value else []:
        if drop.manifest is not None and drop.manifest.source_id == source_id:
            found |= {file.sha256 for file in drop.files if file.sha256}
    return found


def _held(
    version: DatasetVersion, source_id: str, contents: set[str], copies: Mapping[str, Link]
) -> list[VersionTrack]:
    return [
        item
        for item in version.tracks
        if source_id in item.source_ids or item.sha256 in contents or item.track.track_id in copies
    ]


def _tracks(
    items: Iterable[VersionTrack], contents: set[str], copies: Mapping[str, Link]
) -> list[AffectedTrack]:
    """Each track once, as the newest version has it."""
    tracks = {item.track.track_id: item for item in items}
    links = {key: copies.get(key) if item.sha256 not in contents else None for key, item in tracks.items()}
    return [
        AffectedTrack(
            track_id=key,
            sha256=item.sha256,
            title=item.credited_title,
            named_by=item.source_ids,
            relation=link.in_words(link.origin) if (link := links[key]) else None,
        )
        for key, item in sorted(tracks.items(), key=lambda pair: (len(pair[0]), pair[0]))
    ]


def _versions(
    inputs: AuditInputs, affected: list[tuple[DatasetVersion, list[VersionTrack]]]
) -> list[AffectedVersion]:
    current = inputs.dataset.value.hash if inputs.dataset.value else None
    return [
        AffectedVersion(
            dataset_id=version.dataset.dataset_id,
            hash=version.dataset.hash,
            created=version.dataset.created,
            tracks=[item.track.track_id for item in items],
            seconds=sum(item.track.duration for item in items),
            current=version.dataset.hash == current,
        )
        for version, items in affected
    ]


def _checkpoints(inputs: AuditInputs, versions: set[str]) -> list[tuple[CheckpointFolder, CheckpointRecord]]:
    """The checkpoints that were trained on one of these versions, or went on from one that was."""
    return [
        (item, item.record)
        for item in inputs.checkpoints
        if item.record is not None and not versions.isdisjoint(item.record.lineage.datasets)
    ]


def _checkpoint(
    inputs: AuditInputs, checkpoint: CheckpointFolder, record: CheckpointRecord
) -> AffectedCheckpoint:
    return AffectedCheckpoint(
        partition_key=record.partition_key,
        checkpoint_id=checkpoint.folder.name,
        path=inputs.root.relative(checkpoint.folder),
        dataset_hash=record.lineage.dataset_hash,
        preset=record.lineage.preset,
        lineage=record.lineage.lineage,
        pruned=record.pruned,
    )


def _retraining(records: list[CheckpointRecord]) -> list[Retraining]:
    """One entry for each lineage."""
    lineages: dict[str, list[CheckpointRecord]] = {}
    for record in records:
        lineages.setdefault(record.lineage.lineage, []).append(record)
    return [
        Retraining(
            lineage=lineage,
            preset=found[0].lineage.preset,
            base=found[0].lineage.base.name,
            dataset_hash=found[0].lineage.dataset_hash,
            checkpoints=[record.partition_key for record in found],
        )
        for lineage, found in lineages.items()
    ]
