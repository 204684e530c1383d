"""What a source has fed: its tracks, the data set versions that hold them, the checkpoints that were trained on those."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pydantic import Field

from lofi_pipeline.audit.errors import UnknownSubject
from lofi_pipeline.audit.verdicts import judged_now, manifests_now
from lofi_pipeline.checkpoints.folder import all_checkpoints
from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    Entity,
    RecordError,
    Registry,
    Scan,
    SourceRecord,
    Verdict,
)
from lofi_pipeline.entities.base import Identifier, Sha256, Timestamp, TrackId
from lofi_pipeline.licensing.withdrawals import Withdrawal, load_withdrawals, withdrawn_sources
from lofi_pipeline.storage import DataRoot, UnreadableRecord, read_json


class AffectedTrack(Entity):
    """A track that came from the source, or holds the same bytes under another source's name."""

    track_id: TrackId
    sha256: Sha256
    title: str | None = None
    named_by: list[Identifier] = Field(description="The sources that its records name")


class AffectedVersion(Entity):
    """A data set version with tracks of the source."""

    dataset_id: str
    hash: Sha256
    created: Timestamp
    tracks: list[TrackId]
    seconds: float
    current: bool = Field(description="Whether it is the data set as it is now")


class AffectedCheckpoint(Entity):
    """A checkpoint that was trained on a tainted version."""

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
    unreadable: list[str] = Field(
        default_factory=list, description="Records that could not be read: what they hold is not known"
    )

    @property
    def in_force(self) -> bool:
        """Whether the source may be trained on today."""
        return self.verdict.permitted


def trace(root: DataRoot, source_id: str, settings: LicensingSettings, today: date) -> Impact:
    """Follow a source downstream, by its id and by the content of its tracks.

    Raises:
        UnknownSubject: no source of that id was ever here.
    """
    unreadable: list[str] = []
    versions = list(_versions(root, unreadable))
    withdrawal = withdrawn_sources(load_withdrawals(root), today).get(source_id)
    record = _record(root, source_id, versions)
    if record is None:
        raise UnknownSubject(
            f"no source {source_id!r:.80} in any data set version or drop; there are: {', '.join(_known(root, versions))}"
        )
    contents = _contents(root, source_id, versions, withdrawal)
    found = [(version, _held(version, source_id, contents)) for version in versions]
    held = [(version, tracks) for version, tracks in found if tracks]
    tracks = {item.track.track_id: item for _, items in held for item in items}
    current = _current(root)
    affected = {version.dataset.hash for version, _ in held}
    landed = [item for item in all_checkpoints(root) if item.record or not unreadable.append(str(item.error))]
    checkpoints = [
        AffectedCheckpoint(
            partition_key=item.key,
            checkpoint_id=item.folder.name,
            path=root.relative(item.folder),
            dataset_hash=item.record.lineage.dataset_hash,
            preset=item.record.lineage.preset,
            lineage=item.record.lineage.lineage,
            pruned=item.record.pruned,
        )
        for item in landed
        if item.record is not None and item.record.lineage.dataset_hash in affected
    ]
    bases = {
        item.record.lineage.lineage: item.record.lineage.base.name
        for item in landed
        if item.record is not None
    }
    return Impact(
        source_id=source_id,
        provider=record.provider,
        license_type=record.license_type,
        day=today,
        verdict=judged_now(root, record, versions, settings, today),
        withdrawn=withdrawal.day if withdrawal else None,
        withdrawn_reason=withdrawal.reason if withdrawal else None,
        tracks=[
            AffectedTrack(track_id=key, sha256=item.sha256, title=item.title, named_by=item.source_ids)
            for key, item in sorted(tracks.items(), key=lambda pair: (len(pair[0]), pair[0]))
        ],
        versions=[
            AffectedVersion(
                dataset_id=version.dataset.dataset_id,
                hash=version.dataset.hash,
                created=version.dataset.created,
                tracks=[item.track.track_id for item in items],
                seconds=sum(item.track.duration for item in items),
                current=version.dataset.hash == current,
            )
            for version, items in held
        ],
        checkpoints=checkpoints,
        retrain=_retraining(checkpoints, bases),
        caches=_cached(root, {item.audio_sha256 for _, items in held for item in items}),
        unreadable=unreadable,
    )


def _versions(root: DataRoot, unreadable: list[str]) -> Iterator[DatasetVersion]:
    found = []
    for path in root.dataset_version("any").parent.glob("*.json"):
        try:
            found.append(DatasetVersion.parse(read_json(path), where=root.relative(path)))
        except (OSError, UnreadableRecord, RecordError) as error:
            unreadable.append(str(error))
    yield from sorted(found, key=lambda version: version.dataset.created)


def _record(root: DataRoot, source_id: str, versions: list[DatasetVersion]) -> SourceRecord | None:
    """The source as the newest version keeps it, else as its drop says."""
    for version in reversed(versions):
        for record in version.sources:
            if record.source_id == source_id:
                return record
    manifest = manifests_now(root).get(source_id)
    return manifest.record([]) if manifest else None


def _known(root: DataRoot, versions: list[DatasetVersion]) -> list[str]:
    named = {record.source_id for version in versions for record in version.sources}
    return sorted(named | set(manifests_now(root)))[:20]


def _contents(
    root: DataRoot, source_id: str, versions: list[DatasetVersion], withdrawal: Withdrawal | None
) -> set[str]:
    """SHA-256 of every original that this source ever brought."""
    found = set(withdrawal.sha256s) if withdrawal else set()
    for version in versions:
        found |= {item.sha256 for item in version.tracks if source_id in item.source_ids}
    try:
        registry = Registry.parse(read_json(root.registry_json), where=str(root.registry_json))
        found |= {
            track.sha256
            for track in registry.tracks
            if any(origin.source_id == source_id for origin in track.origins)
        }
        scan = Scan.parse(read_json(root.drops_json), where=str(root.drops_json))
        for drop in scan.drops:
            if drop.manifest is not None and drop.manifest.source_id == source_id:
                found |= {file.sha256 for file in drop.files if file.sha256}
    except (OSError, UnreadableRecord, RecordError):
        pass  # what the versions say is enough to trace by
    return found


def _held(version: DatasetVersion, source_id: str, contents: set[str]):
    return [item for item in version.tracks if source_id in item.source_ids or item.sha256 in contents]


def _current(root: DataRoot) -> str | None:
    path = root.dataset_manifest_json
    try:
        return Dataset.parse(read_json(path), where=str(path)).hash
    except (OSError, UnreadableRecord, RecordError):
        return None


def _cached(root: DataRoot, audio: set[str]) -> list[str]:
    """Latents and embeddings that are named by the hash of processed audio."""
    folders = [*(root.cache / "latents").glob("*"), *(root.cache / "reference").glob("*")]
    return sorted(
        root.relative(path) for folder in folders for path in folder.glob("*") if path.stem in audio
    )


def _retraining(checkpoints: list[AffectedCheckpoint], bases: dict[str, str]) -> list[Retraining]:
    lineages = dict.fromkeys(item.lineage for item in checkpoints)
    found = []
    for lineage in lineages:
        items = [item for item in checkpoints if item.lineage == lineage]
        found.append(
            Retraining(
                lineage=lineage,
                preset=items[0].preset,
                base=bases[lineage],
                dataset_hash=items[0].dataset_hash,
                checkpoints=[item.partition_key for item in items],
            )
        )
    return found
