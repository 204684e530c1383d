"""Tracks of a version that hang together with another recording: a withdrawn one, or one that came under stricter terms.

The relation and the terms are in dataset/barred.py; here they are asked for tracks as a version keeps them, present or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset import Eligibility
from lofi_pipeline.dataset.barred import Known, WithdrawnCopy, copies_of_withdrawn, under_stricter_terms
from lofi_pipeline.dataset.recordings import Link, Recordings
from lofi_pipeline.entities import (
    DatasetVersion,
    DropManifest,
    EvidenceFile,
    Provenance,
    RegisteredTrack,
    SourceRecord,
    TrackOrigin,
    Verdict,
    VersionTrack,
)
from lofi_pipeline.ingest import DeclaredTerms
from lofi_pipeline.licensing import Withdrawal, judge_source


def recordings_of(
    inputs: AuditInputs, contents: Iterable[str], versions: Iterable[DatasetVersion]
) -> dict[str, Link]:
    """Every recording that is the same as one with these bytes, or holds a part of one; not these themselves."""
    known, wanted = _known(inputs, versions), set(contents)
    origins = [it for it, sha256 in known.contents.items() if sha256 in wanted]
    return Recordings(inputs.comparisons).holding(origins)


def withdrawn_copies(
    inputs: AuditInputs, version: DatasetVersion, withdrawn: Mapping[str, Withdrawal]
) -> dict[str, WithdrawnCopy]:
    """By track of a version that hangs together with a withdrawn recording: how, and how sure that is."""
    ids = {item.track.track_id for item in version.tracks}
    found = copies_of_withdrawn(_known(inputs, [version]), withdrawn, inputs.comparisons)
    return {it.recording_id: it for it in found if it.recording_id in ids}


def tracks_under_stricter_terms(
    inputs: AuditInputs, version: DatasetVersion, config: PipelineConfig, today: date
) -> dict[str, str]:
    """By track of a version whose recording came under stricter terms than the version took it under: the reason."""
    known = _known(inputs, [version])
    if not (known.remembered or inputs.comparisons.pairs):
        return {}
    eligibility = _as_the_version_says(inputs, version, config, today)
    tracks = [
        _registered(item) for item in version.tracks if set(item.source_ids) <= eligibility.manifests.keys()
    ]
    return under_stricter_terms(known, eligibility, inputs.comparisons, tracks)


def _known(inputs: AuditInputs, versions: Iterable[DatasetVersion]) -> Known:
    """What is on record; tracks that versions keep are known without a registry too."""
    contents = {item.track.track_id: item.sha256 for version in versions for item in version.tracks}
    contents |= {track_id: sha256 for track_id, (sha256, _) in inputs.registered.tracks.items()}
    return Known.among(inputs.root, contents, inputs.refused, inputs.memory)


def _registered(item: VersionTrack) -> RegisteredTrack:
    origins = [
        TrackOrigin(source_id=source_id, path=f"raw/{item.track.filename}", licence=item.licence)
        for source_id in item.source_ids
    ]
    return RegisteredTrack(track_id=item.track.track_id, sha256=item.sha256, origins=origins)


def _as_the_version_says(
    inputs: AuditInputs, version: DatasetVersion, config: PipelineConfig, today: date
) -> Eligibility:
    """The sources of a version on the terms that it keeps, and what their drops supersede today."""

    def judge(manifest: DropManifest, evidence: Sequence[EvidenceFile]) -> Verdict:
        return judge_source(
            manifest, config.licensing, evidence=evidence, day=today, base=config.training.base
        )

    behind = {item.source_id: item for item in version.provenance}
    manifests = {it.source_id: _terms(it, behind.get(it.source_id)).manifest() for it in version.sources}
    provenance = {
        source_id: behind.get(source_id) or Provenance(source_id=source_id, verdict=judge(manifest, []))
        for source_id, manifest in manifests.items()
    }
    drops = inputs.scan.value.drops if inputs.scan.value else []
    replaces = {drop.manifest.source_id: drop.replaces for drop in drops if drop.manifest and drop.replaces}
    return Eligibility(today, provenance, manifests, replaces=replaces, judge=judge)


def _terms(source: SourceRecord, behind: Provenance | None) -> DeclaredTerms:
    grant, url = (behind.grant, behind.url) if behind else (None, None)
    documents = {item.evidence.document: item.sha256 for item in (behind.evidence if behind else [])}
    return DeclaredTerms(
        source=source.model_copy(update={"track_ids": []}), grant=grant, url=url, documents=documents
    )
